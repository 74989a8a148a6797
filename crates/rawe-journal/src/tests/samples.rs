//! Entries for tests: fixed ones that tell one trade's story, and random ones of every kind.

use chrono::{TimeDelta, TimeZone as _, Utc};
use proptest::prelude::*;
use rawe_core::decision::{Absence, RoundVote};
use rawe_core::{
    AgentId, ClosedTrade, DecisionId, Direction, ExitReason, Fill, Hindsight, Purpose,
    RoundOutcome, RoundRecord, SignalType, Symbol, Timestamp, TradeVote, WeightChange,
};
use rawe_execution::broker::{
    Amount, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce,
};
use rawe_execution::gate::TradingState;
use rawe_execution::journal::{ControlRecord, Intent, JournalEntry, PositionRecord, Resolution};
use rust_decimal::Decimal;

pub(super) fn at(seconds: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 5, 15, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub(super) fn symbol() -> Symbol {
    Symbol::new("AAPL").unwrap()
}

pub(super) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(super) fn intent(deployment: &str, purpose: Purpose) -> Intent {
    let decision_id = DecisionId::derive(deployment, &symbol(), purpose, None);
    Intent {
        order: OrderRequest {
            client_order_id: decision_id.client_order_id(),
            symbol: symbol(),
            side: if purpose == Purpose::Open {
                Side::Buy
            } else {
                Side::Sell
            },
            closes: purpose != Purpose::Open,
            amount: Amount::Notional(decimal("500.25")),
            time_in_force: TimeInForce::Day,
            kind: OrderKind::Market,
        },
        decision_id,
        round_id: "AAPL@1".into(),
        purpose,
        decided_at: at(0),
        void_after: at(60),
        leg_of: None,
    }
}

pub(super) fn report(intent: &Intent, status: OrderStatus, filled: &str) -> OrderReport {
    OrderReport {
        broker_order_id: format!("broker-{}", intent.purpose),
        client_order_id: intent.order.client_order_id.to_string(),
        symbol: intent.order.symbol.clone(),
        side: intent.order.side,
        status,
        quantity: None,
        notional: Some(decimal("500.25")),
        filled_quantity: decimal(filled),
        filled_average_price: Some(decimal("250")),
        submitted_at: Some(at(1)),
        filled_at: None,
        updated_at: Some(at(2)),
        legs: Vec::new(),
    }
}

pub(super) fn round(outcome: RoundOutcome) -> RoundRecord {
    let opening = intent("demo", Purpose::Open);
    let decided = outcome.is_decision();
    RoundRecord {
        round_id: "AAPL@1".into(),
        asset: symbol(),
        opened: at(0),
        closed: at(0),
        outcome,
        reason: "three agreed".into(),
        direction: Some(Direction::Long),
        quorum: 3,
        votes: vec![RoundVote {
            agent: AgentId::new("b").unwrap(),
            direction: Direction::Long,
            timestamp: at(0),
            signal_id: Some("signal-7".into()),
            signal_type: SignalType::Divergence,
            strength: 0.5,
            size: Decimal::TEN,
            expected_profit: 1.0,
            narrative_id: "signal-8".into(),
            weight_millionths: 1_000_000,
        }],
        absences: [(AgentId::new("a").unwrap(), Absence::Silent)].into(),
        equivocated: vec![],
        effective_votes: Some(2.5),
        purpose: decided.then_some(Purpose::Open),
        notional: decided.then_some(Decimal::TEN),
        expected_profit: decided.then_some(1.25),
        decision_id: decided.then(|| opening.decision_id.clone()),
        client_order_id: decided.then_some(opening.order.client_order_id),
    }
}

/// A round that came to nothing.
pub(super) fn near_miss(number: i64) -> RoundRecord {
    let mut missed = round(RoundOutcome::NoQuorum);
    missed.round_id = format!("AAPL@miss-{number}");
    missed.closed = at(number);
    missed
}

pub(super) fn fill(intent: &Intent, quantity: &str, price: &str, seconds: i64) -> Fill {
    Fill {
        client_order_id: intent.order.client_order_id.clone(),
        asset: intent.order.symbol.clone(),
        purpose: intent.purpose,
        direction: Direction::Long,
        quantity: decimal(quantity),
        price: decimal(price),
        fee_quantity: Decimal::ZERO,
        fee: decimal("0.01"),
        at: at(seconds),
    }
}

pub(super) fn position(quantity: &str, cause: &str, seconds: i64) -> JournalEntry {
    JournalEntry::Position(PositionRecord {
        at: at(seconds),
        asset: symbol(),
        quantity: decimal(quantity),
        entry_price: decimal("250"),
        stop_price: Some(decimal("200")),
        foreign_quantity: Decimal::ZERO,
        cause: cause.into(),
    })
}

pub(super) fn closed_trade() -> ClosedTrade {
    ClosedTrade {
        opened_by: intent("demo", Purpose::Open).order.client_order_id,
        closed_by: Some(intent("demo", Purpose::Close).order.client_order_id),
        opening_round: "AAPL@1".into(),
        closing_round: None,
        asset: symbol(),
        direction: Direction::Long,
        opened_at: at(3),
        closed_at: at(20),
        quantity: decimal("2"),
        entry_price: decimal("250"),
        exit_price: decimal("255"),
        fees: decimal("0.02"),
        realised: decimal("9.98"),
        reason: ExitReason::SoftExit,
        votes: vec![TradeVote {
            agent: AgentId::new("b").unwrap(),
            direction: Direction::Long,
        }],
    }
}

/// A whole trade: decided, doubted once, filled in two parts, closed, and weighed.
pub(super) fn story() -> Vec<JournalEntry> {
    let (open, close) = (
        intent("demo", Purpose::Open),
        intent("demo", Purpose::Close),
    );
    let submission = |intent: &Intent, attempt, outcome: &str, seconds| JournalEntry::Submission {
        at: at(seconds),
        client_order_id: intent.order.client_order_id.clone(),
        attempt,
        outcome: outcome.into(),
    };
    let heard = |intent: &Intent, status, filled, seconds| JournalEntry::Report {
        at: at(seconds),
        report: Box::new(report(intent, status, filled)),
    };
    let ended = |intent: &Intent, seconds| JournalEntry::Resolved {
        at: at(seconds),
        client_order_id: intent.order.client_order_id.clone(),
        resolution: Resolution::Terminal(Box::new(report(intent, OrderStatus::Filled, "2"))),
    };
    vec![
        JournalEntry::Control(ControlRecord {
            at: at(-5),
            state: TradingState::Active,
            flatten: false,
            source: "engine".into(),
            reason: "ready".into(),
        }),
        JournalEntry::Round(Box::new(near_miss(-1))),
        JournalEntry::Round(Box::new(round(RoundOutcome::Opened))),
        JournalEntry::Intent(open.clone()),
        submission(&open, 1, "unknown: timed out", 1),
        submission(&open, 2, "accepted", 2),
        heard(&open, OrderStatus::PartiallyFilled, "1", 2),
        JournalEntry::Fill(fill(&open, "1", "250", 2)),
        position("1", "fill", 2),
        heard(&open, OrderStatus::Filled, "2", 3),
        JournalEntry::Fill(fill(&open, "1", "250", 3)),
        position("2", "fill", 3),
        ended(&open, 3),
        JournalEntry::Hindsight(hindsight(-1)),
        JournalEntry::Intent(close.clone()),
        submission(&close, 1, "accepted", 19),
        heard(&close, OrderStatus::Filled, "2", 20),
        JournalEntry::Fill(fill(&close, "2", "255", 20)),
        position("0", "fill", 20),
        JournalEntry::Trade(Box::new(closed_trade())),
        ended(&close, 20),
        JournalEntry::Weights(WeightChange {
            at: at(20),
            trade: Some(open.order.client_order_id),
            weights_millionths: [(AgentId::new("b").unwrap(), 1_100_000)].into(),
            scores_millionths: std::collections::BTreeMap::new(),
            trades: [(AgentId::new("b").unwrap(), 1)].into(),
            reason: "it gained".into(),
        }),
    ]
}

pub(super) fn hindsight(number: i64) -> Hindsight {
    Hindsight {
        round_id: near_miss(number).round_id,
        asset: symbol(),
        direction: Direction::Long,
        entered_at: at(number),
        entry_price: 250.0,
        judged_at: at(number + 10),
        exit_price: 252.5,
        gross_bp: 100.0,
    }
}

/// Whether it is kept for ever.
pub(super) fn is_kept(entry: &JournalEntry) -> bool {
    match entry {
        JournalEntry::Round(round) => round.outcome.is_decision(),
        JournalEntry::Hindsight(_) => false,
        _ => true,
    }
}

/// What a starting engine is told of these entries.
pub(super) fn history_of(entries: &[JournalEntry]) -> Vec<JournalEntry> {
    let judged = |id: &str| {
        let mut judgements = entries.iter();
        judgements.any(|entry| matches!(entry, JournalEntry::Hindsight(h) if h.round_id == id))
    };
    let told = entries.iter().filter(|entry| match entry {
        JournalEntry::Round(round) if !round.outcome.is_decision() => !judged(&round.round_id),
        entry => is_kept(entry),
    });
    told.cloned().collect()
}

/// Finite numbers of up to fifteen digits: JSON as it is read here keeps those exactly, and of
/// longer ones all but the last bit.
fn number() -> impl Strategy<Value = f64> {
    (-1_000_000_000_i64..1_000_000_000).prop_map(|n| n as f64 / 64.0)
}

fn amount() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0_u32..18).prop_map(|(digits, scale)| Decimal::new(digits, scale))
}

fn time() -> impl Strategy<Value = Timestamp> {
    (-4_000_000_000_000_i64..4_000_000_000_000)
        .prop_map(|micros| at(0) + TimeDelta::microseconds(micros))
}

/// Text with everything that a broker or an operator may say.
fn words() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

fn round_entry() -> impl Strategy<Value = JournalEntry> {
    (
        0..RoundOutcome::ALL.len(),
        words(),
        time(),
        number(),
        proptest::option::of(amount()),
        0_usize..6,
    )
        .prop_map(|(outcome, reason, closed, strength, notional, votes)| {
            let mut record = round(RoundOutcome::ALL[outcome]);
            let mut vote = record.votes.remove(0);
            vote.strength = strength;
            record.votes = vec![vote; votes];
            (record.reason, record.closed, record.notional) = (reason, closed, notional);
            JournalEntry::Round(Box::new(record))
        })
}

fn order_entry() -> impl Strategy<Value = JournalEntry> {
    (0_usize..7, words(), time(), amount(), amount()).prop_map(|(kind, text, when, x, y)| {
        let mut sent = intent(&text, Purpose::Stop);
        sent.order.amount = Amount::Quantity(x);
        sent.order.kind = OrderKind::StopLimit { stop: x, limit: y };
        let mut heard = report(&sent, OrderStatus::Canceled, "0");
        (heard.filled_quantity, heard.filled_average_price) = (x, Some(y));
        let client_order_id = sent.order.client_order_id.clone();
        match kind {
            0 => JournalEntry::Intent(sent),
            1 => JournalEntry::Submission {
                at: when,
                client_order_id,
                attempt: 2,
                outcome: text,
            },
            2 => JournalEntry::Report {
                at: when,
                report: Box::new(heard),
            },
            3 => JournalEntry::Resolved {
                at: when,
                client_order_id,
                resolution: Resolution::Rejected { message: text },
            },
            4 => {
                let target = Some(y);
                sent.order.kind = OrderKind::WithExits { stop: x, target };
                JournalEntry::Intent(sent)
            }
            5 => {
                sent.order.kind = OrderKind::Limit { limit: x };
                sent.leg_of = Some(client_order_id);
                JournalEntry::Intent(sent)
            }
            _ => JournalEntry::Resolved {
                at: when,
                client_order_id,
                resolution: Resolution::Terminal(Box::new(heard)),
            },
        }
    })
}

fn result_entry() -> impl Strategy<Value = JournalEntry> {
    (0_usize..6, words(), time(), amount(), number()).prop_map(
        |(kind, text, when, x, y)| match kind {
            0 => {
                let mut filled = fill(&intent(&text, Purpose::Open), "1", "1", 0);
                (filled.at, filled.quantity) = (when, x);
                JournalEntry::Fill(filled)
            }
            1 => {
                let mut trade = closed_trade();
                (trade.closed_at, trade.realised) = (when, x);
                JournalEntry::Trade(Box::new(trade))
            }
            2 => position(&x.to_string(), &text, 0),
            3 => {
                let mut judged = hindsight(0);
                (judged.judged_at, judged.gross_bp) = (when, y);
                JournalEntry::Hindsight(judged)
            }
            4 => JournalEntry::Weights(WeightChange {
                at: when,
                trade: None,
                weights_millionths: [(AgentId::new("a").unwrap(), 1)].into(),
                scores_millionths: std::collections::BTreeMap::new(),
                trades: std::collections::BTreeMap::new(),
                reason: text,
            }),
            _ => JournalEntry::Control(ControlRecord {
                at: when,
                state: TradingState::Reducing,
                flatten: x.is_sign_negative(),
                source: "bus".into(),
                reason: text,
            }),
        },
    )
}

/// An entry of any kind.
pub(super) fn entry() -> impl Strategy<Value = JournalEntry> {
    prop_oneof![round_entry(), order_entry(), result_entry()]
}

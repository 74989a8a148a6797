//! What a decision costs inside the desk: Decided, Commit, Committed, Submit; beside books of
//! nothing and of 5,000 positions. Nothing here waits for a disk or a broker.

use std::collections::BTreeMap;
use std::hint::black_box;

use chrono::{DateTime, TimeDelta};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rawe_core::identity::round_id;
use rawe_core::{
    AgentId, Direction, Purpose, RoundOutcome, RoundRecord, RoundVote, SignalType, Symbol,
    Timestamp,
};
use rawe_execution::broker::{
    Account, AssetInfo, BrokerClock, OrderReport, OrderStatus, PastOrders, PositionReport, Side,
    SubmitOutcome,
};
use rawe_execution::desk::{
    Answer, Decision, Desk, DeskEffect, DeskEvent, DeskSettings, ExitRules, Question,
};
use rawe_execution::{PriceRule, RiskLimits};
use rust_decimal::Decimal;

/// Assets on which decisions fall, each once for a desk.
const DECIDED: usize = 512;

fn now() -> Timestamp {
    DateTime::from_timestamp(1_767_625_200, 0).unwrap_or_default()
}

fn asset(prefix: &str, index: usize) -> Symbol {
    match Symbol::new(&format!("{prefix}{index}")) {
        Ok(symbol) => symbol,
        Err(_) => std::process::exit(2),
    }
}

fn settings() -> DeskSettings {
    let many = Decimal::from(1_000_000_000_000_u64);
    DeskSettings {
        deployment: "bench".to_owned(),
        limits: RiskLimits {
            asset_notional_max: many,
            gross_notional_max: many,
            net_notional_max: many,
            orders_per_minute_max: 1_000_000_000,
            last_price: PriceRule::Off,
            ..RiskLimits::default()
        },
        exits: ExitRules::default(),
        new_positions_per_hour: 1_000_000_000,
    }
}

fn answer(question: &Question, positions: &[PositionReport]) -> Answer {
    let usd = Decimal::from(1_000_000_000_u64);
    match question {
        Question::Account => Answer::Account(Account {
            id: "bench".to_owned(),
            can_trade: true,
            shorting_enabled: true,
            equity: usd,
            cash: usd,
            buying_power: usd,
            non_marginable_buying_power: usd,
        }),
        Question::Clock => Answer::Clock(BrokerClock {
            timestamp: now(),
            is_open: true,
            next_open: now() + TimeDelta::days(1),
            next_close: now() + TimeDelta::hours(6),
        }),
        Question::Positions => Answer::Positions(positions.to_vec()),
        Question::PastOrders => Answer::PastOrders(PastOrders::default()),
        Question::OpenOrders | Question::ClosedOrders(_) => Answer::Orders(Vec::new()),
        Question::Asset(symbol) => Answer::Asset(Some(AssetInfo {
            symbol: symbol.clone(),
            class: symbol.class(),
            tradable: true,
            fractionable: true,
            shortable: true,
            quantity_min: None,
            quantity_increment: None,
        })),
        Question::LatestPrice(_) => Answer::Price(Some((Decimal::ONE_HUNDRED, now()))),
        Question::Order(_) => Answer::Order(None),
    }
}

/// Performs questions and commits until nothing is left.
fn settle(desk: &mut Desk, first: Vec<DeskEffect>, positions: &[PositionReport]) {
    let mut effects = first;
    while let Some(effect) = effects.pop() {
        let event = match effect {
            DeskEffect::Ask { question, .. } => {
                let answer = Ok(answer(&question, positions));
                DeskEvent::Answered { question, answer }
            }
            DeskEffect::Commit { ticket, .. } => DeskEvent::Committed(ticket),
            _ => continue,
        };
        effects.extend(desk.apply(event, now()));
    }
}

/// A desk that is ready, with so many positions of others and every decided asset known.
fn desk(positions: usize) -> Desk {
    let held: Vec<PositionReport> = (0..positions)
        .map(|index| PositionReport {
            symbol: asset("H", index),
            quantity: Decimal::TEN,
            quantity_available: Decimal::TEN,
            average_entry_price: Decimal::ONE_HUNDRED,
            market_value: Decimal::ONE_THOUSAND,
        })
        .collect();
    let mut desk = Desk::new(settings());
    let effects = desk.apply(DeskEvent::Started(Vec::new()), now());
    settle(&mut desk, effects, &held);
    for index in 0..DECIDED {
        let effects = desk.apply(DeskEvent::AssetWanted(asset("D", index)), now());
        settle(&mut desk, effects, &held);
    }
    desk
}

fn decision(index: usize) -> Box<Decision> {
    let asset = asset("D", index);
    let votes = ["alpha", "beta", "gamma"]
        .iter()
        .filter_map(|name| AgentId::new(name).ok())
        .map(|agent| RoundVote {
            agent,
            direction: Direction::Long,
            timestamp: now(),
            signal_id: Some("0190-0000".to_owned()),
            signal_type: SignalType::Divergence,
            strength: 0.5,
            size: Decimal::ONE_THOUSAND,
            expected_profit: 1.0,
            narrative_id: "n".to_owned(),
            weight_millionths: 1_000_000,
        })
        .collect();
    Box::new(Decision {
        record: RoundRecord {
            round_id: round_id(&asset, now()),
            asset,
            opened: now(),
            closed: now(),
            outcome: RoundOutcome::Opened,
            reason: "three agree".to_owned(),
            direction: Some(Direction::Long),
            quorum: 3,
            votes,
            absences: BTreeMap::new(),
            equivocated: Vec::new(),
            effective_votes: None,
            purpose: Some(Purpose::Open),
            notional: Some(Decimal::ONE_THOUSAND),
            expected_profit: Some(1.0),
            decision_id: None,
            client_order_id: None,
        },
        purpose: Purpose::Open,
        direction: Direction::Long,
        void_after: now() + TimeDelta::seconds(30),
        exit: None,
    })
}

/// From the decision to the POST; gives back what is to be sent.
fn decide(desk: &mut Desk, decision: Box<Decision>) -> Vec<DeskEffect> {
    let effects = desk.apply(DeskEvent::Decided(decision), now());
    let ticket = effects.iter().find_map(|effect| match effect {
        DeskEffect::Commit { ticket, .. } => Some(*ticket),
        _ => None,
    });
    match ticket {
        Some(ticket) => desk.apply(DeskEvent::Committed(ticket), now()),
        None => std::process::exit(3),
    }
}

/// The broker has filled it at once.
fn fill(desk: &mut Desk, sent: &[DeskEffect]) -> Vec<DeskEffect> {
    let order = sent.iter().find_map(|effect| match effect {
        DeskEffect::Submit(order) => Some(order),
        _ => None,
    });
    let Some(order) = order else {
        std::process::exit(4)
    };
    let report = OrderReport {
        broker_order_id: "1".to_owned(),
        client_order_id: order.client_order_id.to_string(),
        symbol: order.symbol.clone(),
        side: Side::Buy,
        status: OrderStatus::Filled,
        quantity: None,
        notional: Some(Decimal::ONE_THOUSAND),
        filled_quantity: Decimal::TEN,
        filled_average_price: Some(Decimal::ONE_HUNDRED),
        submitted_at: Some(now()),
        filled_at: Some(now()),
        updated_at: Some(now()),
        legs: Vec::new(),
    };
    let event = DeskEvent::Submitted {
        id: order.client_order_id.clone(),
        outcome: SubmitOutcome::Accepted(Box::new(report)),
    };
    desk.apply(event, now())
}

fn bench(criterion: &mut Criterion) {
    for positions in [0, 5_000] {
        let name = format!("512 decisions to their fills, {positions} positions");
        criterion.bench_function(&name, |bencher| {
            bencher.iter_batched(
                || {
                    let decisions: Vec<Box<Decision>> = (0..DECIDED).map(decision).collect();
                    (desk(positions), decisions)
                },
                |(mut desk, decisions)| {
                    for decision in decisions {
                        let sent = decide(&mut desk, decision);
                        black_box(fill(&mut desk, &sent));
                    }
                    desk
                },
                BatchSize::LargeInput,
            );
        });
        let name = format!("price of an asset not held, {positions} positions");
        criterion.bench_function(&name, |bencher| {
            let mut desk = desk(positions);
            let asset = asset("D", 1);
            bencher.iter(|| {
                let event = DeskEvent::Price {
                    asset: asset.clone(),
                    price: Decimal::ONE_HUNDRED,
                    at: now(),
                };
                black_box(desk.apply(event, now()))
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);

//! `rawe why`, `rounds`, `orders`, `positions`, `pnl` and `journal` as a user runs them: the real
//! binary over a journal made by the real writer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrono::{TimeDelta, TimeZone as _, Utc};
use rawe_core::decision::{Absence, RoundVote};
use rawe_core::{
    AgentId, ClosedTrade, DecisionId, Direction, ExitReason, Fill, Hindsight, Purpose,
    RoundOutcome, RoundRecord, SignalType, Symbol, Timestamp, TradeVote,
};
use rawe_execution::broker::{
    Amount, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce,
};
use rawe_execution::gate::TradingState;
use rawe_execution::journal::{
    ControlRecord, Intent, Journal as _, JournalEntry, PositionRecord, Resolution,
};
use rawe_journal::{Durability, SqliteJournal};
use rust_decimal::Decimal;

fn at(seconds: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 5, 4, 15, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn vote(agent: &str, direction: Direction) -> RoundVote {
    RoundVote {
        agent: AgentId::new(agent).unwrap(),
        direction,
        timestamp: at(0),
        signal_id: Some(format!("signal-of-{agent}")),
        signal_type: SignalType::NarrativeLeads,
        strength: 0.5,
        size: Decimal::from(1_000),
        expected_profit: 12.0,
        narrative_id: "story-1".into(),
        weight_millionths: 1_000_000,
    }
}

fn round(asset: &str, outcome: RoundOutcome, votes: Vec<RoundVote>) -> RoundRecord {
    let asset = Symbol::new(asset).unwrap();
    let absences = [(AgentId::new("flux-follower").unwrap(), Absence::Abstained)];
    RoundRecord {
        round_id: format!("{asset}@1"),
        asset,
        opened: at(0),
        closed: at(10),
        outcome,
        reason: "three agreed in time".into(),
        direction: Some(Direction::Long),
        quorum: 3,
        votes,
        absences: absences.into(),
        equivocated: vec![],
        effective_votes: Some(2.5),
        purpose: None,
        notional: None,
        expected_profit: None,
        decision_id: None,
        client_order_id: None,
    }
}

fn intent(round: &RoundRecord, purpose: Purpose, seconds: i64) -> Intent {
    let decision_id = DecisionId::derive("test", &round.asset, purpose, None);
    Intent {
        order: OrderRequest {
            client_order_id: decision_id.client_order_id(),
            symbol: round.asset.clone(),
            side: if purpose == Purpose::Open {
                Side::Buy
            } else {
                Side::Sell
            },
            closes: purpose != Purpose::Open,
            amount: Amount::Notional(Decimal::from(1_000)),
            time_in_force: TimeInForce::Day,
            kind: OrderKind::Market,
        },
        decision_id,
        round_id: round.round_id.clone(),
        purpose,
        decided_at: at(seconds),
        void_after: at(seconds + 30),
    }
}

/// What a filled order leaves behind: intent, submissions, report, fill, books, end.
fn life(intent: &Intent, price: &str, left: &str, seconds: i64) -> Vec<JournalEntry> {
    let id = intent.order.client_order_id.clone();
    let report = OrderReport {
        broker_order_id: format!("broker-{}-{}", intent.purpose, intent.order.symbol),
        client_order_id: id.to_string(),
        symbol: intent.order.symbol.clone(),
        side: intent.order.side,
        status: OrderStatus::Filled,
        quantity: None,
        notional: Some(Decimal::from(1_000)),
        filled_quantity: "4.5".parse().unwrap(),
        filled_average_price: Some(price.parse().unwrap()),
        submitted_at: Some(at(seconds)),
        filled_at: Some(at(seconds)),
        updated_at: Some(at(seconds)),
    };
    let sent = |attempt, outcome: &str| JournalEntry::Submission {
        at: at(seconds),
        client_order_id: id.clone(),
        attempt,
        outcome: outcome.into(),
    };
    vec![
        JournalEntry::Intent(intent.clone()),
        sent(1, "unknown: timed out after 10 s"),
        sent(2, "accepted"),
        JournalEntry::Report {
            at: at(seconds),
            report: Box::new(report.clone()),
        },
        JournalEntry::Fill(Fill {
            client_order_id: id.clone(),
            asset: intent.order.symbol.clone(),
            purpose: intent.purpose,
            direction: Direction::Long,
            quantity: "4.5".parse().unwrap(),
            price: price.parse().unwrap(),
            fee_quantity: Decimal::ZERO,
            fee: "0.05".parse().unwrap(),
            at: at(seconds),
        }),
        JournalEntry::Position(PositionRecord {
            at: at(seconds),
            asset: intent.order.symbol.clone(),
            quantity: left.parse().unwrap(),
            entry_price: "222.22".parse().unwrap(),
            stop_price: Some("180".parse().unwrap()),
            foreign_quantity: Decimal::ZERO,
            cause: "fill".into(),
        }),
        JournalEntry::Resolved {
            at: at(seconds),
            client_order_id: id,
            resolution: Resolution::Terminal(Box::new(report)),
        },
    ]
}

/// A decided round and its opening.
fn opening(asset: &str) -> (RoundRecord, Intent) {
    let long = |agent| vote(agent, Direction::Long);
    let votes = [
        "alpha-aggressor",
        "balanced-arbitrator",
        "topological-observer",
    ]
    .map(long);
    let mut opened = round(asset, RoundOutcome::Opened, votes.into());
    let intent = intent(&opened, Purpose::Open, 10);
    opened.decision_id = Some(intent.decision_id.clone());
    opened.client_order_id = Some(intent.order.client_order_id.clone());
    opened.notional = Some(Decimal::from(1_000));
    (opened, intent)
}

/// A journal with a trade that is over, a position that is held, and a near miss that was looked
/// back at; its path and the id of the order that opened the trade.
fn journal(directory: &Path) -> (PathBuf, String) {
    let path = directory.join("journal.sqlite");
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    let (opened, open) = opening("AAPL");
    let close = intent(&opened, Purpose::Close, 3_600);
    let id = open.order.client_order_id.clone();
    let votes = opened.votes.iter().map(|vote| TradeVote {
        agent: vote.agent.clone(),
        direction: vote.direction,
    });
    let trade = ClosedTrade {
        opened_by: id.clone(),
        closed_by: Some(close.order.client_order_id.clone()),
        opening_round: opened.round_id.clone(),
        closing_round: None,
        asset: opened.asset.clone(),
        direction: Direction::Long,
        opened_at: at(11),
        closed_at: at(3_601),
        quantity: "4.5".parse().unwrap(),
        entry_price: "222.22".parse().unwrap(),
        exit_price: "230".parse().unwrap(),
        fees: "0.1".parse().unwrap(),
        realised: "34.91".parse().unwrap(),
        reason: ExitReason::SoftExit,
        votes: votes.collect(),
    };
    let mut entries = vec![
        JournalEntry::Control(ControlRecord {
            at: at(-60),
            state: TradingState::Halted,
            flatten: false,
            source: "file".into(),
            reason: "looking at the news first".into(),
        }),
        JournalEntry::Round(Box::new(opened)),
    ];
    entries.extend(life(&open, "222.22", "4.5", 11));
    entries.extend(life(&close, "230", "0", 3_601));
    entries.push(JournalEntry::Trade(Box::new(trade)));
    let (held, open) = opening("MSFT");
    entries.push(JournalEntry::Round(Box::new(held)));
    entries.extend(life(&open, "222.22", "4.5", 4_000));
    let long = vote("flux-follower", Direction::Long);
    let halted = round("BTC/USD", RoundOutcome::Halted, vec![long]);
    entries.push(JournalEntry::Hindsight(Hindsight {
        round_id: halted.round_id.clone(),
        asset: halted.asset.clone(),
        direction: Direction::Long,
        entered_at: at(10),
        entry_price: 100_000.0,
        judged_at: at(86_410),
        exit_price: 101_000.0,
        gross_bp: 100.0,
    }));
    entries.push(JournalEntry::Round(Box::new(halted)));
    journal.commit(&entries).unwrap();
    (path, id.to_string())
}

fn rawe(words: &[&str], journal: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rawe"))
        .args(words)
        .arg("--journal")
        .arg(journal)
        .output()
        .unwrap()
}

fn answer(words: &[&str], journal: &Path) -> String {
    let output = rawe(words, journal);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn why_tells_an_order_from_its_votes_to_what_it_made_by_any_of_its_ids() {
    let directory = tempfile::tempdir().unwrap();
    let (path, order) = journal(directory.path());
    let story = answer(&["why", &order], &path);
    for part in [
        "The collective buys AAPL for $1,000: 3 of 4 agree",
        "Alpha Aggressor: the story runs ahead of the price (story story-1)",
        "Flux Follower: looked and has no view",
        "worth 2.5 independent",
        "to open: buy $1000 of AAPL",
        "sent: unknown: timed out after 10 s; in doubt",
        "sent once more under the same id: accepted",
        "filled, 4.5 at $222.22 (its id broker-open-AAPL)",
        "4.5 changed hands at $222.22, fee $0.05",
        "to close: sell $1000 of AAPL",
        "after 59 min, because nobody who voted for it stands by it any more",
        "made       $34.91 net of $0.10 fees: long 4.5 from $222.22 to $230",
    ] {
        assert!(story.contains(part), "no {part:?} in:\n{story}");
    }
    for id in ["AAPL@1", "aapl"] {
        assert_eq!(answer(&["why", id], &path), story, "{id}");
    }
    for id in ["broker-open-AAPL", "signal-of-alpha-aggressor"] {
        assert!(answer(&["why", id], &path).contains(&story), "{id}");
    }
}

#[test]
fn why_tells_what_stood_in_the_way_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = journal(directory.path());
    let story = answer(&["why", "BTC/USD"], &path);
    for part in [
        "nothing was traded, told not to trade",
        "then `rawe resume`",
        "halted since 2026-05-04 14:59:00 by file: looking at the news first",
        "looking back, long from $100000 to $101000 in 1 d 0 h would have made 100 basis points",
    ] {
        assert!(story.contains(part), "no {part:?} in:\n{story}");
    }
    let reasons = answer(&["why"], &path);
    assert!(reasons.contains("3 rounds"), "{reasons}");
    assert!(
        reasons.contains("HALTED") && reasons.contains("OPENED"),
        "{reasons}"
    );
    let unknown = rawe(&["why", "no-such-id"], &path);
    assert_eq!(unknown.status.code(), Some(1));
    let error = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        error.contains("no-such-id") && error.contains("rawe rounds"),
        "{error}"
    );
}

fn json_lines(words: &[&str], path: &Path) -> Vec<serde_json::Value> {
    let text = answer(words, path);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn lists_are_filtered_and_machines_get_json_lines() {
    let directory = tempfile::tempdir().unwrap();
    let (path, order) = journal(directory.path());
    let lines = |words: &[&str]| json_lines(words, &path);
    assert_eq!(lines(&["rounds", "--json"]).len(), 3);
    assert_eq!(lines(&["rounds", "--json", "--limit", "1"]).len(), 1);
    let halted = lines(&["rounds", "--json", "--outcome", "halted"]);
    assert_eq!(halted.len(), 1);
    assert_eq!(halted[0]["asset"], "BTC/USD");
    let none = lines(&["rounds", "--json", "--until", "2026-05-04T15:00"]);
    assert!(none.is_empty());
    let orders = lines(&["orders", "--json", "--asset", "AAPL"]);
    assert_eq!(orders.len(), 2);
    let opening = &orders[0];
    assert_eq!(
        opening["intent"]["order"]["client_order_id"],
        order.as_str()
    );
    assert_eq!(opening["attempts"][1]["outcome"], "accepted");
    assert_eq!(opening["fills"][0]["price"], "222.22");
    assert_eq!(opening["end"]["status"], "filled");
    assert!(lines(&["orders", "--json", "--outcome", "open"]).is_empty());
    assert_eq!(
        lines(&["orders", "--json", "--since", "2026-05-04T16:00"]).len(),
        1
    );
    assert!(answer(&["orders", "--asset", "TSLA"], &path).contains("no such orders"));
    assert!(answer(&["orders"], &path).contains("filled, 4.5 at $222.22"));
    let missing = rawe(&["rounds"], &directory.path().join("absent.sqlite"));
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("absent.sqlite"));
}

#[test]
fn positions_and_pnl_tell_what_is_held_and_what_was_made() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = journal(directory.path());
    let held = answer(&["positions"], &path);
    for part in [
        "MSFT      long 4.5 from $222.22 since 2026-05-04 16:06:40, for 22 h 53 min",
        "up $0.00, before the fees of closing at $222.22, the journal's newest price (fill of",
        "left at $180 at the latest",
        "Alpha Aggressor, Balanced Arbitrator, Topological Observer",
        "rawe why MSFT@1",
    ] {
        assert!(held.contains(part), "no {part:?} in:\n{held}");
    }
    assert!(!held.contains("AAPL"), "{held}");
    let closed = answer(&["positions", "--closed"], &path);
    assert!(
        closed.contains("AAPL") && closed.contains("$34.91"),
        "{closed}"
    );
    let shown = json_lines(&["positions", "--json"], &path);
    assert_eq!(shown[0]["position"]["asset"], "MSFT");
    let made = answer(&["pnl"], &path);
    assert!(
        made.contains("2026-05-04") && made.contains("$34.91"),
        "{made}"
    );
    assert!(made.contains("1 of 1 trades gained"), "{made}");
    let by_agent = answer(&["pnl", "--by", "agent", "--json"], &path);
    let by_agent: serde_json::Value = serde_json::from_str(&by_agent).unwrap();
    assert_eq!(by_agent["parts"].as_object().unwrap().len(), 3);
    assert_eq!(by_agent["total"]["realised"], "34.91");
    let none = answer(&["pnl", "--since", "2026-06-01"], &path);
    assert!(none.contains("no position has been closed"), "{none}");
    // Nobody answers there.
    let words = [
        "positions",
        "--broker",
        "--alpaca-url",
        "http://127.0.0.1:9",
    ];
    let unanswered = rawe(&words, &path);
    assert_eq!(unanswered.status.code(), Some(1));
    let error = String::from_utf8_lossy(&unanswered.stderr).into_owned();
    assert!(
        error.contains("asking the broker for its positions"),
        "{error}"
    );
}

#[test]
fn the_file_is_checked_exported_and_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = journal(directory.path());
    let checked = answer(&["journal", "check"], &path);
    assert!(
        checked.contains("3 orders, 3 fills and 1 trades agree"),
        "{checked}"
    );
    let out = directory.path().join("out");
    let words = [
        "journal",
        "export",
        "--format",
        "csv",
        "--out",
        out.to_str().unwrap(),
    ];
    assert!(answer(&words, &path).contains("3 rows"));
    let fills = std::fs::read_to_string(out.join("fills.csv")).unwrap();
    assert_eq!(fills.lines().count(), 4);
    let kept = answer(&["journal", "compact", "--keep-days", "3"], &path);
    assert!(kept.contains("nothing is older than 3 days"), "{kept}");
    let mut engine = SqliteJournal::open(&path, Durability::Written).unwrap();
    let held = rawe(&["journal", "compact"], &path);
    assert_eq!(held.status.code(), Some(1));
    let error = String::from_utf8_lossy(&held.stderr).into_owned();
    assert!(
        error.contains("another engine writes to the journal"),
        "{error}"
    );
    // What does not hold is told, and fails.
    let (_, unsent) = opening("TSLA");
    engine.commit(&[JournalEntry::Intent(unsent)]).unwrap();
    let broken = rawe(&["journal", "check"], &path);
    assert_eq!(broken.status.code(), Some(1));
    let text = String::from_utf8_lossy(&broken.stdout).into_owned();
    assert!(
        text.contains("PROBLEM") && text.contains("no round decided it"),
        "{text}"
    );
}

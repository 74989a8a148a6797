//! `rawe why`, `rawe rounds` and `rawe orders` as a user runs them: the real binary over a journal
//! made by the real writer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrono::{TimeDelta, TimeZone as _, Utc};
use rawe_core::decision::{Absence, RoundVote};
use rawe_core::{
    AgentId, DecisionId, Direction, Purpose, RoundOutcome, RoundRecord, SignalType, Symbol,
    Timestamp,
};
use rawe_execution::broker::{Amount, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce};
use rawe_execution::journal::{Intent, Journal as _, Resolution};
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

/// A journal with an order that was filled, and a near miss; its path and the order's id.
fn journal(directory: &Path) -> (PathBuf, String) {
    let path = directory.join("journal.sqlite");
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    let long = |agent| vote(agent, Direction::Long);
    let mut opened = round(
        "AAPL",
        RoundOutcome::Opened,
        vec![
            long("alpha-aggressor"),
            long("balanced-arbitrator"),
            long("topological-observer"),
        ],
    );
    let decision_id = DecisionId::derive("test", &opened.asset, Purpose::Open, None);
    let order = OrderRequest {
        client_order_id: decision_id.client_order_id(),
        symbol: opened.asset.clone(),
        side: Side::Buy,
        amount: Amount::Notional(Decimal::from(1_000)),
        time_in_force: TimeInForce::Day,
        kind: rawe_execution::broker::OrderKind::Market,
    };
    opened.decision_id = Some(decision_id.clone());
    opened.client_order_id = Some(order.client_order_id.clone());
    opened.notional = Some(Decimal::from(1_000));
    journal.record_round(&opened).unwrap();
    let report = OrderReport {
        broker_order_id: "broker-77".into(),
        client_order_id: order.client_order_id.to_string(),
        symbol: order.symbol.clone(),
        side: Side::Buy,
        status: OrderStatus::Filled,
        quantity: None,
        notional: Some(Decimal::from(1_000)),
        filled_quantity: "4.5".parse().unwrap(),
        filled_average_price: Some("222.22".parse().unwrap()),
        submitted_at: Some(at(11)),
        filled_at: Some(at(11)),
        updated_at: Some(at(11)),
    };
    let id = order.client_order_id.clone();
    journal
        .record_intent(&Intent {
            decision_id,
            round_id: opened.round_id,
            purpose: Purpose::Open,
            order,
            decided_at: at(10),
            void_after: at(40),
        })
        .unwrap();
    journal.record_report(at(11), &report).unwrap();
    journal
        .resolve(&id, at(11), &Resolution::Terminal(Box::new(report)))
        .unwrap();
    let halted = round("BTC/USD", RoundOutcome::Halted, vec![long("flux-follower")]);
    journal.record_round(&halted).unwrap();
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
fn why_tells_an_order_from_its_votes_to_its_fill_by_any_of_its_ids() {
    let directory = tempfile::tempdir().unwrap();
    let (path, order) = journal(directory.path());
    let story = answer(&["why", &order], &path);
    for part in [
        "The collective buys AAPL for $1,000: 3 of 4 agree",
        "Alpha Aggressor: the story runs ahead of the price (story story-1)",
        "Flux Follower: looked and has no view",
        "worth 2.5 independent",
        "to open: buy $1000 AAPL",
        "filled, 4.5 at $222.22 (its id broker-77)",
    ] {
        assert!(story.contains(part), "no {part:?} in:\n{story}");
    }
    for id in ["AAPL@1", "broker-77", "signal-of-alpha-aggressor", "aapl"] {
        assert_eq!(answer(&["why", id], &path), story, "{id}");
    }
}

#[test]
fn why_tells_what_stood_in_the_way_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (path, _) = journal(directory.path());
    let story = answer(&["why", "BTC/USD"], &path);
    assert!(
        story.contains("nothing was traded, told not to trade"),
        "{story}"
    );
    assert!(story.contains("remove the file HALT"), "{story}");
    let reasons = answer(&["why"], &path);
    assert!(reasons.contains("2 rounds"), "{reasons}");
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

#[test]
fn lists_are_filtered_and_machines_get_json_lines() {
    let directory = tempfile::tempdir().unwrap();
    let (path, order) = journal(directory.path());
    let lines = |words: &[&str]| -> Vec<serde_json::Value> {
        let text = answer(words, &path);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    assert_eq!(lines(&["rounds", "--json"]).len(), 2);
    let halted = lines(&["rounds", "--json", "--outcome", "halted"]);
    assert_eq!(halted.len(), 1);
    assert_eq!(halted[0]["asset"], "BTC/USD");
    let orders = lines(&["orders", "--json", "--asset", "AAPL"]);
    assert_eq!(
        orders[0]["intent"]["order"]["client_order_id"],
        order.as_str()
    );
    assert!(answer(&["orders", "--asset", "MSFT"], &path).contains("no such orders"));
    assert!(answer(&["orders"], &path).contains("filled, 4.5 at $222.22"));
    let missing = rawe(&["rounds"], &directory.path().join("absent.sqlite"));
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("absent.sqlite"));
}

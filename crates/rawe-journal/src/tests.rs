//! The journal keeps what it was given, over kill -9 too, and refuses files that are not its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{TimeDelta, TimeZone, Utc};
use rawe_core::{AgentId, DecisionId, Purpose, RoundOutcome, RoundRecord, Symbol, Timestamp};
use rawe_execution::broker::{Amount, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce};
use rawe_execution::journal::{Intent, Journal, Resolution};
use rust_decimal::Decimal;

use crate::{Durability, OpenError, SqliteJournal};

fn at(seconds: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 5, 15, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn symbol() -> Symbol {
    Symbol::new("AAPL").unwrap()
}

fn intent(deployment: &str, purpose: Purpose) -> Intent {
    let decision_id = DecisionId::derive(deployment, &symbol(), purpose, None);
    Intent {
        order: OrderRequest {
            client_order_id: decision_id.client_order_id(),
            symbol: symbol(),
            side: Side::Buy,
            amount: Amount::Notional("500.25".parse().unwrap()),
            time_in_force: TimeInForce::Day,
            kind: rawe_execution::broker::OrderKind::Market,
        },
        decision_id,
        round_id: "AAPL@1".into(),
        purpose,
        decided_at: at(0),
        void_after: at(60),
    }
}

fn report(intent: &Intent, status: OrderStatus) -> OrderReport {
    OrderReport {
        broker_order_id: "b-1".into(),
        client_order_id: intent.order.client_order_id.to_string(),
        symbol: symbol(),
        side: Side::Buy,
        status,
        quantity: None,
        notional: Some("500.25".parse().unwrap()),
        filled_quantity: "2.123456789".parse().unwrap(),
        filled_average_price: Some("19660.5738784516887649".parse().unwrap()),
        submitted_at: Some(at(1)),
        filled_at: None,
        updated_at: Some(at(2)),
    }
}

fn round() -> RoundRecord {
    RoundRecord {
        round_id: "AAPL@1".into(),
        asset: symbol(),
        opened: at(0),
        closed: at(5),
        outcome: RoundOutcome::Opened,
        reason: "three agreed".into(),
        direction: None,
        quorum: 3,
        votes: vec![],
        absences: [(
            AgentId::new("a").unwrap(),
            rawe_core::decision::Absence::Silent,
        )]
        .into(),
        equivocated: vec![],
        effective_votes: Some(2.5),
        purpose: Some(Purpose::Open),
        notional: Some(Decimal::TEN),
        expected_profit: Some(1.25),
        decision_id: Some(intent("demo", Purpose::Open).decision_id),
        client_order_id: Some(intent("demo", Purpose::Open).order.client_order_id),
    }
}

#[test]
fn what_was_recorded_is_read_back_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let opening = intent("demo", Purpose::Open);
    let closing = intent("demo", Purpose::Close);
    let filled = report(&opening, OrderStatus::Filled);
    {
        let mut journal = SqliteJournal::open(&path, Durability::Synced).unwrap();
        journal.record_round(&round()).unwrap();
        journal.record_intent(&opening).unwrap();
        journal.record_intent(&closing).unwrap();
        journal
            .record_report(at(2), &report(&opening, OrderStatus::PartiallyFilled))
            .unwrap();
        journal.record_report(at(3), &filled).unwrap();
        let end = Resolution::Terminal(Box::new(filled.clone()));
        journal
            .resolve(&opening.order.client_order_id, at(3), &end)
            .unwrap();
        journal
            .resolve(&opening.order.client_order_id, at(4), &end)
            .unwrap();
        let other = Resolution::NeverSent { reason: "x".into() };
        assert!(
            journal
                .resolve(&opening.order.client_order_id, at(5), &other)
                .is_err()
        );
    }
    let journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    assert_eq!(journal.unresolved().unwrap(), vec![closing.clone()]);
    assert_eq!(
        journal.intents(&symbol()).unwrap(),
        vec![opening.clone(), closing.clone()]
    );
    let latest = |purpose| journal.latest_resolved(&symbol(), purpose).unwrap();
    assert_eq!(
        latest(Purpose::Open),
        Some(opening.order.client_order_id.clone())
    );
    assert_eq!(latest(Purpose::Close), None);
    assert_eq!(journal.rounds(10).unwrap(), vec![round()]);
    assert_eq!(
        journal
            .rounds_named(opening.decision_id.as_str())
            .unwrap()
            .len(),
        1
    );
    let orders = journal.orders(None, 10).unwrap();
    assert_eq!((&orders[0].intent, &orders[1].intent), (&closing, &opening));
    assert_eq!(orders[1].report, Some(filled.clone()));
    assert_eq!(
        orders[1].resolution,
        Some(Resolution::Terminal(Box::new(filled)))
    );
    assert_eq!(journal.counts().unwrap(), (1, 2, 1));
}

/// A round of one vote.
fn near_miss() -> RoundRecord {
    let mut missed = round();
    missed.round_id = "AAPL@2".into();
    missed.outcome = RoundOutcome::NoQuorum;
    (missed.decision_id, missed.client_order_id) = (None, None);
    missed.closed = at(90);
    missed.votes = vec![rawe_core::decision::RoundVote {
        agent: AgentId::new("b").unwrap(),
        direction: rawe_core::Direction::Long,
        timestamp: at(80),
        signal_id: Some("signal-7".into()),
        signal_type: rawe_core::SignalType::Divergence,
        strength: 0.5,
        size: Decimal::TEN,
        expected_profit: 1.0,
        narrative_id: "signal-8".into(),
        weight_millionths: 1_000_000,
    }];
    missed
}

#[test]
fn rounds_and_orders_are_found_by_every_id_they_go_by() {
    let mut journal = SqliteJournal::in_memory().unwrap();
    let opening = intent("demo", Purpose::Open);
    let missed = near_miss();
    journal.record_round(&round()).unwrap();
    journal.record_round(&missed).unwrap();
    journal.record_intent(&opening).unwrap();
    journal
        .record_report(at(2), &report(&opening, OrderStatus::PartiallyFilled))
        .unwrap();
    journal
        .record_report(at(3), &report(&opening, OrderStatus::Filled))
        .unwrap();
    let client_order_id = opening.order.client_order_id.as_str();
    for id in ["AAPL@1", opening.decision_id.as_str(), client_order_id] {
        assert_eq!(journal.rounds_named(id).unwrap(), vec![round()], "{id}");
    }
    assert_eq!(
        journal.rounds_named("signal-7").unwrap(),
        vec![missed.clone()]
    );
    for unknown in ["signal-8", "", "%", "AAPL"] {
        assert!(
            journal.rounds_named(unknown).unwrap().is_empty(),
            "{unknown}"
        );
    }
    for id in [
        "AAPL@1",
        opening.decision_id.as_str(),
        client_order_id,
        "b-1",
    ] {
        let found = journal.orders_named(id).unwrap();
        assert_eq!(found.len(), 1, "{id}");
        assert_eq!(found[0].intent, opening, "{id}");
    }
    assert!(journal.orders_named("b-2").unwrap().is_empty());
    let heard = journal.reports(client_order_id).unwrap();
    assert_eq!(
        heard
            .iter()
            .map(|(at, r)| (*at, r.status))
            .collect::<Vec<_>>(),
        [
            (at(2), OrderStatus::PartiallyFilled),
            (at(3), OrderStatus::Filled)
        ]
    );
}

#[test]
fn lists_are_filtered_and_outcomes_counted() {
    let mut journal = SqliteJournal::in_memory().unwrap();
    let missed = near_miss();
    journal.record_round(&round()).unwrap();
    journal.record_round(&missed).unwrap();
    let like = |asset: Option<&Symbol>, outcome| journal.rounds_like(asset, outcome, 9).unwrap();
    let other = Symbol::new("MSFT").unwrap();
    assert_eq!(like(Some(&symbol()), None), vec![missed.clone(), round()]);
    assert_eq!(like(None, Some(RoundOutcome::NoQuorum)), vec![missed]);
    assert!(like(Some(&other), None).is_empty());
    assert!(journal.orders(Some(&other), 9).unwrap().is_empty());
    let outcomes = journal.outcomes(None).unwrap();
    let counts: Vec<_> = outcomes
        .iter()
        .map(|c| (c.outcome, c.rounds, c.newest))
        .collect();
    assert_eq!(
        counts,
        [
            (RoundOutcome::NoQuorum, 1, at(90)),
            (RoundOutcome::Opened, 1, at(5))
        ]
    );
}

#[test]
fn an_id_used_again_after_a_refusal_is_unresolved_again() {
    let mut journal = SqliteJournal::in_memory().unwrap();
    let first = intent("demo", Purpose::Open);
    let refused = Resolution::Rejected {
        message: "no".into(),
    };
    for _ in 0..2 {
        journal.record_intent(&first).unwrap();
        assert_eq!(journal.unresolved().unwrap().len(), 1);
        journal
            .resolve(&first.order.client_order_id, at(1), &refused)
            .unwrap();
        assert!(journal.unresolved().unwrap().is_empty());
    }
    let never = intent("elsewhere", Purpose::Open).order.client_order_id;
    assert!(journal.resolve(&never, at(1), &refused).is_err());
}

#[test]
fn rows_cannot_be_changed_or_deleted() {
    let mut journal = SqliteJournal::in_memory().unwrap();
    let first = intent("demo", Purpose::Open);
    journal.record_round(&round()).unwrap();
    journal.record_intent(&first).unwrap();
    journal
        .record_report(at(1), &report(&first, OrderStatus::Filled))
        .unwrap();
    let end = Resolution::NeverSent { reason: "x".into() };
    journal
        .resolve(&first.order.client_order_id, at(1), &end)
        .unwrap();
    for table in ["rounds", "intents", "reports", "resolutions"] {
        for statement in [
            format!("DELETE FROM {table}"),
            format!("UPDATE {table} SET record = ''"),
        ] {
            let error = journal.connection.execute(&statement, []).unwrap_err();
            assert!(
                error.to_string().contains("append-only"),
                "{statement}: {error}"
            );
        }
    }
}

#[test]
fn it_is_readable_while_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let mut writer = SqliteJournal::open(&path, Durability::Written).unwrap();
    let mut reader = SqliteJournal::open_read_only(&path).unwrap();
    assert_eq!(reader.orders(None, 5).unwrap().len(), 0);
    writer
        .record_intent(&intent("demo", Purpose::Open))
        .unwrap();
    assert_eq!(reader.orders(None, 5).unwrap().len(), 1);
    assert!(
        reader
            .record_intent(&intent("demo", Purpose::Open))
            .is_err()
    );
}

#[test]
fn files_that_are_not_a_sound_journal_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(
        path("text"),
        "hello, this is not a database at all\n".repeat(100),
    )
    .unwrap();
    let foreign = rusqlite::Connection::open(path("foreign")).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(foreign);
    let before = std::fs::read(path("foreign")).unwrap();
    for name in ["text", "foreign"] {
        let error = SqliteJournal::open(&path(name), Durability::Written).unwrap_err();
        assert!(
            matches!(error, OpenError::Foreign { .. }),
            "{name}: {error}"
        );
        assert!(SqliteJournal::open_read_only(&path(name)).is_err());
    }
    assert_eq!(std::fs::read(path("foreign")).unwrap(), before);

    let journal = SqliteJournal::open(&path("newer"), Durability::Written).unwrap();
    journal
        .connection
        .execute(
            "INSERT INTO schema_migrations VALUES (99, 'later', 'now')",
            [],
        )
        .unwrap();
    drop(journal);
    let error = SqliteJournal::open(&path("newer"), Durability::Written).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 99,
                known: 1,
                ..
            }
        ),
        "{error}"
    );

    assert!(SqliteJournal::open_read_only(&path("absent")).is_err());
    assert!(!path("absent").exists());
    let error = SqliteJournal::open(&path("no/such/dir"), Durability::Written).unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
}

#[test]
fn a_damaged_journal_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    for number in 0..200 {
        journal
            .record_intent(&intent(&number.to_string(), Purpose::Open))
            .unwrap();
    }
    journal
        .connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(journal);
    let mut bytes = std::fs::read(&path).unwrap();
    let from = bytes.len() / 2;
    bytes[from..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let error = SqliteJournal::open(&path, Durability::Written).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

/// Names the journal for the child of the next test; without it the child does nothing.
const CHILD_PATH: &str = "RAWE_JOURNAL_TEST_PATH";

#[test]
fn child_that_records_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_PATH) else {
        return;
    };
    let mut journal = SqliteJournal::open(Path::new(&path), Durability::Written).unwrap();
    for number in 0.. {
        journal
            .record_intent(&intent(&format!("run-{number}"), Purpose::Open))
            .unwrap();
        println!("\nrecorded {number}");
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::child_that_records_until_it_is_killed",
            "--nocapture",
        ])
        .env(CHILD_PATH, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    while acknowledged < 50 {
        let line = lines.next().expect("the child ended early").unwrap();
        acknowledged += usize::from(line.starts_with("recorded "));
    }
    // Kill on Unix is SIGKILL: nothing is flushed by the process.
    child.kill().unwrap();
    child.wait().unwrap();
    let journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    let intents = journal.unresolved().unwrap();
    assert!(
        intents.len() >= acknowledged,
        "{} of {acknowledged}",
        intents.len()
    );
    for (number, found) in intents.iter().enumerate() {
        assert_eq!(*found, intent(&format!("run-{number}"), Purpose::Open));
    }
}

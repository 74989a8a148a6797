//! What people ask: every id finds its story, filters hold, and the views answer.

use rawe_core::{Purpose, RoundOutcome, Symbol};
use rawe_execution::journal::{Journal as _, JournalEntry};

use super::samples::{at, closed_trade, decimal, hindsight, intent, near_miss, round, story};
use crate::{Durability, Filter, JournalReader, SqliteJournal};

/// A journal with the story, a second near miss and a second opening that is still held.
fn journal(folder: &tempfile::TempDir) -> JournalReader {
    let path = folder.path().join("journal.sqlite");
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    journal.commit(&story()).unwrap();
    let missed = JournalEntry::Round(Box::new(near_miss(90)));
    journal.commit(&[missed]).unwrap();
    JournalReader::open(&path).unwrap()
}

#[test]
fn rounds_and_orders_are_found_by_every_id_they_go_by() {
    let folder = tempfile::tempdir().unwrap();
    let reader = journal(&folder);
    let opening = intent("demo", Purpose::Open);
    let (decision, order) = (opening.decision_id.as_str(), &opening.order.client_order_id);
    for id in ["AAPL@1", decision, order.as_str()] {
        let found = reader.rounds_named(id).unwrap();
        assert_eq!(found, vec![(3, round(RoundOutcome::Opened))], "{id}");
    }
    assert_eq!(reader.rounds_named("signal-7").unwrap().len(), 3);
    for unknown in ["signal-8", "", "%", "AAPL"] {
        assert!(
            reader.rounds_named(unknown).unwrap().is_empty(),
            "{unknown}"
        );
    }
    for id in [decision, order.as_str(), "broker-open"] {
        let found = reader.orders_named(id).unwrap();
        assert_eq!(found.len(), 1, "{id}");
        assert_eq!(found[0].intent, opening, "{id}");
    }
    let life = &reader.orders_named(decision).unwrap()[0];
    assert_eq!(
        (
            life.attempts.len(),
            life.reports.len(),
            life.fills.len(),
            life.fate().as_str()
        ),
        (2, 2, 2, "filled")
    );
    assert_eq!(reader.orders_named("AAPL@1").unwrap().len(), 2);
    assert!(reader.orders_named("").unwrap().is_empty());
    assert_eq!(reader.trades_of(order).unwrap(), vec![closed_trade()]);
    assert_eq!(
        reader.hindsight("AAPL@miss--1").unwrap(),
        Some(hindsight(-1))
    );
    assert_eq!(reader.hindsight("AAPL@miss-90").unwrap(), None);
    assert_eq!(reader.control_before(3).unwrap().unwrap().reason, "ready");
    assert_eq!(reader.control_before(1).unwrap(), None);
}

#[test]
fn lists_are_filtered_and_outcomes_counted() {
    let folder = tempfile::tempdir().unwrap();
    let reader = journal(&folder);
    let count = |filter: &Filter| reader.rounds(filter).unwrap().len();
    let all = Filter::default();
    let other = Filter {
        asset: Some(Symbol::new("MSFT").unwrap()),
        ..all.clone()
    };
    let missed = Filter {
        outcome: Some(RoundOutcome::NoQuorum),
        ..all.clone()
    };
    let late = Filter {
        since: Some(at(90)),
        ..all.clone()
    };
    let early = Filter {
        until: Some(at(90)),
        ..all.clone()
    };
    let one = Filter {
        limit: Some(1),
        ..all.clone()
    };
    assert_eq!(
        [&all, &other, &missed, &late, &early, &one].map(count),
        [3, 0, 2, 1, 2, 1]
    );
    assert_eq!(reader.rounds(&one).unwrap()[0], near_miss(90));
    let orders = |fate| reader.orders(&all, fate).unwrap().len();
    assert_eq!([None, Some("filled"), Some("open")].map(orders), [2, 2, 0]);
    assert!(reader.orders(&other, None).unwrap().is_empty());
    assert!(reader.trades(&late).unwrap().is_empty());
    assert_eq!(reader.trades(&all).unwrap().len(), 1);
    let counts: Vec<_> = reader
        .outcomes(&all)
        .unwrap()
        .iter()
        .map(|c| (c.outcome, c.rounds, c.newest))
        .collect();
    assert_eq!(
        counts,
        [
            (RoundOutcome::NoQuorum, 2, at(90)),
            (RoundOutcome::Opened, 1, at(0))
        ]
    );
}

#[test]
fn positions_are_what_the_books_last_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    journal.commit(&story()[..13]).unwrap();
    let reader = JournalReader::open(&path).unwrap();
    let open = reader.open_positions(None).unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].position.quantity, decimal("2"));
    assert_eq!(open[0].opened_at, Some(at(3)));
    assert_eq!(open[0].round.as_ref().unwrap().round_id, "AAPL@1");
    assert_eq!(open[0].price.as_ref().unwrap().price, decimal("250"));
    journal.commit(&story()[13..]).unwrap();
    assert!(reader.open_positions(None).unwrap().is_empty());
}

#[test]
fn the_views_answer_in_sql() {
    let folder = tempfile::tempdir().unwrap();
    let reader = journal(&folder);
    let answer = |query: &str| -> String {
        reader
            .connection
            .query_row(query, [], |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| match value {
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Real(number) => format!("{number}"),
                rusqlite::types::Value::Text(text) => text,
                other => format!("{other:?}"),
            })
            .unwrap()
    };
    for (query, expected) in [
        (
            "SELECT count(*) FROM rounds WHERE at < '2026-01-05T15:00:01'",
            "2",
        ),
        (
            "SELECT count(*) FROM votes WHERE agent = 'b' AND direction = 'long'",
            "3",
        ),
        ("SELECT why FROM absences LIMIT 1", "silent"),
        ("SELECT attempts FROM orders WHERE purpose = 'open'", "2"),
        (
            "SELECT filled_price FROM orders WHERE purpose = 'close'",
            "255",
        ),
        ("SELECT status FROM orders WHERE purpose = 'open'", "filled"),
        ("SELECT count(*) FROM open_positions", "0"),
        (
            "SELECT sum(realised) FROM trades WHERE realised > 9",
            "9.98",
        ),
        (
            "SELECT gross_bp FROM missed WHERE outcome = 'NO_QUORUM'",
            "100",
        ),
        ("SELECT weight FROM weights WHERE agent = 'b'", "1.1"),
        ("SELECT state FROM control_actions", "active"),
        ("SELECT kind FROM intents LIMIT 1", "market"),
        ("SELECT at FROM fills LIMIT 1", "2026-01-05T15:00:02.000Z"),
    ] {
        assert_eq!(answer(query), expected, "{query}");
    }
}

//! What was committed comes back, all of a batch or nothing, and nothing is ever changed.

use proptest::prelude::*;
use rawe_core::Purpose;
use rawe_execution::broker::OrderStatus;
use rawe_execution::journal::{Journal as _, JournalEntry, Resolution};

use super::samples::{at, entry, intent, is_history, near_miss, report, story, symbol};
use crate::{Durability, EVENT_TABLES, JournalReader, SqliteJournal};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_entries_in_any_batches_come_back_the_same(
        batches in prop::collection::vec(prop::collection::vec(entry(), 0..6), 0..8),
        restarts in prop::collection::vec(any::<bool>(), 8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
        for (batch, restart) in batches.iter().zip(restarts) {
            journal.commit(batch).unwrap();
            if restart {
                drop(journal);
                journal = SqliteJournal::open(&path, Durability::Written).unwrap();
            }
        }
        let all: Vec<JournalEntry> = batches.concat();
        let told: Vec<JournalEntry> = all.iter().filter(|e| is_history(e)).cloned().collect();
        prop_assert_eq!(journal.history().unwrap(), told);
        let read = JournalReader::open(&path).unwrap().entries().unwrap();
        let (numbers, read): (Vec<i64>, Vec<JournalEntry>) = read.into_iter().unzip();
        prop_assert_eq!(read, all);
        prop_assert!(numbers.iter().zip(1..).all(|(seq, number)| *seq == number));
    }
}

#[test]
fn a_batch_is_committed_whole_or_not_at_all() {
    let mut journal = SqliteJournal::in_memory().unwrap();
    journal.commit(&story()).unwrap();
    let before = journal.history().unwrap();
    journal
        .connection
        .execute_batch(
            "CREATE TRIGGER no_fills BEFORE INSERT ON log_fills
             BEGIN SELECT RAISE(ABORT, 'scripted'); END",
        )
        .unwrap();
    let error = journal.commit(&story()).unwrap_err();
    assert!(error.to_string().contains("scripted"), "{error}");
    assert_eq!(journal.history().unwrap(), before);
    journal
        .connection
        .execute_batch("DROP TRIGGER no_fills")
        .unwrap();
    journal.commit(&story()).unwrap();
    assert_eq!(
        journal.history().unwrap(),
        [before.clone(), before].concat()
    );
    journal.commit(&[]).unwrap();
}

#[test]
fn rows_cannot_be_changed_or_deleted() {
    let mut journal = SqliteJournal::in_memory().unwrap();
    journal.commit(&story()).unwrap();
    for table in EVENT_TABLES {
        for statement in [
            format!("DELETE FROM log_{table}"),
            format!("UPDATE log_{table} SET record = ''"),
        ] {
            let error = journal.connection.execute(&statement, []).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("append-only"), "{statement}: {error}");
        }
    }
}

#[test]
fn the_engines_earlier_questions_are_answered() {
    let mut journal = SqliteJournal::in_memory().unwrap();
    let (opening, closing) = (
        intent("demo", Purpose::Open),
        intent("demo", Purpose::Close),
    );
    let id = &opening.order.client_order_id;
    let end = Resolution::Terminal(Box::new(report(&opening, OrderStatus::Filled, "2")));
    let other = Resolution::NeverSent { reason: "x".into() };
    assert!(journal.resolve(id, at(3), &end).is_err());
    journal.record_round(&near_miss(1)).unwrap();
    journal.record_intent(&opening).unwrap();
    journal.record_intent(&closing).unwrap();
    let heard = report(&opening, OrderStatus::Filled, "2");
    journal.record_report(at(3), &heard).unwrap();
    journal.resolve(id, at(3), &end).unwrap();
    journal.resolve(id, at(4), &end).unwrap();
    assert!(journal.resolve(id, at(5), &other).is_err());
    assert_eq!(journal.unresolved().unwrap(), vec![closing.clone()]);
    assert_eq!(
        journal.intents(&symbol()).unwrap(),
        vec![opening.clone(), closing]
    );
    let latest = |purpose| journal.latest_resolved(&symbol(), purpose).unwrap();
    assert_eq!(latest(Purpose::Open), Some(id.clone()));
    assert_eq!(latest(Purpose::Close), None);
    assert_eq!(journal.round("AAPL@miss-1").unwrap(), Some(near_miss(1)));
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
        let id = &first.order.client_order_id;
        journal.resolve(id, at(1), &refused).unwrap();
        assert!(journal.unresolved().unwrap().is_empty());
    }
}

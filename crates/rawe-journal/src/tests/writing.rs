//! What was committed comes back, all of a batch or nothing, and nothing is ever changed.

use proptest::prelude::*;
use rawe_execution::journal::{Journal as _, JournalEntry};

use super::samples::{entry, hindsight, history_of, near_miss, story};
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
        prop_assert_eq!(journal.history().unwrap(), history_of(&all));
        let read = JournalReader::open(&path).unwrap().entries().unwrap();
        let (numbers, read): (Vec<i64>, Vec<JournalEntry>) = read.into_iter().unzip();
        prop_assert_eq!(read, all);
        prop_assert!(numbers.iter().zip(1..).all(|(seq, number)| *seq == number));
    }
}

#[test]
fn a_start_is_told_of_near_misses_until_they_are_judged() {
    let mut journal = SqliteJournal::in_memory().unwrap();
    let missed = |number| JournalEntry::Round(Box::new(near_miss(number)));
    journal.commit(&[missed(1), missed(2)]).unwrap();
    assert_eq!(journal.history().unwrap(), [missed(1), missed(2)]);
    journal
        .commit(&[JournalEntry::Hindsight(hindsight(1))])
        .unwrap();
    assert_eq!(journal.history().unwrap(), [missed(2)]);
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

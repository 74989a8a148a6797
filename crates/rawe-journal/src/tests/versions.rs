//! Files of other versions: those of version 1 become new or are read as they are, newer ones are
//! refused.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rawe_core::RoundOutcome;
use rawe_execution::journal::{Journal as _, JournalEntry};

use crate::{Durability, Filter, JournalReader, OpenError, SqliteJournal};

/// A journal that version 1 wrote: a demo of 44 rounds and three orders.
const VERSION_1: &[u8] = include_bytes!("../../tests/data/version-1.sqlite.gz");

fn version_1(folder: &Path) -> PathBuf {
    let path = folder.join("journal.sqlite");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(VERSION_1)
        .read_to_end(&mut bytes)
        .unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_journal_of_version_1_becomes_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = version_1(folder.path());
    let before = JournalReader::open(&path).unwrap().entries().unwrap();
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    let reader = JournalReader::open(&path).unwrap();
    let entries = reader.entries().unwrap();
    assert_eq!(entries, before);
    let counts = reader.counts().unwrap();
    let count = |table| counts.iter().find(|(name, _)| *name == table).unwrap().1;
    assert_eq!(
        [
            "decisions",
            "near_misses",
            "intents",
            "reports",
            "resolutions"
        ]
        .map(count),
        [3, 41, 3, 3, 3]
    );
    assert!(reader.audit().unwrap().problems.is_empty());
    assert_eq!(count("fills"), 3);
    // Of each order: decided, intended, reported, ended.
    let orders = reader.orders(&Filter::default(), None).unwrap();
    assert_eq!(orders.len(), 3);
    for order in &orders {
        assert_eq!((order.reports.len(), order.fate().as_str()), (1, "filled"));
        let rounds = reader
            .rounds_named(order.intent.decision_id.as_str())
            .unwrap();
        assert_eq!(rounds.len(), 1);
        assert!(rounds[0].0 < order.seq);
        assert_eq!(rounds[0].1.outcome, RoundOutcome::Opened);
    }
    // An engine that starts finds the end of each.
    let history = journal.history().unwrap();
    let count = |kind: fn(&JournalEntry) -> bool| history.iter().filter(|e| kind(e)).count();
    assert_eq!(count(|e| matches!(e, JournalEntry::Intent(_))), 3);
    assert_eq!(count(|e| matches!(e, JournalEntry::Resolved { .. })), 3);
    // And it goes on from there.
    let entry: JournalEntry = entries[0].1.clone();
    journal.commit(&[entry]).unwrap();
    assert_eq!(reader.entries().unwrap().len(), before.len() + 1);
}

#[test]
fn a_journal_of_version_1_is_read_without_being_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = version_1(folder.path());
    let before = std::fs::read(&path).unwrap();
    let reader = JournalReader::open(&path).unwrap();
    assert_eq!(reader.rounds(&Filter::default()).unwrap().len(), 44);
    drop(reader);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    journal
        .connection
        .execute(
            "INSERT INTO schema_migrations VALUES (99, 'later', 'now')",
            [],
        )
        .unwrap();
    drop(journal);
    let newer = |error: &OpenError| {
        matches!(
            error,
            OpenError::Newer {
                found: 99,
                known: 2,
                ..
            }
        )
    };
    let error = SqliteJournal::open(&path, Durability::Written).unwrap_err();
    assert!(newer(&error), "{error}");
    let error = JournalReader::open(&path).unwrap_err();
    assert!(newer(&error), "{error}");
}

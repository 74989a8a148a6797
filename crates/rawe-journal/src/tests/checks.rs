//! `journal check` finds what does not hold, and `compact` takes away only what may go.

use std::io::Read as _;

use rawe_execution::journal::{Journal as _, JournalEntry};

use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::samples::{at, decimal, hindsight, is_kept, near_miss, position, story};
use crate::audit::audit;
use crate::export::{Format, export};
use crate::retention::{CompactError, compact};
use crate::{Durability, Filter, JournalReader, OpenError, SqliteJournal};

/// Seconds.
const DAY: i64 = 86_400;

fn numbered(entries: Vec<JournalEntry>) -> Vec<(i64, JournalEntry)> {
    (1..).zip(entries).collect()
}

#[test]
fn a_sound_story_has_no_problems() {
    let checked = audit(&numbered(story()));
    assert_eq!(checked.problems, Vec::<String>::new());
    assert_eq!((checked.orders, checked.fills, checked.trades), (2, 3, 1));
    let mut corrected = story();
    corrected.insert(12, position("1.9", "reconciled: fee in coin", 3));
    corrected.insert(13, position("2", "reconciled", 3));
    let checked = audit(&numbered(corrected));
    assert_eq!((checked.problems.len(), checked.corrections), (0, 2));
}

#[test]
fn each_thing_that_does_not_hold_is_told() {
    let drop_first = |kind: fn(&JournalEntry) -> bool| {
        let mut entries = story();
        let place = entries.iter().position(kind).unwrap();
        entries.remove(place);
        entries
    };
    let mut gain = story();
    let mut volume = story();
    for entry in &mut gain {
        if let JournalEntry::Trade(trade) = entry {
            trade.realised = decimal("12");
        }
    }
    for entry in &mut volume {
        if let JournalEntry::Report { report, .. } = entry {
            report.filled_quantity = decimal("1");
        }
    }
    for (entries, expected) in [
        (
            drop_first(|e| matches!(e, JournalEntry::Intent(_))),
            "was sent, but has no intent",
        ),
        (
            drop_first(|e| matches!(e, JournalEntry::Round(r) if r.outcome.is_decision())),
            "no round decided it",
        ),
        (
            drop_first(|e| matches!(e, JournalEntry::Fill(_))),
            "the books say 1",
        ),
        (gain, "made 9.98 by its prices and fees, but says 12"),
        (volume, "the broker reported only 1"),
    ] {
        let problems = audit(&numbered(entries)).problems.join("\n");
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
    let mut twice = numbered(story());
    twice[5].0 = 5;
    assert!(audit(&twice).problems[0].contains("given twice"));
}

#[test]
fn compacting_archives_what_is_old_and_keeps_what_concerns_money() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    journal.commit(&story()).unwrap();
    for day in 0..40 {
        let batch: Vec<JournalEntry> = (0..40)
            .flat_map(|number| {
                let number = day * DAY + number;
                [
                    JournalEntry::Round(Box::new(near_miss(number))),
                    JournalEntry::Hindsight(hindsight(number)),
                ]
            })
            .collect();
        journal.commit(&batch).unwrap();
    }
    let held = compact(&path, 30).unwrap_err();
    assert!(
        matches!(held, CompactError::Open(OpenError::Held { .. })),
        "{held}"
    );
    drop(journal);
    let before = JournalReader::open(&path).unwrap().entries().unwrap();
    let compacted = compact(&path, 30).unwrap();
    assert!(
        compacted.bytes_after < compacted.bytes_before,
        "{compacted:?}"
    );
    let after = JournalReader::open(&path).unwrap().entries().unwrap();
    let kept = |entries: &[(i64, JournalEntry)]| -> Vec<(i64, JournalEntry)> {
        entries
            .iter()
            .filter(|(_, e)| is_kept(e))
            .cloned()
            .collect()
    };
    assert_eq!(kept(&after), kept(&before));
    assert_eq!(after.len() as u64 + compacted.rows, before.len() as u64);
    let mut text = String::new();
    let archive = std::fs::File::open(compacted.archive.unwrap()).unwrap();
    flate2::read::GzDecoder::new(archive)
        .read_to_string(&mut text)
        .unwrap();
    let mut archived: Vec<i64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_i64())
        .map(Option::unwrap)
        .collect();
    archived.extend(after.iter().map(|(seq, _)| *seq));
    archived.sort_unstable();
    let all: Vec<i64> = before.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(archived, all);
    // The guards are back, nothing more is old, and the engine goes on.
    let again = compact(&path, 30).unwrap();
    assert_eq!((again.rows, again.archive), (0, None));
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    assert!(
        journal
            .connection
            .execute("DELETE FROM log_near_misses", [])
            .is_err()
    );
    journal.commit(&story()).unwrap();
}

#[test]
fn every_row_is_exported_in_each_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    journal.commit(&story()).unwrap();
    let reader = JournalReader::open(&path).unwrap();
    let rows_of = |format, filter: &Filter| {
        let out = folder.path().join("out");
        let exported = export(&reader, format, &out, filter).unwrap();
        let rows: u64 = exported.iter().map(|file| file.rows).sum();
        (out, rows)
    };
    let all = Filter::default();
    // All entries, and the votes of the two rounds.
    let expected = story().len() as u64 + 2;
    let (out, rows) = rows_of(Format::Csv, &all);
    assert_eq!(rows, expected);
    let mut trades = csv::Reader::from_path(out.join("trades.csv")).unwrap();
    let realised = trades
        .headers()
        .unwrap()
        .iter()
        .position(|h| h == "realised")
        .unwrap();
    assert_eq!(&trades.records().next().unwrap().unwrap()[realised], "9.98");
    let (out, rows) = rows_of(Format::JsonLines, &all);
    assert_eq!(rows, expected);
    let line = std::fs::read_to_string(out.join("fills.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["seq"], &first["record"]["price"]),
        (&8.into(), &"250".into())
    );
    let (out, rows) = rows_of(Format::Parquet, &all);
    assert_eq!(rows, expected);
    let file = std::fs::File::open(out.join("trades.parquet")).unwrap();
    let file = SerializedFileReader::new(file).unwrap();
    let row = file.get_row_iter(None).unwrap().next().unwrap().unwrap();
    let value = |name: &str| {
        let (_, value) = row
            .get_column_iter()
            .find(|(column, _)| *column == name)
            .unwrap();
        value.to_string()
    };
    assert_eq!(value("realised"), "9.98");
    assert_eq!(
        (value("asset"), value("closing_round")),
        ("\"AAPL\"".into(), "null".into())
    );
    let late = Filter {
        since: Some(at(20)),
        ..Filter::default()
    };
    assert_eq!(rows_of(Format::Csv, &late).1, 6);
}

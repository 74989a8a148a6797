//! Files: killed writers, full disks, second writers, damage, and files that are something else.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rawe_core::Purpose;
use rawe_execution::journal::{Journal as _, JournalEntry};

use super::samples::{intent, near_miss, story};
use crate::{Durability, JournalReader, OpenError, SqliteJournal};

fn numbered(number: usize) -> [JournalEntry; 2] {
    let missed = near_miss(i64::try_from(number).unwrap());
    [
        JournalEntry::Round(Box::new(missed)),
        JournalEntry::Intent(intent(&format!("run-{number}"), Purpose::Open)),
    ]
}

/// Names the journal for the children of the tests below; without it a child does nothing.
const CHILD_PATH: &str = "RAWE_JOURNAL_TEST_PATH";

/// Runs a test of this file as a process of its own.
fn child(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("tests::files::{test}"), "--nocapture"])
        .env(CHILD_PATH, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[test]
fn child_that_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_PATH) else {
        return;
    };
    let mut journal = SqliteJournal::open(Path::new(&path), Durability::Written).unwrap();
    for number in 0.. {
        journal.commit(&numbered(number)).unwrap();
        println!("\ncommitted {number}");
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let mut child = child("child_that_commits_until_it_is_killed", &path)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    // So many that the copying thread has been at work meanwhile.
    while acknowledged < 400 {
        let line = lines.next().expect("the child ended early").unwrap();
        acknowledged += usize::from(line.starts_with("committed "));
    }
    // Its lock is its own while it lives, and goes with it.
    let held = SqliteJournal::open(&path, Durability::Written).unwrap_err();
    assert!(matches!(held, OpenError::Held { .. }), "{held}");
    // Kill on Unix is SIGKILL: nothing is flushed by the process.
    child.kill().unwrap();
    child.wait().unwrap();
    let journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    let entries = JournalReader::open(&path).unwrap().entries().unwrap();
    assert!(
        entries.len() >= acknowledged * 2,
        "{} of {acknowledged}",
        entries.len()
    );
    assert_eq!(entries.len() % 2, 0, "half a batch");
    for (number, pair) in entries.chunks(2).enumerate() {
        let found = [pair[0].1.clone(), pair[1].1.clone()];
        assert_eq!(found, numbered(number));
    }
    assert_eq!(journal.history().unwrap().len(), entries.len());
}

#[test]
fn child_whose_disk_is_full() {
    let Some(path) = std::env::var_os(CHILD_PATH) else {
        return;
    };
    let mut journal = SqliteJournal::open(Path::new(&path), Durability::Written).unwrap();
    // A file that may not grow says ENOSPC's sibling, EFBIG, if its signal is ignored.
    let limit = nix::sys::resource::Resource::RLIMIT_FSIZE;
    nix::sys::resource::setrlimit(limit, 300_000, 300_000).unwrap();
    let mut committed = 0;
    while journal.commit(&numbered(committed)).is_ok() {
        committed += 1;
        assert!(committed < 10_000, "the limit does not hold");
    }
    // It fails again, it does not forget, and what was there is read.
    assert!(journal.commit(&numbered(committed)).is_err());
    assert_eq!(journal.history().unwrap().len(), committed * 2);
    println!("\ncommitted {committed}");
}

#[test]
fn a_full_disk_fails_the_commit_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    // A shell that ignores SIGXFSZ hands that on, so that the write fails instead of the process.
    let inner = child("child_whose_disk_is_full", &path);
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(CHILD_PATH, &path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let committed: usize = text
        .lines()
        .find_map(|line| line.strip_prefix("committed "))
        .unwrap()
        .parse()
        .unwrap();
    assert!(committed > 10, "{committed}");
    let mut journal = SqliteJournal::open(&path, Durability::Written).unwrap();
    assert_eq!(journal.history().unwrap().len(), committed * 2);
    // There is room again.
    journal.commit(&numbered(committed)).unwrap();
    assert_eq!(journal.history().unwrap().len(), (committed + 1) * 2);
}

#[test]
fn it_is_readable_while_it_is_written_and_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let mut writer = SqliteJournal::open(&path, Durability::Synced).unwrap();
    let reader = JournalReader::open(&path).unwrap();
    assert_eq!(reader.entries().unwrap().len(), 0);
    writer.commit(&story()).unwrap();
    assert_eq!(reader.entries().unwrap().len(), story().len());
    let second = SqliteJournal::open(&path, Durability::Written).unwrap_err();
    assert!(matches!(second, OpenError::Held { .. }), "{second}");
    drop(writer);
    SqliteJournal::open(&path, Durability::Written).unwrap();
}

#[test]
fn the_write_ahead_file_stays_small_while_it_is_written_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.sqlite");
    let mut writer = SqliteJournal::open(&path, Durability::Written).unwrap();
    let batch: Vec<JournalEntry> = (0..500)
        .map(|number| JournalEntry::Round(Box::new(near_miss(number))))
        .collect();
    let mut largest = 0;
    for _ in 0..120 {
        writer.commit(&batch).unwrap();
        let wal = directory.path().join("journal.sqlite-wal");
        largest = largest.max(wal.metadata().unwrap().len());
    }
    let size = path.metadata().unwrap().len();
    // Without copying, the file would be as long as everything ever written.
    assert!(size > 20_000_000, "{size}");
    assert!(largest < 36_000_000, "{largest} beside {size}");
}

#[test]
fn files_that_are_not_a_journal_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let text = "hello, this is not a database at all\n".repeat(100);
    std::fs::write(path("text"), text).unwrap();
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
        assert!(JournalReader::open(&path(name)).is_err());
    }
    assert_eq!(std::fs::read(path("foreign")).unwrap(), before);
    assert!(JournalReader::open(&path("absent")).is_err());
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
        journal.commit(&numbered(number)[1..]).unwrap();
    }
    drop(journal);
    let mut bytes = std::fs::read(&path).unwrap();
    let from = bytes.len() - bytes.len() / 4;
    bytes[from..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let error = SqliteJournal::open(&path, Durability::Written).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

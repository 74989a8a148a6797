//! Writing: one connection, one committed transaction per call, one count over all tables.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use rawe_execution::journal::{Journal, JournalEntry, JournalError};
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use crate::checkpoint::Checkpointer;
use crate::rows::{HISTORY_TABLES, decode, encode, insertion};
use crate::schema::{OpenError, prepare, version_of};
use crate::tables::EVENT_TABLES;

/// How long a call waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Statements kept ready: one for each table, three for transactions, and those that read.
const STATEMENTS: usize = 48;

/// SQLite's own memory for pages, KiB. The journal is written at its ends and read at the start.
const CACHE_KIB: i64 = 512;

/// How many near misses, the newest, are looked through at a start for those not judged yet: as many
/// as are kept in mind.
const UNJUDGED_MAX: u32 = 16_384;

/// What the write-ahead file keeps when it begins anew, bytes: room that need not be asked for
/// again, which makes flushing cheaper.
const WAL_KEPT_BYTES: i64 = 4 * 1024 * 1024;

/// What a commit costs the write-ahead file beside its records: a page and its frame or two.
const COMMIT_BYTES: u64 = 8 * 1024;

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Handed to the operating system: survives kill -9, not a power cut.
    #[default]
    Written,
    /// On disk: survives a power cut too. For live accounts.
    Synced,
}

/// The journal in a file, to be written by one process.
#[derive(Debug)]
pub struct SqliteJournal {
    // Dropped in this order: the copying thread before the connection, the lock last.
    checkpointer: Option<Checkpointer>,
    pub(crate) connection: Connection,
    _lock: Option<File>,
    next_seq: i64,
    buffer: Vec<u8>,
}

impl SqliteJournal {
    /// Opens the journal, making the file if it is not there, and holds it until dropped.
    ///
    /// # Errors
    /// When the file is not a journal, damaged, of a newer version, held by another process, or
    /// cannot be written.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(path, &error);
        let lock = hold(path)?;
        let connection = Connection::open(path).map_err(failed)?;
        let mut journal = Self::over(connection, path, durability, Some(lock))?;
        let checkpointer = Checkpointer::start(path).map_err(|error| OpenError::Unusable {
            path: path.display().to_string(),
            reason: format!("starting the thread that copies it: {error}"),
        })?;
        journal.checkpointer = Some(checkpointer);
        Ok(journal)
    }

    /// A journal that is gone with the process: for replays and tests.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn in_memory() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let connection =
            Connection::open_in_memory().map_err(|error| OpenError::of(path, &error))?;
        Self::over(connection, path, Durability::Written, None)
    }

    fn over(
        mut connection: Connection,
        path: &Path,
        durability: Durability,
        lock: Option<File>,
    ) -> Result<Self, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(path, &error);
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        // Nothing is written before the file is known to be ours.
        version_of(&connection, path)?;
        connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .map_err(failed)?;
        let synchronous = match durability {
            Durability::Written => "NORMAL",
            Durability::Synced => "FULL",
        };
        connection
            .pragma_update(None, "synchronous", synchronous)
            .and_then(|()| connection.pragma_update(None, "cache_size", -CACHE_KIB))
            .map_err(failed)?;
        prepare(&mut connection, path)?;
        // From here on the copying thread does it.
        connection
            .pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))
            .and_then(|()| {
                let kept = WAL_KEPT_BYTES;
                connection.pragma_update_and_check(None, "journal_size_limit", kept, |_| Ok(()))
            })
            .map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let next_seq = newest_seq(&connection).map_err(failed)? + 1;
        Ok(Self {
            checkpointer: None,
            connection,
            _lock: lock,
            next_seq,
            buffer: Vec::new(),
        })
    }

    fn append(&mut self, entries: &[JournalEntry]) -> Result<u64, JournalError> {
        let run = |statement: &str| {
            self.connection
                .prepare_cached(statement)
                .and_then(|mut statement| statement.execute([]))
                .map_err(failed("committing entries"))
        };
        let alone = entries.len() == 1;
        if !alone {
            run("BEGIN IMMEDIATE")?;
        }
        let mut bytes = COMMIT_BYTES;
        for entry in entries {
            bytes += insert(&self.connection, self.next_seq, entry, &mut self.buffer)?;
            self.next_seq += 1;
        }
        if !alone {
            run("COMMIT")?;
        }
        Ok(bytes)
    }
}

/// Takes the lock that one writer has. It goes with the process, however that ends.
pub(crate) fn hold(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let unusable = |error: &std::io::Error| OpenError::Unusable {
        path: path.display().to_string(),
        reason: format!("its lock {}: {error}", Path::new(&name).display()),
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(|error| unusable(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held {
            path: path.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(unusable(&error)),
    }
}

/// The newest `seq` of all tables, 0 if there is none.
pub(crate) fn newest_seq(connection: &Connection) -> rusqlite::Result<i64> {
    let mut newest = 0;
    for table in EVENT_TABLES {
        let query = format!("SELECT ifnull(max(seq), 0) FROM log_{table}");
        newest = newest.max(connection.query_row(&query, [], |row| row.get(0))?);
    }
    Ok(newest)
}

/// Inserts an entry; how long its record is, bytes.
fn insert(
    connection: &Connection,
    seq: i64,
    entry: &JournalEntry,
    buffer: &mut Vec<u8>,
) -> Result<u64, JournalError> {
    const DOING: &str = "committing entries";
    buffer.clear();
    encode(entry, buffer)?;
    let record = std::str::from_utf8(buffer).map_err(failed(DOING))?;
    let mut statement = connection
        .prepare_cached(insertion(entry))
        .map_err(failed(DOING))?;
    let inserted = if let JournalEntry::Round(round) = entry {
        statement.execute((seq, record, round.asset.as_str(), round.outcome.as_str()))
    } else {
        statement.execute((seq, record))
    };
    inserted.map_err(failed(DOING))?;
    Ok(u64::try_from(record.len()).unwrap_or(0))
}

/// Makes a [`JournalError`] of what was being done and any error.
pub(crate) fn failed<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> JournalError {
    move |error| JournalError {
        doing: doing.to_owned(),
        reason: error.to_string(),
    }
}

/// Every entry of these tables, in the order in which they were committed.
pub(crate) fn entries_of(
    connection: &Connection,
    tables: &[&'static str],
    condition: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<(i64, JournalEntry)>, JournalError> {
    const DOING: &str = "reading what happened";
    let mut entries = Vec::new();
    for table in tables {
        let query = format!("SELECT seq, record FROM {table} {condition}");
        let mut statement = connection.prepare_cached(&query).map_err(failed(DOING))?;
        let mut rows = statement.query(parameters).map_err(failed(DOING))?;
        while let Some(row) = rows.next().map_err(failed(DOING))? {
            let seq = row.get(0).map_err(failed(DOING))?;
            let record = row.get_ref(1).map_err(failed(DOING))?;
            let record = record.as_str().map_err(failed(DOING))?;
            entries.push((seq, decode(table, record)?));
        }
    }
    entries.sort_unstable_by_key(|(seq, _)| *seq);
    Ok(entries)
}

/// Near misses that still wait for the bars that tell what they would have made; older ones than
/// [`UNJUDGED_MAX`] have been given up.
fn unjudged(connection: &Connection) -> Result<Vec<(i64, JournalEntry)>, JournalError> {
    let before: Option<i64> = connection
        .query_row(
            "SELECT seq FROM log_near_misses ORDER BY seq DESC LIMIT 1 OFFSET ?1",
            [UNJUDGED_MAX],
            |row| row.get(0),
        )
        .optional()
        .map_err(failed("reading near misses"))?;
    entries_of(
        connection,
        &["near_misses"],
        "WHERE seq > ?1
            AND round_id NOT IN (SELECT round_id FROM hindsight WHERE seq > ?1)",
        &[&before.unwrap_or_default()],
    )
}

impl Journal for SqliteJournal {
    fn commit(&mut self, entries: &[JournalEntry]) -> Result<(), JournalError> {
        if entries.is_empty() {
            return Ok(());
        }
        let first = self.next_seq;
        match self.append(entries) {
            Ok(bytes) => {
                if let Some(checkpointer) = &self.checkpointer {
                    checkpointer.committed(bytes);
                }
                Ok(())
            }
            Err(error) => {
                self.next_seq = first;
                if !self.connection.is_autocommit() {
                    // If this fails too, so does the next commit, and nothing is sent either way.
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                Err(error)
            }
        }
    }

    fn history(&self) -> Result<Vec<JournalEntry>, JournalError> {
        let mut entries = entries_of(&self.connection, &HISTORY_TABLES, "", &[])?;
        entries.extend(unjudged(&self.connection)?);
        entries.sort_unstable_by_key(|(seq, _)| *seq);
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }
}

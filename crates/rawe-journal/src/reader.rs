//! Reading for people, from the file alone and also while the engine writes: opening, filters and
//! counts. What is read of rounds, orders and results is in the modules of those names.

use std::path::Path;
use std::time::Duration;

use rawe_core::{RoundOutcome, Symbol, Timestamp};
use rawe_execution::journal::{JournalEntry, JournalError};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde::de::DeserializeOwned;

use crate::migrations;
use crate::schema::{OpenError, version_of};
use crate::sqlite::{entries_of, failed};
use crate::tables::EVENT_TABLES;

/// How long a question waits for a checkpoint that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// An open journal that is only read.
#[derive(Debug)]
pub struct JournalReader {
    pub(crate) connection: Connection,
}

/// What is asked for; everything that is not said is not filtered by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this asset.
    pub asset: Option<Symbol>,
    /// Only rounds that ended so.
    pub outcome: Option<RoundOutcome>,
    /// Only from this market time on.
    pub since: Option<Timestamp>,
    /// Only before this market time.
    pub until: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: Option<u32>,
}

impl Filter {
    /// The first time as the tables have it.
    pub(crate) fn since_text(&self) -> Option<String> {
        self.since.map(time_text)
    }

    /// The time at which it is over, as the tables have it.
    pub(crate) fn until_text(&self) -> Option<String> {
        self.until.map(time_text)
    }

    /// The limit as SQL has it: -1 for none.
    pub(crate) fn limit_number(&self) -> i64 {
        self.limit.map_or(-1, i64::from)
    }
}

/// A time as the computed columns have it: sorts as text.
pub(crate) fn time_text(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl JournalReader {
    /// Opens an existing journal. One of an older version is read through a copy in memory: the
    /// file is left as it is.
    ///
    /// # Errors
    /// When there is no such file, or it is not a sound journal of ours.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        match version_of(&connection, path)? {
            None => Err(OpenError::Foreign {
                path: path.display().to_string(),
            }),
            Some(version) if version < migrations::VERSION => {
                let connection = upgraded_copy(connection).map_err(failed)?;
                Ok(Self { connection })
            }
            Some(_) => Ok(Self { connection }),
        }
    }

    /// Every entry, near misses and hindsight included, in the order in which they were committed,
    /// with their numbers.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn entries(&self) -> Result<Vec<(i64, JournalEntry)>, JournalError> {
        entries_of(&self.connection, &EVENT_TABLES, "", &[])
    }

    /// How many rows each table has.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn counts(&self) -> Result<Vec<(&'static str, u64)>, JournalError> {
        let count = |table: &'static str| {
            let query = format!("SELECT count(*) FROM log_{table}");
            let rows = self.connection.query_row(&query, [], |row| row.get(0));
            let rows: i64 = rows.map_err(failed("counting"))?;
            Ok((table, u64::try_from(rows).unwrap_or(0)))
        };
        EVENT_TABLES.into_iter().map(count).collect()
    }

    /// Hands every record of a table in a range of market time to `take`, oldest first, as its
    /// number, its time and its JSON.
    ///
    /// # Errors
    /// When the file cannot be read or `take` fails.
    pub fn each_record(
        &self,
        table: &'static str,
        filter: &Filter,
        mut take: impl FnMut(i64, &str, &str) -> std::io::Result<()>,
    ) -> Result<(), JournalError> {
        const DOING: &str = "reading a table";
        let query = format!(
            "SELECT seq, at, record FROM {table}
             WHERE (?1 IS NULL OR at >= ?1) AND (?2 IS NULL OR at < ?2) ORDER BY seq"
        );
        let mut statement = self
            .connection
            .prepare_cached(&query)
            .map_err(failed(DOING))?;
        let mut rows = statement
            .query((filter.since_text(), filter.until_text()))
            .map_err(failed(DOING))?;
        while let Some(row) = rows.next().map_err(failed(DOING))? {
            let seq = row.get(0).map_err(failed(DOING))?;
            let at: String = row.get(1).map_err(failed(DOING))?;
            let record: String = row.get(2).map_err(failed(DOING))?;
            take(seq, &at, &record).map_err(failed(DOING))?;
        }
        Ok(())
    }

    /// Market time of the newest entry: what "now" is to someone who has only the journal.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest_time(&self) -> Result<Option<Timestamp>, JournalError> {
        newest_time(&self.connection).map_err(failed("reading the newest entry"))
    }
}

/// Market time of the newest entry of all tables.
pub(crate) fn newest_time(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let mut newest: Option<String> = None;
    // Control actions tell wall time.
    for table in EVENT_TABLES
        .iter()
        .filter(|table| **table != "control_actions")
    {
        let query = format!("SELECT at FROM {table} ORDER BY seq DESC LIMIT 1");
        let at: Option<String> = connection
            .query_row(&query, [], |row| row.get(0))
            .optional()?;
        newest = newest.max(at);
    }
    Ok(newest.and_then(|text| text.parse().ok()))
}

/// A copy in memory of a journal of version 1, brought up to date.
fn upgraded_copy(mut old: Connection) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    let transaction = connection.transaction()?;
    let snapshot = old.transaction()?;
    migrations::copy_version_1(&snapshot, &transaction)?;
    migrations::upgrade(&transaction)?;
    transaction.commit()?;
    Ok(connection)
}

/// Runs a query whose only column is a JSON record.
pub(crate) fn records<T: DeserializeOwned>(
    connection: &Connection,
    doing: &'static str,
    query: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<T>, JournalError> {
    let mut statement = connection.prepare_cached(query).map_err(failed(doing))?;
    let rows = statement
        .query_map(parameters, |row| row.get::<_, String>(0))
        .map_err(failed(doing))?;
    rows.map(|text| {
        let text = text.map_err(failed(doing))?;
        serde_json::from_str(&text).map_err(failed(doing))
    })
    .collect()
}

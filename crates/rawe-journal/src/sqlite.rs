//! Writing: one connection, one committed transaction per call.

use std::path::Path;
use std::time::Duration;

use chrono::SecondsFormat;
use rawe_core::{ClientOrderId, Purpose, RoundRecord, Symbol, Timestamp};
use rawe_execution::broker::OrderReport;
use rawe_execution::journal::{Intent, Journal, JournalEntry, JournalError, Resolution};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::schema::{OpenError, is_ours, prepare};

/// How long a call waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

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

/// The journal in a file.
#[derive(Debug)]
pub struct SqliteJournal {
    pub(crate) connection: Connection,
}

impl SqliteJournal {
    /// Opens the journal, making the file if it is not there.
    ///
    /// # Errors
    /// When the file is not a journal, damaged, of a newer version, or cannot be written.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(path, &error);
        let connection = Connection::open(path).map_err(failed)?;
        Self::over(connection, path, durability)
    }

    /// A journal that is gone with the process: for replays and tests.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn in_memory() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let connection =
            Connection::open_in_memory().map_err(|error| OpenError::of(path, &error))?;
        Self::over(connection, path, Durability::Written)
    }

    /// Opens an existing journal for reading only, also while the engine writes to it.
    ///
    /// # Errors
    /// When there is no such file, or it is not a sound journal of ours.
    pub fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        if is_ours(&connection, path)? {
            Ok(Self { connection })
        } else {
            Err(OpenError::Foreign {
                path: path.display().to_string(),
            })
        }
    }

    fn over(
        mut connection: Connection,
        path: &Path,
        durability: Durability,
    ) -> Result<Self, OpenError> {
        let failed = |error: rusqlite::Error| OpenError::of(path, &error);
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        // Nothing is written before the file is known to be ours.
        is_ours(&connection, path)?;
        connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .map_err(failed)?;
        let synchronous = match durability {
            Durability::Written => "NORMAL",
            Durability::Synced => "FULL",
        };
        connection
            .pragma_update(None, "synchronous", synchronous)
            .map_err(failed)?;
        connection
            .pragma_update(None, "foreign_keys", true)
            .map_err(failed)?;
        prepare(&mut connection, path)?;
        Ok(Self { connection })
    }
}

/// Makes a [`JournalError`] of what was being done and any error.
pub(crate) fn failed<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> JournalError {
    move |error| JournalError {
        doing: doing.to_owned(),
        reason: error.to_string(),
    }
}

/// A time as it is stored: sortable text.
fn time_text(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn json<T: Serialize>(doing: &'static str, value: &T) -> Result<String, JournalError> {
    serde_json::to_string(value).map_err(failed(doing))
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

impl Journal for SqliteJournal {
    fn commit(&mut self, entries: &[JournalEntry]) -> Result<(), JournalError> {
        const DOING: &str = "committing entries";
        let transaction = self.connection.transaction().map_err(failed(DOING))?;
        for entry in entries {
            let text = json(DOING, entry)?;
            transaction
                .prepare_cached("INSERT INTO events (entry) VALUES (?1)")
                .and_then(|mut statement| statement.execute([text]))
                .map_err(failed(DOING))?;
        }
        transaction.commit().map_err(failed(DOING))
    }

    fn history(&self) -> Result<Vec<JournalEntry>, JournalError> {
        records(
            &self.connection,
            "reading what happened",
            "SELECT entry FROM events WHERE entry ->> '$.entry' <> 'hindsight' ORDER BY seq",
            [],
        )
    }

    fn record_round(&mut self, round: &RoundRecord) -> Result<(), JournalError> {
        const DOING: &str = "recording a round";
        let record = json(DOING, round)?;
        self.connection
            .prepare_cached(
                "INSERT INTO rounds (round_id, asset, closed_at, outcome, decision_id, record)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .and_then(|mut statement| {
                statement.execute((
                    &round.round_id,
                    round.asset.as_str(),
                    time_text(round.closed),
                    round.outcome.as_str(),
                    round
                        .decision_id
                        .as_ref()
                        .map(rawe_core::DecisionId::as_str),
                    record,
                ))
            })
            .map_err(failed(DOING))?;
        Ok(())
    }

    fn record_intent(&mut self, intent: &Intent) -> Result<(), JournalError> {
        const DOING: &str = "recording an intent";
        let record = json(DOING, intent)?;
        self.connection
            .prepare_cached(
                "INSERT INTO intents
                 (client_order_id, decision_id, round_id, asset, purpose, decided_at, record)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .and_then(|mut statement| {
                statement.execute((
                    intent.order.client_order_id.as_str(),
                    intent.decision_id.as_str(),
                    &intent.round_id,
                    intent.order.symbol.as_str(),
                    intent.purpose.to_string(),
                    time_text(intent.decided_at),
                    record,
                ))
            })
            .map_err(failed(DOING))?;
        Ok(())
    }

    fn record_report(&mut self, at: Timestamp, report: &OrderReport) -> Result<(), JournalError> {
        const DOING: &str = "recording a report";
        let record = json(DOING, report)?;
        let status = json(DOING, &report.status)?;
        self.connection
            .prepare_cached(
                "INSERT INTO reports (client_order_id, at, status, filled_quantity, record)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut statement| {
                statement.execute((
                    &report.client_order_id,
                    time_text(at),
                    status.trim_matches('"'),
                    report.filled_quantity.to_string(),
                    record,
                ))
            })
            .map_err(failed(DOING))?;
        Ok(())
    }

    fn resolve(
        &mut self,
        id: &ClientOrderId,
        at: Timestamp,
        resolution: &Resolution,
    ) -> Result<(), JournalError> {
        const DOING: &str = "recording the end of an intent";
        let record = json(DOING, resolution)?;
        let transaction = self.connection.transaction().map_err(failed(DOING))?;
        let intent: i64 = transaction
            .query_row(
                "SELECT max(seq) FROM intents WHERE client_order_id = ?1",
                [id.as_str()],
                |row| row.get::<_, Option<i64>>(0),
            )
            .map_err(failed(DOING))?
            .ok_or_else(|| failed(DOING)(format!("there is no intent {id}")))?;
        let present: Option<String> = transaction
            .query_row(
                "SELECT record FROM resolutions WHERE intent_seq = ?1",
                [intent],
                |row| row.get(0),
            )
            .optional()
            .map_err(failed(DOING))?;
        if present.as_ref() == Some(&record) {
            return Ok(());
        }
        if present.is_some() {
            return Err(failed(DOING)(format!(
                "intent {id} already has another end"
            )));
        }
        transaction
            .execute(
                "INSERT INTO resolutions (intent_seq, client_order_id, at, record)
                 VALUES (?1, ?2, ?3, ?4)",
                (intent, id.as_str(), time_text(at), record),
            )
            .map_err(failed(DOING))?;
        transaction.commit().map_err(failed(DOING))
    }

    fn unresolved(&self) -> Result<Vec<Intent>, JournalError> {
        records(
            &self.connection,
            "reading the intents without an end",
            "SELECT record FROM intents
             WHERE seq NOT IN (SELECT intent_seq FROM resolutions) ORDER BY seq",
            [],
        )
    }

    fn latest_resolved(
        &self,
        asset: &Symbol,
        purpose: Purpose,
    ) -> Result<Option<ClientOrderId>, JournalError> {
        const DOING: &str = "reading the newest ended intent";
        let id: Option<String> = self
            .connection
            .query_row(
                "SELECT i.client_order_id FROM intents i JOIN resolutions r ON r.intent_seq = i.seq
                 WHERE i.asset = ?1 AND i.purpose = ?2 ORDER BY r.seq DESC LIMIT 1",
                (asset.as_str(), purpose.to_string()),
                |row| row.get(0),
            )
            .optional()
            .map_err(failed(DOING))?;
        Ok(id.and_then(|id| ClientOrderId::parse_ours(&id)))
    }

    fn round(&self, round_id: &str) -> Result<Option<RoundRecord>, JournalError> {
        let mut found: Vec<RoundRecord> = records(
            &self.connection,
            "reading a round",
            "SELECT record FROM rounds WHERE round_id = ?1 ORDER BY seq DESC LIMIT 1",
            [round_id],
        )?;
        Ok(found.pop())
    }

    fn intents(&self, asset: &Symbol) -> Result<Vec<Intent>, JournalError> {
        records(
            &self.connection,
            "reading the intents of an asset",
            "SELECT record FROM intents WHERE asset = ?1 ORDER BY seq",
            [asset.as_str()],
        )
    }
}

//! The schema and its versions, and what makes a file a journal of ours.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension};

/// `RAWE` in ASCII, in SQLite's header field for the purpose: tells our files from others.
const APPLICATION_ID: i64 = 0x5241_5745;

/// Every version ever released, oldest first; never edited, only added to.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "rounds, intents, reports, resolutions", VERSION_1),
    (2, "events", VERSION_2),
];

const VERSION_2: &str = "
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    entry TEXT NOT NULL
) STRICT;
CREATE TRIGGER events_keep BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_stay BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
";

const VERSION_1: &str = "
CREATE TABLE rounds (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    round_id TEXT NOT NULL,
    asset TEXT NOT NULL,
    closed_at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    decision_id TEXT,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX rounds_by_round ON rounds (round_id);
CREATE INDEX rounds_by_decision ON rounds (decision_id) WHERE decision_id IS NOT NULL;
CREATE TABLE intents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    client_order_id TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    round_id TEXT NOT NULL,
    asset TEXT NOT NULL,
    purpose TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX intents_by_order ON intents (client_order_id);
CREATE INDEX intents_by_asset ON intents (asset, purpose);
CREATE TABLE reports (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    client_order_id TEXT NOT NULL,
    at TEXT NOT NULL,
    status TEXT NOT NULL,
    filled_quantity TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX reports_by_order ON reports (client_order_id);
CREATE TABLE resolutions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    intent_seq INTEGER NOT NULL UNIQUE REFERENCES intents (seq),
    client_order_id TEXT NOT NULL,
    at TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE TRIGGER rounds_keep BEFORE UPDATE ON rounds
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER rounds_stay BEFORE DELETE ON rounds
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER intents_keep BEFORE UPDATE ON intents
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER intents_stay BEFORE DELETE ON intents
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER reports_keep BEFORE UPDATE ON reports
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER reports_stay BEFORE DELETE ON reports
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER resolutions_keep BEFORE UPDATE ON resolutions
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER resolutions_stay BEFORE DELETE ON resolutions
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
";

/// Why a file cannot serve as the journal.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is something else.
    #[error("{path} is not a rawe journal; name another file, or move this one away")]
    Foreign {
        /// The file.
        path: String,
    },
    /// The file is damaged.
    #[error("the journal {path} is damaged: {reason}; keep a copy and start with a new file")]
    Damaged {
        /// The file.
        path: String,
        /// What SQLite says.
        reason: String,
    },
    /// The file was written by a newer build.
    #[error("the journal {path} has version {found}, this build reads up to {known}; update rawe")]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        found: i64,
        /// The newest version this build knows.
        known: i64,
    },
    /// The file cannot be opened, read or written.
    #[error("the journal {path} cannot be opened: {reason}; check the directory and its rights")]
    Unusable {
        /// The file.
        path: String,
        /// What SQLite says.
        reason: String,
    },
}

impl OpenError {
    /// Tells apart what a person can do about an error of SQLite.
    pub(crate) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, reason) = (path.display().to_string(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason },
            _ => Self::Unusable { path, reason },
        }
    }
}

/// Checks that the file is ours, or empty and may become ours, and brings it up to date.
pub(crate) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    if !is_ours(connection, path)? {
        connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(failed)?;
    }
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                version INTEGER PRIMARY KEY, description TEXT NOT NULL, applied_at TEXT NOT NULL
             ) STRICT",
        )
        .map_err(failed)?;
    let found = version(connection).map_err(failed)?;
    for (number, description, script) in MIGRATIONS.iter().filter(|(n, ..)| *n > found) {
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(script).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO schema_migrations VALUES (?1, ?2, datetime('now'))",
                (number, description),
            )
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// Whether the file is a journal of ours, sound and of a version we know; false if it is empty.
pub(crate) fn is_ours(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let pragma = |name: &str| -> Result<i64, OpenError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(failed)
    };
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .map_err(failed)?;
    if pragma("application_id")? != APPLICATION_ID {
        if tables == 0 {
            return Ok(false);
        }
        return Err(OpenError::Foreign {
            path: path.display().to_string(),
        });
    }
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if verdict != "ok" {
        return Err(OpenError::Damaged {
            path: path.display().to_string(),
            reason: verdict,
        });
    }
    let known = MIGRATIONS.last().map_or(0, |(number, ..)| *number);
    let found = if tables == 0 {
        0
    } else {
        version(connection).map_err(failed)?
    };
    if found > known {
        return Err(OpenError::Newer {
            path: path.display().to_string(),
            found,
            known,
        });
    }
    Ok(true)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let newest: Option<Option<i64>> = connection
        .query_row("SELECT max(version) FROM schema_migrations", [], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(newest.flatten().unwrap_or(0))
}

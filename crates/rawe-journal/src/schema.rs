//! The schema and its versions, and what makes a file a journal of ours.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::migrations::{self, VERSION};
use crate::rows::HISTORY_TABLES;

/// `RAWE` in ASCII, in SQLite's header field for the purpose: tells our files from others.
const APPLICATION_ID: i64 = 0x5241_5745;

/// The tables that are checked for damage at every start, all but those that grow without end.
/// `rawe journal check` looks at every page.
const CHECKED_TABLES: [&str; 10] = HISTORY_TABLES;

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
    /// Another process writes to it.
    #[error("another engine writes to the journal {path}; stop it, or name another file")]
    Held {
        /// The file.
        path: String,
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
    let found = version_of(connection, path)?;
    if found == Some(VERSION) {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(failed)?;
    if found.is_none() {
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(failed)?;
    }
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                version INTEGER PRIMARY KEY, description TEXT NOT NULL, applied_at TEXT NOT NULL
             ) STRICT",
        )
        .map_err(failed)?;
    match found {
        Some(1) => migrations::upgrade(&transaction),
        _ => migrations::create(&transaction),
    }
    .map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// The version of a journal of ours that is sound and not newer than this build; `None` if the file
/// is empty.
pub(crate) fn version_of(connection: &Connection, path: &Path) -> Result<Option<i64>, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let application: i64 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(failed)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .map_err(failed)?;
    if tables == 0 {
        return Ok(None);
    }
    if application != APPLICATION_ID {
        return Err(OpenError::Foreign {
            path: path.display().to_string(),
        });
    }
    let found = version(connection).map_err(failed)?;
    if found > VERSION {
        return Err(OpenError::Newer {
            path: path.display().to_string(),
            found,
            known: VERSION,
        });
    }
    for table in CHECKED_TABLES.iter().filter(|_| found == VERSION) {
        check(
            connection,
            path,
            &format!("PRAGMA quick_check('log_{table}')"),
        )?;
    }
    if found < VERSION {
        check(connection, path, "PRAGMA quick_check(1)")?;
    }
    Ok(Some(found))
}

fn check(connection: &Connection, path: &Path, pragma: &str) -> Result<(), OpenError> {
    let verdict: String = connection
        .query_row(pragma, [], |row| row.get(0))
        .map_err(|error| OpenError::of(path, &error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(OpenError::Damaged {
        path: path.display().to_string(),
        reason: verdict,
    })
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let newest: Option<Option<i64>> = connection
        .query_row("SELECT max(version) FROM schema_migrations", [], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(newest.flatten().unwrap_or(0))
}

//! Making a grown journal small: near misses and hindsight that are old move to a compressed file
//! beside it. What concerns money stays for ever.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use flate2::Compression;
use flate2::write::GzEncoder;
use rawe_core::Timestamp;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use crate::reader::{newest_time, time_text};
use crate::schema::{OpenError, prepare, version_of};
use crate::sqlite::{hold, newest_seq};
use crate::tables::{AGING_TABLES, guards};

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Market time before which near misses and hindsight went; `None` if the journal is empty.
    pub before: Option<Timestamp>,
    /// Rows that went.
    pub rows: u64,
    /// Where they are now; `None` if there were none.
    pub archive: Option<PathBuf>,
    /// The journal's size before, bytes.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
}

/// Why a journal could not be made smaller. It is as it was, but for an archive that may be there.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// It cannot be opened, or an engine writes to it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The archive cannot be written.
    #[error("writing the archive {path}: {source}; make room, or look at the directory's rights")]
    Archive {
        /// The archive.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite failed.
    #[error("making the journal smaller: {0}; nothing was removed")]
    Sqlite(#[from] rusqlite::Error),
}

/// Moves near misses and hindsight older than `keep_days` to an archive, and gives the room back.
///
/// Days are counted back from the newest entry: a replay's market time has nothing to do with the
/// wall's. The archive is on disk before the rows go; if the machine fails in between, they are in
/// both, under the same numbers. Only one process may have the journal open for writing, so a
/// running engine has to be stopped first.
///
/// # Errors
/// When the journal is held, damaged, or not ours, or when a file cannot be written.
pub fn compact(path: &Path, keep_days: u32) -> Result<Compacted, CompactError> {
    let failed = |error: rusqlite::Error| OpenError::of(path, &error);
    let _lock = hold(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    if version_of(&connection, path)?.is_none() {
        return Err(CompactError::Open(OpenError::Foreign {
            path: path.display().to_string(),
        }));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    prepare(&mut connection, path)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let bytes_before = size(path);
    let newest = newest_time(&connection)?;
    let before =
        newest.and_then(|at| at.checked_sub_signed(TimeDelta::try_days(i64::from(keep_days))?));
    let mut compacted = Compacted {
        before,
        rows: 0,
        archive: None,
        bytes_before,
        bytes_after: bytes_before,
    };
    let Some(before) = before else {
        return Ok(compacted);
    };
    let (rows, archive) = archive(&connection, path, before)?;
    compacted.rows = rows;
    if rows > 0 {
        compacted.archive = Some(archive);
        remove(&mut connection, before)?;
        connection.execute_batch("VACUUM")?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        compacted.bytes_after = size(path);
    }
    Ok(compacted)
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// Which rows go. The newest of all entries stays: its number must not be given again.
const OLD_ROWS: &str = "at < ?1 AND seq < ?2";

fn archive(
    connection: &Connection,
    path: &Path,
    before: Timestamp,
) -> Result<(u64, PathBuf), CompactError> {
    let limit = newest_seq(connection)?;
    let (from, to) = (time_text(before), limit);
    let mut count = 0_u64;
    for table in AGING_TABLES {
        let query = format!("SELECT count(*) FROM {table} WHERE {OLD_ROWS}");
        let rows: i64 = connection.query_row(&query, (&from, to), |row| row.get(0))?;
        count += u64::try_from(rows).unwrap_or(0);
    }
    let name = archive_name(path, before, limit);
    if count == 0 {
        return Ok((0, name));
    }
    let unfinished = name.with_extension("gz.part");
    let failed = |source: std::io::Error| CompactError::Archive {
        path: name.display().to_string(),
        source,
    };
    let file = File::create(&unfinished).map_err(failed)?;
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::default());
    for table in AGING_TABLES {
        let query = format!("SELECT seq, record FROM {table} WHERE {OLD_ROWS} ORDER BY seq");
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query((&from, to))?;
        while let Some(row) = rows.next()? {
            let (seq, record): (i64, String) = (row.get(0)?, row.get(1)?);
            writeln!(
                out,
                "{{\"seq\":{seq},\"table\":\"{table}\",\"record\":{record}}}"
            )
            .map_err(failed)?;
        }
    }
    let file = out
        .finish()
        .and_then(|buffered| {
            buffered
                .into_inner()
                .map_err(std::io::IntoInnerError::into_error)
        })
        .map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&unfinished, &name).map_err(failed)?;
    // The name has to last as well before the rows go.
    let folder = name
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    OpenOptions::new()
        .read(true)
        .open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok((count, name))
}

/// `journal-before-20260501-12345.jsonl.gz` beside `journal.sqlite`.
fn archive_name(path: &Path, before: Timestamp, limit: i64) -> PathBuf {
    let stem = path.file_stem().map_or_else(
        || "journal".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    );
    let day = before.format("%Y%m%d");
    path.with_file_name(format!("{stem}-before-{day}-{limit}.jsonl.gz"))
}

/// Removes the rows that the archive has: in one transaction the guards go, the rows go, and the
/// guards are back.
fn remove(connection: &mut Connection, before: Timestamp) -> rusqlite::Result<()> {
    let limit = newest_seq(connection)?;
    let transaction = connection.transaction()?;
    for table in AGING_TABLES {
        transaction.execute_batch(&format!(
            "DROP TRIGGER {table}_keep; DROP TRIGGER {table}_stay;"
        ))?;
        transaction.execute(
            &format!(
                "DELETE FROM log_{table}
                 WHERE seq IN (SELECT seq FROM {table} WHERE {OLD_ROWS})"
            ),
            (time_text(before), limit),
        )?;
        transaction.execute_batch(&guards(table))?;
    }
    transaction.commit()
}

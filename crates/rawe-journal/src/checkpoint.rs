//! Moving what was written from the write-ahead file into the journal, beside the engine's path.
//!
//! A commit only appends to the write-ahead file. This thread looks every now and then how many
//! bytes there are to copy, copies them over and flushes them, with a connection of its own. The
//! engine never waits for a disk here, but for the rare restart of the file after a long run
//! without a pause. Nor does it wake the thread: it would do so between a commit and its order, and
//! the order would wait until the copy is done.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Bytes committed between two copies. Four times as much is what the file usually holds at most.
const COPY_BYTES: u64 = 1024 * 1024;

/// How often the thread looks whether there is enough to copy.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Above this the write-ahead file begins anew even if commits have to wait for it.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long a copy waits for a reader or a commit.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the thread needs of the stack: SQLite and one path.
const STACK_BYTES: usize = 256 * 1024;

/// Tells the thread how much there is to copy, and ends it when dropped.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    pending_bytes: Arc<AtomicU64>,
    /// Never sent over: the thread ends when it is gone.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread for the journal at `path`.
    pub(crate) fn start(path: &Path) -> std::io::Result<Self> {
        let pending_bytes = Arc::new(AtomicU64::new(0));
        let (alive, ended) = channel();
        let mut copier = Copier {
            path: path.to_owned(),
            connection: None,
            pending_bytes: Arc::clone(&pending_bytes),
        };
        let thread = std::thread::Builder::new()
            .name("journal-copy".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || copier.copy_until(&ended))?;
        Ok(Self {
            pending_bytes,
            alive: Some(alive),
            thread: Some(thread),
        })
    }

    /// Notes that about so many bytes went to the write-ahead file.
    pub(crate) fn committed(&self, bytes: u64) {
        self.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(thread) = self.thread.take() {
            // A copy that panicked has copied nothing: the bytes are still in the file.
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Copier {
    path: PathBuf,
    /// Kept from one copy to the next: to read the schema costs as much as to copy.
    connection: Option<Connection>,
    pending_bytes: Arc<AtomicU64>,
}

impl Copier {
    fn copy_until(&mut self, ended: &Receiver<()>) {
        while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            let pending = self.pending_bytes.load(Ordering::Relaxed);
            if pending < COPY_BYTES {
                continue;
            }
            self.pending_bytes.fetch_sub(pending, Ordering::Relaxed);
            // What was not copied now is copied next time, or by the next start.
            if self.copy().is_err() {
                self.connection = None;
            }
        }
    }

    fn copy(&mut self) -> rusqlite::Result<()> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let connection = self.connection.insert(connection);
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        let mut wal = self.path.as_os_str().to_owned();
        wal.push("-wal");
        let bytes = Path::new(&wal)
            .metadata()
            .map_or(0, |metadata| metadata.len());
        if bytes > FILE_BYTES_MAX {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

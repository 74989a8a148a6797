//! Moving what was written from the write-ahead file into the journal, beside the engine's path.
//!
//! A commit only appends to the write-ahead file. This thread is woken after so many bytes, copies
//! them over and flushes them, with a connection of its own that lives for one copy. The engine
//! never waits for a disk here, but for the rare restart of the file after a long run without a
//! pause.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Bytes committed between two copies. Four times as much is what the file usually holds at most.
const COPY_BYTES: u64 = 1024 * 1024;

/// Above this the write-ahead file begins anew even if commits have to wait for it.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long a copy waits for a reader or a commit.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the thread needs of the stack: SQLite and one path.
const STACK_BYTES: usize = 256 * 1024;

/// Wakes the thread, and ends it when dropped.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    pending_bytes: u64,
}

impl Checkpointer {
    /// Starts the thread for the journal at `path`.
    pub(crate) fn start(path: &Path) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let path = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("journal-copy".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || copy_when_woken(&path, &woken))?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            pending_bytes: 0,
        })
    }

    /// Notes that about so many bytes went to the write-ahead file.
    pub(crate) fn committed(&mut self, bytes: u64) {
        self.pending_bytes += bytes;
        if self.pending_bytes >= COPY_BYTES {
            self.pending_bytes = 0;
            if let Some(wake) = &self.wake {
                // A full channel means that the thread is about to copy anyway.
                let _ = wake.try_send(());
            }
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A copy that panicked has copied nothing: the bytes are still in the file.
            let _ = thread.join();
        }
    }
}

fn copy_when_woken(path: &Path, woken: &Receiver<()>) {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let wal = PathBuf::from(wal);
    while woken.recv().is_ok() {
        // What was not copied now is copied next time, or by the next start.
        let _ = copy(path, &wal);
    }
}

fn copy(path: &Path, wal: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    let bytes = wal.metadata().map_or(0, |metadata| metadata.len());
    if bytes > FILE_BYTES_MAX {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

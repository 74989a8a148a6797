//! The lifeline of a supervised process: a pipe at its standard input, held open by whoever
//! started it. When the pipe closes the supervisor is gone, even if it was killed outright, and
//! the process ends as if told to. Without the variable standard input is never read.

use std::io::{self, Read as _};

use tokio_util::sync::CancellationToken;

/// Set to `1` by a supervisor that holds the other end of this process's standard input.
pub const LIFELINE_VARIABLE: &str = "RAWE_EXIT_ON_STDIN_EOF";

/// Cancels `shutdown` when standard input ends, if a supervisor asked for that.
pub(crate) fn watch(shutdown: CancellationToken) {
    if std::env::var_os(LIFELINE_VARIABLE).is_none_or(|value| value != "1") {
        return;
    }
    // A thread of its own: a read of standard input cannot be cancelled, and must not hold up the
    // runtime's end.
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut buffer = [0_u8; 256];
        loop {
            match input.read(&mut buffer) {
                Ok(read) if read > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        tracing::info!(
            event = "supervisor_lost",
            "whoever started this process is gone, ending"
        );
        shutdown.cancel();
    });
}

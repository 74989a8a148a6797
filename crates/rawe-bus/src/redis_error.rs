//! What an error of the Redis client means for the caller: try later, fix the set-up, or a
//! misunderstanding.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::BusError;

/// The error for a call that was not answered within `limit`.
pub(crate) fn unanswered(limit: Duration) -> BusError {
    BusError::Unavailable(format!("no answer within {} ms", limit.as_millis()))
}

/// Sorts an error of the client into ours.
pub(crate) fn classify(error: &RedisError) -> BusError {
    let text = error.to_string();
    if is_refusal(error) {
        BusError::Refused(text)
    } else if is_passing(error) {
        BusError::Unavailable(text)
    } else {
        BusError::Protocol(text)
    }
}

fn is_refusal(error: &RedisError) -> bool {
    // A transaction carries the errors of its commands.
    let inner = error.clone().into_server_errors().unwrap_or_default();
    error.kind() == ErrorKind::AuthenticationFailed
        || error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
        || matches!(error.code(), Some("NOPERM" | "NOAUTH" | "WRONGPASS"))
        || inner
            .iter()
            .any(|(_, error)| error.kind() == Some(ServerErrorKind::NoPerm))
}

fn is_passing(error: &RedisError) -> bool {
    let is_server_busy = matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly,
        )
    );
    is_server_busy || error.is_io_error() || error.is_connection_dropped() || error.is_timeout()
}

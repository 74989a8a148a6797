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
    let refused_code = matches!(error.code(), Some("NOPERM" | "NOAUTH" | "WRONGPASS"));
    match error.kind() {
        _ if refused_code => BusError::Refused(text),
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            BusError::Refused(text)
        }
        ErrorKind::Io
        | ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        ) => BusError::Unavailable(text),
        _ if error.is_connection_dropped() || error.is_timeout() => BusError::Unavailable(text),
        _ => BusError::Protocol(text),
    }
}

//! The wall clock and fresh identities: the only two things a process takes from the outside world
//! without asking the bus. Everything else is handed the time.

use rawe_core::{BootId, Timestamp};
use uuid::Uuid;

/// The time now, by the wall. The only reader of the clock; everyone else is passed the time.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place which reads the clock"
)]
pub fn wall_now() -> Timestamp {
    chrono::Utc::now()
}

/// A fresh id, ordered by time (UUID version 7).
pub fn new_uuid() -> Uuid {
    Uuid::now_v7()
}

/// The id of this start of the process.
pub fn new_boot_id() -> BootId {
    BootId::from_uuid(new_uuid())
}

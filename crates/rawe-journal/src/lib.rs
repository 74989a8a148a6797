//! The journal of decisions and intents, on SQLite.
//!
//! Append-only by trigger, in write-ahead mode, so that `rawe why` can read while the engine
//! writes. What an intent means and when it must be on record is `rawe-execution`'s; here it is
//! only made durable.

mod read;
mod schema;
mod sqlite;

pub use read::{JournalOrder, OutcomeCount};
pub use schema::OpenError;
pub use sqlite::{Durability, SqliteJournal};

#[cfg(test)]
mod tests;

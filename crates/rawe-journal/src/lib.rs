//! The journal of everything that the engine decides and does, on SQLite.
//!
//! Append-only by trigger, in write-ahead mode, so that `rawe why` can read while the engine
//! writes. [`SqliteJournal`] is the one writer, [`JournalReader`] is for people, [`export`] for
//! other programs, and [`retention`] for files that have grown. What an entry means and when it
//! must be on record is `rawe-execution`'s; here it is only made durable and found again.

pub mod audit;
mod checkpoint;
pub mod export;
mod migrations;
mod old_fills;
mod orders;
mod reader;
mod results;
pub mod retention;
mod rounds;
mod rows;
mod schema;
mod sqlite;
mod tables;

pub use orders::{Attempt, End, Heard, JournalOrder};
pub use reader::{Filter, JournalReader};
pub use results::{KnownPrice, OpenPosition};
pub use rounds::OutcomeCount;
pub use schema::OpenError;
pub use sqlite::{Durability, SqliteJournal};
pub use tables::EVENT_TABLES;

#[cfg(test)]
mod tests;

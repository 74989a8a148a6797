//! Orders: how a decision becomes one, what it is called, how its outcome is known.
//!
//! The traits of the broker and the journal live here; Alpaca and SQLite do not.

pub mod broker;
pub mod journal;

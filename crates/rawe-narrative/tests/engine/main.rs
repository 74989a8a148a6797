//! The engine from outside: its features, its stories, and what hostile input does to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod clauses;
mod features;
mod hostile;
mod made;
mod stories;

//! The engine from outside: its features, its stories, and what hostile input does to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod adversary;
mod clauses;
mod determinism;
mod features;
mod hostile;
mod made;
mod stories;

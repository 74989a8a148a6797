//! How good the engine is, on dated and labelled data: metrics with intervals, the protocols they
//! are measured by, and reports.
//!
//! Pure: items, bars and labels come in as values, results go out as values. Reading files,
//! progress bars and writing reports to disk belong to the `rawe` command.

#![allow(
    clippy::format_push_string,
    reason = "reports are texts for people, made once: readability goes before allocations"
)]

pub mod attack;
pub mod direction;
pub mod linking;
pub mod metrics;
pub mod narratives;
pub mod page;
pub mod play;
mod references;
pub mod report;
pub mod sections;
pub mod signals;
pub mod table;
pub mod volatility;
pub mod walk;

//! A personality over the engine: features in; stances, votes and proposals out.
//!
//! Pure and deterministic. A [`Profile`] (TOML) says who an agent is; its [`Lens`] holds a
//! [`Formula`], which an [`Expert`] turns into one number in -1..1 per asset; the [`Voter`] turns
//! experts into stances and signals, and keeps the collective's paper record, which decides whether
//! a class of assets is open at all. [`Agent`] couples a voter with a narrative engine. How bytes
//! reach an agent, when it scans live, and how its votes are published is the business of
//! `bins/agents`.

pub mod agent;
pub mod agreement;
pub mod draft;
pub mod expert;
pub mod formula;
pub mod grid;
pub mod lens;
pub mod note;
pub mod paper;
pub mod profile;
pub mod proposal;
pub mod record;
pub mod signal;
pub mod sizing;
pub mod smoothing;
pub mod voter;

pub use agent::Agent;
pub use draft::vote_of;
pub use expert::Expert;
pub use formula::Formula;
pub use grid::{GridPoint, ScanGrid};
pub use lens::Lens;
pub use note::Note;
pub use paper::{PaperPosition, PaperRules};
pub use profile::{Profile, ProfileError};
pub use record::{ClassRecord, CollectiveRules};
pub use signal::Signal;
pub use voter::{ScanResult, Voter, VoterConfig};

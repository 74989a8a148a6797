//! The shell of an agent: the bus on one side, a pure [`rawe_agent::Agent`] on the other.
//!
//! It reads bars, news and the clock from the bus, scans on the grid, publishes stances and
//! signals, acknowledges paced instants, and shows progress in its heartbeat. What an agent thinks
//! is decided in `rawe-agent`; nothing here knows a rule of trading. The five founding agents and
//! `rawe-agent` are the same code with another profile.

mod clock_reader;
mod follow;
mod keeper;
mod launch;
mod link;
mod setup;
mod signer;
mod speaker;
mod timeline;
mod tone_model;

pub use follow::run;
pub use launch::{founding_main, profile_main};
pub use setup::{AgentArgs, AgentsSection, load_profile, load_voter, read_profile};
pub use tone_model::read_tone_model;

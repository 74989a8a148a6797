//! Counts the votes and sends what the collective agrees on to the broker.
//!
//! The shell around `rawe-consensus` (who may vote, when to trade) and `rawe-execution` (how an
//! order is built, sent once and settled): it listens to the bus, asks the broker, writes the
//! journal. One owner of all state and one loop, in `engine`; no rule of trading lives here.

mod args;
mod desk;
mod effects;
mod engine;
mod following;
mod halts;
mod instants;
mod intake;
mod launch;
mod market_time;
mod pace;
mod publisher;
mod readers;
mod settings;
mod startup;
#[cfg(test)]
mod testing;
mod witness;

pub use args::EngineArgs;
pub use launch::{engine_main, run, run_with};
pub use settings::Settings;

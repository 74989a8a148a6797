//! Counts the votes and sends what the collective agrees on to the broker.
//!
//! The shell around `rawe-collective`, which decides everything: it listens to the bus, asks the
//! broker, writes the journal and keeps the time. One thread, one loop, in `engine`; what the
//! collective asks for is performed in `perform`. No rule of trading lives here.

mod args;
mod asking;
mod ears;
mod engine;
mod halt_file;
mod instants;
mod launch;
mod market_time;
mod notices;
mod pace;
mod perform;
mod publisher;
mod readers;
mod settings;
mod stewardship;
mod writer;

pub use args::EngineArgs;
pub use engine::ONLY_CLOSING;
pub use halt_file::HALT_FILE;
pub use launch::{Brokerage, JournalSource, engine_main, run, run_with};
pub use settings::Settings;
pub use writer::SharedJournal;

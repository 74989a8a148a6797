//! The consensus engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    consensus_engine::engine_main()
}

//! The founding agent `topological-observer`.

use std::process::ExitCode;

/// Its id on the roster.
const AGENT: &str = "topological-observer";

fn main() -> ExitCode {
    agents::founding_main(AGENT)
}

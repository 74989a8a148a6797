//! The founding agent `balanced-arbitrator`.

use std::process::ExitCode;

/// Its id on the roster.
const AGENT: &str = "balanced-arbitrator";

fn main() -> ExitCode {
    agents::founding_main(AGENT)
}

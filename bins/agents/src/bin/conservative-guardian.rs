//! The founding agent `conservative-guardian`.

use std::process::ExitCode;

/// Its id on the roster.
const AGENT: &str = "conservative-guardian";

fn main() -> ExitCode {
    agents::founding_main(AGENT)
}

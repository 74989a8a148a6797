//! The founding agent `alpha-aggressor`.

use std::process::ExitCode;

/// Its id on the roster.
const AGENT: &str = "alpha-aggressor";

fn main() -> ExitCode {
    agents::founding_main(AGENT)
}

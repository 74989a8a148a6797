//! The founding agent `flux-follower`.

use std::process::ExitCode;

/// Its id on the roster.
const AGENT: &str = "flux-follower";

fn main() -> ExitCode {
    agents::founding_main(AGENT)
}

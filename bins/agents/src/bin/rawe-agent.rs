//! An agent with a personality of the user's own: `rawe-agent --profile FILE`.

use std::process::ExitCode;

fn main() -> ExitCode {
    agents::profile_main()
}

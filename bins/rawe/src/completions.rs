//! `rawe completions SHELL`: completion scripts for interactive shells.

use clap::CommandFactory as _;

use crate::cli::Cli;

/// What to complete for.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(crate) fn completions(args: &CompletionsArgs) {
    let mut command = Cli::command();
    clap_complete::generate(args.shell, &mut command, "rawe", &mut std::io::stdout());
}

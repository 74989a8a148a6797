//! The paper exchange as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use paper_exchange::{ExchangeArgs, run};

/// A local Alpaca over a simulated market, for tests, demos and replays of files.
#[derive(Debug, Parser)]
#[command(name = "paper-exchange", version)]
struct Command {
    #[command(flatten)]
    args: ExchangeArgs,
}

fn main() -> ExitCode {
    let Command { args } = Command::parse();
    rawe_runtime::run_main("paper-exchange", args.log_format, |shutdown| {
        run(args, shutdown)
    })
}

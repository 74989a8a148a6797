//! `rawe`, the operator's command: start the collective, run one process of it, look at it.
//!
//! Called by the name of one of the processes (`consensus-engine`, by a link), it is that process.

#![allow(
    clippy::print_stdout,
    reason = "a command's answer goes to standard output"
)]
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "texts for people, built a few times a second: readability goes before allocations"
)]

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use rawe_core::control::ControlCommand;

mod agents_report;
mod bench;
mod chaos;
mod cli;
mod completions;
mod control;
mod doctor;
mod evaluate;
mod fetch;
mod journal;
mod keys;
mod log_line;
mod logs;
mod narrate;
mod output_folder;
mod record;
mod run;
mod run_folder;
mod schema;
mod status;
mod train;
mod up;

fn main() -> ExitCode {
    match Cli::parse_from(multi_call(std::env::args_os())).command {
        Command::Up(args) => up::main(*args),
        Command::Run { process } => run::main(*process),
        Command::Status(args) => rawe_runtime::run_command("rawe", None, |_| status::status(args)),
        Command::Record(args) => {
            rawe_runtime::run_command("rawe", None, |shutdown| record::record(args, shutdown))
        }
        Command::Fetch(args) => {
            rawe_runtime::run_command("rawe", None, |shutdown| fetch::fetch(*args, shutdown))
        }
        Command::Logs(args) => {
            rawe_runtime::run_command("rawe", None, |shutdown| logs::logs(args, shutdown))
        }
        Command::Halt(args) => control_main(ControlCommand::Halt, args),
        Command::Resume(args) => control_main(ControlCommand::Resume, args),
        Command::Reduce(args) => control_main(ControlCommand::Reduce, args),
        Command::Flatten(args) => control_main(ControlCommand::Flatten, args),
        Command::Why(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { journal::why(&args) })
        }
        Command::Rounds(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { journal::rounds(&args) })
        }
        Command::Orders(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { journal::orders(&args) })
        }
        Command::Positions(args) => {
            rawe_runtime::run_command("rawe", None, |_| journal::positions(*args))
        }
        Command::Pnl(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { journal::pnl(&args) })
        }
        Command::Journal(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { journal::upkeep(&args) })
        }
        Command::Keys(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { keys::keys(&args) })
        }
        Command::Agents(args) => {
            rawe_runtime::run_command("rawe", None, |_| agents_report::agents(args))
        }
        Command::Doctor(args) => rawe_runtime::run_command("rawe", None, |_| doctor::doctor(*args)),
        Command::Evaluate(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { evaluate::evaluate(&args) })
        }
        Command::Narrate(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { narrate::narrate(&args) })
        }
        Command::Train(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { train::train(&args) })
        }
        Command::Bench(args) => {
            rawe_runtime::run_command("rawe", None, |_| async move { bench::bench(&args) })
        }
        Command::Chaos(args) => chaos::main(args),
        Command::Schema => rawe_runtime::run_command("rawe", None, |_| async { schema::schema() }),
        Command::Completions(args) => {
            completions::completions(&args);
            ExitCode::SUCCESS
        }
    }
}

fn control_main(command: ControlCommand, args: control::ControlArgs) -> ExitCode {
    rawe_runtime::run_command("rawe", None, |_| control::control(command, args))
}

/// `consensus-engine --flag` becomes `rawe run consensus-engine --flag`.
fn multi_call(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let called = arguments
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .map(ToOwned::to_owned);
    if let Some(name) = called.filter(|name| run::is_process(name)) {
        arguments.splice(..1, ["rawe".into(), "run".into(), name]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_by_the_name_of_a_process_is_that_process() {
        let words =
            |text: &str| -> Vec<OsString> { multi_call(text.split(' ').map(OsString::from)) };
        assert_eq!(
            words("/usr/bin/consensus-engine --check-config"),
            ["rawe", "run", "consensus-engine", "--check-config"].map(OsString::from)
        );
        assert_eq!(words("./rawe up"), ["./rawe", "up"].map(OsString::from));
    }
}

//! The mains: arguments, help, exit code. One call each, for the five founding agents and for a
//! profile of the user's own.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Command, FromArgMatches};
use rawe_agent::Profile;
use rawe_runtime::{ConfigProblems, connect_bus, run_main};

use crate::setup::{AgentArgs, load_profile, load_voter};

/// What every agent does, for `--help`.
const WHAT_AGENTS_DO: &str = "\
It reads news and price bars from Redis, computes its one view of every asset, and publishes on \
the hour what it thinks (stances) and, where its view is strong enough, a vote (signal). It never \
trades: the consensus engine counts the votes. It starts in any order with the other processes, \
warms up from the history the market feed left in Redis, and can be stopped and started at any \
time.";

/// Examples and exit codes, for `--help`.
const AFTER_HELP: &str = "\
Examples:
  {name}{example}
  {name}{example} --redis-url redis://10.0.0.5:6379 --log-format json
  {name}{example} --check-config

Every flag has an environment variable, shown in brackets. A file rawe.toml given by --config may \
hold an [agents] section. Exit codes: 0 ended as told, 1 failed, 64 bad configuration (all \
problems are listed).";

/// The main of a founding agent.
pub fn founding_main(id: &'static str) -> ExitCode {
    let about = Profile::founding_by_id(id)
        .map(|profile| format!("{}. {}", profile.name, profile.description))
        .unwrap_or_default();
    start(id, Some(id), about, false)
}

/// The main of `rawe-agent`: any profile.
pub fn profile_main() -> ExitCode {
    start(
        "rawe-agent",
        None,
        "An agent with a personality of your own.".to_owned(),
        true,
    )
}

fn command(name: &'static str, about: String, profile_required: bool) -> Command {
    let example = if profile_required {
        " --profile my-agent.toml"
    } else {
        ""
    };
    AgentArgs::augment_args(Command::new(name))
        .version(env!("CARGO_PKG_VERSION"))
        .long_about(format!("{about}\n\n{WHAT_AGENTS_DO}"))
        .about(about)
        .after_long_help(
            AFTER_HELP
                .replace("{name}", name)
                .replace("{example}", example),
        )
        .mut_arg("profile", |argument| argument.required(profile_required))
}

fn start(
    name: &'static str,
    founding: Option<&'static str>,
    about: String,
    profile_required: bool,
) -> ExitCode {
    let matches = command(name, about, profile_required).get_matches();
    let args = match AgentArgs::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let process = process_name(name, founding, &args);
    run_main(&process, args.common.log_format, |shutdown| async move {
        let profile = checked(founding, &args)?;
        if args.common.check_config {
            writeln!(
                std::io::stdout(),
                "{}: the configuration is good",
                profile.id
            )?;
            return Ok(());
        }
        let bus = connect_bus(&args.common.redis_url).await?;
        crate::run(profile, args, bus, shutdown).await
    })
}

/// The name in the logs: the personality's id, where it can be read.
fn process_name(name: &str, founding: Option<&str>, args: &AgentArgs) -> String {
    load_profile(founding, args).map_or_else(|_| name.to_owned(), |profile| profile.id.to_string())
}

/// The profile, if nothing at all is wrong with the configuration.
fn checked(founding: Option<&str>, args: &AgentArgs) -> Result<Profile, ConfigProblems> {
    match load_profile(founding, args) {
        Ok(profile) => {
            let (voter, signer) = (
                load_voter(profile.clone(), args).map(drop),
                args.signer(profile.id.as_str()).map(drop),
            );
            match (voter, signer) {
                (Err(ConfigProblems(mut problems)), Err(ConfigProblems(more))) => {
                    problems.extend(more);
                    Err(ConfigProblems(problems))
                }
                (voter, signer) => voter.and(signer).map(|()| profile),
            }
        }
        Err(ConfigProblems(mut problems)) => {
            // The rest of the configuration is looked at too, so that all problems are listed.
            if let Some(any) = Profile::founding_by_id("balanced-arbitrator")
                && let Err(ConfigProblems(more)) = load_voter(any, args)
            {
                problems.extend(more);
            }
            Err(ConfigProblems(problems))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed_and_tell_what_they_do() {
        for required in [false, true] {
            let mut command = command("agent-x", "An agent.".to_owned(), required);
            command.clone().debug_assert();
            let help = command.render_long_help().to_string();
            for word in [
                "--profile",
                "--redis-url",
                "RAWE_REDIS_URL",
                "--check-config",
                "64",
            ] {
                assert!(help.contains(word), "{word} is not in the help");
            }
            assert_eq!(command.try_get_matches_from(["agent-x"]).is_err(), required);
        }
    }
}

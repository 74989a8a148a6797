//! From arguments and `rawe.toml` to settings that nothing later has to check again.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rawe_consensus::{ConsensusConfig, Rules};
use rawe_core::{Roster, RosterAgent};
use rawe_execution::RiskLimits;
use rawe_journal::Durability;
use rawe_runtime::{ConfigProblems, load_section};
use serde::de::DeserializeOwned;

use crate::args::EngineArgs;

/// The second of the two settings without which no real money moves.
const ALLOW_LIVE_VARIABLE: &str = "RAWE_ALLOW_LIVE";
/// The longest name of a deployment, in bytes.
const DEPLOYMENT_LENGTH_MAX: usize = 64;

/// Everything the engine is told, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The collective's rules.
    pub rules: Rules,
    /// Who may vote.
    pub roster: Roster,
    /// Limits on money.
    pub limits: RiskLimits,
    /// Pub/sub channel of the signals.
    pub channel: String,
    /// File of the journal.
    pub journal: PathBuf,
    /// What a commit to the journal must survive.
    pub durability: Durability,
    /// Part of every order's id.
    pub deployment: String,
    /// Process names of the agents awaited at every paced instant.
    pub participants: BTreeSet<String>,
}

impl Settings {
    /// Checks arguments, environment and file.
    ///
    /// # Errors
    /// All problems at once.
    pub fn load(args: &EngineArgs) -> Result<Self, ConfigProblems> {
        let allowed = std::env::var(ALLOW_LIVE_VARIABLE).is_ok_and(|value| value == "yes");
        Self::check(args, allowed)
    }

    /// Like [`Settings::load`], with the word on real money as an argument.
    pub(crate) fn check(args: &EngineArgs, live_allowed: bool) -> Result<Self, ConfigProblems> {
        let mut problems = Vec::new();
        let mut consensus: ConsensusConfig = section(args, "consensus", &mut problems);
        let limits: RiskLimits = section(args, "risk", &mut problems);
        let listed: Vec<RosterAgent> = section(args, "roster", &mut problems);
        let roster = if listed.is_empty() {
            Roster::default()
        } else {
            Roster(listed)
        };
        consensus.quorum = args.quorum.or(consensus.quorum);
        consensus.window_ms = args.window_ms.unwrap_or(consensus.window_ms);
        problems.extend(limits.problems());
        let rules = consensus
            .check(&roster)
            .map_err(|found| problems.extend(found))
            .ok();
        if args.broker.is_live() && !(args.live && live_allowed) {
            problems.push(format!(
                "{} moves real money; give --live and set {ALLOW_LIVE_VARIABLE}=yes, or use \
                 https://paper-api.alpaca.markets",
                args.broker.alpaca_url
            ));
        }
        if let Err(ConfigProblems(found)) = args.broker.keys() {
            problems.extend(found);
        }
        if let Some(problem) = deployment_problem(&args.deployment) {
            problems.push(problem);
        }
        let durability = if args.broker.is_live() {
            Durability::Synced
        } else {
            Durability::Written
        };
        match rules {
            Some(rules) if problems.is_empty() => Ok(Self {
                rules,
                limits,
                channel: args.common.channel.clone(),
                journal: args.journal.clone(),
                durability,
                deployment: args.deployment.clone(),
                participants: participants(args, &roster),
                roster,
            }),
            _ => Err(ConfigProblems(problems)),
        }
    }
}

fn section<T: DeserializeOwned + Default>(
    args: &EngineArgs,
    name: &str,
    problems: &mut Vec<String>,
) -> T {
    load_section(args.common.config.as_deref(), name).unwrap_or_else(|ConfigProblems(found)| {
        for problem in found {
            // What is wrong with the file as a whole is found by every section.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        T::default()
    })
}

fn participants(args: &EngineArgs, roster: &Roster) -> BTreeSet<String> {
    let named = args
        .participants
        .iter()
        .filter(|name| !name.is_empty())
        .cloned();
    let named: BTreeSet<String> = named.collect();
    if named.is_empty() {
        roster
            .0
            .iter()
            .map(|agent| agent.id.as_str().to_owned())
            .collect()
    } else {
        named
    }
}

fn deployment_problem(name: &str) -> Option<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let valid = !name.is_empty() && name.len() <= DEPLOYMENT_LENGTH_MAX && name.bytes().all(fits);
    (!valid).then(|| {
        format!("--deployment '{name}': use 1 to {DEPLOYMENT_LENGTH_MAX} letters, digits, '-', '_'")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::io::Write;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: EngineArgs,
    }

    fn args(words: &[&str]) -> EngineArgs {
        let line = std::iter::once("consensus-engine").chain(words.iter().copied());
        Line::try_parse_from(line).unwrap().args
    }

    #[test]
    fn the_defaults_need_nothing() {
        let settings = Settings::check(&args(&[]), false).unwrap();
        assert_eq!(settings.rules.quorum(), 3);
        assert_eq!(settings.participants.len(), 5);
        assert_eq!(settings.durability, Durability::Written);
    }

    #[test]
    fn real_money_needs_a_flag_and_a_variable() {
        let live = "https://api.alpaca.markets";
        let keys = [
            "--alpaca-key-id",
            "k",
            "--alpaca-secret-key",
            "s",
            "--alpaca-url",
            live,
        ];
        for (flag, variable, allowed) in [
            (false, false, false),
            (true, false, false),
            (false, true, false),
            (true, true, true),
        ] {
            let mut words = keys.to_vec();
            if flag {
                words.push("--live");
            }
            let settings = Settings::check(&args(&words), variable);
            assert_eq!(
                settings.is_ok(),
                allowed,
                "flag {flag}, variable {variable}"
            );
            if let Ok(settings) = settings {
                assert_eq!(settings.durability, Durability::Synced);
            }
        }
    }

    #[test]
    fn the_file_is_read_flags_win_and_all_problems_are_listed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(
            file,
            "[consensus]\nquorum = 2\nwindow_ms = 5000\n\
             [[roster]]\nid = \"a\"\nname = \"A\"\n[[roster]]\nid = \"b\"\nname = \"B\"\n"
        )
        .unwrap();
        let path = file.path().to_str().unwrap();
        let settings = Settings::check(&args(&["--config", path]), false).unwrap();
        assert_eq!((settings.rules.quorum(), settings.roster.len()), (2, 2));
        assert_eq!(settings.rules.window().num_seconds(), 5);
        let words = [
            "--config",
            path,
            "--quorum",
            "3",
            "--window-ms",
            "0",
            "--deployment",
            "a/b",
        ];
        let problems = Settings::check(&args(&words), false).unwrap_err().0;
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn the_participants_may_be_named() {
        let settings = Settings::check(&args(&["--participants", "a,b"]), false).unwrap();
        assert_eq!(
            settings.participants,
            ["a".to_owned(), "b".to_owned()].into()
        );
    }
}

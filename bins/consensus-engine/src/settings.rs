//! From arguments and `rawe.toml` to settings that nothing later has to check again.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rawe_consensus::{ConsensusConfig, Rules};
use rawe_core::{Roster, RosterAgent};
use rawe_execution::RiskLimits;
use rawe_execution::desk::{DeskSettings, ExitRules};
use rawe_execution::limits::{PriceRule, SkewRule};
use rawe_journal::Durability;
use rawe_runtime::{ConfigProblems, load_section};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::args::EngineArgs;

/// The second of the two settings without which no real money moves.
const ALLOW_LIVE_VARIABLE: &str = "RAWE_ALLOW_LIVE";
/// Limits over which a real account is refused: figures like these are for benchmarks.
const LIVE_ORDER_NOTIONAL_MAX: u32 = 250_000;
const LIVE_GROSS_NOTIONAL_MAX: u32 = 2_000_000;
/// The broker takes 200 requests a minute of an account.
const LIVE_ORDERS_PER_MINUTE_MAX: u32 = 180;
const LIVE_NEW_POSITIONS_PER_HOUR_MAX: usize = 60;
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
    /// How positions end when nobody votes, and what trading costs.
    pub exits: ExitRules,
    /// Whether orders move real money.
    pub live: bool,
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
        let exits: ExitRules = section(args, "exits", &mut problems);
        let journal: JournalSection = section(args, "journal", &mut problems);
        let listed: Vec<RosterAgent> = section(args, "roster", &mut problems);
        let roster = if listed.is_empty() {
            Roster::default()
        } else {
            Roster(listed)
        };
        consensus.quorum = args.quorum.or(consensus.quorum);
        consensus.window_ms = args.window_ms.unwrap_or(consensus.window_ms);
        problems.extend(limits.problems());
        problems.extend(exits.problems());
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
        let live = args.broker.is_live();
        if live {
            problems.extend(unsafe_for_real_money(&limits, rules.as_ref()));
        }
        let durability = journal.durability.unwrap_or(if live {
            Durability::Synced
        } else {
            Durability::Written
        });
        if live && durability != Durability::Synced {
            problems.push(
                "journal.durability is \"written\"; a real account needs \"synced\"".to_owned(),
            );
        }
        match rules {
            Some(rules) if problems.is_empty() => Ok(Self {
                rules,
                limits,
                exits,
                live,
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

    /// What the desk of this deployment is told.
    pub(crate) fn desk(&self, deployment: String) -> DeskSettings {
        DeskSettings {
            deployment,
            limits: self.limits.clone(),
            exits: self.exits.clone(),
            new_positions_per_hour: self.rules.new_positions_per_hour(),
        }
    }
}

/// The `[journal]` section.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct JournalSection {
    /// What a commit survives; absent: a power cut for a real account, else kill -9.
    durability: Option<Durability>,
}

/// What a benchmark may do and an account with real money may not.
fn unsafe_for_real_money(limits: &RiskLimits, rules: Option<&Rules>) -> Vec<String> {
    let openings = rules.map_or(0, Rules::new_positions_per_hour);
    let over = |name: &str, value: String, most: String| {
        format!("{name} is {value}; a real account takes at most {most}")
    };
    let mut problems = Vec::new();
    if limits.last_price == PriceRule::Off {
        problems.push("risk.last_price is \"off\"; a real account needs \"required\"".to_owned());
    }
    if limits.clock_skew == SkewRule::Warn {
        problems.push("risk.clock_skew is \"warn\"; a real account needs \"halt\"".to_owned());
    }
    for (name, value, most) in [
        (
            "risk.order_notional_max",
            limits.order_notional_max,
            LIVE_ORDER_NOTIONAL_MAX,
        ),
        (
            "risk.gross_notional_max",
            limits.gross_notional_max,
            LIVE_GROSS_NOTIONAL_MAX,
        ),
    ] {
        if value > Decimal::from(most) {
            problems.push(over(name, value.to_string(), most.to_string()));
        }
    }
    if limits.orders_per_minute_max > LIVE_ORDERS_PER_MINUTE_MAX {
        let (value, most) = (limits.orders_per_minute_max, LIVE_ORDERS_PER_MINUTE_MAX);
        problems.push(over(
            "risk.orders_per_minute_max",
            value.to_string(),
            most.to_string(),
        ));
    }
    if openings > LIVE_NEW_POSITIONS_PER_HOUR_MAX {
        let most = LIVE_NEW_POSITIONS_PER_HOUR_MAX;
        problems.push(over(
            "consensus.new_positions_per_hour",
            openings.to_string(),
            most.to_string(),
        ));
    }
    problems
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
    fn a_benchmarks_settings_are_refused_for_real_money_and_only_then() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(
            file,
            "[consensus]\nnew_positions_per_hour = 1000000\n\
             [risk]\nlast_price = \"off\"\nclock_skew = \"warn\"\n\
             order_notional_max = \"1000000\"\ngross_notional_max = \"1000000000\"\n\
             orders_per_minute_max = 1000000\n[journal]\ndurability = \"written\"\n"
        )
        .unwrap();
        let path = file.path().to_str().unwrap();
        let settings = Settings::check(&args(&["--config", path]), false).unwrap();
        assert_eq!(settings.durability, Durability::Written);
        let live = [
            "--config",
            path,
            "--alpaca-key-id",
            "k",
            "--alpaca-secret-key",
            "s",
            "--alpaca-url",
            "https://api.alpaca.markets",
            "--live",
        ];
        let problems = Settings::check(&args(&live), true).unwrap_err().0;
        assert_eq!(problems.len(), 7, "{problems:?}");
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

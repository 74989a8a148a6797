//! The rules of the collective: as written in the `[consensus]` section, and as checked.
//!
//! Defaults are measured ones where a measurement exists. Nothing later re-checks a [`Rules`].

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_core::Roster;
use rawe_core::signing::{Authentication, PublicKey};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::weights_rules::{Voting, WeightRules, WeightsConfig};

/// What to do when both directions have a quorum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TieBreak {
    /// Do nothing: the record says `CONFLICT`.
    #[default]
    Skip,
    /// Follow the side whose agreeing votes expect more profit; equal sides still conflict.
    ExpectedProfit,
}

/// When a round with a quorum is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseMode {
    /// As soon as the K-th agreeing vote arrives (unless the other side could still match it).
    Early,
    /// When all votes of the instant are in, or the window's timer ends.
    Complete,
}

/// The `[consensus]` section, close to the file. [`ConsensusConfig::check`] makes it [`Rules`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsensusConfig {
    /// K, the number of agreeing agents a decision needs; absent means a majority of the roster.
    pub quorum: Option<u32>,
    /// Allows a K of half the roster or fewer.
    pub allow_minority: bool,
    /// What to do when both directions have a quorum.
    pub tie_break: TieBreak,
    /// When to decide; absent means early when live and complete in a paced replay.
    pub close: Option<CloseMode>,
    /// How far apart the votes of a quorum may be, in milliseconds of market time, 1..=3,600,000.
    pub window_ms: u64,
    /// The longest time to live granted to a signal, in milliseconds; at least the window.
    pub ttl_ms_max: u64,
    /// How long after a decision its order may still be sent, in milliseconds of market time.
    pub decision_ttl_ms: u64,
    /// No exit by vote before a position is this old, in seconds.
    pub min_hold_secs: u32,
    /// No entry for this long after the last fill in an asset, in seconds.
    pub cool_down_secs: u32,
    /// No further attempt for this long after an order was refused or not filled, in seconds.
    pub retry_wait_secs: u32,
    /// How many positions may be opened within any hour.
    pub new_positions_per_hour: u32,
    /// A stance older than this many scans of open market is unknown.
    pub stance_scans_max: u32,
    /// The smallest order worth sending after dissent, USD.
    pub notional_min: Decimal,
    /// The largest size a vote may propose, USD.
    pub size_max: Decimal,
    /// Whether heads alone decide, or earned weight too.
    pub voting: Voting,
    /// How weights are earned.
    pub weights: WeightsConfig,
    /// Whether votes and the operator's words must be signed.
    pub auth: Authentication,
    /// Ed25519 public keys of the operators, base64: they may resume, reduce and flatten.
    pub operator_keys: Vec<PublicKey>,
}

impl Default for ConsensusConfig {
    fn default() -> Self {
        Self {
            quorum: None,
            allow_minority: false,
            tie_break: TieBreak::Skip,
            close: None,
            window_ms: 10_000,
            ttl_ms_max: 300_000,
            decision_ttl_ms: 60_000,
            min_hold_secs: 12 * 3_600,
            cool_down_secs: 4 * 3_600,
            retry_wait_secs: 600,
            new_positions_per_hour: 3,
            stance_scans_max: 3,
            notional_min: Decimal::TEN,
            size_max: Decimal::from(1_000_000),
            voting: Voting::default(),
            weights: WeightsConfig::default(),
            auth: Authentication::Off,
            operator_keys: Vec::new(),
        }
    }
}

/// The longest window accepted, in milliseconds: one scan step. A longer one would let votes of
/// different scans make a quorum.
const WINDOW_MS_MAX: u64 = 3_600_000;
/// The longest time to live accepted, in milliseconds: one day.
const TTL_MS_MAX: u64 = 86_400_000;

/// Checked rules. Made only by [`ConsensusConfig::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub(crate) quorum: usize,
    pub(crate) tie_break: TieBreak,
    pub(crate) close: Option<CloseMode>,
    pub(crate) window: TimeDelta,
    pub(crate) ttl_max: TimeDelta,
    pub(crate) decision_ttl: TimeDelta,
    pub(crate) min_hold: TimeDelta,
    pub(crate) cool_down: TimeDelta,
    pub(crate) retry_wait: TimeDelta,
    pub(crate) new_positions_per_hour: usize,
    pub(crate) stance_scans_max: u32,
    pub(crate) notional_min: Decimal,
    pub(crate) size_max: Decimal,
    pub(crate) voting: Voting,
    pub(crate) weights: WeightRules,
    pub(crate) auth: Authentication,
    pub(crate) operator_keys: Vec<PublicKey>,
}

impl Rules {
    /// Whether votes and the operator's words must be signed.
    pub fn auth(&self) -> Authentication {
        self.auth
    }

    /// Who may resume, reduce and flatten.
    pub fn operator_keys(&self) -> &[PublicKey] {
        &self.operator_keys
    }

    /// K.
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// Whether heads alone decide.
    pub fn voting(&self) -> Voting {
        self.voting
    }

    /// How far apart the votes of a quorum may be.
    pub fn window(&self) -> TimeDelta {
        self.window
    }

    /// How many positions may be opened within any hour.
    pub fn new_positions_per_hour(&self) -> usize {
        self.new_positions_per_hour
    }

    /// The longest time to live granted to a signal.
    pub fn ttl_max(&self) -> TimeDelta {
        self.ttl_max
    }

    /// How long after a decision its order may still be sent.
    pub fn decision_ttl(&self) -> TimeDelta {
        self.decision_ttl
    }
}

impl ConsensusConfig {
    /// Checks the section against the roster.
    ///
    /// # Errors
    /// All problems, one sentence each, with what to write instead.
    pub fn check(&self, roster: &Roster) -> Result<Rules, Vec<String>> {
        let problems = self.problems(roster);
        if !problems.is_empty() {
            return Err(problems);
        }
        let quorum = self.quorum.map_or(roster.len() / 2 + 1, |k| k as usize);
        Ok(Rules {
            quorum,
            tie_break: self.tie_break,
            close: self.close,
            window: milliseconds(self.window_ms),
            ttl_max: milliseconds(self.ttl_ms_max),
            decision_ttl: milliseconds(self.decision_ttl_ms),
            min_hold: TimeDelta::seconds(i64::from(self.min_hold_secs)),
            cool_down: TimeDelta::seconds(i64::from(self.cool_down_secs)),
            retry_wait: TimeDelta::seconds(i64::from(self.retry_wait_secs)),
            new_positions_per_hour: self.new_positions_per_hour as usize,
            stance_scans_max: self.stance_scans_max,
            notional_min: self.notional_min,
            size_max: self.size_max,
            voting: self.voting,
            weights: self.weights.rules(),
            auth: self.auth,
            operator_keys: self.operator_keys.clone(),
        })
    }

    fn problems(&self, roster: &Roster) -> Vec<String> {
        let mut problems = roster_problems(roster);
        problems.extend(self.weights.problems());
        problems.extend(self.key_problems(roster));
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let voters = roster.len();
        if let Some(quorum) = self.quorum {
            let quorum = quorum as usize;
            require(
                (1..=voters.max(1)).contains(&quorum),
                format!("consensus.quorum is {quorum}; use 1 to {voters}, the roster's length"),
            );
            require(
                quorum * 2 > voters || self.allow_minority,
                format!(
                    "consensus.quorum is {quorum} of {voters}, no majority; use {} or more, or \
                     set consensus.allow_minority = true",
                    voters / 2 + 1
                ),
            );
        }
        require(
            (1..=WINDOW_MS_MAX).contains(&self.window_ms),
            format!(
                "consensus.window_ms is {}; use 1 to {WINDOW_MS_MAX}",
                self.window_ms
            ),
        );
        require(
            (self.window_ms..=TTL_MS_MAX).contains(&self.ttl_ms_max),
            format!(
                "consensus.ttl_ms_max is {}; use window_ms ({}) to {TTL_MS_MAX}",
                self.ttl_ms_max, self.window_ms
            ),
        );
        require(
            (1..=TTL_MS_MAX).contains(&self.decision_ttl_ms),
            format!(
                "consensus.decision_ttl_ms is {}; use 1 to {TTL_MS_MAX}",
                self.decision_ttl_ms
            ),
        );
        require(
            self.stance_scans_max >= 1,
            "consensus.stance_scans_max is 0; use 1 or more".to_owned(),
        );
        require(
            self.notional_min > Decimal::ZERO,
            format!(
                "consensus.notional_min is {}; use more than 0 USD",
                self.notional_min
            ),
        );
        require(
            self.size_max >= self.notional_min,
            format!(
                "consensus.size_max is {}; use notional_min or more",
                self.size_max
            ),
        );
        problems
    }
}

impl ConsensusConfig {
    /// What would lock somebody out, or let one voter speak for another.
    fn key_problems(&self, roster: &Roster) -> Vec<String> {
        let mut problems = Vec::new();
        let mut owners: BTreeMap<PublicKey, String> = BTreeMap::new();
        let operators = self
            .operator_keys
            .iter()
            .map(|key| (key.clone(), "consensus.operator_keys".to_owned()));
        let voters = roster.0.iter().flat_map(|agent| {
            let owner = format!("[[roster]] {}", agent.id);
            agent
                .keys()
                .into_iter()
                .map(move |key| (key, owner.clone()))
        });
        for (key, owner) in operators.chain(voters) {
            if let Some(other) = owners.insert(key.clone(), owner.clone()) {
                problems.push(format!(
                    "the key {key} is at {other} and at {owner}; a key has one owner, once"
                ));
            }
        }
        if self.auth != Authentication::Required {
            return problems;
        }
        for agent in roster.0.iter().filter(|agent| agent.keys().is_empty()) {
            problems.push(format!(
                "consensus.auth is \"required\" and '{}' of the [[roster]] has no public_key; make \
                 keys with `rawe keys all`",
                agent.id
            ));
        }
        if self.operator_keys.is_empty() {
            problems.push(
                "consensus.auth is \"required\" and consensus.operator_keys is empty: nobody could \
                 resume trading; make keys with `rawe keys all`"
                    .to_owned(),
            );
        }
        problems
    }
}

fn roster_problems(roster: &Roster) -> Vec<String> {
    let mut problems = Vec::new();
    if roster.is_empty() {
        problems.push("[[roster]] is empty; name at least one agent".to_owned());
    }
    for (place, agent) in roster.0.iter().enumerate() {
        let mut earlier = roster.0.iter().take(place);
        if earlier.clone().any(|other| other.id == agent.id) {
            problems.push(format!(
                "[[roster]] names the id '{}' twice; ids are unique",
                agent.id
            ));
        }
        if earlier.any(|other| other.name == agent.name) {
            problems.push(format!(
                "[[roster]] names '{}' twice; names are unique",
                agent.name
            ));
        }
    }
    problems
}

/// Bounded by the checks above, so the conversion never saturates.
fn milliseconds(value: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(value).unwrap_or(i64::MAX / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_a_majority_of_the_roster() {
        let roster = Roster::default();
        let rules = ConsensusConfig::default().check(&roster).unwrap();
        assert_eq!(rules.quorum(), 3);
        for (voters, quorum) in [(1, 1), (2, 2), (3, 2), (4, 3)] {
            let roster = Roster(roster.0.iter().take(voters).cloned().collect());
            assert_eq!(
                ConsensusConfig::default().check(&roster).unwrap().quorum(),
                quorum
            );
        }
    }

    #[test]
    fn all_problems_are_listed_at_once() {
        let mut roster = Roster::default();
        roster.0[1] = roster.0[0].clone();
        let config = ConsensusConfig {
            quorum: Some(2),
            window_ms: 0,
            ttl_ms_max: TTL_MS_MAX + 1,
            decision_ttl_ms: 0,
            stance_scans_max: 0,
            notional_min: Decimal::ZERO,
            size_max: Decimal::NEGATIVE_ONE,
            ..ConsensusConfig::default()
        };
        assert_eq!(config.check(&roster).unwrap_err().len(), 9);
    }

    #[test]
    fn a_minority_must_be_allowed_in_words() {
        let roster = Roster::default();
        let minority = ConsensusConfig {
            quorum: Some(2),
            ..ConsensusConfig::default()
        };
        assert!(minority.check(&roster).is_err());
        let allowed = ConsensusConfig {
            allow_minority: true,
            ..minority
        };
        assert_eq!(allowed.check(&roster).unwrap().quorum(), 2);
    }
}

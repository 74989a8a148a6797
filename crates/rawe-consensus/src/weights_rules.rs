//! The rules by which weights are earned: as written in `[consensus.weights]`, and as checked.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::weights_scale::{MILLION, exponential_millionths};

/// Whether votes are counted by heads alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voting {
    /// K heads decide. Weights are worked out and shown, and change nothing.
    #[default]
    Headcount,
    /// K heads decide if they also hold more than half of the roster's earned weight.
    Earned,
}

impl Voting {
    /// The word as it stands in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Headcount => "headcount",
            Self::Earned => "earned",
        }
    }
}

/// The `[consensus.weights]` section. Defaults are argued in `docs/consensus.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WeightsConfig {
    /// η: what a trade that counts in full adds to the logarithm of a weight, above 0, at most 1.
    pub learning_rate: Decimal,
    /// The return on what was put in that counts in full, either way: above 0, at most 1.
    pub return_full: Decimal,
    /// Trades an agent must have voted on before its weight differs from an equal voice.
    pub sample_min: u32,
    /// φ: the part of every logarithm that is forgotten with each trade, 0 to 0.5.
    pub shrinkage: Decimal,
    /// How many times an equal voice a weight may reach before scaling, 1 to 10; at the other end
    /// it is the same part.
    pub cap: Decimal,
}

impl Default for WeightsConfig {
    fn default() -> Self {
        Self {
            learning_rate: Decimal::new(1, 1),
            return_full: Decimal::new(5, 2),
            sample_min: 20,
            shrinkage: Decimal::new(1, 2),
            cap: Decimal::TWO,
        }
    }
}

/// Checked rules, in millionths. Made only by [`WeightsConfig`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WeightRules {
    pub(crate) learning_rate: i64,
    pub(crate) return_full: Decimal,
    pub(crate) sample_min: u64,
    pub(crate) shrinkage: i64,
    /// The largest score, the negative of the smallest.
    pub(crate) score_max: i64,
}

/// The largest cap accepted.
const CAP_MAX: Decimal = Decimal::TEN;
/// Half of a score: more at a trade would be no memory.
const SHRINKAGE_MAX: Decimal = Decimal::from_parts(5, 0, 0, false, 1);

impl WeightsConfig {
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut require = |key: &str, value: Decimal, holds: bool, range: &str| {
            if !holds {
                problems.push(format!("consensus.weights.{key} is {value}; use {range}"));
            }
        };
        let share = |value: Decimal| value >= Decimal::new(1, 6) && value <= Decimal::ONE;
        require(
            "learning_rate",
            self.learning_rate,
            share(self.learning_rate),
            "0.000001 to 1",
        );
        require(
            "return_full",
            self.return_full,
            share(self.return_full),
            "0.000001 to 1",
        );
        require(
            "shrinkage",
            self.shrinkage,
            self.shrinkage >= Decimal::ZERO && self.shrinkage <= SHRINKAGE_MAX,
            "0 to 0.5",
        );
        require(
            "cap",
            self.cap,
            self.cap >= Decimal::ONE && self.cap <= CAP_MAX,
            "1 to 10",
        );
        problems
    }

    /// The rules of a section without problems.
    pub(crate) fn rules(&self) -> WeightRules {
        WeightRules {
            learning_rate: millionths(self.learning_rate),
            return_full: self.return_full,
            sample_min: u64::from(self.sample_min),
            shrinkage: millionths(self.shrinkage),
            score_max: score_of(millionths(self.cap).unsigned_abs()),
        }
    }
}

fn millionths(value: Decimal) -> i64 {
    (value * Decimal::from(MILLION))
        .trunc()
        .to_i64()
        .unwrap_or(0)
}

/// The largest score whose weight is at most `weight`, both millionths.
fn score_of(weight: u64) -> i64 {
    let (mut low, mut high) = (0_i64, 2_400_000_i64);
    while low < high {
        let middle = (low + high + 1) / 2;
        if exponential_millionths(middle) <= weight {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_is_the_weight_of_the_largest_score() {
        for (cap, score) in [(1, 0), (2, 693_147), (10, 2_302_585)] {
            let config = WeightsConfig {
                cap: Decimal::from(cap),
                ..WeightsConfig::default()
            };
            let found = config.rules().score_max;
            assert!((found - score).abs() <= 1, "{cap}: {found}, not {score}");
        }
    }

    #[test]
    fn every_problem_is_told() {
        assert!(WeightsConfig::default().problems().is_empty());
        let wrong = WeightsConfig {
            learning_rate: Decimal::ZERO,
            return_full: Decimal::TWO,
            sample_min: 0,
            shrinkage: Decimal::ONE,
            cap: Decimal::ZERO,
        };
        let problems = wrong.problems();
        assert_eq!(problems.len(), 4, "{problems:?}");
    }
}

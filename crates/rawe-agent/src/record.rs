//! Records on paper: whether a class of assets is open, and how an agent's own votes have done.
//!
//! All agents keep the same collective record from the same features, so that they agree on which
//! class is open without talking to each other.

use chrono::TimeDelta;
use rawe_core::AssetClass;
use serde::{Deserialize, Serialize};

use crate::paper::PaperRules;

/// One basis point as a share.
const BASIS_POINT: f64 = 1e-4;
/// Observations of e = ±1 that the prior slope of 0 is worth: about ten days of hourly scans.
const SLOPE_PRIOR: f64 = 240.0;
/// The Beta prior of the win probability: ten wins and ten losses.
const WIN_PRIOR: f64 = 10.0;

/// The rules by which the collective's paper record is kept, equal for all agents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CollectiveRules {
    /// Votes that open a paper position; absent: more than half of the profiles.
    pub quorum: Option<usize>,
    /// Minimum hold, hours.
    pub minimum_hold_hours: u32,
    /// Entry cool-down, hours.
    pub cool_down_hours: u32,
    /// How many paper trades the prior is worth.
    pub prior_trades: f64,
    /// Prior of the gross move per trade in crypto, basis points: 166 net of the default cost.
    pub crypto_prior_gross_bp: f64,
    /// Round-trip cost in crypto, basis points.
    pub crypto_cost_bp: f64,
    /// Prior of the gross move per trade in stocks, basis points.
    pub stocks_prior_gross_bp: f64,
    /// Round-trip cost in stocks, basis points.
    pub stocks_cost_bp: f64,
}

impl Default for CollectiveRules {
    fn default() -> Self {
        Self {
            quorum: None,
            minimum_hold_hours: 12,
            cool_down_hours: 4,
            prior_trades: 200.0,
            crypto_prior_gross_bp: 216.0,
            crypto_cost_bp: 50.0,
            stocks_prior_gross_bp: 0.0,
            stocks_cost_bp: 10.0,
        }
    }
}

impl CollectiveRules {
    /// Every value that cannot be used.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.quorum == Some(0) {
            problems.push("quorum is 0; it must be at least 1".to_owned());
        }
        if !(self.prior_trades.is_finite() && self.prior_trades > 0.0) {
            problems.push(format!(
                "prior_trades is {}; it must be above 0",
                self.prior_trades
            ));
        }
        for (key, value) in [
            ("crypto_prior_gross_bp", self.crypto_prior_gross_bp),
            ("stocks_prior_gross_bp", self.stocks_prior_gross_bp),
            ("crypto_cost_bp", self.crypto_cost_bp),
            ("stocks_cost_bp", self.stocks_cost_bp),
        ] {
            if !value.is_finite() || value.abs() > 10_000.0 {
                problems.push(format!(
                    "{key} is {value}; it must be between -10000 and 10000"
                ));
            }
        }
        problems
    }

    /// Round-trip cost of a class, as a share of the notional.
    pub fn cost(&self, class: AssetClass) -> f64 {
        BASIS_POINT
            * match class {
                AssetClass::Crypto => self.crypto_cost_bp,
                AssetClass::UsEquity => self.stocks_cost_bp,
            }
    }

    fn prior(&self, class: AssetClass) -> f64 {
        BASIS_POINT
            * match class {
                AssetClass::Crypto => self.crypto_prior_gross_bp,
                AssetClass::UsEquity => self.stocks_prior_gross_bp,
            }
    }

    /// The paper rules for so many profiles.
    pub fn paper_rules(&self, profiles: usize) -> PaperRules {
        PaperRules {
            quorum: self.quorum.unwrap_or(profiles / 2 + 1),
            minimum_hold: TimeDelta::hours(self.minimum_hold_hours.into()),
            cool_down: TimeDelta::hours(self.cool_down_hours.into()),
        }
    }
}

/// The collective's paper trades in one class of assets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassRecord {
    /// Closed paper trades.
    pub trades: u64,
    /// Sum of their gross moves, as shares.
    pub gross_sum: f64,
}

impl ClassRecord {
    /// Adds a closed trade.
    pub fn add(&mut self, gross_move: f64) {
        if gross_move.is_finite() {
            self.trades += 1;
            self.gross_sum += gross_move;
        }
    }

    /// The expected gross move per trade, as a share: the record pooled with the prior,
    /// (prior_trades · prior + sum of moves) / (prior_trades + trades).
    pub fn expected_move(&self, class: AssetClass, rules: &CollectiveRules) -> f64 {
        let weight = rules.prior_trades;
        weight.mul_add(rules.prior(class), self.gross_sum) / (weight + self.trades as f64)
    }

    /// Whether the class is open: more is expected than a round trip costs.
    pub fn is_open(&self, class: AssetClass, rules: &CollectiveRules) -> bool {
        self.expected_move(class, rules) > rules.cost(class)
    }
}

/// How one agent's own votes have done in one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnRecord {
    /// Closed paper trades: from a vote to its end.
    pub trades: u64,
    /// Those that won after costs.
    pub wins: u64,
    product_sum: f64,
    square_sum: f64,
}

impl OwnRecord {
    /// Adds a closed trade.
    pub fn add_trade(&mut self, gross_move: f64, cost: f64) {
        self.trades += 1;
        self.wins += u64::from(gross_move > cost);
    }

    /// Adds what the expert's previous value earned: the return that followed, in sigmas.
    pub fn add_scan(&mut self, previous_expert: f64, return_in_sigmas: f64) {
        if return_in_sigmas.is_finite() {
            self.product_sum += previous_expert * return_in_sigmas;
            self.square_sum += previous_expert * previous_expert;
        }
    }

    /// Sigmas earned per bar and unit of e, shrunk towards 0.
    pub fn slope(&self) -> f64 {
        self.product_sum / (self.square_sum + SLOPE_PRIOR)
    }

    /// The calibrated probability that a vote wins after costs.
    pub fn win_probability(&self) -> f64 {
        (WIN_PRIOR + self.wins as f64) / (2.0 * WIN_PRIOR + self.trades as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_opens_and_closes_by_its_record() {
        let rules = CollectiveRules::default();
        let record = |trades: u64, mean: f64| {
            let mut record = ClassRecord::default();
            (0..trades).for_each(|_| record.add(mean));
            record
        };
        let cases = [
            ("crypto by its prior", AssetClass::Crypto, 0, 0.0, true),
            (
                "crypto after heavy losses",
                AssetClass::Crypto,
                100,
                -0.05,
                false,
            ),
            ("stocks by their prior", AssetClass::UsEquity, 0, 0.0, false),
            (
                "stocks that pay their cost only",
                AssetClass::UsEquity,
                1_000,
                0.001,
                false,
            ),
            ("stocks that pay", AssetClass::UsEquity, 100, 0.01, true),
        ];
        for (case, class, trades, mean, open) in cases {
            assert_eq!(record(trades, mean).is_open(class, &rules), open, "{case}");
        }
        let net = ClassRecord::default().expected_move(AssetClass::Crypto, &rules)
            - rules.cost(AssetClass::Crypto);
        assert!((net - 0.0166).abs() < 1e-12);
    }

    #[test]
    fn quorum_is_more_than_half_unless_told() {
        let mut rules = CollectiveRules::default();
        assert_eq!(rules.paper_rules(5).quorum, 3);
        assert_eq!(rules.paper_rules(6).quorum, 4);
        rules.quorum = Some(2);
        assert_eq!(rules.paper_rules(5).quorum, 2);
        rules.quorum = Some(0);
        rules.prior_trades = 0.0;
        assert_eq!(rules.problems().len(), 2);
    }

    #[test]
    fn an_own_record_is_shrunk() {
        let mut record = OwnRecord::default();
        assert!((record.win_probability() - 0.5).abs() < 1e-12);
        assert!(record.slope().abs() < 1e-12);
        (0..240).for_each(|_| record.add_scan(1.0, 0.5));
        assert!((record.slope() - 0.25).abs() < 1e-12);
        (0..10).for_each(|_| record.add_trade(0.02, 0.005));
        assert!((record.win_probability() - 20.0 / 30.0).abs() < 1e-12);
    }
}

//! What the desk is told once: its name, its limits, how positions end, what trading costs.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::limits::RiskLimits;

/// Everything the desk has to be told before its first event.
#[derive(Clone, Debug, PartialEq)]
pub struct DeskSettings {
    /// The deployment's name: part of every order's id.
    pub deployment: String,
    /// The `[risk]` section.
    pub limits: RiskLimits,
    /// The `[exits]` section.
    pub exits: ExitRules,
    /// The collective's own rule, `consensus.new_positions_per_hour`.
    pub new_positions_per_hour: usize,
}

/// The `[exits]` section: how a position ends when nobody votes, and what trading costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExitRules {
    /// Whether the disaster stop protects every position.
    pub stop: bool,
    /// Distance of the stop from the entry, in hourly standard deviations times the square root
    /// of the 168 hours of a week.
    pub stop_sigmas: f64,
    /// The nearest stop, as a part of the entry price.
    pub stop_distance_min: f64,
    /// The farthest stop, as a part of the entry price.
    pub stop_distance_max: f64,
    /// The stop of an asset whose moves are not known, as a part of the entry price.
    pub stop_distance_unknown: f64,
    /// How far beyond the stop the limit of a stop-limit order lies, as a part of the stop.
    pub stop_limit_gap: f64,
    /// Whether the stop also rests at the broker, where the broker takes it.
    pub stop_at_broker: bool,
    /// Whether an opening in whole shares of a stock brings its stop, and its target if there is
    /// one, along to the broker, where they work from the instant at which all of it has filled.
    pub bracket_orders: bool,
    /// Leave when the price has moved in favour by this part of the entry price; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// Leave after so many hours; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_hold_hours: Option<u32>,
    /// What the broker keeps of a crypto order, basis points: coins of a buy, USD of a sale.
    pub crypto_fee_bp: Decimal,
}

impl Default for ExitRules {
    fn default() -> Self {
        Self {
            stop: true,
            stop_sigmas: 3.0,
            stop_distance_min: 0.10,
            stop_distance_max: 0.35,
            stop_distance_unknown: 0.20,
            stop_limit_gap: 0.05,
            stop_at_broker: true,
            bracket_orders: true,
            target: None,
            maximum_hold_hours: None,
            crypto_fee_bp: Decimal::from(25),
        }
    }
}

impl ExitRules {
    /// Every problem of the section, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let parts = [
            ("stop_distance_min", self.stop_distance_min),
            ("stop_distance_max", self.stop_distance_max),
            ("stop_distance_unknown", self.stop_distance_unknown),
            ("stop_limit_gap", self.stop_limit_gap),
        ];
        for (name, part) in parts {
            if !(part > 0.0 && part < 1.0) {
                problems.push(format!(
                    "exits.{name} is {part}; it must be between 0 and 1"
                ));
            }
        }
        if self.stop_distance_min > self.stop_distance_max {
            problems.push(format!(
                "exits.stop_distance_min is {}; it must not be above stop_distance_max, which is {}",
                self.stop_distance_min, self.stop_distance_max
            ));
        }
        if !(self.stop_sigmas.is_finite() && self.stop_sigmas > 0.0) {
            problems.push(format!(
                "exits.stop_sigmas is {}; it must be above 0",
                self.stop_sigmas
            ));
        }
        if let Some(target) = self.target.filter(|t| !(t.is_finite() && *t > 0.0)) {
            problems.push(format!(
                "exits.target is {target}; it must be above 0, or absent"
            ));
        }
        if self.maximum_hold_hours == Some(0) {
            problems
                .push("exits.maximum_hold_hours is 0; it must be at least 1, or absent".to_owned());
        }
        let fee = self.crypto_fee_bp;
        if fee < Decimal::ZERO || fee > Decimal::from(1_000) {
            problems.push(format!(
                "exits.crypto_fee_bp is {fee}; it must be between 0 and 1000"
            ));
        }
        problems
    }
}

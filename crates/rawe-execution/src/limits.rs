//! The `[risk]` section: what an order may cost and how often. Checking is the gate's.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::build::ORDER_NOTIONAL_MIN;

/// What the gate wants of the price that sizes an opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PriceRule {
    /// Not older than `quote_age_secs_max`.
    #[default]
    Required,
    /// Of any age; none is asked for where dollars are ordered and not units.
    Off,
}

/// What to do when the broker's clock and ours differ by more than
/// [`RiskLimits::CLOCK_SKEW_SECS_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SkewRule {
    /// Open nothing.
    #[default]
    Halt,
    /// Say so and go on.
    Warn,
}

/// Limits on money, in USD, and on how often orders go out. Openings are shrunk to fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RiskLimits {
    /// The largest order, USD.
    pub order_notional_max: Decimal,
    /// The largest absolute value of one asset, orders on their way included, USD.
    pub asset_notional_max: Decimal,
    /// The largest sum of the absolute values of all positions, in-flight and unknown included.
    pub gross_notional_max: Decimal,
    /// The largest absolute value of longs less shorts, orders on their way included, USD.
    pub net_notional_max: Decimal,
    /// Orders a minute over which no opening goes out; closings always may.
    pub orders_per_minute_max: u32,
    /// Loss of our positions since the New York day began, made real or not, net of fees, from
    /// which on nothing is opened, USD.
    pub daily_loss_max: Decimal,
    /// Seconds of market time that a price may be old.
    pub quote_age_secs_max: u32,
    /// Whether the age of the price counts.
    pub last_price: PriceRule,
    /// What a wrong clock leads to.
    pub clock_skew: SkewRule,
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self {
            order_notional_max: Decimal::from(50_000),
            asset_notional_max: Decimal::from(50_000),
            gross_notional_max: Decimal::from(200_000),
            net_notional_max: Decimal::from(200_000),
            orders_per_minute_max: 60,
            daily_loss_max: Decimal::from(10_000),
            quote_age_secs_max: 900,
            last_price: PriceRule::Required,
            clock_skew: SkewRule::Halt,
        }
    }
}

impl RiskLimits {
    /// How far the broker's clock may be from ours, seconds.
    pub const CLOCK_SKEW_SECS_MAX: i64 = 10;

    /// Every problem of the section, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = [
            ("order_notional_max", self.order_notional_max),
            ("asset_notional_max", self.asset_notional_max),
            ("gross_notional_max", self.gross_notional_max),
            ("net_notional_max", self.net_notional_max),
            ("daily_loss_max", self.daily_loss_max),
        ]
        .into_iter()
        .filter(|(_, limit)| *limit < ORDER_NOTIONAL_MIN)
        .map(|(name, limit)| {
            format!("risk.{name} is {limit}; it must be at least {ORDER_NOTIONAL_MIN} USD")
        })
        .collect();
        for (name, value) in [
            ("orders_per_minute_max", self.orders_per_minute_max),
            ("quote_age_secs_max", self.quote_age_secs_max),
        ] {
            if value == 0 {
                problems.push(format!("risk.{name} is 0; it must be at least 1"));
            }
        }
        problems
    }
}

//! What trading leaves behind: fills, closed trades, the weights they earned, and what a trade that
//! was not made would have made. Records only; who makes them is `rawe-execution` (fills, trades)
//! and `rawe-consensus` (weights, hindsight).

use std::collections::BTreeMap;
use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{AgentId, ClientOrderId, Direction, Purpose, Symbol, Timestamp};

/// Units that changed hands for one of our orders: what a report says beyond the report before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Our order.
    pub client_order_id: ClientOrderId,
    /// The asset.
    pub asset: Symbol,
    /// What the order is for.
    pub purpose: Purpose,
    /// The direction of the position that it opens or leaves.
    pub direction: Direction,
    /// Units, above 0, before a fee in coin.
    #[serde(with = "rust_decimal::serde::str")]
    pub quantity: Decimal,
    /// USD a unit.
    #[serde(with = "rust_decimal::serde::str")]
    pub price: Decimal,
    /// Coins expected to be kept as fee, 0 or more; corrected by the next reconciliation.
    #[serde(with = "rust_decimal::serde::str")]
    pub fee_quantity: Decimal,
    /// USD expected to be kept as fee, coins kept at this price included, 0 or more.
    #[serde(with = "rust_decimal::serde::str")]
    pub fee: Decimal,
    /// Market time.
    #[serde(with = "crate::time_text")]
    pub at: Timestamp,
}

/// Why a position ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// Everyone who agreed to it has since said abstain or the opposite.
    SoftExit,
    /// A quorum against it.
    OpposingQuorum,
    /// The price moved against it by more than it may.
    DisasterStop,
    /// The price reached its target.
    Target,
    /// It was held as long as it may be.
    MaximumHold,
    /// The rating of its narrative fell too far.
    RatingCollapse,
    /// The gap between story and price closed.
    GapClosed,
    /// The operator said flatten.
    Flatten,
    /// Somebody else closed it at the broker.
    External,
}

impl ExitReason {
    /// The reason as it appears in records and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SoftExit => "soft_exit",
            Self::OpposingQuorum => "opposing_quorum",
            Self::DisasterStop => "disaster_stop",
            Self::Target => "target",
            Self::MaximumHold => "maximum_hold",
            Self::RatingCollapse => "rating_collapse",
            Self::GapClosed => "gap_closed",
            Self::Flatten => "flatten",
            Self::External => "external",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an agent voted in the round that opened a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeVote {
    /// Who.
    pub agent: AgentId,
    /// Which way.
    pub direction: Direction,
}

/// A position of ours from its first fill to its last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedTrade {
    /// The order that opened it; names the trade.
    pub opened_by: ClientOrderId,
    /// The order that closed it; `None` if it was closed by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<ClientOrderId>,
    /// The round that decided to open it.
    pub opening_round: String,
    /// The round that decided to close it, if a round did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing_round: Option<String>,
    /// The asset.
    pub asset: Symbol,
    /// Long or short.
    pub direction: Direction,
    /// Market time of the last fill of the opening.
    #[serde(with = "crate::time_text")]
    pub opened_at: Timestamp,
    /// Market time of the last fill of the closing.
    #[serde(with = "crate::time_text")]
    pub closed_at: Timestamp,
    /// Units closed.
    #[serde(with = "rust_decimal::serde::str")]
    pub quantity: Decimal,
    /// Mean price of the opening, USD a unit.
    #[serde(with = "rust_decimal::serde::str")]
    pub entry_price: Decimal,
    /// Mean price of the closing, USD a unit.
    #[serde(with = "rust_decimal::serde::str")]
    pub exit_price: Decimal,
    /// USD kept as fees by both sides.
    #[serde(with = "rust_decimal::serde::str")]
    pub fees: Decimal,
    /// Gain or loss made real, USD, net of fees.
    #[serde(with = "rust_decimal::serde::str")]
    pub realised: Decimal,
    /// Why it ended.
    pub reason: ExitReason,
    /// Everyone's vote in the opening round, sorted by agent.
    pub votes: Vec<TradeVote>,
}

impl ClosedTrade {
    /// USD put in.
    pub fn notional(&self) -> Decimal {
        self.quantity.saturating_mul(self.entry_price)
    }
}

/// The weights of the voters changed, and why. The first of a journal has no trade: all are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightChange {
    /// Market time.
    #[serde(with = "crate::time_text")]
    pub at: Timestamp,
    /// The trade whose result was credited, by the order that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trade: Option<ClientOrderId>,
    /// All weights after the change, millionths; 1,000,000 is an equal voice.
    pub weights_millionths: BTreeMap<AgentId, u64>,
    /// How many trades each agent has been credited or debited for.
    pub trades: BTreeMap<AgentId, u64>,
    /// What each agent has earned so far: the natural logarithm of its weight before sample,
    /// scale and limits, millionths. With `trades` it is all that the next change starts from.
    #[serde(default)]
    pub scores_millionths: BTreeMap<AgentId, i64>,
    /// One sentence that tells a person why.
    pub reason: String,
}

/// What the trade of a near miss would have made, filled in later from bars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hindsight {
    /// The round that came to nothing.
    pub round_id: String,
    /// The asset.
    pub asset: Symbol,
    /// The direction that had, or came closest to, a quorum.
    pub direction: Direction,
    /// Market time of the price it would have got.
    pub entered_at: Timestamp,
    /// USD a unit.
    pub entry_price: f64,
    /// Market time of the price it is judged by.
    pub judged_at: Timestamp,
    /// USD a unit.
    pub exit_price: f64,
    /// What it would have made, before costs, basis points of what it would have put in.
    pub gross_bp: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_and_display_agree_on_every_reason() {
        for reason in [
            ExitReason::SoftExit,
            ExitReason::OpposingQuorum,
            ExitReason::DisasterStop,
            ExitReason::Target,
            ExitReason::MaximumHold,
            ExitReason::RatingCollapse,
            ExitReason::GapClosed,
            ExitReason::Flatten,
            ExitReason::External,
        ] {
            assert_eq!(
                serde_json::to_string(&reason).unwrap(),
                format!("\"{reason}\"")
            );
        }
    }
}

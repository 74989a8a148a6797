//! The record every closed round leaves: a decision, or a near miss with its reason.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{AgentId, ClientOrderId, DecisionId, Direction, SignalType, Symbol, Timestamp};

/// What an order is for. Part of a decision's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Opens a position.
    Open,
    /// Closes one.
    Close,
    /// Protects one at the broker.
    Stop,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::Stop => "stop",
        })
    }
}

/// How a round ended. Upper case in records, logs and documents: the names are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RoundOutcome {
    /// The collective decided to open a position.
    Opened,
    /// The collective decided to close its position.
    Closed,
    /// Fewer than K agents agreed within the window.
    NoQuorum,
    /// Both directions had a quorum.
    Conflict,
    /// The quorum confirms the position already held.
    AlreadyHeld,
    /// An opposite quorum inside the minimum hold.
    MinHold,
    /// Too soon after the last fill in this asset.
    CoolDown,
    /// The last entry was refused or unfilled; retried later.
    RetryWait,
    /// An order for this asset is on its way.
    InFlight,
    /// The decision was too old when it could have been sent.
    Stale,
    /// A vote of the quorum lies inside a gap of the bus.
    BusGap,
    /// The broker's clock says closed, or does not say.
    MarketClosed,
    /// The asset is not in the universe or not tradable.
    NotTradable,
    /// From flat, a short of an asset that cannot be shorted.
    NotShortable,
    /// The size is over, or what is left under, a limit on notional.
    CapNotional,
    /// Too many new positions within the hour.
    CapNewPositions,
    /// The size left after dissent is under the minimum order.
    TooSmall,
    /// The buying power does not suffice.
    BuyingPower,
    /// Told not to trade.
    Halted,
    /// The broker refused the order.
    BrokerRejected,
    /// The journal could not be written, so nothing was sent.
    JournalFailed,
    /// Fewer than K agents are alive.
    TooFewAlive,
    /// Enough heads agreed, but not more than half of the earned weight.
    WeightShort,
    /// The limit on orders a minute is reached.
    CapOrderRate,
    /// The day's loss has reached its limit.
    DailyLoss,
    /// There is no price fresh enough to size the order by.
    QuoteStale,
    /// What the broker holds is not known well enough to trade.
    Unreconciled,
}

impl RoundOutcome {
    /// All outcomes, for tables and counters.
    pub const ALL: [Self; 27] = [
        Self::Opened,
        Self::Closed,
        Self::NoQuorum,
        Self::Conflict,
        Self::AlreadyHeld,
        Self::MinHold,
        Self::CoolDown,
        Self::RetryWait,
        Self::InFlight,
        Self::Stale,
        Self::BusGap,
        Self::MarketClosed,
        Self::NotTradable,
        Self::NotShortable,
        Self::CapNotional,
        Self::CapNewPositions,
        Self::TooSmall,
        Self::BuyingPower,
        Self::Halted,
        Self::BrokerRejected,
        Self::JournalFailed,
        Self::TooFewAlive,
        Self::WeightShort,
        Self::CapOrderRate,
        Self::DailyLoss,
        Self::QuoteStale,
        Self::Unreconciled,
    ];

    /// The outcome as it appears in records and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "OPENED",
            Self::Closed => "CLOSED",
            Self::NoQuorum => "NO_QUORUM",
            Self::Conflict => "CONFLICT",
            Self::AlreadyHeld => "ALREADY_HELD",
            Self::MinHold => "MIN_HOLD",
            Self::CoolDown => "COOL_DOWN",
            Self::RetryWait => "RETRY_WAIT",
            Self::InFlight => "IN_FLIGHT",
            Self::Stale => "STALE",
            Self::BusGap => "BUS_GAP",
            Self::MarketClosed => "MARKET_CLOSED",
            Self::NotTradable => "NOT_TRADABLE",
            Self::NotShortable => "NOT_SHORTABLE",
            Self::CapNotional => "CAP_NOTIONAL",
            Self::CapNewPositions => "CAP_NEW_POSITIONS",
            Self::TooSmall => "TOO_SMALL",
            Self::BuyingPower => "BUYING_POWER",
            Self::Halted => "HALTED",
            Self::BrokerRejected => "BROKER_REJECTED",
            Self::JournalFailed => "JOURNAL_FAILED",
            Self::TooFewAlive => "TOO_FEW_ALIVE",
            Self::WeightShort => "WEIGHT_SHORT",
            Self::CapOrderRate => "CAP_ORDER_RATE",
            Self::DailyLoss => "DAILY_LOSS",
            Self::QuoteStale => "QUOTE_STALE",
            Self::Unreconciled => "UNRECONCILED",
        }
    }

    /// What it means, for a person who asks why.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Opened => "the collective opened a position",
            Self::Closed => "the collective closed its position",
            Self::NoQuorum => "fewer than K agents agreed within the window",
            Self::Conflict => "both directions had a quorum (only with a minority K)",
            Self::AlreadyHeld => "the quorum confirms the position already held",
            Self::MinHold => "an opposite quorum inside the minimum hold",
            Self::CoolDown => "too soon after the last fill in this asset",
            Self::RetryWait => "the last entry was refused or not filled",
            Self::InFlight => "an order for this asset is on its way",
            Self::Stale => "the decision was too old when it could have been sent",
            Self::BusGap => "a vote of the quorum lies inside a gap of the bus",
            Self::MarketClosed => "the broker's clock says closed, or does not say",
            Self::NotTradable => "the asset is not in the universe, or not tradable",
            Self::NotShortable => "from flat, a short of an asset that cannot be shorted",
            Self::CapNotional => "what a limit on notional leaves is under the minimum order",
            Self::CapNewPositions => "too many new positions within the hour",
            Self::TooSmall => "the size left after dissent is under the minimum order",
            Self::BuyingPower => "the buying power does not suffice",
            Self::Halted => "told not to trade",
            Self::BrokerRejected => "the broker refused the order",
            Self::JournalFailed => "the journal could not be written, so nothing was sent",
            Self::TooFewAlive => "fewer than K agents are alive",
            Self::WeightShort => "enough heads agreed, but not more than half of the earned weight",
            Self::CapOrderRate => "the limit on orders a minute is reached",
            Self::DailyLoss => "the day's loss has reached its limit",
            Self::QuoteStale => "there is no price fresh enough to size the order by",
            Self::Unreconciled => "what the broker holds is not known well enough to trade",
        }
    }

    /// What a person may do about it; nothing where the collective works as it should.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Opened
            | Self::Closed
            | Self::NoQuorum
            | Self::Conflict
            | Self::AlreadyHeld
            | Self::MinHold
            | Self::CoolDown
            | Self::RetryWait
            | Self::InFlight => return None,
            Self::Stale => "see `rawe status`: the engine or the broker is slow",
            Self::BusGap => "see that Redis stays up: votes inside a gap are void",
            Self::MarketClosed => "wait for the session, or check that the broker answers",
            Self::NotTradable => "check the asset at the broker",
            Self::NotShortable => "nothing: crypto and assets hard to borrow are only held long",
            Self::CapNotional => "raise the limit of [risk] that the reason names",
            Self::CapNewPositions => "raise consensus.new_positions_per_hour, or wait",
            Self::TooSmall => "raise the agents' sizing.per_asset_budget",
            Self::BuyingPower => "close positions, or lower the agents' sizing.per_asset_budget",
            Self::Halted => "see in `rawe status` why, then `rawe resume`",
            Self::BrokerRejected => "read the broker's words in `rawe why` of the round",
            Self::JournalFailed => "make room on the disk and start the engine again",
            Self::TooFewAlive => "start the agents that `rawe status` shows as absent",
            Self::WeightShort => "see `rawe agents`: who earned which weight, and why",
            Self::CapOrderRate => "wait a minute, or raise risk.orders_per_minute_max",
            Self::DailyLoss => "wait for the next day, or raise risk.daily_loss_max",
            Self::QuoteStale => "see that the broker's prices are alive, or wait for the session",
            Self::Unreconciled => "see `rawe status`: the broker does not answer the engine",
        })
    }

    /// Whether an order followed.
    pub fn is_decision(self) -> bool {
        matches!(self, Self::Opened | Self::Closed)
    }
}

impl fmt::Display for RoundOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One counted vote of a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundVote {
    /// Who voted.
    pub agent: AgentId,
    /// Which way.
    pub direction: Direction,
    /// Market time of the vote.
    #[serde(with = "crate::time_text")]
    pub timestamp: Timestamp,
    /// The signal's id, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_id: Option<String>,
    /// Who leads, by this agent.
    pub signal_type: SignalType,
    /// 0..1.
    pub strength: f64,
    /// USD notional proposed.
    #[serde(with = "rust_decimal::serde::str")]
    pub size: Decimal,
    /// USD, net.
    pub expected_profit: f64,
    /// Which narrative.
    pub narrative_id: String,
    /// Weight in millionths; 1,000,000 under a headcount.
    pub weight_millionths: u64,
}

/// Why an agent that could have voted did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// It scanned and has no view.
    Abstained,
    /// It is alive but has not scanned this instant.
    Silent,
    /// It has no heartbeat.
    Dead,
    /// It speaks the original format, which has no heartbeat.
    Unknown,
    /// The asset is not its to trade.
    NotEligible,
}

/// One entry of `rawe:decisions`: a closed round, or a soft exit that needed no round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundRecord {
    /// See [`crate::identity::round_id`].
    pub round_id: String,
    /// The asset.
    pub asset: Symbol,
    /// Market time of the first counted vote.
    #[serde(with = "crate::time_text")]
    pub opened: Timestamp,
    /// Market time of the decision or of the timer.
    #[serde(with = "crate::time_text")]
    pub closed: Timestamp,
    /// How it ended.
    pub outcome: RoundOutcome,
    /// One sentence that tells a person why.
    pub reason: String,
    /// The direction that had, or came closest to, a quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Votes needed.
    pub quorum: u32,
    /// Counted votes, sorted by agent.
    pub votes: Vec<RoundVote>,
    /// Roster agents without a vote, and why.
    pub absences: std::collections::BTreeMap<AgentId, Absence>,
    /// Agents that voted both ways within the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equivocated: Vec<AgentId>,
    /// N / (1 + (N-1) mean pairwise correlation of recent stances), at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_votes: Option<f64>,
    /// Decisions: what the order is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Decisions: USD notional after dissent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "rust_decimal::serde::str_option"
    )]
    pub notional: Option<Decimal>,
    /// Decisions: mean expected profit of the agreeing votes, USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_profit: Option<f64>,
    /// Decisions: the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<DecisionId>,
    /// Decisions: the order's id at the broker, by us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<ClientOrderId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_and_display_agree_on_every_outcome() {
        for outcome in RoundOutcome::ALL {
            assert_eq!(
                serde_json::to_string(&outcome).unwrap(),
                format!("\"{outcome}\"")
            );
        }
    }
}

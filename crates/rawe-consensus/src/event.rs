//! What the consensus is told, and what it asks for: two closed sets.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rawe_core::{
    AgentId, ClosedTrade, Direction, Purpose, RoundOutcome, RoundRecord, RoundVote, StanceMessage,
    Symbol, Timestamp, WeightChange,
};
use rust_decimal::Decimal;

/// A vote that passed both edges.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    /// The asset voted on.
    pub asset: Symbol,
    /// The vote, as it will stand in the record.
    pub vote: RoundVote,
    /// Whether it came in the original format, whose senders have no heartbeat.
    pub original_format: bool,
}

/// What may be done with an asset, as the broker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetFacts {
    /// May be traded.
    pub tradable: bool,
    /// May be sold short.
    pub shortable: bool,
}

/// Whether the stock market is open, and until when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketHours {
    /// Whether the regular session is open.
    pub is_open: bool,
    /// Market time up to which (exclusive) `is_open` holds; from then on it is unknown.
    pub until: Timestamp,
}

/// Whether the collective may trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trading {
    /// Entries and exits.
    Active,
    /// Exits only.
    Reducing,
    /// Nothing; how every process starts.
    #[default]
    Halted,
}

/// A position as the shell found it at start or when reconciling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedPosition {
    /// Long or short.
    pub direction: Direction,
    /// When it was opened, market time.
    pub opened_at: Timestamp,
    /// Who voted for it, as far as the journal knows.
    pub agreeing: BTreeSet<AgentId>,
    /// Whether we opened it. Positions of others are never touched.
    pub ours: bool,
}

/// Everything that can happen to the consensus.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A vote that passed both edges.
    Vote(Vote),
    /// An agent's stances after a scan.
    Stances(StanceMessage),
    /// Which roster agents have a live heartbeat.
    Liveness(BTreeSet<AgentId>),
    /// Messages may have been lost between these two instants of market time.
    BusGap {
        /// Last instant known to be whole.
        from: Timestamp,
        /// First instant known to be whole again.
        through: Timestamp,
    },
    /// The stock market's hours; `None` when the broker cannot be asked.
    Market(Option<MarketHours>),
    /// What the broker says of an asset; `None` when it does not know it.
    Asset(Symbol, Option<AssetFacts>),
    /// Whether the collective may trade.
    Trading(Trading),
    /// Whether a replay paces market time.
    Paced(bool),
    /// All messages of this paced instant are in.
    InstantComplete,
    /// Time passed.
    Tick,
    /// An order of an earlier start is still working at the broker. Positions are observed first.
    OrderResumed {
        /// The asset.
        asset: Symbol,
        /// What it is for.
        purpose: Purpose,
        /// For an opening the direction taken, for a closing the direction held.
        direction: Direction,
        /// Who voted for it, as far as the journal knows.
        agreeing: BTreeSet<AgentId>,
    },
    /// An order was not sent, or the broker refused it: nothing of it can fill.
    OrderRefused {
        /// The asset.
        asset: Symbol,
        /// What it was for.
        purpose: Purpose,
    },
    /// An order reached its end at the broker.
    OrderEnded {
        /// The asset.
        asset: Symbol,
        /// What it was for.
        purpose: Purpose,
        /// Units filled, 0 or more.
        filled: Decimal,
        /// When it last filled, market time; `None` if nothing filled.
        filled_at: Option<Timestamp>,
        /// Whether a position worth trading is left in the asset (dust is not).
        position_left: bool,
    },
    /// What the shell found in the account for an asset; `None` means flat.
    PositionObserved {
        /// The asset.
        asset: Symbol,
        /// The position.
        position: Option<ObservedPosition>,
        /// The last fill of an entry or exit of ours, if any.
        last_fill: Option<Timestamp>,
    },
    /// A position of ours is closed: its voters are credited, once however often it is told.
    TradeClosed(Box<ClosedTrade>),
    /// The weights changed in an earlier start, as the journal has it; oldest first, before
    /// anything else.
    Weights(WeightChange),
}

/// An order the collective wants. The gate and the builder of orders have the last word.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderProposal {
    /// The round's record: decision, votes, reason. The shell adds the ids and publishes it.
    pub record: RoundRecord,
    /// Open or close.
    pub purpose: Purpose,
    /// For an opening the direction to take, for a closing the direction held.
    pub direction: Direction,
    /// Market time after which the order must not be sent any more.
    pub void_after: Timestamp,
}

/// Everything the consensus can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A round closed without an order: journal and publish it.
    NearMiss(Box<RoundRecord>),
    /// A round closed with a decision: order it, then journal and publish its record.
    Order(Box<OrderProposal>),
    /// Stances of agents that agreed to this position are too old: it is kept, protected only by
    /// its stop.
    StanceAlarm {
        /// The asset held.
        asset: Symbol,
        /// Whose stances are unknown.
        agents: Vec<AgentId>,
    },
    /// Fewer agents than a quorum can be heard: the collective cannot trade.
    CannotTrade {
        /// How many can be heard.
        able: usize,
        /// How many must agree.
        quorum: usize,
    },
    /// The voters' weights changed: journal it.
    WeightsChanged(Box<WeightChange>),
    /// A quorum can be heard again.
    CanTrade {
        /// How many can be heard.
        able: usize,
    },
}

impl OrderProposal {
    pub(crate) fn new(
        record: RoundRecord,
        purpose: Purpose,
        direction: Direction,
        now: Timestamp,
        ttl: TimeDelta,
    ) -> Self {
        Self {
            record,
            purpose,
            direction,
            void_after: now + ttl,
        }
    }

    /// The record as it stands when the order could not be sent or was refused.
    #[must_use]
    pub fn refused(mut self, outcome: RoundOutcome, reason: impl Into<String>) -> RoundRecord {
        self.record.outcome = outcome;
        self.record.reason = reason.into();
        self.record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_starts_halted() {
        assert_eq!(Trading::default(), Trading::Halted);
    }
}

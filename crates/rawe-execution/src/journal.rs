//! The journal as the collective sees it: an intent is on record before its first byte leaves.

use rawe_core::{
    ClientOrderId, ClosedTrade, DecisionId, Fill, Hindsight, Purpose, RoundRecord, Symbol,
    Timestamp, WeightChange,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::broker::{OrderReport, OrderRequest};
use crate::gate::TradingState;

/// What was about to be sent, and for which decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The decision.
    pub decision_id: DecisionId,
    /// The round it came from.
    pub round_id: String,
    /// What the order is for.
    pub purpose: Purpose,
    /// The order, byte for byte what will be sent.
    pub order: OrderRequest,
    /// Market time of the decision.
    #[serde(with = "rawe_core::time_text")]
    pub decided_at: Timestamp,
    /// Market time after which it must not be sent any more.
    #[serde(with = "rawe_core::time_text")]
    pub void_after: Timestamp,
    /// The order of ours of which the broker made this one as an exit: it was never sent by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg_of: Option<ClientOrderId>,
}

/// How an intent ended. An intent without an end is resolved at start by asking the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "resolution", rename_all = "snake_case")]
pub enum Resolution {
    /// The broker has the order, and it is terminal.
    Terminal(Box<OrderReport>),
    /// The broker refused it.
    Rejected {
        /// Its words.
        message: String,
    },
    /// It was never sent, or confirmed not found and not sent again.
    NeverSent {
        /// Why.
        reason: String,
    },
}

/// One thing that happened, as it stands in the journal: append-only, in this order, for ever.
/// What the engine knows after a restart is worked out from these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum JournalEntry {
    /// A round was closed, decision or near miss, with its votes.
    Round(Box<RoundRecord>),
    /// An order is about to be sent.
    Intent(Intent),
    /// It went out, or went out once more under the same id, and this came of it.
    Submission {
        /// Market time of the answer.
        #[serde(with = "rawe_core::time_text")]
        at: Timestamp,
        /// The order.
        client_order_id: ClientOrderId,
        /// 1, or 2 for the one repetition after a confirmed not-found.
        attempt: u32,
        /// `accepted`, `rejected`, `duplicate` or `unknown`, and the broker's words.
        outcome: String,
    },
    /// The broker said something new of an order.
    Report {
        /// Market time.
        #[serde(with = "rawe_core::time_text")]
        at: Timestamp,
        /// What it said, merged with everything before.
        report: Box<OrderReport>,
    },
    /// Units changed hands.
    Fill(Fill),
    /// An intent has ended.
    Resolved {
        /// Market time.
        #[serde(with = "rawe_core::time_text")]
        at: Timestamp,
        /// The order.
        client_order_id: ClientOrderId,
        /// How.
        resolution: Resolution,
    },
    /// A position was closed, and what it made.
    Trade(Box<ClosedTrade>),
    /// A position as the books hold it: after each fill and after each reconciliation that changed
    /// them.
    Position(PositionRecord),
    /// The voters' weights changed.
    Weights(WeightChange),
    /// What the trade of a near miss would have made.
    Hindsight(Hindsight),
    /// Trading was halted, resumed, reduced or flattened.
    Control(ControlRecord),
}

impl JournalEntry {
    /// Whether the entry may reach the journal some moments later: the broker tells it again to a
    /// start that does not find it.
    pub fn may_wait(&self) -> bool {
        matches!(self, Self::Submission { .. } | Self::Report { .. })
    }
}

/// One line of the books: what is ours in an asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionRecord {
    /// Market time.
    #[serde(with = "rawe_core::time_text")]
    pub at: Timestamp,
    /// The asset.
    pub asset: Symbol,
    /// Units of ours, negative when short, 0 when closed.
    #[serde(with = "rust_decimal::serde::str")]
    pub quantity: Decimal,
    /// Mean entry price, USD a unit; 0 when closed.
    #[serde(with = "rust_decimal::serde::str")]
    pub entry_price: Decimal,
    /// The price at which it is left at the latest, USD a unit, fixed at entry.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "rust_decimal::serde::str_option"
    )]
    pub stop_price: Option<Decimal>,
    /// Units at the broker that are not ours; never touched.
    #[serde(with = "rust_decimal::serde::str")]
    pub foreign_quantity: Decimal,
    /// Why this line was written, such as `fill` or `reconciled: fee in coin`.
    pub cause: String,
}

/// A control action, for the audit and for the next start: halts stay over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRecord {
    /// Wall time.
    #[serde(with = "rawe_core::time_text")]
    pub at: Timestamp,
    /// What trading became.
    pub state: TradingState,
    /// Whether everything is to be closed besides.
    #[serde(default)]
    pub flatten: bool,
    /// Where the word came from: `bus`, `file`, `signal`, `engine`.
    pub source: String,
    /// Why, in the operator's or the engine's words.
    pub reason: String,
}

/// Why the journal could not be written or read. The answer is always the same: halt.
#[derive(Debug, thiserror::Error)]
#[error("the journal failed while {doing}: {reason}; no order is sent until it works again")]
pub struct JournalError {
    /// What was being done.
    pub doing: String,
    /// What happened.
    pub reason: String,
}

/// The journal. Calls are synchronous and durable (against kill -9 at least) when they return.
pub trait Journal: std::fmt::Debug + Send {
    /// Appends entries as one transaction, in their order: all of them or none.
    fn commit(&mut self, entries: &[JournalEntry]) -> Result<(), JournalError>;
    /// What a starting engine has to know, oldest first: every entry but what near misses would have
    /// made, and the near misses of which that is known.
    fn history(&self) -> Result<Vec<JournalEntry>, JournalError>;
}

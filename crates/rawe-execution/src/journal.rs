//! The journal as the collective sees it: an intent is on record before its first byte leaves.

use rawe_core::{ClientOrderId, DecisionId, Purpose, RoundRecord, Symbol, Timestamp};
use serde::{Deserialize, Serialize};

use crate::broker::{OrderReport, OrderRequest};

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
    pub decided_at: Timestamp,
    /// Market time after which it must not be sent any more.
    pub void_after: Timestamp,
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
    /// Records a closed round, decision or near miss.
    fn record_round(&mut self, round: &RoundRecord) -> Result<(), JournalError>;
    /// Records an intent, before anything is sent.
    fn record_intent(&mut self, intent: &Intent) -> Result<(), JournalError>;
    /// Records what the broker said of an order, whenever it says something new.
    fn record_report(&mut self, at: Timestamp, report: &OrderReport) -> Result<(), JournalError>;
    /// Records how an intent ended.
    fn resolve(
        &mut self,
        id: &ClientOrderId,
        at: Timestamp,
        resolution: &Resolution,
    ) -> Result<(), JournalError>;
    /// Intents that have no end yet, oldest first.
    fn unresolved(&self) -> Result<Vec<Intent>, JournalError>;
    /// The newest client order id of ours for this asset and purpose that the journal knows ended.
    fn latest_resolved(
        &self,
        asset: &Symbol,
        purpose: Purpose,
    ) -> Result<Option<ClientOrderId>, JournalError>;
    /// Every intent ever recorded for an asset, oldest first, with its purpose.
    fn intents(&self, asset: &Symbol) -> Result<Vec<Intent>, JournalError>;
    /// The record of a round, by its id; the newest if there are several. A restarted engine reads
    /// here who agreed to the positions it finds.
    fn round(&self, round_id: &str) -> Result<Option<RoundRecord>, JournalError>;
}

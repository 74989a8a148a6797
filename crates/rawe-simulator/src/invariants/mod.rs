//! What must hold after every step, each with the sentence of the design that asks for it.

mod caps;
mod orders;
mod permission;
mod rest;

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;
use rawe_collective::Collective;
use rawe_core::{Purpose, Symbol, Timestamp};
use rawe_execution::TradingState;
use rawe_execution::broker::OrderRequest;
use rust_decimal::Decimal;

use crate::broker::BrokerModel;
use crate::journal::JournalModel;
pub use crate::witness::{Violation, Witness};

/// The invariants and their sentences.
pub const INVARIANTS: [(&str, &str); 8] = [
    ("I1", "one order per decision id"),
    (
        "I2",
        "no order without a quorum in the journal, and none before its intent is there",
    ),
    ("I3", "exposure by the journal equals the broker's at rest"),
    (
        "I4",
        "no order while halted, closed, skewed or unreconciled",
    ),
    (
        "I5",
        "caps are never exceeded, in-flight and unknown orders included",
    ),
    (
        "I6",
        "every intent ends once faults stop, and every position has its stop or its end",
    ),
    ("I7", "received = applied + dropped by reason"),
    ("I8", "queues are bounded, and nothing spins"),
];

/// Prices by asset, oldest first.
pub type Prices = BTreeMap<Symbol, VecDeque<(Timestamp, Decimal)>>;

/// How long a view of the account may be believed: two intervals of a minute, and the slack of
/// slow answers.
const VIEW_AGE_MAX: TimeDelta = TimeDelta::seconds(150);
/// How soon the operator's word has to be on record, or to wait for a disk that is slow.
const RECORD_WITHIN: TimeDelta = TimeDelta::seconds(8);

impl Witness {
    /// An order leaves the engine.
    pub(crate) fn submits(
        &mut self,
        order: &OrderRequest,
        broker: &BrokerModel,
        journal: &JournalModel,
        prices: &Prices,
        now: Timestamp,
    ) {
        self.check_single_sending(order, now);
        self.check_intent(order, journal);
        let purpose = self
            .purpose(&order.client_order_id)
            .unwrap_or(Purpose::Open);
        self.check_state(order, purpose);
        self.check_hours(order, broker, now);
        self.check_view(order, purpose, broker, now);
        if purpose == Purpose::Open {
            self.check_caps(order, broker, prices, now);
            self.check_rates(order, broker, now);
        }
        self.sent.push(now);
    }

    /// After every step.
    pub(crate) fn look(&mut self, broker: &BrokerModel, journal: &JournalModel, now: Timestamp) {
        self.looks += 1;
        if let Some(flaw) = broker.faults.get(self.flaws_seen) {
            let flaw = flaw.clone();
            self.flaws_seen += 1;
            self.fail(
                "I3",
                format!("an order flipped a position or sold another's: {flaw}"),
            );
        }
        if let Some((at, source, state)) = self.unrecorded.first()
            && self.journal_failed.is_none()
            && *state != TradingState::Active
            && now - *at > RECORD_WITHIN
            && !journal.is_recording(source, *state)
        {
            let detail = format!("{source} said {state:?} at {at}, and it is not on record");
            self.fail("I4", detail);
        }
    }

    /// I7 and I8, after every input.
    pub(crate) fn counts(&mut self, collective: Option<&Collective>, queued: usize) {
        let Some(collective) = collective else {
            return;
        };
        if queued > 2_000 || collective.signals_waiting() > 20_000 {
            self.fail("I8", format!("{queued} batches wait for the journal"));
        }
        if collective.consensus().assets_remembered() > 64 {
            self.fail("I8", "more assets are remembered than there are".to_owned());
        }
        if self.looks.is_multiple_of(32) {
            self.check_counts(collective);
        }
    }

    fn check_counts(&mut self, collective: &Collective) {
        let counts = collective.counts();
        let waiting = collective.signals_waiting() as u64;
        let told = self.heard.messages;
        let decided = counts.admission.applied + counts.refused();
        if counts.received() + waiting != told || decided != counts.received() {
            let detail = format!(
                "{told} messages came in; {} received, {} applied, {} refused, {waiting} wait",
                counts.received(),
                counts.admission.applied,
                counts.refused()
            );
            self.fail("I7", detail);
        }
    }
}

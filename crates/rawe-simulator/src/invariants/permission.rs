//! I4: no order while halted, closed, skewed or unreconciled.

use chrono::TimeDelta;
use rawe_core::{AssetClass, Purpose, Timestamp};
use rawe_execution::broker::OrderRequest;
use rawe_execution::{RiskLimits, TradingState};

use crate::broker::BrokerModel;
use crate::witness::Witness;

use super::VIEW_AGE_MAX;

/// How far market hours may be misjudged by a clock within its limits.
const HOURS_SLACK: TimeDelta = TimeDelta::seconds(25);

impl Witness {
    /// I4: "no order while halted"; reducing, only what shrinks.
    pub(super) fn check_state(&mut self, order: &OrderRequest, purpose: Purpose) {
        let id = &order.client_order_id;
        if self.heard.journal_broken {
            self.fail(
                "I4",
                format!("{id} was sent although the journal had failed"),
            );
            return;
        }
        for (source, (state, _)) in &self.controls {
            let refused = match state {
                TradingState::Active => false,
                TradingState::Reducing => purpose == Purpose::Open,
                TradingState::Halted => true,
            };
            if refused {
                let detail = format!("{id} ({purpose}) was sent although {source} says {state:?}");
                self.fail("I4", detail);
                return;
            }
        }
    }

    /// I4: "no order while closed".
    pub(super) fn check_hours(
        &mut self,
        order: &OrderRequest,
        broker: &BrokerModel,
        now: Timestamp,
    ) {
        if order.symbol.class() == AssetClass::Crypto {
            return;
        }
        let open = [now - HOURS_SLACK, now, now + HOURS_SLACK]
            .into_iter()
            .any(|instant| broker.session_open(instant));
        if !open {
            let detail = format!(
                "{} was sent while the market is closed",
                order.client_order_id
            );
            self.fail("I4", detail);
        }
    }

    /// I4: "no order while unreconciled" or skewed. Start: account, positions, open orders and
    /// clock read, every intent resolved. Later: a view of the account that is not too old.
    pub(super) fn check_view(
        &mut self,
        order: &OrderRequest,
        purpose: Purpose,
        broker: &BrokerModel,
        now: Timestamp,
    ) {
        let heard = &self.heard;
        let id = &order.client_order_id;
        let missing = [
            (heard.account, "account"),
            (heard.clock.is_some(), "clock"),
            (heard.positions.is_some(), "positions"),
            (heard.open_orders, "open orders"),
        ];
        if let Some((_, what)) = missing.iter().find(|(there, _)| !there) {
            self.fail(
                "I4",
                format!("{id} was sent before the {what} had been read"),
            );
            return;
        }
        if let Some(open) = heard.open_intents.iter().find(|open| *open != id) {
            let detail = format!("{id} was sent before the intent {open} was resolved");
            self.fail("I4", detail);
            return;
        }
        if purpose != Purpose::Open {
            return;
        }
        // The engine counts whole seconds.
        let limit = (RiskLimits::CLOCK_SKEW_SECS_MAX + 1) * 1_000;
        let skewed = |ms: i64| ms.abs() > limit;
        if heard.clock.is_some_and(skewed) && skewed(broker.skew.num_milliseconds()) {
            let skew = heard.clock.unwrap_or_default();
            self.fail(
                "I4",
                format!("{id} opens although the clocks are {skew} ms apart"),
            );
            return;
        }
        if heard.positions.is_none_or(|at| now - at > VIEW_AGE_MAX) {
            self.fail(
                "I4",
                format!("{id} opens on a view of the account that is too old"),
            );
        }
    }
}

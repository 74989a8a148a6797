//! What may stand between a decision and its order: halts, hours, waiting times, limits. Each
//! obstacle is one outcome of the record and one sentence.

use rawe_core::{Direction, RoundOutcome, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::consensus::{Consensus, OPENINGS_SPAN};
use crate::event::Trading;
use crate::rounds::AssetState;

impl Consensus {
    /// What forbids any closing order now.
    pub(crate) fn exit_obstacle(
        &self,
        asset: &Symbol,
        state: &AssetState,
        now: Timestamp,
    ) -> Option<(RoundOutcome, String)> {
        if self.trading == Trading::Halted {
            return Some((RoundOutcome::Halted, "trading is halted".to_owned()));
        }
        if !self.market_open(asset, now) {
            let reason = "the stock market is closed, or its clock is not known".to_owned();
            return Some((RoundOutcome::MarketClosed, reason));
        }
        retry_obstacle(state, now)
    }

    /// What forbids opening a position, reversals included, apart from waiting times and caps.
    pub(crate) fn opening_obstacle(
        &self,
        asset: &Symbol,
        direction: Direction,
        notional: Decimal,
        now: Timestamp,
    ) -> Option<(RoundOutcome, String)> {
        let facts = self.facts.get(asset);
        if !facts.is_some_and(|facts| facts.tradable) {
            let reason = format!("the broker does not trade {asset}");
            return Some((RoundOutcome::NotTradable, reason));
        }
        if direction == Direction::Short && !facts.is_some_and(|facts| facts.shortable) {
            let reason = format!("{asset} cannot be sold short; short votes only serve exits");
            return Some((RoundOutcome::NotShortable, reason));
        }
        if self.trading != Trading::Active {
            let reason = "trading is halted for new positions".to_owned();
            return Some((RoundOutcome::Halted, reason));
        }
        if !self.market_open(asset, now) {
            let reason = "the stock market is closed, or its clock is not known".to_owned();
            return Some((RoundOutcome::MarketClosed, reason));
        }
        if notional < self.rules.notional_min {
            let reason = format!(
                "after dissent {notional} USD are left, and {} are the least",
                self.rules.notional_min
            );
            return Some((RoundOutcome::TooSmall, reason));
        }
        None
    }

    /// The limit on new positions an hour.
    pub(crate) fn cap_obstacle(&self, now: Timestamp) -> Option<(RoundOutcome, String)> {
        // The few that are older are dropped at the next tick.
        let older = self
            .openings
            .iter()
            .take_while(|(at, _)| now - *at >= OPENINGS_SPAN)
            .count();
        let recent = self.openings.len() - older;
        let allowed = self.rules.new_positions_per_hour;
        (recent >= allowed).then(|| {
            let reason =
                format!("{recent} positions were opened within the hour; {allowed} may be");
            (RoundOutcome::CapNewPositions, reason)
        })
    }
}

pub(crate) fn retry_obstacle(state: &AssetState, now: Timestamp) -> Option<(RoundOutcome, String)> {
    let retry_after = state.retry_after?;
    (now < retry_after).then(|| {
        let reason = format!(
            "the last order was refused or not filled; tried again from {}",
            retry_after.format("%H:%M:%S")
        );
        (RoundOutcome::RetryWait, reason)
    })
}

//! Whose doing is a difference between the broker's positions and the books? Before it counts as
//! somebody else's, the orders of ours that may explain it are looked at.
//!
//! Positions, lists, look-ups and pushed news agree at the broker only after a while: a stop may
//! show in positions before any news of its fill, and what was sent may land after it was given up.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_core::{ClientOrderId, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::desk::books::is_buy;
use crate::desk::orders::LiveOrder;
use crate::desk::reconciling::{LAG, RETRY};
use crate::desk::view::Asked;
use crate::desk::{Desk, Question};

/// How old positions may be for an opening while no news of orders come.
const AGE_WITHOUT_NEWS: TimeDelta = TimeDelta::seconds(2);

/// A difference that orders of ours may explain.
#[derive(Debug)]
pub(crate) struct Doubt {
    /// Units that the broker holds beyond the books.
    difference: Decimal,
    /// The event in which it was first seen: only what is asked from then on is evidence.
    sequence: u64,
    /// The orders that may explain it, and how often each has still to be looked at.
    suspects: BTreeMap<ClientOrderId, u8>,
}

/// Whether news of orders flow, those of others among them.
#[derive(Debug)]
pub(crate) struct NewsFlow {
    flows: bool,
    /// The event in which they last began to flow; what came before may have been missed.
    since: u64,
}

impl Default for NewsFlow {
    fn default() -> Self {
        let flows = true;
        Self { flows, since: 0 }
    }
}

impl Desk {
    /// News of orders flow from now on, or do not.
    pub(crate) fn on_news_flow(&mut self, flows: bool, now: Timestamp) {
        self.news_flow.flows = flows;
        if flows {
            self.news_flow.since = self.sequence;
            self.reconcile_soon(now);
        }
    }

    /// Whether positions as read hold all that others are known to have done: what they do
    /// afterwards is pushed.
    pub(crate) fn covers_others(&self, now: Timestamp) -> bool {
        let Some(told) = self.view.positions.as_ref() else {
            return false;
        };
        let flow = &self.news_flow;
        let young = flow.flows || now - told.at <= AGE_WITHOUT_NEWS;
        self.paced || (told.sequence >= flow.since && young)
    }

    /// Whether a difference may be the doing of an order of ours that has not told it yet. Then it
    /// is looked at, and its answer settles the difference.
    pub(crate) fn is_in_doubt(&mut self, asset: &Symbol, held: Decimal, now: Timestamp) -> bool {
        let difference = self.difference(asset, held);
        let doubt = self.doubts.get(asset);
        if doubt.is_none_or(|doubt| doubt.difference != difference) {
            let suspects = self.suspects(asset, difference, now);
            let sequence = self.sequence;
            let doubt = Doubt {
                difference,
                sequence,
                suspects,
            };
            self.doubts.insert(asset.clone(), doubt);
        }
        let ids = self.doubts.get(asset).map(|doubt| doubt.suspects.keys());
        let ids: Vec<ClientOrderId> = ids.into_iter().flatten().cloned().collect();
        for id in &ids {
            self.ask_now(Question::Order(id.clone()), now);
        }
        !ids.is_empty()
    }

    /// Whether what the broker holds is asked in vain.
    pub(crate) fn is_blind(&self, now: Timestamp) -> bool {
        !self.paced && self.view.failing && !self.view.is_young(now)
    }

    /// Whether the newest reading tells of something that the books do not tell yet, so that
    /// nothing is opened on top of it.
    pub(crate) fn is_unclear(&mut self, asset: &Symbol, now: Timestamp) -> bool {
        let differs = self.is_told_otherwise(asset);
        if differs {
            self.reconcile_soon(now);
        }
        differs || self.disturbed.contains_key(asset) || self.is_doubting()
    }

    /// Positions asked for long enough after others have traded tell what these hold.
    pub(crate) fn calm_down(&mut self, asked: u64, asked_at: Timestamp) {
        let paced = self.paced;
        self.disturbed
            .retain(|_, (sequence, at)| *sequence >= asked || (!paced && asked_at < *at + LAG));
        if let Some(next) = self.disturbed.values().map(|(_, at)| *at + LAG).min() {
            self.reconcile_soon_live(next);
        }
    }

    /// Whether the newest reading since the books last changed tells of something else held.
    pub(crate) fn is_told_otherwise(&self, asset: &Symbol) -> bool {
        let touched = self.touched.get(asset).map_or(0, |(sequence, _)| *sequence);
        let told = self.view.positions.as_ref();
        let told = told.filter(|told| told.sequence > touched);
        told.is_some_and(|told| {
            let held = told.value.get(asset);
            let held = held.map_or(Decimal::ZERO, |position| position.quantity);
            let difference = self.difference(asset, held);
            let line = self.books.line(asset);
            !difference.is_zero() && !line.is_some_and(|line| line.is_fee(asset, difference))
        })
    }

    /// Whether it is open whose doing a difference is: nobody knows what is held then.
    pub(crate) fn is_doubting(&self) -> bool {
        let mut doubts = self.doubts.values();
        doubts.any(|doubt| !doubt.suspects.is_empty())
    }

    fn suspects(
        &self,
        asset: &Symbol,
        difference: Decimal,
        now: Timestamp,
    ) -> BTreeMap<ClientOrderId, u8> {
        let explains = |order: &&LiveOrder| {
            is_buy(order.purpose(), order.direction) == difference.is_sign_positive()
        };
        let resting = self.orders_of(asset).filter(|order| order.rests());
        let resting = resting
            .filter(explains)
            .map(|order| (order.id().clone(), 1));
        // An order that is not found may only not be seen yet: it is looked for again.
        let looks = if self.paced { 1 } else { 2 };
        let given_up = self.given_up.iter().filter(|order| {
            order.asset() == asset && self.is_watched(order, now) && explains(order)
        });
        resting
            .chain(given_up.map(|order| (order.id().clone(), looks)))
            .collect()
    }

    /// An order was looked at, and what came of it is taken: it may settle a doubt.
    pub(crate) fn note_looked_up(
        &mut self,
        id: &ClientOrderId,
        asked: Asked,
        answered: bool,
        now: Timestamp,
    ) {
        let gone = !self.orders.contains_key(id) && !self.is_given_up(id);
        let mut doubts = self.doubts.iter_mut();
        let found = doubts.find(|(_, doubt)| doubt.suspects.contains_key(id));
        let Some((asset, doubt)) = found else {
            return;
        };
        let asset = asset.clone();
        if !answered {
            if self.paced {
                // The next reading sees it again.
                self.doubts.remove(&asset);
            }
            self.reconcile_soon_live(now + RETRY);
            return;
        }
        if asked.sequence < doubt.sequence && !gone {
            self.ask_now(Question::Order(id.clone()), now);
            return;
        }
        let left = doubt.suspects.get(id).map_or(0, |left| left - 1);
        if left > 0 && !gone {
            doubt.suspects.insert(id.clone(), left);
            let after = LAG.to_std().unwrap_or_default();
            self.ask(Question::Order(id.clone()), after, false, now);
            return;
        }
        doubt.suspects.remove(id);
        if doubt.suspects.is_empty() {
            self.settle_last_reading(&asset, now);
        }
    }

    /// Nothing of ours explains a difference: it is settled, if it is still there.
    fn settle_last_reading(&mut self, asset: &Symbol, now: Timestamp) {
        let told = self.view.positions.as_ref();
        let held = told.and_then(|told| told.value.get(asset));
        let held = held.map_or(Decimal::ZERO, |position| position.quantity);
        if self.difference(asset, held).is_zero() {
            self.doubts.remove(asset);
        } else {
            self.settle_difference(asset, held, false, now);
        }
    }

    /// Whether a difference is a fee in coin. Where others have just traded it is what they made,
    /// unless a fee is still to be told.
    pub(crate) fn seems_fee(&self, asset: &Symbol, held: Decimal) -> bool {
        let theirs = self.disturbed.contains_key(asset) && !self.books.expects_fee(asset);
        let line = self.books.line(asset).filter(|_| !theirs);
        line.is_some_and(|line| line.is_fee(asset, self.difference(asset, held)))
    }

    fn difference(&self, asset: &Symbol, held: Decimal) -> Decimal {
        let line = self.books.line(asset);
        held - line.map_or(Decimal::ZERO, |line| line.quantity + line.foreign_quantity)
    }
}

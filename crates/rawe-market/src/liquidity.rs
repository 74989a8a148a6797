//! What keeps an order from filling although its price is right: too little volume, a halt, or a
//! cap that a test of clients has set. Nothing of it is on by default.

use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Timestamp};
use rust_decimal::prelude::FromPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::asset::QUANTITY_DECIMALS;
use crate::data::AssetIndex;
use crate::events::OrderEventKind;
use crate::exchange::Exchange;
use crate::order::{Order, OrderStatus};
use crate::refusal::OrderRefusal;
use crate::sessions::extended_at;
use crate::terms::{Amount, NewOrder};

/// What was taken of one bar's volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Participation {
    bar_start: Timestamp,
    taken: Decimal,
}

impl Exchange {
    /// Units that `order` may fill now out of `wanted`: what is left of our part of the newest
    /// complete bar's volume, and of the order's own cap. Whole orders fill in whole units.
    pub(crate) fn fillable(&self, order: &Order, wanted: Decimal) -> Decimal {
        let mut units = wanted;
        if let Some(cap) = order.fill_cap {
            units = units.min(cap - order.filled_quantity);
        }
        if let Some(left) = self.volume_left(order.asset) {
            units = units.min(left);
        }
        let whole = matches!(order.amount, Amount::Quantity(q) if q.fract().is_zero());
        let digits = if whole && units < wanted {
            0
        } else {
            QUANTITY_DECIMALS
        };
        units
            .max(Decimal::ZERO)
            .round_dp_with_strategy(digits, RoundingStrategy::ToZero)
    }

    /// Units of our part of the newest complete bar's volume which are not taken yet; `None` when
    /// volume does not matter. The bar that runs is not used: its volume is not known yet.
    fn volume_left(&self, asset: AssetIndex) -> Option<Decimal> {
        let part = self.config.participation_max?;
        let Some(bar) = self.data.series(asset)?.last_ended(self.now) else {
            return Some(Decimal::ZERO);
        };
        let volume = Decimal::from_f64(bar.volume).unwrap_or_default();
        let taken = self
            .participation
            .get(&asset)
            .filter(|participation| participation.bar_start == bar.start)
            .map_or(Decimal::ZERO, |participation| participation.taken);
        Some((volume * part - taken).max(Decimal::ZERO))
    }

    /// Takes units out of the newest complete bar's volume.
    pub(crate) fn take_volume(&mut self, asset: AssetIndex, units: Decimal) {
        if self.config.participation_max.is_none() {
            return;
        }
        let bar = self
            .data
            .series(asset)
            .and_then(|series| series.last_ended(self.now));
        let Some(bar) = bar else { return };
        let entry = self.participation.entry(asset).or_insert(Participation {
            bar_start: bar.start,
            taken: Decimal::ZERO,
        });
        if entry.bar_start != bar.start {
            *entry = Participation {
                bar_start: bar.start,
                taken: Decimal::ZERO,
            };
        }
        entry.taken += units;
    }

    /// Whether trading in an asset is halted: orders are taken, and nothing fills.
    pub fn is_halted(&self, asset: AssetIndex) -> bool {
        self.halted.contains_key(&asset)
    }

    /// The assets whose trading is halted, and until when; without an instant, until
    /// [`Exchange::resume`].
    pub fn halts(&self) -> impl Iterator<Item = (AssetIndex, Option<Timestamp>)> {
        self.halted.iter().map(|(asset, until)| (*asset, *until))
    }

    /// Halts trading in an asset, until the clock reaches an instant or until
    /// [`Exchange::resume`]. An instant that has passed halts nothing; another halt of the asset
    /// takes the place of the first.
    pub fn halt(&mut self, asset: AssetIndex, until: Option<Timestamp>) {
        if until.is_none_or(|until| until > self.now) {
            self.halted.insert(asset, until);
        }
    }

    /// Ends the halts whose time has come.
    pub(crate) fn end_halts(&mut self) {
        let now = self.now;
        let due = self.halts();
        let due = due.filter(|(_, until)| until.is_some_and(|until| until <= now));
        let due: Vec<AssetIndex> = due.map(|(asset, _)| asset).collect();
        for asset in due {
            self.resume(asset);
        }
    }

    /// Ends a halt; waiting orders fill by the price of the instant. Ranges of bars that began
    /// before it are not used.
    pub fn resume(&mut self, asset: AssetIndex) {
        if self.halted.remove(&asset).is_none() {
            return;
        }
        self.resumed_at.insert(asset, self.now);
        let waiting: Vec<usize> = self.open.iter().copied().collect();
        for index in waiting {
            if self.orders.get(index).is_some_and(|o| o.asset == asset) {
                self.try_fill(index);
                self.cancel_unfilled_immediate(index);
            }
        }
    }

    /// Whether the range of a bar that began at `bar_start` may fill an order: not while its asset
    /// is halted, and not outside the hours in which the order works.
    pub(crate) fn range_counts(&self, order: &Order, bar_start: Timestamp) -> bool {
        let resumed = self.resumed_at.get(&order.asset);
        let hours = match self.data.asset(order.asset).map(|asset| asset.class) {
            Some(AssetClass::UsEquity) if order.extended_hours => extended_at(bar_start).is_some(),
            Some(class) => MarketCalendar::nyse().is_open(class, bar_start),
            None => false,
        };
        hours && !self.is_halted(order.asset) && resumed.is_none_or(|resumed| bar_start >= *resumed)
    }

    /// Takes an order of which at most `cap` units fill until [`Exchange::release`] lets the rest.
    ///
    /// # Errors
    /// As [`Exchange::submit`].
    pub fn submit_capped(
        &mut self,
        order: &NewOrder,
        cap: Decimal,
    ) -> Result<&Order, OrderRefusal> {
        self.take(order, Some(cap))
    }

    /// Lets at most `cap` units of an open order fill until [`Exchange::release`]. Returns whether
    /// the order was open.
    pub fn cap(&mut self, id: Uuid, cap: Decimal) -> bool {
        let index = self
            .by_id
            .get(&id)
            .filter(|index| self.open.contains(index));
        let order = index.and_then(|index| self.orders.get_mut(*index));
        order.map(|order| order.fill_cap = Some(cap)).is_some()
    }

    /// Lets the rest of a capped order fill. Nothing happens if there is none.
    pub fn release(&mut self, id: Uuid) {
        let Some(index) = self.by_id.get(&id).copied() else {
            return;
        };
        if let Some(order) = self.orders.get_mut(index) {
            order.fill_cap = None;
        }
        self.try_fill(index);
    }

    /// Refuses an open order after it was taken, as venues sometimes do; what has filled stays
    /// filled. Returns whether the order was open.
    pub fn reject(&mut self, id: Uuid) -> bool {
        let Some(index) = self.by_id.get(&id).copied() else {
            return false;
        };
        let open = self.open.contains(&index);
        if open {
            self.end_order(index, OrderStatus::Rejected);
        }
        open
    }

    /// Puts an order into the book.
    pub(crate) fn enter(&mut self, order: Order) -> usize {
        let index = self.orders.len();
        self.by_id.insert(order.id, index);
        self.by_client_id
            .insert(order.client_order_id.clone(), index);
        self.open.insert(index);
        self.orders.push(order);
        index
    }

    /// Takes an order, and fills it at once if the market is open and the price allows.
    pub(crate) fn take(
        &mut self,
        order: &NewOrder,
        cap: Option<Decimal>,
    ) -> Result<&Order, OrderRefusal> {
        let mut checked = self.checked_order(order)?;
        checked.fill_cap = cap;
        let index = self.take_group(checked, order.exits);
        self.try_fill_first(index);
        self.cancel_unfilled_immediate(index);
        self.orders
            .get(index)
            .ok_or_else(|| OrderRefusal::not_found("order not found"))
    }

    /// Fills an order that has just been put into the book, if it may; one that waits for its
    /// market to open is told to be accepted.
    pub(crate) fn try_fill_first(&mut self, index: usize) {
        self.try_fill(index);
        let waits = self.orders.get(index).map(|order| order.status);
        if waits == Some(OrderStatus::Accepted) {
            self.note(index, OrderEventKind::Accepted, None);
        }
    }
}

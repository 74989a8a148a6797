//! When and at what price open orders fill.
//!
//! A market order fills at the price of the instant, half a spread to its disadvantage. A limit
//! order fills at the same price if that satisfies the limit; else at its limit, at the end of a
//! bar that began after the order was taken and whose range reached the limit: the exchange never
//! uses a part of a bar that lies before the order, nor tells before the bar is complete.
//!
//! A stop is triggered when the price of an instant is at or through it (a gap: the order fills at
//! that price, not at the stop), or at the end of a bar, begun after the order was taken, whose
//! range touched it (it fills at the stop, half a spread worse). From then on the order is a
//! market or limit order; what the rest of the triggering bar did is not used, for nobody knows
//! whether it was before or after the trigger. How much may fill is in [`crate::liquidity`], what a
//! fill does to the books in [`crate::booking`].

use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::asset::QUANTITY_DECIMALS;
use crate::events::OrderEventKind;
use crate::exchange::Exchange;
use crate::order::{Order, OrderStatus, Reserved};
use crate::series::{BarView, decimal};
use crate::sessions::{extended_at, next_extended};
use crate::terms::{Amount, GroupRole, Side, TimeInForce};

impl Exchange {
    /// The next instant in `(now, through]` at which an open order may change, a halt ends, or a
    /// session closes.
    pub(crate) fn next_event(&self, through: Timestamp) -> Option<Timestamp> {
        let now = self.now;
        let calendar = MarketCalendar::nyse();
        let close = calendar
            .session_at(now)
            .or_else(|| calendar.next_session(now));
        let mut next = close.map(|session| session.close);
        let mut consider = |candidate: Option<Timestamp>| {
            if let Some(instant) = candidate.filter(|instant| *instant > now) {
                next = Some(next.map_or(instant, |known: Timestamp| known.min(instant)));
            }
        };
        for (_, until) in self.halts() {
            consider(until);
        }
        for order in self.open_orders() {
            if let Some(series) = self.data.series(order.asset) {
                consider(series.next_start(now));
                consider(series.next_end(now));
            }
            consider(order.expires_at);
            if self
                .data
                .asset(order.asset)
                .is_some_and(|a| a.class == AssetClass::UsEquity)
            {
                consider(calendar.next_session(now).map(|session| session.open));
                if order.extended_hours {
                    consider(extended_at(now).map(|day| day.close));
                    consider(next_extended(now).map(|day| day.open));
                }
            }
        }
        next.filter(|instant| *instant <= through)
    }

    /// Does everything that is due at the virtual now: ends of halts, ranges of bars that just
    /// ended, then expiry, then the prices of the instant.
    pub(crate) fn work_orders(&mut self) {
        self.end_halts();
        let open: Vec<usize> = self.open.iter().copied().collect();
        // Nobody knows which of two exits a bar reached first: the one at a loss counts.
        let is_loss = |index: &&usize| {
            let order = self.orders.get(**index);
            order.and_then(|order| order.role) == Some(GroupRole::StopLoss)
        };
        let (losses, others): (Vec<&usize>, Vec<&usize>) = open.iter().partition(is_loss);
        for index in losses.into_iter().chain(others) {
            self.try_fill_in_range(*index);
        }
        for index in &open {
            let due = self.orders.get(*index).and_then(|order| order.expires_at);
            if due.is_some_and(|due| due <= self.now) {
                self.end_order(*index, OrderStatus::Expired);
            }
        }
        self.hold_auctions(&open);
        for index in open {
            self.try_fill(index);
        }
        let closes_now = MarketCalendar::nyse()
            .previous_session(self.now)
            .is_some_and(|session| session.close == self.now);
        if closes_now {
            self.charge_borrowing();
            self.last_equity = self.account().equity;
        }
    }

    /// Triggers and fills an open order by the price of the instant, if its market is open and the
    /// price satisfies its limit; a waiting order starts to work when its market opens.
    pub(crate) fn try_fill(&mut self, index: usize) {
        if !self.open.contains(&index) {
            return;
        }
        let Some(order) = self.orders.get(index) else {
            return;
        };
        if !self.works_now(order) {
            return;
        }
        let (asset, side, kind) = (order.asset, order.side, order.order_type);
        if order.status != OrderStatus::Held {
            self.change_status(index, OrderStatus::New);
        }
        let (Some(price), Some(quote)) = (self.price(asset), self.quote(asset, side)) else {
            return;
        };
        if self.is_halted(asset) {
            return;
        }
        self.follow(index, price);
        let waits_for = self.orders.get(index).and_then(Order::waits_for);
        if waits_for.is_some_and(|stop| !touches(side, stop, price)) {
            return;
        }
        self.trigger(index);
        if kind
            .limit(side)
            .is_none_or(|limit| satisfies(side, limit, quote))
        {
            self.fill(index, quote);
        }
        if waits_for.is_some() {
            self.cancel_unfilled_immediate(index);
        }
    }

    /// Moves the best price of a trailing stop that waits.
    fn follow(&mut self, index: usize, price: Decimal) {
        if let Some(order) = self.orders.get_mut(index)
            && let Some(best) = order.best_price
            && order.triggered_at.is_none()
        {
            order.best_price = Some(match order.side {
                Side::Buy => best.min(price),
                Side::Sell => best.max(price),
            });
        }
    }

    /// Fills the orders for an auction that takes place now, at its price, and cancels those that
    /// did not fill.
    fn hold_auctions(&mut self, open: &[usize]) {
        let calendar = MarketCalendar::nyse();
        let now = self.now;
        let opens = calendar.session_at(now).is_some_and(|s| s.open == now);
        let closes = calendar
            .previous_session(now)
            .is_some_and(|s| s.close == now);
        for index in open {
            let Some(order) = self.orders.get(*index).filter(|order| order.is_open()) else {
                continue;
            };
            let (asset, side, kind) = (order.asset, order.side, order.order_type);
            let price = match order.time_in_force {
                TimeInForce::Opg if opens => self.price(asset),
                TimeInForce::Cls if closes => self
                    .data
                    .series(asset)
                    .and_then(|series| series.close_at(now)),
                _ => continue,
            };
            if let Some(price) = price.filter(|_| !self.is_halted(asset)) {
                self.change_status(*index, OrderStatus::New);
                if kind
                    .limit(side)
                    .is_none_or(|limit| satisfies(side, limit, price))
                {
                    self.fill(*index, price);
                }
            }
            self.end_order(*index, OrderStatus::Canceled);
        }
    }

    /// Triggers or fills an open order by the range of a bar that ends now.
    fn try_fill_in_range(&mut self, index: usize) {
        let works =
            |order: &&Order| order.is_open() && order.armed && !order.time_in_force.is_auction();
        let Some(order) = self.orders.get(index).filter(works) else {
            return;
        };
        let bar = self
            .data
            .series(order.asset)
            .and_then(|series| series.bar_ending_at(self.now));
        // An exit works since its entry filled, which is when it last changed.
        let works_since = order
            .parent
            .map_or(order.submitted_at, |_| order.updated_at);
        let since = order.triggered_at.unwrap_or(works_since);
        let Some(bar) = bar.filter(|bar| bar.start >= since && self.range_counts(order, bar.start))
        else {
            return;
        };
        match order.waits_for() {
            Some(stop) => {
                self.try_trigger_in_range(index, stop, &bar);
                self.follow_range(index, &bar);
            }
            None => self.try_limit_in_range(index, &bar),
        }
    }

    /// Fills an open limit order at its limit if the bar reached it.
    fn try_limit_in_range(&mut self, index: usize, bar: &BarView) {
        let Some(order) = self.orders.get(index) else {
            return;
        };
        let side = order.side;
        let (Some(limit), Some(asset)) =
            (order.order_type.limit(side), self.data.asset(order.asset))
        else {
            return;
        };
        let best = match side {
            Side::Buy => decimal(bar.low),
            Side::Sell => decimal(bar.high),
        };
        let reached =
            best.is_some_and(|best| satisfies(side, limit, self.with_spread(asset, side, best)));
        if reached {
            self.change_status(index, OrderStatus::New);
            self.fill(index, limit);
        }
    }

    /// Triggers an order at its stop if the bar touched it, and fills it there if its limit holds.
    fn try_trigger_in_range(&mut self, index: usize, stop: Decimal, bar: &BarView) {
        let Some(order) = self.orders.get(index) else {
            return;
        };
        let (side, kind) = (order.side, order.order_type);
        let Some(asset) = self.data.asset(order.asset) else {
            return;
        };
        let (Some(open), Some(low), Some(high)) =
            (decimal(bar.open), decimal(bar.low), decimal(bar.high))
        else {
            return;
        };
        // A bar that opened through the stop never traded at it.
        let (touched, price) = match side {
            Side::Buy => (high >= stop, stop.max(open)),
            Side::Sell => (low <= stop, stop.min(open)),
        };
        if !touched {
            return;
        }
        let quote = self.with_spread(asset, side, price);
        self.change_status(index, OrderStatus::New);
        self.trigger(index);
        if kind
            .limit(side)
            .is_none_or(|limit| satisfies(side, limit, quote))
        {
            self.fill(index, quote);
        }
        self.cancel_unfilled_immediate(index);
    }

    /// Moves a trailing stop that a complete bar did not touch by the best price of that bar.
    fn follow_range(&mut self, index: usize, bar: &BarView) {
        let best = match self.orders.get(index).map(|order| order.side) {
            Some(Side::Buy) => decimal(bar.low),
            Some(Side::Sell) => decimal(bar.high),
            None => None,
        };
        if let Some(best) = best {
            self.follow(index, best);
        }
    }

    /// Notes that the market has touched an order's stop.
    fn trigger(&mut self, index: usize) {
        let waits = self.orders.get(index).and_then(Order::waits_for).is_some();
        if waits {
            self.group_triggered(index);
            self.change_status(index, OrderStatus::New);
        }
        let now = self.now;
        if let Some(order) = self.orders.get_mut(index)
            && order.waits_for().is_some()
        {
            order.triggered_at = Some(now);
            order.updated_at = now;
        }
    }

    /// What an immediate order did not fill is cancelled; a stop's moment is its trigger.
    pub(crate) fn cancel_unfilled_immediate(&mut self, index: usize) {
        let immediate = self
            .orders
            .get(index)
            .is_some_and(|o| o.time_in_force.is_immediate() && o.waits_for().is_none());
        if immediate && self.open.contains(&index) {
            self.end_order(index, OrderStatus::Canceled);
        }
    }

    /// Moves an order forward; a terminal order never changes.
    fn change_status(&mut self, index: usize, status: OrderStatus) {
        let now = self.now;
        if let Some(order) = self.orders.get_mut(index)
            && order.is_open()
            && order.status < status
        {
            order.status = status;
            order.updated_at = now;
            if status == OrderStatus::New {
                self.note(index, OrderEventKind::New, None);
            }
        }
    }

    /// Ends an open order, and with it its group.
    pub(crate) fn end_order(&mut self, index: usize, status: OrderStatus) {
        if self.open.contains(&index) {
            self.end_alone(index, status);
            self.end_group(index);
        }
    }

    /// Ends an open order and gives back what it held.
    pub(crate) fn end_alone(&mut self, index: usize, status: OrderStatus) {
        if !self.open.remove(&index) {
            return;
        }
        self.change_status(index, status);
        let now = self.now;
        if let Some(order) = self.orders.get_mut(index) {
            order.reserved = Reserved::default();
            match status {
                OrderStatus::Canceled => order.canceled_at = Some(now),
                OrderStatus::Expired => order.expired_at = Some(now),
                OrderStatus::Rejected => order.failed_at = Some(now),
                OrderStatus::Filled => order.filled_at = Some(now),
                OrderStatus::Held
                | OrderStatus::Accepted
                | OrderStatus::New
                | OrderStatus::PartiallyFilled
                | OrderStatus::Replaced => {}
            }
        }
        if let Some(kind) = OrderEventKind::ending(status) {
            self.note(index, kind, None);
        }
    }

    /// Executes what is left of the order at `price`, or as much of it as may fill now.
    fn fill(&mut self, index: usize, price: Decimal) {
        let Some(order) = self.orders.get(index).cloned() else {
            return;
        };
        let Some(asset) = self.data.asset(order.asset).cloned() else {
            return;
        };
        let asked = self.executable_quantity(index, &order, price);
        let price = self.with_impact(&order, &asset, asked, price);
        let wanted = self.executable_quantity(index, &order, price);
        if wanted.is_zero() {
            // A dollar amount whose rest no longer buys the smallest fraction, or nothing left to
            // sell.
            let ended = if order.filled_quantity.is_zero() {
                OrderStatus::Rejected
            } else {
                OrderStatus::Filled
            };
            self.end_order(index, ended);
            if ended == OrderStatus::Filled {
                self.note(index, OrderEventKind::Fill, None);
            }
            return;
        }
        let quantity = self.fillable(&order, wanted);
        let whole_or_nothing = order.time_in_force == TimeInForce::Fok;
        if quantity.is_zero() || (whole_or_nothing && quantity < wanted) {
            return;
        }
        let fill = self.book(&order, &asset, quantity, price);
        self.take_volume(order.asset, quantity);
        self.fills.push(fill.clone());
        let complete = quantity == wanted;
        if let Some(order) = self.orders.get_mut(index) {
            order.add_fill(quantity, price);
            if !complete {
                order.shrink_reserved(quantity, wanted);
                order.updated_at = self.now;
            }
        }
        if complete {
            self.end_alone(index, OrderStatus::Filled);
            self.note(index, OrderEventKind::Fill, Some(&fill));
        } else {
            self.change_status(index, OrderStatus::PartiallyFilled);
            self.note(index, OrderEventKind::PartialFill, Some(&fill));
        }
        self.group_filled(index, quantity, complete);
    }

    /// Units that a fill at `price` executes: an order in dollars is worked out now, and a sale in
    /// dollars never takes more than the position has left.
    fn executable_quantity(&self, index: usize, order: &Order, price: Decimal) -> Decimal {
        match order.amount {
            Amount::Quantity(quantity) => quantity - order.filled_quantity,
            Amount::Notional(notional) => {
                let quantity = units_for(notional - order.filled_value, price);
                match order.side {
                    Side::Buy => quantity,
                    Side::Sell => {
                        let position = self.position(order.asset).quantity;
                        let free = position - self.held_quantity(order.asset, Some(index));
                        quantity.min(free.max(Decimal::ZERO))
                    }
                }
            }
        }
    }
}

/// Units that `notional` USD buy at `price`, rounded down to what can be traded.
pub(crate) fn units_for(notional: Decimal, price: Decimal) -> Decimal {
    notional
        .checked_div(price)
        .unwrap_or_default()
        .round_dp_with_strategy(QUANTITY_DECIMALS, RoundingStrategy::ToZero)
        .normalize()
}

/// Whether the market at `price` is at or through a stop.
pub(crate) fn touches(side: Side, stop: Decimal, price: Decimal) -> bool {
    match side {
        Side::Buy => price >= stop,
        Side::Sell => price <= stop,
    }
}

/// Whether an order with this limit may trade at `price`.
pub(crate) fn satisfies(side: Side, limit: Decimal, price: Decimal) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

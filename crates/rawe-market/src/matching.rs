//! When and at what price open orders fill, and what a fill does to cash and positions.
//!
//! A market order fills whole at the price of the instant, half a spread to its disadvantage. A
//! limit order fills at the same price if that satisfies the limit; else at its limit, at the end
//! of a bar that began after the order was taken and whose range reached the limit: the exchange
//! never uses a part of a bar that lies before the order, nor tells before the bar is complete.

use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::asset::{Asset, QUANTITY_DECIMALS, money};
use crate::exchange::Exchange;
use crate::order::{Amount, Fill, Order, OrderStatus, OrderType, Reserved, Side, TimeInForce};
use crate::series::decimal;

impl Exchange {
    /// The next instant in `(now, through]` at which an open order may change, or at which a
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
            }
        }
        next.filter(|instant| *instant <= through)
    }

    /// Does everything that is due at the virtual now: ranges of bars that just ended, then
    /// expiry, then the prices of the instant.
    pub(crate) fn work_orders(&mut self) {
        let open: Vec<usize> = self.open.iter().copied().collect();
        for index in &open {
            self.try_fill_in_range(*index);
        }
        for index in &open {
            let due = self.orders.get(*index).and_then(|order| order.expires_at);
            if due.is_some_and(|due| due <= self.now) {
                self.end_order(*index, OrderStatus::Expired);
            }
        }
        for index in open {
            self.try_fill(index);
        }
        let closes_now = MarketCalendar::nyse()
            .previous_session(self.now)
            .is_some_and(|session| session.close == self.now);
        if closes_now {
            self.last_equity = self.account().equity;
        }
    }

    /// Fills an open order at the price of the instant, if its market is open and the price
    /// satisfies its limit; a waiting order starts to work when its market opens.
    pub(crate) fn try_fill(&mut self, index: usize) {
        if !self.open.contains(&index) {
            return;
        }
        let Some(order) = self.orders.get(index) else {
            return;
        };
        let Some(asset) = self.data.asset(order.asset) else {
            return;
        };
        if !self.is_open(asset.class) {
            return;
        }
        let (side, order_type, quote) = (
            order.side,
            order.order_type,
            self.quote(order.asset, order.side),
        );
        self.change_status(index, OrderStatus::New);
        let Some(quote) = quote else { return };
        let satisfied = match order_type {
            OrderType::Market => true,
            OrderType::Limit(limit) => satisfies(side, limit, quote),
        };
        if satisfied {
            self.fill(index, quote);
        }
    }

    /// Fills an open limit order at its limit if a bar that ends now reached it.
    fn try_fill_in_range(&mut self, index: usize) {
        let Some(order) = self.orders.get(index).filter(|order| order.is_open()) else {
            return;
        };
        let OrderType::Limit(limit) = order.order_type else {
            return;
        };
        let Some(asset) = self.data.asset(order.asset) else {
            return;
        };
        let bar = self
            .data
            .series(order.asset)
            .and_then(|series| series.bar_ending_at(self.now));
        let Some(bar) = bar.filter(|bar| bar.start >= order.submitted_at) else {
            return;
        };
        let best = match order.side {
            Side::Buy => decimal(bar.low),
            Side::Sell => decimal(bar.high),
        };
        let reached = best.is_some_and(|best| {
            satisfies(order.side, limit, self.with_spread(asset, order.side, best))
        });
        if reached {
            self.change_status(index, OrderStatus::New);
            self.fill(index, limit);
        }
    }

    /// An immediate order that did not fill is cancelled.
    pub(crate) fn cancel_unfilled_immediate(&mut self, index: usize) {
        let immediate = self
            .orders
            .get(index)
            .is_some_and(|o| o.time_in_force == TimeInForce::Ioc);
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
        }
    }

    /// Ends an open order without a fill and gives back what it held.
    pub(crate) fn end_order(&mut self, index: usize, status: OrderStatus) {
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
                OrderStatus::Accepted | OrderStatus::New => {}
            }
        }
    }

    /// Executes the whole order at `price`.
    fn fill(&mut self, index: usize, price: Decimal) {
        let Some(order) = self.orders.get(index).cloned() else {
            return;
        };
        let Some(asset) = self.data.asset(order.asset).cloned() else {
            return;
        };
        let quantity = self.executable_quantity(index, &order, price);
        if quantity.is_zero() {
            // A dollar amount that no longer buys the smallest fraction, or nothing left to sell.
            self.end_order(index, OrderStatus::Rejected);
            return;
        }
        let fill = self.book(&order, &asset, quantity, price);
        self.fills.push(fill);
        self.end_order(index, OrderStatus::Filled);
        if let Some(order) = self.orders.get_mut(index) {
            order.filled_quantity = quantity.normalize();
            order.filled_average_price = Some(price.normalize());
        }
    }

    /// Units that a fill at `price` executes: an order in dollars is worked out now, and a sale in
    /// dollars never takes more than the position has left.
    fn executable_quantity(&self, index: usize, order: &Order, price: Decimal) -> Decimal {
        match order.amount {
            Amount::Quantity(quantity) => quantity,
            Amount::Notional(notional) => {
                let quantity = units_for(notional, price);
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

    /// Books an execution: cash, position, fees. Fees of crypto are taken from what is received:
    /// coins on buys, dollars on sells.
    fn book(&mut self, order: &Order, asset: &Asset, quantity: Decimal, price: Decimal) -> Fill {
        let rate = match asset.class {
            AssetClass::Crypto => self.config.fee_bps_crypto / Decimal::from(10_000),
            AssetClass::UsEquity => Decimal::ZERO,
        };
        let value = money(quantity * price);
        let round_up = RoundingStrategy::AwayFromZero;
        let (fee_quantity, fee_value, position_change, cash_change) = match order.side {
            Side::Buy => {
                let fee = (quantity * rate).round_dp_with_strategy(QUANTITY_DECIMALS, round_up);
                (fee, money(fee * price), quantity - fee, -value)
            }
            Side::Sell => {
                let fee =
                    (value * rate).round_dp_with_strategy(crate::asset::MONEY_DECIMALS, round_up);
                (Decimal::ZERO, fee, -quantity, value - fee)
            }
        };
        let traded = match order.side {
            Side::Buy => value - fee_value,
            Side::Sell => -value,
        };
        let position = self.positions.entry(order.asset).or_default();
        let realised = position.apply(position_change, traded);
        self.cash += cash_change;
        self.realised += realised;
        self.fees += fee_value;
        Fill {
            order_id: order.id,
            client_order_id: order.client_order_id.clone(),
            asset: order.asset,
            side: order.side,
            quantity: quantity.normalize(),
            price: price.normalize(),
            fee_quantity: fee_quantity.normalize(),
            fee_value: fee_value.normalize(),
            position_change: position_change.normalize(),
            cash_change: cash_change.normalize(),
            realised: realised.normalize(),
            at: self.now,
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

/// Whether an order with this limit may trade at `price`.
pub(crate) fn satisfies(side: Side, limit: Decimal, price: Decimal) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

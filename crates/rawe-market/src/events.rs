//! What happened to orders, one entry a change, for whoever pushes them to clients. Kept only if
//! asked for: a backtest of years needs none of it.

use rawe_core::Timestamp;
use rust_decimal::Decimal;

use crate::exchange::Exchange;
use crate::order::{Fill, Order, OrderStatus};

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderEventKind {
    /// Taken, waits for its market to open.
    Accepted,
    /// Works.
    New,
    /// Some of it executed.
    PartialFill,
    /// The last of it executed.
    Fill,
    /// Cancelled.
    Canceled,
    /// Its time ran out.
    Expired,
    /// Refused after it was taken.
    Rejected,
    /// Another order took its place.
    Replaced,
}

/// A change of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent {
    /// Counts from 0 over the life of the exchange.
    pub number: u64,
    /// What happened.
    pub kind: OrderEventKind,
    /// When.
    pub at: Timestamp,
    /// The order after it.
    pub order: Order,
    /// The execution, if it is one.
    pub fill: Option<Fill>,
    /// Units held after it, negative when short.
    pub position: Decimal,
}

/// The changes that nobody has taken yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventLog {
    watched: bool,
    count: u64,
    waiting: Vec<OrderEvent>,
}

impl EventLog {
    /// How many there have been.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Counts on from there.
    pub(crate) fn continue_from(&mut self, count: u64) {
        self.count = count;
    }
}

impl Exchange {
    /// Keeps order events from now on, until [`Exchange::take_order_events`] takes them.
    pub fn watch_orders(&mut self) {
        self.events.watched = true;
    }

    /// The order events since the last call, oldest first.
    pub fn take_order_events(&mut self) -> Vec<OrderEvent> {
        std::mem::take(&mut self.events.waiting)
    }

    /// Notes a change of the order at `index`.
    pub(crate) fn note(&mut self, index: usize, kind: OrderEventKind, fill: Option<&Fill>) {
        if !self.events.watched {
            return;
        }
        let Some(order) = self.orders.get(index).cloned() else {
            return;
        };
        let event = OrderEvent {
            number: self.events.count,
            kind,
            at: self.now,
            position: self.position(order.asset).quantity.normalize(),
            order,
            fill: fill.cloned(),
        };
        self.events.count += 1;
        self.events.waiting.push(event);
    }
}

impl OrderEventKind {
    /// What an end in this state is called; `None` for states that are no end without a fill.
    pub(crate) fn ending(status: OrderStatus) -> Option<Self> {
        match status {
            OrderStatus::Canceled => Some(Self::Canceled),
            OrderStatus::Expired => Some(Self::Expired),
            OrderStatus::Rejected => Some(Self::Rejected),
            OrderStatus::Replaced => Some(Self::Replaced),
            OrderStatus::Held
            | OrderStatus::Accepted
            | OrderStatus::New
            | OrderStatus::PartiallyFilled
            | OrderStatus::Filled => None,
        }
    }
}

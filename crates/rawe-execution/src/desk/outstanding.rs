//! What orders under way may still change of the exposure: openings add to it, closings take away
//! what balances others.

use rawe_core::{ClientOrderId, Direction, Purpose, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::broker::Amount;
use crate::desk::Desk;
use crate::desk::books::Line;
use crate::desk::folding::notional_of;
use crate::desk::orders::LiveOrder;

impl LiveOrder {
    /// USD that an opening may still put in, at this price where none was known before.
    pub(crate) fn left_to_open(&mut self, mark: Decimal) -> Decimal {
        if self.approved_notional().is_zero() {
            // Of an earlier start: in units, and no price was known yet.
            self.notional = notional_of(&self.submission.intent().order, mark);
        }
        // Units that are left cost what they were approved at, whatever the others have cost.
        let done = match self.submission.intent().order.amount {
            Amount::Notional(_) => self.filled_value,
            Amount::Quantity(whole) => (self.approved_notional().saturating_mul(self.filled))
                .checked_div(whole)
                .unwrap_or(self.filled_value),
        };
        (self.approved_notional() - done).max(Decimal::ZERO)
    }

    /// USD that a closing may still take out.
    fn left_to_close(&self, mark: Decimal) -> Decimal {
        let left = match self.submission.intent().order.amount {
            Amount::Notional(whole) => whole - self.filled_value,
            Amount::Quantity(whole) => (whole - self.filled).saturating_mul(mark),
        };
        left.max(Decimal::ZERO)
    }
}

impl Desk {
    /// Counts what an opening may still add to the exposure, and what a closing may still take from
    /// the side that balances others. A resting stop balances as long as it rests.
    pub(crate) fn weigh_order(&mut self, id: &ClientOrderId) {
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        let mark = self.books.line(order.asset()).map(Line::mark);
        let mark = mark.unwrap_or_default();
        let outstanding = match order.purpose() {
            Purpose::Open => order.left_to_open(mark),
            Purpose::Close => order.left_to_close(mark),
            Purpose::Stop => return,
        };
        let change = outstanding - order.outstanding;
        order.outstanding = outstanding;
        let (asset, purpose, direction) = (order.asset().clone(), order.purpose(), order.direction);
        self.add_outstanding(&asset, purpose, direction, change);
    }

    /// Weighs all orders anew, once prices are known.
    pub(crate) fn weigh_orders(&mut self, now: Timestamp) {
        self.weigh_given_up(now);
        let ids: Vec<ClientOrderId> = self.orders.keys().cloned().collect();
        for id in ids {
            self.weigh_order(&id);
        }
    }

    /// Adds to what orders of ours under way may still change, USD.
    pub(crate) fn add_outstanding(
        &mut self,
        asset: &Symbol,
        purpose: Purpose,
        direction: Direction,
        usd: Decimal,
    ) {
        if purpose == Purpose::Open {
            self.add_pending(asset, direction, usd);
        } else if !usd.is_zero() {
            self.books.change(asset, |line| match direction {
                Direction::Long => line.leaving_long += usd,
                Direction::Short => line.leaving_short += usd,
            });
        }
    }

    pub(crate) fn add_pending(&mut self, asset: &Symbol, direction: Direction, usd: Decimal) {
        if usd.is_zero() {
            return;
        }
        self.books.change(asset, |line| match direction {
            Direction::Long => line.pending_long += usd,
            Direction::Short => line.pending_short += usd,
        });
    }
}

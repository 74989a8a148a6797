//! Whether a report is about the order of an intent: the id alone does not tell.

use chrono::TimeDelta;

use crate::broker::{Amount, OrderReport};
use crate::submission::Submission;

/// An order older than the decision by more than this was not made for it.
const AGE_TOLERANCE_MIN_SECS: i64 = 60;

impl Submission {
    /// Whether an acceptance is about what was just sent. A different amount does not make it
    /// another order: the broker answered this very request under an id that it takes once, and
    /// to doubt it would send the order again. It is noticed by [`Submission::differs_in_size`].
    pub(super) fn is_answer(&self, report: &OrderReport) -> bool {
        let order = &self.intent.order;
        report.client_order_id == order.client_order_id.as_str()
            && report.symbol == order.symbol
            && report.side == order.side
    }

    /// Whether the broker's order has another size than the one sent; what neither side says does
    /// not count.
    pub fn differs_in_size(&self) -> bool {
        self.report()
            .is_some_and(|report| !self.is_same_size(report))
    }

    /// A broker that echoes no amount leaves nothing to compare.
    pub(super) fn is_same_size(&self, report: &OrderReport) -> bool {
        match self.intent.order.amount {
            // What one exit of an order fills makes the other one smaller.
            _ if self.intent.leg_of.is_some() => true,
            _ if report.notional.is_none() && report.quantity.is_none() => true,
            Amount::Notional(notional) => report.notional == Some(notional),
            Amount::Quantity(quantity) => report.quantity == Some(quantity),
        }
    }

    /// Whether an order found under our id is of this intent: id, symbol, side, size, and not of an
    /// earlier decision that had the same id.
    pub(crate) fn is_same_order(&self, report: &OrderReport) -> bool {
        let tolerance = (self.intent.void_after - self.intent.decided_at)
            .max(TimeDelta::seconds(AGE_TOLERANCE_MIN_SECS));
        let recent = report
            .submitted_at
            .is_none_or(|submitted| submitted + tolerance >= self.intent.decided_at);
        self.is_answer(report) && self.is_same_size(report) && recent
    }
}

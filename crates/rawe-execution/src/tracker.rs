//! What became of an order: a state that only moves forward, whatever order reports come in.
//!
//! Reports are merged, not replayed: the furthest status and the largest filled quantity win. So
//! any interleaving of late, repeated and lost reports ends in the same state, and a late report
//! never resurrects a terminal order.

use rust_decimal::Decimal;

use crate::broker::{OrderReport, OrderStatus};

/// One order, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderTracker {
    merged: OrderReport,
}

/// What a report changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether anything is new; false for repeats and late reports.
    pub is_new: bool,
    /// Units filled since the last report.
    pub newly_filled: Decimal,
    /// Whether this report ended the order.
    pub ended: bool,
}

/// A report of another order than the one tracked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the report is about order {reported}, not about {tracked}")]
pub struct ReportMismatch {
    /// The order tracked: client order id, symbol, side.
    pub tracked: String,
    /// The order reported.
    pub reported: String,
}

impl OrderTracker {
    /// Starts with the first report.
    pub fn new(first: OrderReport) -> Self {
        let mut merged = first;
        merged.status = plausible_status(merged.status, merged.filled_quantity);
        Self { merged }
    }

    /// Everything known, merged into one report.
    pub fn report(&self) -> &OrderReport {
        &self.merged
    }

    /// Whether the order can never change again.
    pub fn is_terminal(&self) -> bool {
        self.merged.status.is_terminal()
    }

    /// Takes one more report.
    ///
    /// # Errors
    /// When it is about another order.
    pub fn apply(&mut self, report: &OrderReport) -> Result<Change, ReportMismatch> {
        let name = |r: &OrderReport| format!("{} {} {:?}", r.client_order_id, r.symbol, r.side);
        if name(report) != name(&self.merged) {
            return Err(ReportMismatch {
                tracked: name(&self.merged),
                reported: name(report),
            });
        }
        let before = self.merged.clone();
        self.merge(report);
        Ok(Change {
            is_new: self.merged != before,
            newly_filled: self.merged.filled_quantity - before.filled_quantity,
            ended: !before.status.is_terminal() && self.merged.status.is_terminal(),
        })
    }

    fn merge(&mut self, report: &OrderReport) {
        let merged = &mut self.merged;
        let further = report.filled_quantity > merged.filled_quantity;
        if further {
            merged.filled_quantity = report.filled_quantity;
            merged.filled_average_price = report.filled_average_price;
        } else if report.filled_quantity == merged.filled_quantity {
            merged.filled_average_price =
                merged.filled_average_price.max(report.filled_average_price);
        }
        let status = plausible_status(report.status, merged.filled_quantity);
        let standing = plausible_status(merged.status, merged.filled_quantity);
        merged.status = if rank(status) > rank(standing) {
            status
        } else {
            standing
        };
        merged.quantity = merged.quantity.max(report.quantity);
        merged.notional = merged.notional.max(report.notional);
        merged.submitted_at = earliest(merged.submitted_at, report.submitted_at);
        merged.filled_at = merged.filled_at.max(report.filled_at);
        merged.updated_at = merged.updated_at.max(report.updated_at);
        if report.broker_order_id > merged.broker_order_id {
            merged.broker_order_id.clone_from(&report.broker_order_id);
        }
    }
}

fn earliest<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

/// A working order with a fill is partly filled, whatever an old report calls it.
fn plausible_status(status: OrderStatus, filled: Decimal) -> OrderStatus {
    if status == OrderStatus::Working && filled > Decimal::ZERO {
        OrderStatus::PartiallyFilled
    } else {
        status
    }
}

/// How far a status is. Terminal ones exclude each other at an honest broker; should two ever be
/// reported, the one that moved more money wins.
fn rank(status: OrderStatus) -> u8 {
    match status {
        OrderStatus::Working => 0,
        OrderStatus::PartiallyFilled => 1,
        OrderStatus::Rejected => 2,
        OrderStatus::Expired => 3,
        OrderStatus::Canceled => 4,
        OrderStatus::Filled => 5,
    }
}

//! The order's state only moves forward.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::{at, dec, report};
use crate::broker::{OrderReport, OrderStatus, Side};
use crate::tracker::OrderTracker;

/// A life of an order as an honest broker tells it: fills grow, one end.
fn a_life() -> impl Strategy<Value = Vec<OrderReport>> {
    let end = prop::sample::select(vec![
        OrderStatus::Filled,
        OrderStatus::Canceled,
        OrderStatus::Expired,
        OrderStatus::Rejected,
    ]);
    (prop::collection::vec(1_u32..4, 0..4), end).prop_map(|(steps, end)| {
        let mut life = vec![report("rawe-x", OrderStatus::Working, "0")];
        let mut filled = Decimal::ZERO;
        for (index, step) in steps.iter().enumerate() {
            filled += Decimal::from(*step);
            let mut next = report("rawe-x", OrderStatus::PartiallyFilled, "1");
            next.filled_quantity = filled;
            next.filled_average_price = Some(Decimal::from(100 + index));
            next.updated_at = Some(at(i64::try_from(index).unwrap() + 1));
            life.push(next);
        }
        let mut last = life[life.len() - 1].clone();
        last.status = end;
        last.updated_at = Some(at(100));
        life.push(last);
        life
    })
}

fn any_telling() -> impl Strategy<Value = (Vec<OrderReport>, Vec<OrderReport>)> {
    a_life().prop_flat_map(|life| {
        let repeated: Vec<OrderReport> = life.iter().chain(&life).cloned().collect();
        (Just(life), Just(repeated).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn every_order_of_arrival_ends_the_same((life, telling) in any_telling()) {
        let last = life[life.len() - 1].clone();
        let mut tracker = OrderTracker::new(telling[0].clone());
        let mut filled = tracker.report().filled_quantity;
        for report in &telling[1..] {
            let was_terminal = tracker.is_terminal();
            let change = tracker.apply(report).unwrap();
            filled += change.newly_filled;
            prop_assert!(change.newly_filled >= Decimal::ZERO);
            prop_assert!(tracker.is_terminal() || !was_terminal, "resurrected");
            prop_assert!(!(was_terminal && change.ended), "ended twice");
        }
        prop_assert_eq!(tracker.report(), &last);
        prop_assert_eq!(filled, last.filled_quantity);
    }
}

#[test]
fn a_late_report_changes_nothing_and_a_fill_after_the_cancel_counts() {
    let mut tracker = OrderTracker::new(report("rawe-x", OrderStatus::Canceled, "2"));
    let change = tracker
        .apply(&report("rawe-x", OrderStatus::Working, "0"))
        .unwrap();
    assert!(!change.is_new && tracker.is_terminal());
    let change = tracker
        .apply(&report("rawe-x", OrderStatus::PartiallyFilled, "3"))
        .unwrap();
    assert_eq!((change.newly_filled, change.ended), (dec("1"), false));
    assert_eq!(tracker.report().status, OrderStatus::Canceled);
}

#[test]
fn reports_of_other_orders_are_refused() {
    let mut tracker = OrderTracker::new(report("rawe-x", OrderStatus::Working, "0"));
    assert!(
        tracker
            .apply(&report("rawe-y", OrderStatus::Filled, "10"))
            .is_err()
    );
    let mut other_side = report("rawe-x", OrderStatus::Filled, "10");
    other_side.side = Side::Sell;
    assert!(tracker.apply(&other_side).is_err());
    assert_eq!(tracker.report().filled_quantity, Decimal::ZERO);
}

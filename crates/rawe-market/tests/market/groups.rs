//! Brackets, one-cancels-other, one-triggers-other: what is held, what works, what ends what.

use crate::support::*;
use rawe_market::{
    Amount, Exits, GroupRole, NewOrder, OrderEventKind, OrderStatus, StopLoss, TakeProfit,
    TimeInForce,
};
use rust_decimal::Decimal;
use uuid::Uuid;

const QUIET: (f64, f64, f64, f64) = (100.0, 101.0, 99.0, 100.0);

fn profit(limit: &str) -> TakeProfit {
    TakeProfit { limit: dec(limit) }
}

fn loss(stop: &str) -> StopLoss {
    StopLoss {
        stop: dec(stop),
        limit: None,
    }
}

fn with(order: NewOrder, exits: Exits) -> NewOrder {
    NewOrder { exits, ..order }
}

fn bracket() -> NewOrder {
    with(buy("AAPL", "10"), Exits::Bracket(profit("110"), loss("90")))
}

/// The entry, the exit at a profit, the exit at a loss.
fn ids(exchange: &rawe_market::Exchange) -> [Uuid; 3] {
    [0, 1, 2].map(|n| exchange.orders()[n].id)
}

#[test]
fn the_exits_of_a_bracket_wait_for_the_whole_entry() {
    let mut exchange = played(&[QUIET, QUIET, QUIET]);
    let entry = with(
        limit(buy("AAPL", "10"), "99.5"),
        Exits::Bracket(profit("110"), loss("90")),
    );
    exchange.submit(&entry).unwrap();
    let [entry, gain, stop] = ids(&exchange);
    assert_eq!(exchange.order(entry).unwrap().legs, [gain, stop]);
    assert_eq!(state(&exchange, gain).0, OrderStatus::Held);
    assert_eq!(state(&exchange, stop).0, OrderStatus::Held);
    assert_eq!(
        exchange.order(gain).unwrap().role,
        Some(GroupRole::TakeProfit)
    );
    assert_eq!(exchange.order(gain).unwrap().group(), Some(entry));
    exchange.advance_to(at("2026-03-02T16:00:00Z")).unwrap();
    assert_eq!(
        state(&exchange, entry),
        (OrderStatus::Filled, Some(dec("99.5")))
    );
    assert_eq!(state(&exchange, gain).0, OrderStatus::New);
    assert_eq!(state(&exchange, stop).0, OrderStatus::Held);
    // The units are held once.
    let asset = exchange.data().find("AAPL").unwrap();
    assert_eq!(exchange.quantity_available(asset), Decimal::ZERO);
    let refused = exchange.submit(&sell("AAPL", "1")).unwrap_err();
    assert_eq!(refused.status, 403);
}

#[test]
fn one_exit_ends_the_other() {
    let cases = [
        // (the bar after the entry's, what the exit at a profit and at a loss become)
        (
            (100.0, 111.0, 99.0, 110.5),
            OrderStatus::Filled,
            OrderStatus::Canceled,
            "110",
        ),
        (
            (100.0, 101.0, 89.0, 90.5),
            OrderStatus::Canceled,
            OrderStatus::Filled,
            "90",
        ),
        // A gap through the stop fills at the open.
        (
            (85.0, 86.0, 84.0, 85.0),
            OrderStatus::Canceled,
            OrderStatus::Filled,
            "85",
        ),
        // Both touched in one bar: nobody knows the order, so the worse counts.
        (
            (100.0, 111.0, 89.0, 100.0),
            OrderStatus::Canceled,
            OrderStatus::Filled,
            "90",
        ),
    ];
    for (bar, gained, lost, price) in cases {
        let mut exchange = played(&[QUIET, bar, QUIET]);
        exchange.submit(&bracket()).unwrap();
        let [_, gain, stop] = ids(&exchange);
        exchange.advance_to(at("2026-03-02T17:30:00Z")).unwrap();
        assert_eq!(state(&exchange, gain).0, gained, "{bar:?}");
        assert_eq!(state(&exchange, stop).0, lost, "{bar:?}");
        let filled = if gained == OrderStatus::Filled {
            gain
        } else {
            stop
        };
        assert_eq!(state(&exchange, filled).1, Some(dec(price)), "{bar:?}");
        assert_eq!(position_of(&exchange, "AAPL"), Decimal::ZERO);
        assert_eq!(exchange.open_orders().count(), 0);
    }
}

#[test]
fn cancelling_any_order_of_a_group_cancels_all() {
    for (filled, which) in [(false, 0), (false, 1), (false, 2), (true, 1), (true, 2)] {
        let mut exchange = played(&[QUIET, QUIET]);
        let order = if filled {
            bracket()
        } else {
            with(
                limit(buy("AAPL", "10"), "95"),
                Exits::Bracket(profit("110"), loss("90")),
            )
        };
        exchange.submit(&order).unwrap();
        exchange.cancel(ids(&exchange)[which]).unwrap();
        assert_eq!(exchange.open_orders().count(), 0, "{filled} {which}");
        let events = exchange.take_order_events();
        let cancelled = events.iter().filter(|e| e.kind == OrderEventKind::Canceled);
        assert_eq!(cancelled.count(), if filled { 2 } else { 3 });
    }
}

#[test]
fn what_one_exit_fills_in_part_makes_the_other_smaller() {
    let mut exchange = played(&[QUIET, (100.0, 111.0, 99.0, 110.0), QUIET]);
    exchange.submit(&bracket()).unwrap();
    let [_, gain, stop] = ids(&exchange);
    // A fault lets only four of the ten fill.
    exchange.advance_to(at("2026-03-02T15:30:00Z")).unwrap();
    assert!(exchange.cap(gain, dec("4")));
    exchange.advance_to(at("2026-03-02T17:00:00Z")).unwrap();
    assert_eq!(state(&exchange, gain).0, OrderStatus::PartiallyFilled);
    assert_eq!(
        exchange.order(stop).unwrap().amount,
        Amount::Quantity(dec("6"))
    );
    exchange.release(gain);
    exchange.advance_to(at("2026-03-02T18:00:00Z")).unwrap();
    assert_eq!(position_of(&exchange, "AAPL"), dec("6"));
}

#[test]
fn two_exits_of_a_position_and_single_exits() {
    let mut exchange = played(&[QUIET, (100.0, 111.0, 99.0, 110.5), QUIET]);
    exchange.submit(&buy("AAPL", "10")).unwrap();
    let oco = with(limit(sell("AAPL", "10"), "110"), Exits::Oco(loss("90")));
    let gain = exchange.submit(&oco).unwrap().id;
    let stop = exchange.order(gain).unwrap().legs[0];
    assert_eq!(state(&exchange, gain).0, OrderStatus::New);
    assert_eq!(state(&exchange, stop).0, OrderStatus::Held);
    exchange.advance_to(at("2026-03-02T17:00:00Z")).unwrap();
    assert_eq!(
        state(&exchange, gain),
        (OrderStatus::Filled, Some(dec("110")))
    );
    assert_eq!(state(&exchange, stop).0, OrderStatus::Canceled);

    let mut exchange = played(&[QUIET, (100.0, 101.0, 89.0, 90.5), QUIET]);
    let oto = with(buy("AAPL", "10"), Exits::OtoLoss(loss("90")));
    let entry = exchange.submit(&oto).unwrap().id;
    let stop = exchange.order(entry).unwrap().legs[0];
    assert_eq!(state(&exchange, stop).0, OrderStatus::New);
    exchange.advance_to(at("2026-03-02T17:00:00Z")).unwrap();
    assert_eq!(
        state(&exchange, stop),
        (OrderStatus::Filled, Some(dec("90")))
    );
}

#[test]
fn shorts_have_their_exits_the_other_way_round() {
    let mut exchange = played(&[QUIET, (100.0, 101.0, 89.0, 90.5), QUIET]);
    let short = with(
        sell("AAPL", "10"),
        Exits::Bracket(profit("90"), loss("110")),
    );
    let entry = exchange.submit(&short).unwrap().id;
    let [gain, _] = exchange.order(entry).unwrap().legs[..] else {
        panic!("two exits");
    };
    exchange.advance_to(at("2026-03-02T17:00:00Z")).unwrap();
    assert_eq!(
        state(&exchange, gain),
        (OrderStatus::Filled, Some(dec("90")))
    );
    assert_eq!(position_of(&exchange, "AAPL"), Decimal::ZERO);
}

#[test]
fn groups_that_make_no_sense_are_refused() {
    let cases = [
        (
            with(buy("AAPL", "1"), Exits::Bracket(profit("90"), loss("95"))),
            "take_profit.limit_price must be > stop_loss.stop_price",
        ),
        (
            with(buy("AAPL", "1"), Exits::Bracket(profit("100"), loss("90"))),
            "take_profit.limit_price must be >= base_price + 0.01",
        ),
        (
            with(buy("AAPL", "1"), Exits::OtoLoss(loss("100"))),
            "stop_loss.stop_price must be <= base_price - 0.01",
        ),
        (
            with(limit(buy("AAPL", "1"), "110"), Exits::Oco(loss("90"))),
            "oco orders must be exit orders",
        ),
        (
            with(buy("AAPL", "1.5"), Exits::OtoProfit(profit("110"))),
            "fractional orders must be simple orders",
        ),
        (
            lasting(bracket(), TimeInForce::Ioc),
            "invalid time_in_force for bracket order",
        ),
        (
            with(buy("AAPL", "1"), Exits::OtoProfit(profit("110.001"))),
            "invalid limit_price 110.001. sub-penny",
        ),
        (
            NewOrder {
                extended_hours: true,
                ..with(
                    limit(buy("AAPL", "1"), "99"),
                    Exits::OtoProfit(profit("110")),
                )
            },
            "extended hours orders must be simple orders",
        ),
    ];
    for (order, words) in cases {
        let mut exchange = played(&[QUIET]);
        let refused = exchange.submit(&order).unwrap_err();
        assert_eq!((refused.status, refused.code), (422, 42_210_000), "{words}");
        assert!(refused.message.starts_with(words), "{}", refused.message);
        assert!(exchange.orders().is_empty());
    }
    let mut exchange = played(&[QUIET]);
    exchange.submit(&buy("AAPL", "10")).unwrap();
    let exit = with(sell("AAPL", "5"), Exits::OtoProfit(profit("110")));
    let refused = exchange.submit(&exit).unwrap_err();
    assert_eq!(refused.message, "oto orders must be entry orders");
}

//! Replacing orders: what changes, what stays, what cannot be replaced.

use crate::support::*;
use rawe_market::{
    Amount, Exits, NewOrder, OrderEventKind, OrderStatus, OrderType, Replacement, StopLoss,
    TakeProfit, TimeInForce, Trail,
};
use rust_decimal::Decimal;

const QUIET: (f64, f64, f64, f64) = (100.0, 101.0, 99.0, 100.0);

fn to_limit(price: &str) -> Replacement {
    Replacement {
        limit: Some(dec(price)),
        ..Replacement::default()
    }
}

#[test]
fn the_new_order_takes_the_place_of_the_old_one() {
    let mut exchange = played(&[QUIET, QUIET]);
    let old = exchange.submit(&limit(buy("AAPL", "10"), "90")).unwrap().id;
    exchange.take_order_events();
    let reserved = exchange.account().initial_margin;
    let change = Replacement {
        client_order_id: Some("second".to_owned()),
        quantity: Some(dec("20")),
        ..to_limit("80")
    };
    let new = exchange.replace(old, &change).unwrap().clone();
    assert_eq!(new.replaces, Some(old));
    assert_eq!(new.client_order_id, "second");
    assert_eq!(new.order_type, OrderType::Limit(dec("80")));
    assert_eq!(new.amount, Amount::Quantity(dec("20")));
    let former = exchange.order(old).unwrap();
    assert_eq!(former.status, OrderStatus::Replaced);
    assert_eq!(former.replaced_by, Some(new.id));
    assert_eq!(former.replaced_at, Some(exchange.now()));
    assert_eq!(reserved, dec("450"));
    assert_eq!(exchange.account().initial_margin, dec("800"));
    let kinds: Vec<_> = exchange
        .take_order_events()
        .iter()
        .map(|e| e.kind)
        .collect();
    assert_eq!(kinds, [OrderEventKind::Replaced, OrderEventKind::New]);
    // Through the market it fills at once.
    let filled = exchange.replace(new.id, &to_limit("100")).unwrap();
    assert_eq!(filled.status, OrderStatus::Filled);
}

#[test]
fn a_replacement_at_night_is_told_to_be_accepted() {
    let mut exchange = exchange(OPEN);
    let mut order = limit(buy("AAPL", "10"), "90");
    order.time_in_force = TimeInForce::Gtc;
    let old = exchange.submit(&order).unwrap().id;
    exchange.advance_to(at("2026-03-02T22:00:00Z")).unwrap();
    exchange.watch_orders();
    exchange.take_order_events();
    let new = exchange.replace(old, &to_limit("80")).unwrap();
    assert_eq!(new.status, OrderStatus::Accepted);
    let events = exchange.take_order_events();
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [OrderEventKind::Replaced, OrderEventKind::Accepted]);
}

#[test]
fn the_rest_of_a_partly_filled_order_is_replaced() {
    let mut exchange = played(&[QUIET, QUIET]);
    let order = limit(buy("AAPL", "10"), "100");
    let old = exchange.submit_capped(&order, dec("4")).unwrap().id;
    assert_eq!(
        exchange.order(old).unwrap().status,
        OrderStatus::PartiallyFilled
    );
    let new = exchange.replace(old, &to_limit("99")).unwrap();
    assert_eq!(new.amount, Amount::Quantity(dec("6")));
    assert_eq!(exchange.order(old).unwrap().filled_quantity, dec("4"));
}

#[test]
fn a_closing_order_is_replaced_although_it_holds_its_units() {
    let mut exchange = played(&[QUIET, QUIET]);
    exchange.submit(&buy("AAPL", "10")).unwrap();
    let old = exchange
        .submit(&limit(sell("AAPL", "10"), "110"))
        .unwrap()
        .id;
    let new = exchange.replace(old, &to_limit("120")).unwrap().id;
    let asset = exchange.data().find("AAPL").unwrap();
    assert_eq!(exchange.quantity_available(asset), Decimal::ZERO);
    let more = Replacement {
        quantity: Some(dec("11")),
        ..Replacement::default()
    };
    let refused = exchange.replace(new, &more).unwrap_err();
    assert!(refused.message.starts_with("insufficient qty available"));
    assert_eq!(exchange.order(new).unwrap().status, OrderStatus::New);
    assert_eq!(exchange.quantity_available(asset), Decimal::ZERO);
}

#[test]
fn exits_of_a_group_keep_their_place() {
    let mut exchange = played(&[QUIET, (100.0, 101.0, 94.0, 95.0), QUIET]);
    let exits = Exits::Bracket(
        TakeProfit { limit: dec("110") },
        StopLoss {
            stop: dec("90"),
            limit: None,
        },
    );
    let order = NewOrder {
        exits,
        ..buy("AAPL", "10")
    };
    let entry = exchange.submit(&order).unwrap().id;
    let stop = exchange.order(entry).unwrap().legs[1];
    let higher = Replacement {
        stop: Some(dec("95")),
        ..Replacement::default()
    };
    let stop = exchange.replace(stop, &higher).unwrap().id;
    assert_eq!(exchange.order(entry).unwrap().legs[1], stop);
    let gain = exchange.order(entry).unwrap().legs[0];
    let fewer = Replacement {
        quantity: Some(dec("6")),
        ..Replacement::default()
    };
    let gain = exchange.replace(gain, &fewer).unwrap().id;
    assert_eq!(
        exchange.order(stop).unwrap().amount,
        Amount::Quantity(dec("6"))
    );
    exchange.advance_to(at("2026-03-02T17:00:00Z")).unwrap();
    assert_eq!(
        state(&exchange, stop),
        (OrderStatus::Filled, Some(dec("95")))
    );
    assert_eq!(state(&exchange, gain).0, OrderStatus::Canceled);
    assert_eq!(position_of(&exchange, "AAPL"), dec("4"));
}

#[test]
fn what_cannot_be_replaced_is_refused_and_stays() {
    let trailing = NewOrder {
        order_type: OrderType::TrailingStop(Trail::Price(dec("5"))),
        ..sell("AAPL", "1")
    };
    let nothing = Replacement::default();
    let bought = limit(buy("AAPL", "10"), "90");
    let cases = [
        (
            bought.clone(),
            to_limit("90"),
            403,
            "order parameters are not changed",
        ),
        (
            buy("AAPL", "10"),
            to_limit("90"),
            422,
            "unable to replace order in current state",
        ),
        (
            limit(notional(buy("AAPL", "10"), "500"), "90"),
            to_limit("91"),
            422,
            "notional orders cannot be replaced",
        ),
        (
            bought.clone(),
            to_limit("90.001"),
            422,
            "invalid limit_price",
        ),
        (
            trailing,
            to_limit("90"),
            422,
            "trailing_stop orders require no limit price",
        ),
        (
            bought.clone(),
            Replacement {
                time_in_force: Some(TimeInForce::Opg),
                ..nothing.clone()
            },
            422,
            "opg orders are not accepted at this time",
        ),
        (
            bought.clone(),
            to_limit("90000"),
            403,
            "insufficient buying power",
        ),
    ];
    for (order, change, status, words) in cases {
        let mut exchange = played(&[QUIET, QUIET]);
        if order.order_type.name() == "trailing_stop" {
            exchange.submit(&buy("AAPL", "1")).unwrap();
        }
        let old = exchange.submit(&order).unwrap().clone();
        let refused = exchange.replace(old.id, &change).unwrap_err();
        assert_eq!(refused.status, status, "{}", refused.message);
        assert!(refused.message.starts_with(words), "{}", refused.message);
        assert_eq!(exchange.order(old.id), Some(&old));
    }
}

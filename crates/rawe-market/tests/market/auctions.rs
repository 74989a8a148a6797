//! Times in force beyond day and gtc, and hours beyond the regular session.

use crate::support::*;
use rawe_market::{Exchange, ExchangeConfig, NewOrder, OrderStatus, TimeInForce};
use rust_decimal::Decimal;

fn extended(order: NewOrder) -> NewOrder {
    NewOrder {
        extended_hours: true,
        ..order
    }
}

#[test]
fn auction_orders_fill_at_the_open_and_the_close_or_not_at_all() {
    let cases = [
        // (lasting, limit, filled at, price)
        (TimeInForce::Opg, None, Some("2026-03-03T14:30:00Z"), "114"),
        (TimeInForce::Opg, Some("113"), None, ""),
        (
            TimeInForce::Opg,
            Some("115"),
            Some("2026-03-03T14:30:00Z"),
            "114",
        ),
        (TimeInForce::Cls, None, Some("2026-03-03T21:00:00Z"), "127"),
        (TimeInForce::Cls, Some("120"), None, ""),
    ];
    for (tif, price, filled_at, at_price) in cases {
        let mut exchange = exchange("2026-03-03T01:00:00Z");
        let order = lasting(buy("AAPL", "10"), tif);
        let order = price.map_or(order.clone(), |price| limit(order, price));
        let id = exchange.submit(&order).unwrap().id;
        assert_eq!(state(&exchange, id).0, OrderStatus::Accepted);
        exchange.advance_to(at("2026-03-04T01:00:00Z")).unwrap();
        let order = exchange.order(id).unwrap();
        assert_eq!(order.filled_at, filled_at.map(at), "{tif:?} {price:?}");
        if filled_at.is_some() {
            assert_eq!(order.filled_average_price, Some(dec(at_price)));
        } else {
            assert_eq!(order.status, OrderStatus::Canceled);
        }
    }
}

#[test]
fn auction_orders_are_taken_in_their_hours_only() {
    for (now, tif, taken) in [
        ("2026-03-03T14:27:00Z", TimeInForce::Opg, true),
        ("2026-03-03T14:29:00Z", TimeInForce::Opg, false),
        (OPEN, TimeInForce::Opg, false),
        (OPEN, TimeInForce::Cls, true),
        ("2026-03-03T20:55:00Z", TimeInForce::Cls, false),
    ] {
        let answer = exchange(now)
            .submit(&lasting(buy("AAPL", "1"), tif))
            .map(drop);
        assert_eq!(answer.is_ok(), taken, "{now} {tif:?}");
        if let Err(refused) = answer {
            assert_eq!((refused.status, refused.code), (422, 42_210_000));
        }
    }
}

#[test]
fn fill_or_kill_takes_all_or_nothing() {
    let config = ExchangeConfig {
        participation_max: Some(Decimal::new(1, 1)),
        half_spread_bps_stocks: Decimal::ZERO,
        ..ExchangeConfig::default()
    };
    for (quantity, tif, status, filled) in [
        ("100", TimeInForce::Fok, OrderStatus::Filled, "100"),
        ("101", TimeInForce::Fok, OrderStatus::Canceled, "0"),
        ("101", TimeInForce::Ioc, OrderStatus::Canceled, "100"),
    ] {
        let mut exchange = Exchange::new(data(), config.clone(), at(OPEN));
        let order = lasting(buy("AAPL", quantity), tif);
        let order = exchange.submit(&order).unwrap();
        assert_eq!((order.status, order.filled_quantity), (status, dec(filled)));
    }
}

#[test]
fn extended_hours_orders_fill_before_the_open_and_after_the_close() {
    // (now, limit, status at once)
    for (now, price, status) in [
        ("2026-03-02T21:30:00Z", "200", OrderStatus::Filled),
        ("2026-03-02T21:30:00Z", "50", OrderStatus::New),
        ("2026-03-03T10:00:00Z", "200", OrderStatus::Filled),
        // Between 20:00 and 4:00 nothing trades.
        ("2026-03-03T02:00:00Z", "200", OrderStatus::Accepted),
        (OPEN, "200", OrderStatus::Filled),
    ] {
        let mut exchange = exchange(now);
        let order = extended(limit(buy("AAPL", "1"), price));
        let order = exchange.submit(&order).unwrap();
        assert_eq!(order.status, status, "{now} {price}");
    }
    let mut exchange = exchange("2026-03-03T02:00:00Z");
    let order = extended(limit(buy("AAPL", "1"), "200"));
    let id = exchange.submit(&order).unwrap().id;
    exchange.advance_to(at("2026-03-03T15:00:00Z")).unwrap();
    let order = exchange.order(id).unwrap();
    assert_eq!(order.filled_at, Some(at("2026-03-03T09:00:00Z")));
}

#[test]
fn extended_day_orders_run_out_at_eight() {
    let mut exchange = exchange("2026-03-02T21:30:00Z");
    let order = extended(limit(buy("AAPL", "1"), "50"));
    let order = exchange.submit(&order).unwrap().clone();
    assert_eq!(order.expires_at, Some(at("2026-03-03T01:00:00Z")));
    exchange.advance_to(at("2026-03-03T01:00:00Z")).unwrap();
    assert_eq!(state(&exchange, order.id).0, OrderStatus::Expired);
    for bad in [
        extended(buy("AAPL", "1")),
        extended(lasting(limit(buy("AAPL", "1"), "50"), TimeInForce::Ioc)),
    ] {
        let refused = exchange.submit(&bad).unwrap_err();
        assert!(refused.message.starts_with("extended hours order must be"));
    }
}

//! Stops: when they are triggered, at which price they fill, what they hold and what they refuse.

use crate::support::*;
use rawe_market::{NewOrder, OrderStatus, OrderType, TimeInForce};

fn stop(order: NewOrder, price: &str) -> NewOrder {
    NewOrder {
        order_type: OrderType::Stop(dec(price)),
        ..order
    }
}

fn stop_limit(order: NewOrder, stop: &str, limit: &str) -> NewOrder {
    NewOrder {
        order_type: OrderType::StopLimit {
            stop: dec(stop),
            limit: dec(limit),
        },
        ..order
    }
}

#[test]
fn stops_fill_at_the_stop_or_at_a_gaps_open_and_limits_hold() {
    let quiet = (100.0, 101.0, 99.5, 100.0);
    // The order, the bar after the one it is placed in, the state at that bar's end and the price
    let sale = || sell("AAPL", "10");
    let cover = || buy("AAPL", "10");
    let cases = [
        (
            "not touched",
            stop(sale(), "95"),
            (100.0, 101.0, 95.5, 96.0),
            None,
        ),
        (
            "touched",
            stop(sale(), "95"),
            (100.0, 101.0, 94.0, 98.0),
            Some("95"),
        ),
        (
            "gap down",
            stop(sale(), "95"),
            (90.0, 91.0, 89.0, 90.0),
            Some("90"),
        ),
        (
            "touched above",
            stop(cover(), "105"),
            (100.0, 106.0, 99.0, 100.0),
            Some("105"),
        ),
        // Within the collar of 2.5 percent above the stop.
        (
            "gap up",
            stop(cover(), "105"),
            (107.0, 108.0, 106.0, 107.0),
            Some("107"),
        ),
        (
            "gap over the collar",
            stop(cover(), "105"),
            (110.0, 111.0, 109.0, 110.0),
            None,
        ),
        (
            "gap over it and back",
            stop(cover(), "105"),
            (110.0, 111.0, 105.0, 110.0),
            Some("107.625"),
        ),
        (
            "limit",
            stop_limit(sale(), "95", "94"),
            (100.0, 101.0, 93.0, 94.0),
            Some("95"),
        ),
        (
            "limit in a gap",
            stop_limit(sale(), "95", "94"),
            (90.0, 92.0, 89.0, 90.0),
            None,
        ),
        (
            "limit and back",
            stop_limit(sale(), "95", "94"),
            (90.0, 95.0, 89.0, 90.0),
            Some("94"),
        ),
        (
            "limit above stop",
            stop_limit(sale(), "95", "97"),
            (96.0, 99.0, 94.0, 95.0),
            None,
        ),
    ];
    for (name, order, then, filled) in cases {
        let (.., close) = then;
        let mut exchange = played(&[quiet, then, (close, close, close, close)]);
        let opening = match order.side {
            rawe_market::Side::Sell => cover(),
            rawe_market::Side::Buy => sale(),
        };
        exchange.submit(&opening).unwrap();
        let resting = exchange.submit(&order).unwrap().clone();
        assert_eq!(resting.status, OrderStatus::New, "{name}");
        // The bar that runs when the order comes reached 99.5 and 101; it touches nothing.
        exchange.advance_to(at("2026-03-02T16:59:59Z")).unwrap();
        let at_open = state(&exchange, resting.id);
        exchange.advance_to(at("2026-03-02T17:00:00Z")).unwrap();
        let (status, price) = state(&exchange, resting.id);
        let expected = if filled.is_some() {
            OrderStatus::Filled
        } else {
            OrderStatus::New
        };
        assert_eq!((status, price), (expected, filled.map(dec)), "{name}");
        if name == "gap down" || name == "gap up" {
            assert_eq!(at_open, (status, price), "{name}: filled at the open");
        }
    }
}

#[test]
fn a_stop_holds_its_units_and_bars_the_other_side_until_it_is_cancelled() {
    let mut exchange = exchange(OPEN);
    exchange.submit(&buy("AAPL", "10")).unwrap();
    let lasting_stop = lasting(stop(sell("AAPL", "10"), "90"), TimeInForce::Gtc);
    let resting = exchange.submit(&lasting_stop).unwrap().clone();
    let held = exchange.submit(&sell("AAPL", "1")).unwrap_err();
    assert_eq!((held.status, held.code), (403, 40_310_000));
    assert!(held.message.starts_with("insufficient qty available"));
    let wash = exchange.submit(&buy("AAPL", "1")).unwrap_err();
    assert_eq!((wash.status, wash.code), (403, 40_310_000));
    assert_eq!(
        wash.message,
        "potential wash trade detected. use complex orders"
    );
    let details = [
        ("existing_order_id", resting.id.to_string()),
        (
            "reject_reason",
            "opposite side stop order exists".to_owned(),
        ),
    ];
    assert_eq!(wash.details, details);
    // To replace it: cancel, then place the new one.
    exchange.cancel(resting.id).unwrap();
    exchange.submit(&buy("AAPL", "1")).unwrap();
    exchange.submit(&stop(sell("AAPL", "11"), "91")).unwrap();
    let account = exchange.account();
    exchange.advance_to(at("2026-03-13T20:00:00Z")).unwrap();
    assert_eq!(
        exchange.account().cash,
        account.cash,
        "a market that rises never stops it"
    );
}

#[test]
fn refusals_carry_alpacas_codes() {
    let coin = |order| lasting(order, TimeInForce::Gtc);
    let cases = [
        (
            stop(buy("AAPL", "1"), "104"),
            422,
            42_210_000,
            "stop price must be greater",
        ),
        (
            stop(sell("AAPL", "1"), "104"),
            422,
            42_210_000,
            "stop price must be less than current",
        ),
        (
            stop(buy("AAPL", "1"), "110.001"),
            422,
            42_210_000,
            "invalid stop_price 110.001. sub",
        ),
        (
            stop_limit(buy("AAPL", "1"), "110", "110.001"),
            422,
            42_210_000,
            "invalid limit_price",
        ),
        (
            stop(buy("AAPL", "1"), "-1"),
            422,
            40_010_001,
            "stop price must be > 0",
        ),
        (stop(buy("AAPL", "0.5"), "110"), 0, 0, ""),
        (
            lasting(stop(buy("AAPL", "0.5"), "110"), TimeInForce::Gtc),
            422,
            42_210_000,
            "fractional",
        ),
        (
            lasting(stop(buy("AAPL", "1"), "110"), TimeInForce::Ioc),
            422,
            42_210_000,
            "invalid time",
        ),
        (
            coin(stop(buy("BTC/USD", "0.1"), "60000")),
            422,
            40_010_001,
            "invalid order type for cry",
        ),
        (
            coin(stop_limit(buy("BTC/USD", "0.1"), "60000", "60100")),
            0,
            0,
            "",
        ),
        (stop_limit(buy("AAPL", "1"), "110", "111"), 0, 0, ""),
    ];
    for (order, status, code, words) in cases {
        let mut exchange = exchange(OPEN);
        match exchange.submit(&order) {
            Ok(taken) => assert_eq!((status, taken.status), (0, OrderStatus::New), "{order:?}"),
            Err(refusal) => {
                assert_eq!((refusal.status, refusal.code), (status, code), "{refusal}");
                assert!(refusal.message.starts_with(words), "{refusal}");
            }
        }
    }
    let mut exchange = exchange(OPEN);
    let passed = exchange
        .submit(&stop(sell("AAPL", "1"), "104.5"))
        .unwrap_err();
    let details = [
        ("market_price", "104".to_owned()),
        ("stop_price", "104.5".to_owned()),
    ];
    assert_eq!(passed.details, details);
}

#[test]
fn an_immediate_stop_limit_of_a_coin_ends_at_its_trigger() {
    let mut exchange = exchange("2026-03-02T00:00:00Z");
    exchange.submit(&buy("BTC/USD", "0.2")).unwrap();
    let order = |limit| {
        let order = stop_limit(buy("BTC/USD", "0.1"), "50010", limit);
        lasting(order, TimeInForce::Ioc)
    };
    let fills = exchange.submit(&order("50010")).unwrap().clone();
    let misses = exchange.submit(&order("50005")).unwrap().clone();
    assert_eq!(
        (fills.status, misses.status),
        (OrderStatus::New, OrderStatus::New)
    );
    exchange.advance_to(at("2026-03-02T01:00:00Z")).unwrap();
    assert_eq!(
        state(&exchange, fills.id),
        (OrderStatus::Filled, Some(dec("50010")))
    );
    assert_eq!(state(&exchange, misses.id), (OrderStatus::Canceled, None));
}

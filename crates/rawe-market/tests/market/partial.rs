//! Orders that fill bit by bit: by volume, by a cap; halts and late refusals.

use crate::support::*;
use rawe_market::{Exchange, ExchangeConfig, OrderEventKind, OrderStatus, TimeInForce};
use rust_decimal::Decimal;

/// Every bar trades 1,000 units; so many thousandths of them are ours.
fn thin(per_mille: i64) -> Exchange {
    let config = ExchangeConfig {
        half_spread_bps_stocks: Decimal::ZERO,
        half_spread_bps_crypto: Decimal::ZERO,
        participation_max: Some(Decimal::new(per_mille, 3)),
        ..ExchangeConfig::default()
    };
    let mut exchange = Exchange::new(data(), config, at(OPEN));
    exchange.watch_orders();
    exchange
}

fn kinds(exchange: &mut Exchange) -> Vec<OrderEventKind> {
    let events = exchange.take_order_events();
    events.iter().map(|event| event.kind).collect()
}

#[test]
fn a_market_order_fills_over_several_bars_within_their_volume() {
    let mut exchange = thin(10);
    let order = exchange.submit(&buy("AAPL", "25")).unwrap().clone();
    assert_eq!(order.status, OrderStatus::PartiallyFilled);
    assert_eq!(order.filled_quantity, dec("10"));
    let more = exchange.submit(&buy("AAPL", "5")).unwrap().clone();
    assert_eq!(
        more.filled_quantity,
        Decimal::ZERO,
        "the bar's part is taken"
    );
    exchange.advance_to(at("2026-03-02T19:30:00Z")).unwrap();
    let order = exchange.order(order.id).unwrap();
    assert_eq!(
        (order.status, order.filled_quantity),
        (OrderStatus::Filled, dec("25"))
    );
    // Ten at 104, ten at 106, five at 108.
    assert_eq!(order.filled_average_price, Some(dec("105.6")));
    let more = exchange.order(more.id).unwrap();
    assert_eq!(
        (more.status, more.filled_average_price),
        (OrderStatus::Filled, Some(dec("108")))
    );
    assert_eq!(exchange.fills().len(), 4);
    assert_eq!(
        exchange.account().cash,
        dec("100000") - dec("2640") - dec("540")
    );
    assert_eq!(
        kinds(&mut exchange),
        [
            OrderEventKind::New,
            OrderEventKind::PartialFill,
            OrderEventKind::New,
            OrderEventKind::PartialFill,
            OrderEventKind::Fill,
            OrderEventKind::Fill,
        ]
    );
}

#[test]
fn what_is_not_filled_is_cancelled_or_expires_and_gives_back_what_it_held() {
    let mut exchange = thin(10);
    let index = exchange.data().find("AAPL").unwrap();
    let power = exchange.account().buying_power;
    let order = exchange.submit(&buy("AAPL", "500")).unwrap().clone();
    assert_eq!(exchange.account().buying_power, power - dec("52000"));
    exchange.cancel(order.id).unwrap();
    let order = exchange.order(order.id).unwrap();
    assert_eq!(
        (order.status, order.filled_quantity),
        (OrderStatus::Canceled, dec("10"))
    );
    assert_eq!(exchange.account().buying_power, power - dec("1040"));
    exchange.advance_to(at("2026-03-02T20:00:00Z")).unwrap();
    let late = exchange.submit(&sell("AAPL", "10")).unwrap().clone();
    assert_eq!(late.status, OrderStatus::Filled);
    let expires = exchange.submit(&buy("AAPL", "500")).unwrap().clone();
    exchange.advance_to(at("2026-03-02T23:00:00Z")).unwrap();
    let expires = exchange.order(expires.id).unwrap();
    assert_eq!(expires.status, OrderStatus::Expired);
    assert_eq!(exchange.position(index).quantity, expires.filled_quantity);
    let coin = lasting(buy("BTC/USD", "1"), TimeInForce::Ioc);
    let mut exchange = thin(0);
    let coin = exchange.submit(&coin).unwrap();
    assert_eq!(
        (coin.status, coin.filled_quantity),
        (OrderStatus::Canceled, Decimal::ZERO)
    );
}

#[test]
fn a_capped_order_fills_its_part_now_and_the_rest_when_released() {
    for released in [true, false] {
        let mut exchange = exchange(OPEN);
        let order = notional(buy("AAPL", "1"), "1040");
        let order = exchange.submit_capped(&order, dec("4.5")).unwrap().clone();
        assert_eq!(
            (order.status, order.filled_quantity),
            (OrderStatus::PartiallyFilled, dec("4.5"))
        );
        exchange.advance_to(at("2026-03-02T17:00:00Z")).unwrap();
        assert_eq!(exchange.fills().len(), 1);
        if released {
            // 572 dollars are left, at 106.
            exchange.release(order.id);
            let order = exchange.order(order.id).unwrap();
            assert_eq!(order.status, OrderStatus::Filled);
            assert_eq!(order.filled_quantity, dec("9.896226415"));
        } else {
            assert!(exchange.reject(order.id));
            let order = exchange.order(order.id).unwrap();
            assert_eq!(order.status, OrderStatus::Rejected);
            assert_eq!(position_of(&exchange, "AAPL"), dec("4.5"));
            // Half of what the 4.5 shares are worth now is bound, nothing else.
            assert_eq!(exchange.account().buying_power, dec("199541"));
        }
        assert!(!exchange.reject(order.id), "it has ended");
    }
}

#[test]
fn nothing_fills_in_a_halt_and_its_bars_do_not_count() {
    let mut exchange = exchange(OPEN);
    let index = exchange.data().find("AAPL").unwrap();
    exchange.halt(index, None);
    let order = exchange.submit(&buy("AAPL", "1")).unwrap().clone();
    let limited = exchange
        .submit(&limit(buy("AAPL", "1"), "105.5"))
        .unwrap()
        .clone();
    assert_eq!(
        (order.status, limited.status),
        (OrderStatus::New, OrderStatus::New)
    );
    // A bar that began in the halt reaches the limit, and does not count.
    exchange.advance_to(at("2026-03-02T17:30:00Z")).unwrap();
    assert!(exchange.fills().is_empty());
    exchange.resume(index);
    let order = exchange.order(order.id).unwrap();
    assert_eq!(order.filled_average_price, Some(dec("106")));
    exchange.advance_to(at("2026-03-02T18:00:00Z")).unwrap();
    assert_eq!(exchange.fills().len(), 1);
    assert_eq!(exchange.order(limited.id).unwrap().status, OrderStatus::New);
}

#[test]
fn a_halt_ends_by_the_clock_and_what_waited_fills_by_the_price_of_that_instant() {
    let mut exchange = exchange(OPEN);
    let index = exchange.data().find("AAPL").unwrap();
    exchange.halt(index, Some(at(OPEN)));
    assert!(!exchange.is_halted(index), "an instant that has passed");
    let until = at("2026-03-02T17:20:00Z");
    exchange.halt(index, Some(until));
    let waiting = exchange.submit(&buy("AAPL", "1")).unwrap().id;
    let mut immediate = buy("AAPL", "1");
    immediate.time_in_force = TimeInForce::Ioc;
    let immediate = exchange.submit(&immediate).unwrap();
    assert_eq!(immediate.status, OrderStatus::Canceled);
    let saved = exchange.snapshot();
    let mut exchange = Exchange::restore(data(), saved).unwrap();
    assert_eq!(exchange.halts().collect::<Vec<_>>(), [(index, Some(until))]);
    let fills = exchange.advance_to(at("2026-03-02T20:00:00Z")).unwrap();
    assert_eq!(fills.len(), 1);
    assert_eq!((fills[0].order_id, fills[0].at), (waiting, until));
    assert!(!exchange.is_halted(index));
}

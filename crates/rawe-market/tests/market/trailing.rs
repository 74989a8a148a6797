//! Trailing stops, and what trading costs beyond the spread.

use crate::support::*;
use rawe_market::{Exchange, ExchangeConfig, NewOrder, OrderStatus, OrderType, Trail};
use rust_decimal::Decimal;

fn trailing(order: NewOrder, trail: Trail) -> NewOrder {
    NewOrder {
        order_type: OrderType::TrailingStop(trail),
        ..order
    }
}

#[test]
fn the_stop_follows_the_best_price_and_never_goes_back() {
    let rising = [
        (100.0, 104.0, 99.0, 103.0),
        (103.0, 110.0, 102.0, 109.0),
        (109.0, 109.0, 104.0, 106.0),
        (106.0, 106.0, 100.0, 101.0),
    ];
    for (trail, stop) in [
        (Trail::Price(dec("5")), "105"),
        (Trail::Percent(dec("10")), "99"),
    ] {
        let mut exchange = played(&rising);
        exchange.submit(&buy("AAPL", "10")).unwrap();
        let id = exchange
            .submit(&trailing(sell("AAPL", "10"), trail))
            .unwrap()
            .id;
        exchange.advance_to(at("2026-03-02T17:00:00Z")).unwrap();
        let order = exchange.order(id).unwrap();
        assert_eq!(order.status, OrderStatus::New, "{trail:?}");
        assert_eq!(order.best_price, Some(dec("110")));
        assert_eq!(order.stop(), Some(dec(stop)));
        exchange.advance_to(at("2026-03-02T19:00:00Z")).unwrap();
        let order = exchange.order(id).unwrap();
        match trail {
            Trail::Price(_) => assert_eq!(order.filled_average_price, Some(dec("105"))),
            Trail::Percent(_) => assert_eq!(order.status, OrderStatus::New),
        }
    }
}

#[test]
fn a_buy_trails_from_above() {
    let falling = [
        (100.0, 101.0, 95.0, 96.0),
        (96.0, 100.5, 95.0, 100.0),
        (100.0, 100.0, 99.0, 99.0),
    ];
    let mut exchange = played(&falling);
    exchange.submit(&sell("AAPL", "10")).unwrap();
    let cover = trailing(buy("AAPL", "10"), Trail::Price(dec("4")));
    let id = exchange.submit(&cover).unwrap().id;
    exchange.advance_to(at("2026-03-02T17:00:00Z")).unwrap();
    assert_eq!(state(&exchange, id), (OrderStatus::Filled, Some(dec("99"))));
}

#[test]
fn trails_that_make_no_sense_are_refused() {
    for trail in [
        Trail::Price(dec("0")),
        Trail::Percent(dec("100")),
        Trail::Percent(dec("-1")),
    ] {
        let mut exchange = exchange(OPEN);
        exchange.submit(&buy("AAPL", "10")).unwrap();
        let refused = exchange
            .submit(&trailing(sell("AAPL", "10"), trail))
            .unwrap_err();
        assert_eq!((refused.status, refused.code), (422, 40_010_001));
    }
    let coin = trailing(buy("BTC/USD", "0.1"), Trail::Percent(dec("5")));
    assert!(exchange(OPEN).submit(&coin).is_err());
}

fn costly(config: &ExchangeConfig) -> Exchange {
    let config = ExchangeConfig {
        half_spread_bps_stocks: Decimal::ZERO,
        ..config.clone()
    };
    Exchange::new(data(), config, at(OPEN))
}

#[test]
fn large_orders_move_the_price_and_never_beyond_their_limit() {
    let config = ExchangeConfig {
        impact_bps: Decimal::from(100),
        ..ExchangeConfig::default()
    };
    let price = costly(&ExchangeConfig::default())
        .submit(&buy("AAPL", "1"))
        .unwrap()
        .filled_average_price
        .unwrap();
    // A tenth of the bar's thousand shares: a tenth of one percent.
    let bought = costly(&config)
        .submit(&buy("AAPL", "100"))
        .unwrap()
        .filled_average_price
        .unwrap();
    assert_eq!(bought, (price * dec("1.001")).round_dp(4).normalize());
    let at_limit = limit(buy("AAPL", "100"), &price.to_string());
    let bought = costly(&config)
        .submit(&at_limit)
        .unwrap()
        .filled_average_price;
    assert_eq!(bought, Some(price));
}

#[test]
fn sales_and_borrowing_cost_what_they_are_set_to() {
    let config = ExchangeConfig {
        fee_bps_stock_sales: Decimal::ONE,
        borrow_bps_year: Decimal::from(3_600),
        ..ExchangeConfig::default()
    };
    let mut exchange = costly(&config);
    exchange.submit(&sell("AAPL", "10")).unwrap();
    let sold = exchange.fills()[0].clone();
    assert_eq!(sold.fee_value, sold.price * dec("10") * dec("0.0001"));
    exchange.advance_to(at("2026-03-02T21:00:00Z")).unwrap();
    let close = exchange.price(sold.asset).unwrap();
    let [charge] = exchange.charges() else {
        panic!("one night");
    };
    assert_eq!(charge.amount, close * dec("10") * dec("0.001"));
    let account = exchange.account();
    assert_eq!(account.fees, sold.fee_value + charge.amount);
    let start = exchange.config().cash;
    assert_eq!(
        account.equity,
        (start + account.unrealised - account.fees).normalize()
    );
}

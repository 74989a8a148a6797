//! The rules by which orders are taken, wait, fill, end and are refused.

use crate::support::*;
use rawe_core::Timestamp;
use rawe_market::{Exchange, Order, OrderStatus, PositionIntent, TimeInForce};
use rust_decimal::Decimal;

/// The order of an id in its present state.
fn now_of(exchange: &Exchange, order: &Order) -> Order {
    exchange.order(order.id).unwrap().clone()
}

#[test]
fn a_market_order_in_the_session_fills_at_once_at_the_price_of_the_instant() {
    let mut exchange = exchange(OPEN);
    let order = exchange.submit(&buy("AAPL", "10")).unwrap().clone();
    assert_eq!(order.status, OrderStatus::Filled);
    // The third bar of the day, from 11:00 New York, opened at 104.
    assert_eq!(order.filled_average_price, Some(dec("104")));
    assert_eq!(order.filled_at, Some(at(OPEN)));
    assert_eq!(exchange.account().cash, dec("98960"));
    assert_eq!(position_of(&exchange, "AAPL"), dec("10"));
    assert_eq!(exchange.fills().len(), 1);
}

#[test]
fn the_spread_is_paid_by_market_orders_on_both_sides() {
    let mut exchange = Exchange::new(data(), rawe_market::ExchangeConfig::default(), at(OPEN));
    let bought = exchange
        .submit(&buy("AAPL", "1"))
        .unwrap()
        .filled_average_price;
    let sold = exchange
        .submit(&sell("AAPL", "1"))
        .unwrap()
        .filled_average_price;
    assert_eq!(bought, Some(dec("104.0208")));
    assert_eq!(sold, Some(dec("103.9792")));
}

#[test]
fn an_order_of_the_night_waits_and_fills_at_the_next_open() {
    let mut exchange = exchange(NIGHT);
    let waiting = exchange
        .submit(&notional(buy("AAPL", "1"), "1000"))
        .unwrap()
        .clone();
    assert_eq!(waiting.status, OrderStatus::Accepted);
    assert_eq!(exchange.account().buying_power, dec("199000"));
    let the_open = at("2026-03-03T14:30:00Z");
    exchange
        .advance_to(the_open - chrono::TimeDelta::seconds(1))
        .unwrap();
    assert_eq!(now_of(&exchange, &waiting).status, OrderStatus::Accepted);
    let fills = exchange.advance_to(at("2026-03-04T00:00:00Z")).unwrap();
    let filled = now_of(&exchange, &waiting);
    assert_eq!(
        (filled.status, filled.filled_at),
        (OrderStatus::Filled, Some(the_open))
    );
    assert_eq!(filled.filled_average_price, Some(dec("114")));
    assert_eq!(filled.filled_quantity, dec("8.771929824"));
    assert_eq!(
        fills.iter().map(|fill| fill.at).collect::<Vec<Timestamp>>(),
        [the_open]
    );
}

#[test]
fn a_sale_in_dollars_never_sells_more_than_there_is() {
    let mut falling = bars();
    for bar in falling.iter_mut().filter(|bar| bar.start > at(NIGHT)) {
        for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
            *price /= 2.0;
        }
    }
    let data = rawe_market::MarketData::from_bars(falling).unwrap();
    let config = rawe_market::ExchangeConfig::default();
    let mut exchange = Exchange::new(std::sync::Arc::new(data), config, at(OPEN));
    exchange.submit(&buy("AAPL", "10")).unwrap();
    exchange.advance_to(at(NIGHT)).unwrap();
    // Ten shares by tonight's price, nearly twenty by tomorrow's.
    let sale = exchange
        .submit(&notional(sell("AAPL", "1"), "1120"))
        .unwrap()
        .clone();
    exchange.advance_to(at("2026-03-03T14:30:00Z")).unwrap();
    let sale = now_of(&exchange, &sale);
    assert_eq!(
        (sale.status, sale.filled_quantity),
        (OrderStatus::Filled, dec("10"))
    );
    assert_eq!(position_of(&exchange, "AAPL"), Decimal::ZERO);
}

#[test]
fn limit_orders_fill_on_ranges_after_them_and_never_before() {
    // limit, side is a buy, the instant of the fill, its price
    let cases = [
        // Marketable now: fills at the better price.
        ("120", true, Some((OPEN, "104"))),
        // The bar that runs now reached 103, but perhaps before us.
        ("103", true, None),
        ("104", false, Some((OPEN, "104"))),
        // The next bar opens at 106, above the limit: the better price.
        ("105.50", false, Some(("2026-03-02T17:00:00Z", "106"))),
        ("107.50", false, Some(("2026-03-02T18:00:00Z", "107.50"))),
        ("200", false, None),
    ];
    for (price, is_buy, expected) in cases {
        let mut exchange = exchange(OPEN);
        let order = if is_buy {
            buy("AAPL", "1")
        } else {
            exchange.submit(&buy("AAPL", "1")).unwrap();
            sell("AAPL", "1")
        };
        let order = exchange.submit(&limit(order, price)).unwrap().clone();
        exchange.advance_to(at("2026-03-02T20:30:00Z")).unwrap();
        let order = now_of(&exchange, &order);
        let got = order.filled_at.zip(order.filled_average_price);
        assert_eq!(
            got,
            expected.map(|(t, p)| (at(t), dec(p))),
            "limit {price} buy {is_buy}"
        );
    }
}

#[test]
fn day_orders_expire_at_the_close_and_gtc_orders_stay() {
    let mut exchange = exchange(OPEN);
    let day = exchange
        .submit(&limit(buy("AAPL", "1"), "50"))
        .unwrap()
        .clone();
    let stays = lasting(limit(buy("AAPL", "1"), "50"), TimeInForce::Gtc);
    let stays = exchange.submit(&stays).unwrap().clone();
    assert_eq!(day.expires_at, Some(at("2026-03-02T21:00:00Z")));
    exchange.advance_to(at("2026-03-05T00:00:00Z")).unwrap();
    let day = now_of(&exchange, &day);
    assert_eq!(day.status, OrderStatus::Expired);
    assert_eq!(day.expired_at, Some(at("2026-03-02T21:00:00Z")));
    assert_eq!(now_of(&exchange, &stays).status, OrderStatus::New);
}

#[test]
fn immediate_orders_fill_or_are_cancelled() {
    let mut exchange = exchange(OPEN);
    let never = lasting(limit(buy("BTC/USD", "0.1"), "100"), TimeInForce::Ioc);
    assert_eq!(
        exchange.submit(&never).unwrap().status,
        OrderStatus::Canceled
    );
    let now = lasting(buy("BTC/USD", "0.1"), TimeInForce::Ioc);
    assert_eq!(exchange.submit(&now).unwrap().status, OrderStatus::Filled);
}

#[test]
fn crypto_fees_are_coins_on_buys_and_dollars_on_sales() {
    let mut exchange = exchange("2026-03-07T12:00:00Z");
    let index = exchange.data().find("BTCUSD").unwrap();
    let price = exchange.price(index).unwrap();
    let order = exchange.submit(&buy("BTCUSD", "0.1")).unwrap().clone();
    assert_eq!(order.filled_quantity, dec("0.1"));
    assert_eq!(position_of(&exchange, "BTC/USD"), dec("0.09975"));
    assert_eq!(exchange.account().cash, dec("100000") - price * dec("0.1"));
    assert_eq!(exchange.fills()[0].fee_quantity, dec("0.00025"));
    let too_much = exchange.submit(&sell("BTC/USD", "0.1")).unwrap_err();
    assert_eq!(too_much.status, 403);
    let cash = exchange.account().cash;
    exchange.submit(&sell("BTC/USD", "0.09975")).unwrap();
    let proceeds = price * dec("0.09975");
    assert_eq!(
        exchange.account().cash,
        cash + proceeds - proceeds * dec("0.0025")
    );
    assert_eq!(position_of(&exchange, "BTC/USD"), Decimal::ZERO);
    assert_eq!(exchange.account().realised, Decimal::ZERO);
}

#[test]
fn shorts_are_covered_at_a_gain_and_never_flip() {
    let mut exchange = exchange(OPEN);
    let short = exchange.submit(&sell("AAPL", "10")).unwrap().clone();
    assert_eq!(short.position_intent, PositionIntent::SellToOpen);
    assert_eq!(position_of(&exchange, "AAPL"), dec("-10"));
    let account = exchange.account();
    assert_eq!(account.short_market_value, dec("-1040"));
    assert_eq!(
        (account.cash, account.equity),
        (dec("101040"), dec("100000"))
    );
    let flip = exchange.submit(&buy("AAPL", "11")).unwrap_err();
    assert_eq!((flip.status, flip.code), (403, 40_310_000));
    let cover = exchange.submit(&buy("AAPL", "10")).unwrap().clone();
    assert_eq!(cover.position_intent, PositionIntent::BuyToClose);
    assert!(exchange.positions().next().is_none());
}

#[test]
fn open_orders_hold_units_and_money_until_they_end() {
    let mut exchange = exchange(OPEN);
    let index = exchange.data().find("AAPL").unwrap();
    exchange.submit(&buy("AAPL", "10")).unwrap();
    let resting = exchange
        .submit(&limit(sell("AAPL", "7"), "500"))
        .unwrap()
        .id;
    assert_eq!(exchange.quantity_available(index), dec("3"));
    let refused = exchange.submit(&sell("AAPL", "4")).unwrap_err();
    assert_eq!(
        refused.message,
        "insufficient qty available for order (requested: 4, available: 3)"
    );
    assert!(
        refused
            .details
            .contains(&("held_for_orders", "7".to_owned()))
    );
    exchange.cancel(resting).unwrap();
    assert_eq!(exchange.quantity_available(index), dec("10"));
    assert_eq!(exchange.cancel(resting).unwrap_err().status, 422);
    let before = exchange.account().buying_power;
    let reserving = exchange
        .submit(&limit(buy("AAPL", "100"), "50"))
        .unwrap()
        .id;
    assert_eq!(exchange.account().buying_power, before - dec("5000"));
    exchange.cancel(reserving).unwrap();
    assert_eq!(exchange.account().buying_power, before);
}

#[test]
fn the_clock_never_goes_back() {
    let mut exchange = exchange(OPEN);
    exchange.advance_to(at(OPEN)).unwrap();
    let refusal = exchange.advance_to(at("2026-03-02T16:29:59Z")).unwrap_err();
    assert_eq!(refusal.now, at(OPEN));
    assert_eq!(exchange.now(), at(OPEN));
}

#[test]
fn last_equity_is_taken_at_the_close() {
    let mut exchange = exchange(OPEN);
    exchange.submit(&buy("AAPL", "10")).unwrap();
    exchange.advance_to(at("2026-03-03T15:30:00Z")).unwrap();
    // Monday's last bar closed at 113, Tuesday's second opened at 116.
    let account = exchange.account();
    assert_eq!(account.last_equity, dec("100090"));
    assert_eq!(account.equity, dec("100120"));
}

#[test]
fn an_id_stays_used_after_its_order_was_cancelled() {
    let mut exchange = exchange(NIGHT);
    let first = exchange
        .submit(&named(buy("AAPL", "1"), "mine"))
        .unwrap()
        .id;
    exchange.cancel(first).unwrap();
    assert_eq!(
        exchange
            .submit(&named(buy("AAPL", "1"), "mine"))
            .unwrap_err()
            .code,
        40_010_001
    );
    assert_eq!(
        exchange.order_by_client_id("mine").map(|order| order.id),
        Some(first)
    );
    assert!(exchange.order_by_client_id("other").is_none());
    assert_eq!(exchange.cancel(uuid::Uuid::nil()).unwrap_err().status, 404);
}

#[test]
fn nothing_can_be_bought_before_there_is_a_price() {
    let mut exchange = exchange("2026-03-01T00:00:00Z");
    let refusal = exchange.submit(&buy("AAPL", "1")).unwrap_err();
    assert_eq!(refusal.message, "asset \"AAPL\" has no market data yet");
}

#[test]
fn two_exchanges_with_one_seed_give_the_same_ids() {
    let ids = || {
        let mut exchange = exchange(OPEN);
        let order = exchange.submit(&buy("AAPL", "1")).unwrap().clone();
        (exchange.account().id, order.id, order.client_order_id)
    };
    assert_eq!(ids(), ids());
}

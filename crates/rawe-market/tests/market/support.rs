//! A small market for the tests: two weeks of hourly bars of three stocks and a coin.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rawe_core::calendar::MarketCalendar;
use rawe_core::{Bar, Symbol, Timeframe};
use rawe_market::{
    Amount, Exchange, ExchangeConfig, Exits, MarketData, NewOrder, OrderStatus, OrderType, Side,
    TimeInForce,
};
use rust_decimal::Decimal;
use uuid::Uuid;

/// An instant from text.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Monday in the session, 11:30 New York, half way through a bar.
pub(crate) const OPEN: &str = "2026-03-02T16:30:00Z";
/// Monday after the close.
pub(crate) const NIGHT: &str = "2026-03-02T22:00:00Z";

/// A symbol from text.
pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

/// A bar around `open`: closes one higher, ranges one beyond both.
fn bar(name: &str, start: DateTime<Utc>, end: DateTime<Utc>, open: f64) -> Bar {
    Bar {
        symbol: symbol(name),
        start,
        end,
        timeframe: Timeframe::Hour,
        open,
        high: open + 2.0,
        low: open - 1.0,
        close: open + 1.0,
        volume: 1000.0,
        backfill: false,
    }
}

/// The bars: stocks open at 100 on Monday and every later bar opens two higher; the coin opens at
/// 50,000 and every later bar ten higher.
pub(crate) fn bars() -> Vec<Bar> {
    let day = |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
    let mut bars = Vec::new();
    for name in ["AAPL", "WHOLE", "HARD"] {
        let mut open = 100.0;
        for session in MarketCalendar::nyse().sessions(day(2), day(13)) {
            let mut start = session.open;
            while start < session.close {
                let end = (start + TimeDelta::minutes(30)).max(
                    DateTime::from_timestamp(start.timestamp() / 3600 * 3600 + 3600, 0).unwrap(),
                );
                bars.push(bar(name, start, end, open));
                open += 2.0;
                start = end;
            }
        }
    }
    let midnight = at("2026-03-02T00:00:00Z");
    for hour in 0..24 * 12 {
        let start = midnight + TimeDelta::hours(hour);
        bars.push(bar(
            "BTC/USD",
            start,
            start + TimeDelta::hours(1),
            50_000.0 + 10.0 * hour as f64,
        ));
    }
    bars
}

/// The market: WHOLE cannot be traded in fractions, HARD cannot be sold short.
pub(crate) fn data() -> Arc<MarketData> {
    let mut data = MarketData::from_bars(bars()).unwrap();
    assert!(data.adjust_asset(&symbol("WHOLE"), |asset| asset.fractionable = false));
    assert!(data.adjust_asset(&symbol("HARD"), |asset| asset.shortable = false));
    Arc::new(data)
}

/// An exchange without spread, so that prices are round numbers.
pub(crate) fn exchange(now: &str) -> Exchange {
    let config = ExchangeConfig {
        half_spread_bps_stocks: Decimal::ZERO,
        half_spread_bps_crypto: Decimal::ZERO,
        ..ExchangeConfig::default()
    };
    Exchange::new(data(), config, at(now))
}

/// A decimal from text.
pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A market order by quantity, DAY for stocks and GTC for crypto.
pub(crate) fn order(side: Side, name: &str, quantity: &str) -> NewOrder {
    NewOrder {
        client_order_id: None,
        symbol: name.to_owned(),
        side,
        amount: Amount::Quantity(dec(quantity)),
        order_type: OrderType::Market,
        time_in_force: if name.contains("BTC") {
            TimeInForce::Gtc
        } else {
            TimeInForce::Day
        },
        position_intent: None,
        extended_hours: false,
        exits: Exits::None,
    }
}

/// A market buy.
pub(crate) fn buy(name: &str, quantity: &str) -> NewOrder {
    order(Side::Buy, name, quantity)
}

/// A market sale.
pub(crate) fn sell(name: &str, quantity: &str) -> NewOrder {
    order(Side::Sell, name, quantity)
}

/// The same order in dollars.
pub(crate) fn notional(order: NewOrder, dollars: &str) -> NewOrder {
    NewOrder {
        amount: Amount::Notional(dec(dollars)),
        ..order
    }
}

/// The same order with a limit.
pub(crate) fn limit(order: NewOrder, price: &str) -> NewOrder {
    NewOrder {
        order_type: OrderType::Limit(dec(price)),
        ..order
    }
}

/// The same order with a time in force.
pub(crate) fn lasting(order: NewOrder, time_in_force: TimeInForce) -> NewOrder {
    NewOrder {
        time_in_force,
        ..order
    }
}

/// The same order with a client's id.
pub(crate) fn named(order: NewOrder, id: &str) -> NewOrder {
    NewOrder {
        client_order_id: Some(id.to_owned()),
        ..order
    }
}

/// Units held of an asset.
pub(crate) fn position_of(exchange: &Exchange, name: &str) -> Decimal {
    exchange
        .position(exchange.data().find(name).unwrap())
        .quantity
}

/// An exchange over hourly bars of AAPL from 10:00 New York on: (open, high, low, close); its
/// clock stands at the start of the first.
pub(crate) fn played(bars: &[(f64, f64, f64, f64)]) -> Exchange {
    let first = at("2026-03-02T15:00:00Z");
    let bars = bars.iter().zip(0..);
    let bars = bars.map(|((open, high, low, close), hour)| Bar {
        symbol: symbol("AAPL"),
        start: first + TimeDelta::hours(hour),
        end: first + TimeDelta::hours(hour + 1),
        timeframe: Timeframe::Hour,
        open: *open,
        high: *high,
        low: *low,
        close: *close,
        volume: 1000.0,
        backfill: false,
    });
    let config = ExchangeConfig {
        half_spread_bps_stocks: Decimal::ZERO,
        ..ExchangeConfig::default()
    };
    let mut exchange = Exchange::new(
        Arc::new(MarketData::from_bars(bars.collect()).unwrap()),
        config,
        first,
    );
    exchange.watch_orders();
    exchange
}

/// The status of an order, and its mean fill price.
pub(crate) fn state(exchange: &Exchange, id: Uuid) -> (OrderStatus, Option<Decimal>) {
    let order = exchange.order(id).unwrap();
    (order.status, order.filled_average_price)
}

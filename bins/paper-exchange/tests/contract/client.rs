//! The collective's own client of Alpaca against the exchange: both sides of the wire agree.

use rawe_alpaca::{DataClient, NewsQuery, Settings, TradingClient};
use rawe_core::{ClientOrderId, DecisionId, Purpose, Symbol, Timeframe};
use rawe_execution::broker::{
    Amount, Broker, OrderRequest, OrderStatus, Side, SubmitOutcome, TimeInForce,
};
use rust_decimal::Decimal;
use secrecy::SecretString;

use crate::support::{Exchange, OPEN, at, bars};

fn settings(exchange: &Exchange) -> Settings {
    let base: url::Url = exchange.base().parse().unwrap();
    let key = || SecretString::from("paper");
    Settings::new(base.clone(), base, key(), key())
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

fn request(name: &str, side: Side, amount: Amount, deployment: &str) -> OrderRequest {
    let id = DecisionId::derive(deployment, &symbol(name), Purpose::Open, None).client_order_id();
    let crypto = name.contains('/');
    OrderRequest {
        client_order_id: id,
        symbol: symbol(name),
        side,
        closes: false,
        amount,
        time_in_force: if crypto {
            TimeInForce::Gtc
        } else {
            TimeInForce::Day
        },
        kind: rawe_execution::broker::OrderKind::Market,
    }
}

#[tokio::test]
async fn the_broker_reads_every_answer() {
    let exchange = Exchange::start(OPEN).await;
    let broker = TradingClient::new(&settings(&exchange)).unwrap();
    let account = broker.account().await.unwrap();
    assert!(account.can_trade && account.shorting_enabled);
    assert_eq!(account.equity, Decimal::from(100_000));
    let clock = broker.clock().await.unwrap();
    assert_eq!((clock.timestamp, clock.is_open), (at(OPEN), true));
    let coin = broker.asset(&symbol("BTC/USD")).await.unwrap().unwrap();
    assert!(coin.tradable && !coin.shortable && coin.quantity_min.is_some());
    assert!(
        broker
            .asset(&symbol("AAPL"))
            .await
            .unwrap()
            .unwrap()
            .shortable
    );
    assert_eq!(broker.asset(&symbol("NOPE")).await.unwrap(), None);
    let price = broker.latest_price(&symbol("AAPL")).await.unwrap();
    assert_eq!(price, Some((Decimal::from(104), at(OPEN))));
    exchange.stop().await;
}

/// A closing that arrives when the position is gone does not open the other side.
#[tokio::test]
async fn what_only_closes_is_refused_where_it_would_open() {
    let exchange = Exchange::start(OPEN).await;
    let broker = TradingClient::new(&settings(&exchange)).unwrap();
    let one = Amount::Quantity(Decimal::ONE);
    for (side, deployment) in [(Side::Buy, "late-1"), (Side::Sell, "late-2")] {
        let mut closing = request("AAPL", side, one, deployment);
        closing.closes = true;
        let SubmitOutcome::Rejected(refusal) = broker.submit(&closing).await else {
            panic!("not refused")
        };
        assert_eq!(refusal.status, 422);
        assert!(refusal.message.starts_with("position intent mismatch"));
    }
    assert_eq!(broker.positions().await.unwrap(), Vec::new());
    exchange.stop().await;
}

#[tokio::test]
async fn the_broker_tells_taken_duplicate_and_refused_orders_apart() {
    let exchange = Exchange::start(OPEN).await;
    let broker = TradingClient::new(&settings(&exchange)).unwrap();
    let buy = request(
        "AAPL",
        Side::Buy,
        Amount::Notional(Decimal::from(208)),
        "run-1",
    );
    let SubmitOutcome::Accepted(report) = broker.submit(&buy).await else {
        panic!("not accepted")
    };
    assert_eq!(
        (report.status, report.filled_quantity),
        (OrderStatus::Filled, Decimal::TWO)
    );
    assert!(matches!(
        broker.submit(&buy).await,
        SubmitOutcome::Duplicate(_)
    ));
    let known = broker
        .order_by_client_id(&buy.client_order_id)
        .await
        .unwrap();
    assert_eq!(
        known.map(|known| known.broker_order_id),
        Some(report.broker_order_id)
    );
    let unknown: ClientOrderId =
        request("AAPL", Side::Buy, Amount::Quantity(Decimal::ONE), "run-2").client_order_id;
    assert_eq!(broker.order_by_client_id(&unknown).await.unwrap(), None);
    let flip = request("AAPL", Side::Sell, Amount::Quantity(Decimal::TEN), "run-3");
    let SubmitOutcome::Rejected(rejection) = broker.submit(&flip).await else {
        panic!("not rejected")
    };
    assert_eq!((rejection.status, rejection.code), (403, Some(40_310_000)));

    let coins = request(
        "BTC/USD",
        Side::Buy,
        Amount::Notional(Decimal::from(1_000)),
        "run-4",
    );
    assert!(matches!(
        broker.submit(&coins).await,
        SubmitOutcome::Accepted(_)
    ));
    let positions = broker.positions().await.unwrap();
    let symbols: Vec<&str> = positions.iter().map(|p| p.symbol.as_str()).collect();
    assert_eq!(symbols, ["AAPL", "BTC/USD"]);
    assert_eq!(broker.open_orders().await.unwrap(), []);
    assert_eq!(
        broker
            .closed_orders(&symbol("BTC/USD"))
            .await
            .unwrap()
            .len(),
        1
    );
    exchange.stop().await;
}

#[tokio::test]
async fn the_data_client_gets_every_bar_and_item() {
    let exchange = Exchange::start("2026-03-10T00:00:00Z").await;
    let client = DataClient::new(&settings(&exchange)).unwrap();
    let symbols = [symbol("AAPL"), symbol("BTC/USD")];
    let start = at("2026-03-01T00:00:00Z");
    let all = client
        .bars(&symbols, Timeframe::Hour, start, None)
        .await
        .unwrap();
    for symbol in &symbols {
        let ended = bars()
            .into_iter()
            .filter(|bar| bar.symbol == *symbol && bar.end <= at("2026-03-10T00:00:00Z"))
            .count();
        assert_eq!(all[symbol].len(), ended, "{symbol}");
    }
    let items = client
        .news(&NewsQuery {
            start: Some(start),
            ..NewsQuery::default()
        })
        .await;
    assert_eq!(items.unwrap().len(), 64);
    let march = |day| chrono::NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
    assert_eq!(
        client.calendar(march(2), march(13)).await.unwrap().len(),
        10
    );
    exchange.stop().await;
}

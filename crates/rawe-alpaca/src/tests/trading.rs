//! Questions to the trading API: what is asked, how it is read, and what failures mean.

use rawe_core::{AssetClass, DecisionId, Purpose};
use rawe_execution::broker::{Broker, BrokerError, OrderStatus, Side};
use serde_json::{Value, json};

use super::server::{Play, Server, answer};
use super::{client, settings, symbol, time};
use crate::{ClientError, RequestRate, TradingClient};

fn order(id: &str, symbol: &str, class: &str, status: &str) -> Value {
    json!({"id": id, "client_order_id": format!("rawe-{id}"), "symbol": symbol,
        "asset_class": class, "qty": "2", "notional": null, "filled_qty": "1.5",
        "filled_avg_price": "100.25", "side": "sell", "type": "market", "time_in_force": "gtc",
        "status": status, "submitted_at": "2026-01-05T10:00:00-05:00"})
}

#[tokio::test]
async fn account_and_clock_are_read() {
    let body = json!({"id": "a", "status": "ACTIVE", "cash": "-23140.2", "equity": "100000",
        "buying_power": "262113.632", "non_marginable_buying_power": "50000",
        "shorting_enabled": true, "trading_blocked": false, "unknown": {}});
    let mut blocked = body.clone();
    blocked["trade_suspended_by_user"] = json!(true);
    let clock = json!({"timestamp": "2026-01-05T10:00:00-05:00", "is_open": true,
        "next_open": "2026-01-06T09:30:00-05:00", "next_close": "2026-01-05T16:00:00-05:00"});
    let incomplete = json!({"id": "a", "status": "ACTIVE", "cash": "1"});
    let server =
        Server::playing([&body, &blocked, &clock, &incomplete].map(|body| answer(200, body))).await;
    let client = client(&server.url);
    let account = client.account().await.unwrap();
    assert!(account.can_trade && account.shorting_enabled);
    assert_eq!(account.cash, "-23140.2".parse().unwrap());
    assert!(!client.account().await.unwrap().can_trade);
    let clock = client.clock().await.unwrap();
    assert_eq!(clock.timestamp, time("2026-01-05T15:00:00Z"));
    assert_eq!(clock.next_close, time("2026-01-05T21:00:00Z"));
    assert!(matches!(
        client.account().await,
        Err(BrokerError::Unreadable(_))
    ));
}

#[tokio::test]
async fn positions_get_their_slash_back_and_shorts_their_sign() {
    let position = |symbol: &str, class: &str, qty: &str, side: &str| {
        json!({"asset_id": "x", "symbol": symbol, "exchange": "", "asset_class": class,
            "qty": qty, "qty_available": qty, "avg_entry_price": "10", "side": side,
            "market_value": null})
    };
    let body = json!([
        position("BTCUSD", "crypto", "0.5", "long"),
        position("ETHUSDT", "crypto", "1", "long"),
        position("AAPL", "us_equity", "-3", "short"),
        position("MSFT", "us_equity", "4", "short"),
        position("ABUSD", "us_equity", "1", "long"),
    ]);
    let server = Server::playing([answer(200, body), answer(200, "{}")]).await;
    let client = client(&server.url);
    let positions = client.positions().await.unwrap();
    let found: Vec<_> = positions
        .iter()
        .map(|p| (p.symbol.to_string(), p.quantity.to_string()))
        .collect();
    let expected = [
        ("BTC/USD", "0.5"),
        ("ETH/USDT", "1"),
        ("AAPL", "-3"),
        ("MSFT", "-4"),
        ("ABUSD", "1"),
    ];
    assert_eq!(found, expected.map(|(s, q)| (s.to_owned(), q.to_owned())));
    assert_eq!(positions[2].market_value, "-30".parse().unwrap());
    assert!(matches!(
        client.positions().await,
        Err(BrokerError::Unreadable(_))
    ));
}

#[tokio::test]
async fn assets_are_found_by_escaped_path_and_hard_borrows_are_not_shortable() {
    let asset = |symbol: &str, class: &str| {
        json!({"id": "x", "class": class, "exchange": "X", "symbol": symbol, "name": "N",
            "status": "active", "tradable": true, "marginable": true, "shortable": true,
            "fractionable": true})
    };
    let mut hard = asset("GME", "us_equity");
    hard["borrow_status"] = json!("hard_to_borrow");
    let mut pair = asset("BTC/USD", "crypto");
    pair["min_order_size"] = json!("0.0001");
    let not_found = json!({"code": 42_210_000, "message": "asset \"ZZZ\" not found"});
    let server = Server::playing([
        answer(200, asset("AAPL", "us_equity")),
        answer(200, hard),
        answer(200, pair),
        answer(404, json!({"message": "asset not found for ZZZ"})),
        answer(422, not_found),
        answer(200, asset("OTHER", "us_equity")),
    ])
    .await;
    let client = client(&server.url);
    assert!(
        client
            .asset(&symbol("AAPL"))
            .await
            .unwrap()
            .unwrap()
            .shortable
    );
    assert!(
        !client
            .asset(&symbol("GME"))
            .await
            .unwrap()
            .unwrap()
            .shortable
    );
    let pair = client.asset(&symbol("BTC/USD")).await.unwrap().unwrap();
    assert_eq!((pair.class, pair.shortable), (AssetClass::Crypto, false));
    assert_eq!(pair.quantity_min, Some("0.0001".parse().unwrap()));
    for _ in 0..3 {
        assert_eq!(client.asset(&symbol("ZZZ")).await.unwrap(), None);
    }
    assert_eq!(server.lines()[2], "GET /v2/assets/BTC%2FUSD");
}

#[tokio::test]
async fn orders_are_looked_up_by_the_colon_path_and_statuses_only_end_when_known() {
    let id = DecisionId::derive("d", &symbol("AAPL"), Purpose::Open, None).client_order_id();
    let cases = [
        ("new", OrderStatus::PartiallyFilled),
        ("held", OrderStatus::PartiallyFilled),
        ("brand_new_status", OrderStatus::PartiallyFilled),
        ("filled", OrderStatus::Filled),
        ("canceled", OrderStatus::Canceled),
        ("replaced", OrderStatus::Canceled),
        ("expired", OrderStatus::Expired),
        ("rejected", OrderStatus::Rejected),
    ];
    let script = cases
        .iter()
        .map(|(status, _)| answer(200, order("x", "AAPL", "us_equity", status)));
    let not_found = answer(
        404,
        json!({"code": 40_410_000, "message": "order not found"}),
    );
    let server = Server::playing(script.chain([not_found])).await;
    let client = client(&server.url);
    for (status, expected) in cases {
        let report = client.order_by_client_id(&id).await.unwrap().unwrap();
        assert_eq!(report.status, expected, "{status}");
        assert_eq!(report.filled_quantity, "1.5".parse().unwrap());
        assert_eq!(report.side, Side::Sell);
        assert_eq!(report.submitted_at, Some(time("2026-01-05T15:00:00Z")));
    }
    assert_eq!(client.order_by_client_id(&id).await.unwrap(), None);
    let expected = format!("GET /v2/orders:by_client_order_id?client_order_id={id}");
    assert!(
        server.lines().iter().all(|line| *line == expected),
        "{:?}",
        server.lines()
    );
}

#[tokio::test]
async fn listings_keep_only_what_they_promise() {
    let closed = json!([
        order("1", "BTCUSD", "crypto", "filled"),
        order("2", "BTC/USD", "crypto", "held"),
        order("3", "ETHUSD", "crypto", "filled"),
        order("4", "BTC/USD", "crypto", "canceled"),
    ]);
    let mut parent = order("5", "", "", "new");
    parent["side"] = json!("");
    let open = json!([parent, order("6", "AAPL", "us_equity", "new")]);
    let server = Server::playing([answer(200, closed), answer(200, open)]).await;
    let client = client(&server.url);
    let closed = client.closed_orders(&symbol("BTC/USD")).await.unwrap();
    let ids: Vec<_> = closed
        .iter()
        .map(|order| order.broker_order_id.as_str())
        .collect();
    assert_eq!(ids, ["1", "4"]);
    assert_eq!(client.open_orders().await.unwrap().len(), 1);
    let expected = "GET /v2/orders?status=closed&limit=500&direction=desc&nested=true\
                    &symbols=BTC%2FUSD%2CBTCUSD";
    assert_eq!(server.lines()[0], expected);
}

#[tokio::test]
async fn a_reading_is_repeated_once_and_then_told_as_it_is() {
    let good = json!({"timestamp": "2026-01-05T10:00:00-05:00", "is_open": false,
        "next_open": "2026-01-06T09:30:00-05:00", "next_close": "2026-01-06T16:00:00-05:00"});
    for fault in [
        answer(429, "{}"),
        answer(503, "busy"),
        Play::Drop,
        Play::Silence,
    ] {
        let server = Server::playing([fault.clone(), answer(200, &good)]).await;
        assert!(client(&server.url).clock().await.is_ok(), "{fault:?}");
        let server = Server::playing([fault.clone(), fault.clone(), answer(200, &good)]).await;
        let error = client(&server.url).clock().await.unwrap_err();
        assert!(
            matches!(error, BrokerError::Unavailable(_)),
            "{fault:?}: {error}"
        );
        assert_eq!(server.lines().len(), 2);
    }
    let unauthorized = json!({"message": "unauthorized."});
    let rule = json!({"message": "subscription does not permit this"});
    let cases = [
        (answer(401, unauthorized), true),
        (answer(403, ""), true),
        (answer(403, json!({"message": "forbidden."})), true),
        (answer(403, rule), false),
    ];
    for (play, keys) in cases {
        let server = Server::playing([play]).await;
        let error = client(&server.url).clock().await.unwrap_err();
        assert_eq!(
            matches!(error, BrokerError::Unauthorized(_)),
            keys,
            "{error}"
        );
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_cancel_is_sent_once_and_only_for_an_id() {
    let not_cancelable = json!({"message": "order is not cancelable"});
    let server = Server::playing([answer(204, ""), answer(422, not_cancelable), Play::Drop]).await;
    let client = client(&server.url);
    client.cancel("61e69015-8549").await.unwrap();
    let error = client.cancel("b").await.unwrap_err();
    assert!(
        matches!(error, BrokerError::Refused { status: 422, .. }),
        "{error}"
    );
    assert!(matches!(
        client.cancel("b").await,
        Err(BrokerError::Unavailable(_))
    ));
    for bad in ["", "../positions", "a/b", "a?b", "%2e"] {
        assert!(client.cancel(bad).await.is_err(), "{bad}");
    }
    assert_eq!(server.lines().len(), 3);
}

#[test]
fn live_hosts_need_a_second_setting_and_encryption() {
    let cases = [
        ("https://paper-api.alpaca.markets", false, true),
        ("https://paper-api.alpaca.markets/v2", false, true),
        ("http://127.0.0.1:8460", false, true),
        ("http://paper-exchange:8460", false, true),
        ("https://api.alpaca.markets", false, false),
        ("https://api.alpaca.markets", true, true),
        ("https://API.ALPACA.MARKETS.", false, false),
        ("https://broker-api.alpaca.markets", false, false),
        ("http://paper-api.alpaca.markets", false, false),
        ("unix:/tmp/socket", true, false),
    ];
    for (url, allow_live, expected) in cases {
        let mut settings = settings(&"http://127.0.0.1:1".parse().unwrap());
        settings.trading_url = url.parse().unwrap();
        settings.allow_live = allow_live;
        let made = TradingClient::new(&settings);
        assert_eq!(made.is_ok(), expected, "{url} {allow_live}");
        let is_refusal = matches!(made, Err(ClientError::LiveNotAllowed(_)));
        assert_eq!(
            is_refusal,
            url.starts_with("https://") && !expected,
            "{url}"
        );
    }
}

#[test]
fn the_rate_follows_the_host_unless_told() {
    let mut settings = settings(&"http://127.0.0.1:1".parse().unwrap());
    let alpaca = "https://paper-api.alpaca.markets".parse().unwrap();
    let rate = |settings: &crate::Settings, url| {
        settings
            .requests_per_minute(url)
            .map(std::num::NonZeroU32::get)
    };
    assert_eq!(rate(&settings, &settings.trading_url), None);
    assert_eq!(rate(&settings, &alpaca), Some(200));
    settings.rate = RequestRate::PerMinute(50.try_into().unwrap());
    assert_eq!(rate(&settings, &settings.trading_url), Some(50));
    settings.rate = RequestRate::Unlimited;
    assert_eq!(rate(&settings, &alpaca), None);
}

#[tokio::test]
async fn the_rate_is_kept_by_waiting() {
    let clock = json!({"timestamp": "2026-01-05T10:00:00-05:00", "is_open": false,
        "next_open": "2026-01-06T09:30:00-05:00", "next_close": "2026-01-06T16:00:00-05:00"});
    let server = Server::playing(vec![answer(200, &clock); 4]).await;
    let mut settings = settings(&server.url);
    // A burst of 60, then 540 a minute: the first calls pass at once.
    settings.rate = RequestRate::PerMinute(600.try_into().unwrap());
    let client = TradingClient::new(&settings).unwrap();
    for _ in 0..2 {
        client.clock().await.unwrap();
    }
    // A burst of one, then nine a minute: the second call has to wait for seconds.
    settings.rate = RequestRate::PerMinute(10.try_into().unwrap());
    let client = TradingClient::new(&settings).unwrap();
    client.clock().await.unwrap();
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(200), client.clock());
    assert!(waiting.await.is_err());
    assert_eq!(server.lines().len(), 3);
}

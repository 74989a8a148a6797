//! The paths of market data for one stock: they say the same as those for a list.

use serde_json::json;

use crate::support::{Exchange, OPEN};

#[tokio::test]
async fn one_stock_is_told_as_in_a_list() {
    let exchange = Exchange::start(OPEN).await;
    let range = "start=2026-03-02T15:00:00Z&limit=2";
    for (what, query) in [
        ("bars", format!("timeframe=1Hour&start=2026-03-02&{range}")),
        ("trades", range.to_owned()),
        ("quotes", range.to_owned()),
    ] {
        let one = exchange
            .get(&format!("/v2/stocks/AAPL/{what}?{query}"))
            .await;
        let listed = exchange
            .get(&format!("/v2/stocks/{what}?symbols=AAPL&{query}"))
            .await;
        assert_eq!(one["symbol"], "AAPL");
        assert_eq!(one[what], listed[what]["AAPL"], "{what}");
        assert!(!one[what].as_array().unwrap().is_empty(), "{what}");
        assert_eq!(one["next_page_token"], listed["next_page_token"], "{what}");
        if let Some(token) = one["next_page_token"].as_str() {
            let path = format!("/v2/stocks/AAPL/{what}?{query}&page_token={token}");
            assert_ne!(exchange.get(&path).await[what], one[what], "{what}");
        }
        let none = exchange
            .get(&format!("/v2/stocks/NOPE/{what}?{query}"))
            .await;
        assert_eq!(
            none,
            json!({"symbol": "NOPE", what: [], "next_page_token": null})
        );
    }
    for (what, singular) in [("bars", "bar"), ("trades", "trade"), ("quotes", "quote")] {
        let one = exchange
            .get(&format!("/v2/stocks/AAPL/{what}/latest"))
            .await;
        let path = format!("/v2/stocks/{what}/latest?symbols=AAPL");
        let listed = exchange.get(&path).await;
        assert_eq!(
            one,
            json!({"symbol": "AAPL", singular: listed[what]["AAPL"]})
        );
        let path = format!("/v2/stocks/NOPE/{what}/latest");
        assert_eq!(exchange.send("GET", &path, None).await.0, 404, "{what}");
    }
    let mut one = exchange.get("/v2/stocks/AAPL/snapshot").await;
    assert_eq!(
        one.as_object_mut().unwrap().remove("symbol"),
        Some(json!("AAPL"))
    );
    let listed = exchange.get("/v2/stocks/snapshots?symbols=AAPL").await;
    assert_eq!(one, listed["AAPL"]);
    let path = "/v2/stocks/BTC%2FUSD/snapshot";
    assert_eq!(exchange.send("GET", path, None).await.0, 400);
    exchange.stop().await;
}

#[tokio::test]
async fn what_is_nothing_is_sent_as_null() {
    let exchange = Exchange::start(OPEN).await;
    let order = exchange
        .take(&json!({
            "symbol": "AAPL", "qty": "1", "side": "buy", "type": "market",
            "time_in_force": "day",
        }))
        .await;
    let asset = exchange.get("/v2/assets/AAPL").await;
    let account = exchange.get("/v2/account").await;
    let has_null = |body: &serde_json::Value, names: &[&str]| {
        for name in names {
            assert!(
                body.get(name).is_some_and(serde_json::Value::is_null),
                "{name}: {body}"
            );
        }
    };
    has_null(
        &order,
        &["ratio_qty", "source", "subtag", "legs", "hwm", "replaces"],
    );
    has_null(&asset, &["cusip"]);
    has_null(&account, &["user_configurations"]);
    exchange.stop().await;
}

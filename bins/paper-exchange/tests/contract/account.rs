//! Keys, account, clock, calendar, assets, and what does not exist.

use serde_json::{Value, json};

use crate::support::{Exchange, NIGHT, OPEN, dec};

#[tokio::test]
async fn only_the_right_keys_open_alpacas_endpoints() {
    let exchange = Exchange::start(OPEN).await;
    for (key_id, secret_key) in [
        ("", ""),
        ("paper", ""),
        ("paper", "wrong"),
        ("wrong", "paper"),
    ] {
        let answer = exchange
            .send_with_keys("GET", "/v2/account", None, key_id, secret_key)
            .await;
        assert_eq!(
            answer,
            (401, json!({ "message": "unauthorized." })),
            "{key_id}/{secret_key}"
        );
        let order = Some(r#"{"symbol":"AAPL"}"#);
        let (status, _) = exchange
            .send_with_keys("POST", "/v2/orders", order, key_id, secret_key)
            .await;
        assert_eq!(status, 401);
    }
    let health = exchange
        .send_with_keys("GET", "/rawe/v1/health", None, "", "")
        .await;
    assert_eq!(health, (200, json!({ "status": "ok", "now": OPEN })));
    exchange.stop().await;
}

#[tokio::test]
async fn an_account_starts_with_its_cash_and_decimals_as_strings() {
    let exchange = Exchange::start(OPEN).await;
    let account = exchange.get("/v2/account").await;
    for (field, amount) in [
        ("cash", "100000"),
        ("equity", "100000"),
        ("last_equity", "100000"),
        ("portfolio_value", "100000"),
        ("buying_power", "200000"),
        ("non_marginable_buying_power", "100000"),
        ("long_market_value", "0"),
        ("short_market_value", "0"),
        ("multiplier", "2"),
    ] {
        assert_eq!(account[field], json!(amount), "{field}");
    }
    assert_eq!(account["status"], "ACTIVE");
    assert_eq!(account["shorting_enabled"], true);
    assert_eq!(account["trading_blocked"], false);
    exchange
        .take(
            &json!({"symbol": "AAPL", "qty": "100", "side": "buy", "type": "market",
        "time_in_force": "day"}),
        )
        .await;
    let account = exchange.get("/v2/account").await;
    assert_eq!(dec(&account["cash"]).to_string(), "89600");
    assert_eq!(dec(&account["long_market_value"]).to_string(), "10400");
    assert_eq!(dec(&account["buying_power"]).to_string(), "189600");
    exchange.stop().await;
}

#[tokio::test]
async fn the_clock_carries_new_yorks_offset() {
    let cases = [
        (
            OPEN,
            true,
            "2026-03-03T09:30:00-05:00",
            "2026-03-02T16:00:00-05:00",
        ),
        (
            NIGHT,
            false,
            "2026-03-03T09:30:00-05:00",
            "2026-03-03T16:00:00-05:00",
        ),
        (
            "2026-03-02T21:00:00Z",
            false,
            "2026-03-03T09:30:00-05:00",
            "2026-03-03T16:00:00-05:00",
        ),
        // Over the weekend daylight saving begins.
        (
            "2026-03-07T12:00:00Z",
            false,
            "2026-03-09T09:30:00-04:00",
            "2026-03-09T16:00:00-04:00",
        ),
    ];
    for (now, is_open, next_open, next_close) in cases {
        let exchange = Exchange::start(now).await;
        let clock = exchange.get("/v2/clock").await;
        assert_eq!(clock["is_open"], is_open, "{now}");
        assert_eq!(clock["next_open"], next_open, "{now}");
        assert_eq!(clock["next_close"], next_close, "{now}");
        let timestamp = clock["timestamp"].as_str().unwrap();
        assert!(timestamp.ends_with("-05:00"), "{timestamp}");
        exchange.stop().await;
    }
}

#[tokio::test]
async fn the_calendar_has_sessions_and_half_days() {
    let exchange = Exchange::start(OPEN).await;
    let days = exchange
        .get("/v2/calendar?start=2026-11-25&end=2026-11-30")
        .await;
    let expected = json!([
        ["2026-11-25", "09:30", "16:00"],
        ["2026-11-27", "09:30", "13:00"],
        ["2026-11-30", "09:30", "16:00"],
    ]);
    let shown: Vec<Value> = days
        .as_array()
        .unwrap()
        .iter()
        .map(|day| json!([day["date"], day["open"], day["close"]]))
        .collect();
    assert_eq!(Value::from(shown), expected);
    assert_eq!(days[0]["session_open"], "0400");
    assert_eq!(days[0]["settlement_date"], "2026-11-27");
    let whole = exchange.get("/v2/calendar").await;
    assert!((500..510).contains(&whole.as_array().unwrap().len()));
    let (status, body) = exchange.send("GET", "/v2/calendar?start=soon", None).await;
    assert_eq!((status, &body["code"]), (422, &json!(40_010_001)));
    exchange.stop().await;
}

#[tokio::test]
async fn assets_are_found_by_every_spelling() {
    let exchange = Exchange::start(OPEN).await;
    let stock = exchange.get("/v2/assets/AAPL").await;
    for (field, value) in [
        ("class", json!("us_equity")),
        ("status", json!("active")),
        ("tradable", json!(true)),
        ("fractionable", json!(true)),
        ("shortable", json!(true)),
        ("easy_to_borrow", json!(true)),
        ("borrow_status", json!("easy_to_borrow")),
    ] {
        assert_eq!(stock[field], value, "{field}");
    }
    assert_eq!(exchange.get("/v2/assets/HARD").await["shortable"], false);
    assert_eq!(
        exchange.get("/v2/assets/WHOLE").await["fractionable"],
        false
    );
    let id = stock["id"].as_str().unwrap();
    assert_eq!(exchange.get(&format!("/v2/assets/{id}")).await, stock);
    let coin = exchange.get("/v2/assets/BTC%2FUSD").await;
    assert_eq!(coin["symbol"], "BTC/USD");
    assert_eq!(coin["min_order_size"], "0.00002");
    assert_eq!(coin["min_trade_increment"], "0.000000001");
    assert_eq!(
        (&coin["shortable"], &coin["marginable"]),
        (&json!(false), &json!(false))
    );
    for spelling in ["BTCUSD", "BTC/USD"] {
        assert_eq!(
            exchange.get(&format!("/v2/assets/{spelling}")).await,
            coin,
            "{spelling}"
        );
    }
    let (status, body) = exchange.send("GET", "/v2/assets/NOPE", None).await;
    assert_eq!((status, &body["code"]), (404, &json!(40_410_000)));
    for (query, count) in [
        ("", 5),
        ("?asset_class=crypto", 2),
        ("?asset_class=us_equity&status=active", 3),
        ("?status=inactive", 0),
    ] {
        let assets = exchange.get(&format!("/v2/assets{query}")).await;
        assert_eq!(assets.as_array().unwrap().len(), count, "{query}");
    }
    exchange.stop().await;
}

#[tokio::test]
async fn what_does_not_exist_is_answered_in_json() {
    let exchange = Exchange::start(OPEN).await;
    let (status, body) = exchange.send("GET", "/v2/options/contracts", None).await;
    assert_eq!(
        (status, body),
        (404, json!({ "message": "endpoint not found." }))
    );
    let (status, body) = exchange.send("PATCH", "/v2/orders", Some("{}")).await;
    assert_eq!(
        (status, body),
        (405, json!({ "message": "method not allowed." }))
    );
    exchange.stop().await;
}

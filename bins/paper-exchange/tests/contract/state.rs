//! The state saved and taken up again; the clock stopped, stepped and set free.

use serde_json::{Value, json};

use crate::support::{Exchange, OPEN};

#[tokio::test]
async fn a_restored_exchange_goes_on_as_the_saved_one() {
    let first = Exchange::start(OPEN).await;
    for order in [
        json!({"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market",
            "time_in_force": "day", "order_class": "bracket", "client_order_id": "entry",
            "take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "90"}}),
        json!({"symbol": "BTC/USD", "notional": "100", "side": "buy", "type": "limit",
            "limit_price": "40000", "time_in_force": "gtc"}),
    ] {
        first.take(&order).await;
    }
    let settings = Some(r#"{"no_shorting": true}"#);
    first
        .send("PATCH", "/v2/account/configurations", settings)
        .await;
    let saved = first.get("/rawe/v1/state").await;
    let second = Exchange::start(OPEN).await;
    let (status, body) = second
        .send("POST", "/rawe/v1/state", Some(&saved.to_string()))
        .await;
    assert_eq!(status, 204, "{body}");
    let order = json!({"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market",
        "time_in_force": "day", "client_order_id": "entry"});
    assert_eq!(second.order(&order).await.0, 422, "ids stay used");
    let paths = [
        "/rawe/v1/book",
        "/v2/account",
        "/v2/account/configurations",
        "/v2/positions",
        "/v2/orders?status=all&nested=true",
        "/v2/account/activities",
        "/v2/account/portfolio/history",
    ];
    for now in [OPEN, "2026-03-02T18:30:00Z", "2026-03-04T16:00:00Z"] {
        first.advance(now).await;
        second.advance(now).await;
        for path in paths {
            assert_eq!(
                first.get(path).await,
                second.get(path).await,
                "{now} {path}"
            );
        }
    }
    assert_eq!(
        first.get("/rawe/v1/state").await,
        second.get("/rawe/v1/state").await
    );
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_state_that_does_not_fit_changes_nothing() {
    let exchange = Exchange::start(OPEN).await;
    let saved = exchange.get("/rawe/v1/state").await;
    let mut renamed = saved.clone();
    renamed["accounts"][0]["key_id"] = json!("nobody");
    let mut elsewhere = saved.clone();
    elsewhere["accounts"][0]["book"]["market"] = json!("7a0d6a1b-1111-4111-8111-111111111111");
    for (bad, expected) in [
        (renamed, 409),
        (elsewhere, 409),
        (json!({}), 422),
        (Value::Null, 422),
    ] {
        let (status, body) = exchange
            .send("POST", "/rawe/v1/state", Some(&bad.to_string()))
            .await;
        assert_eq!(status, expected, "{body}");
        assert_eq!(exchange.get("/rawe/v1/state").await, saved);
    }
    exchange.stop().await;
}

#[tokio::test]
async fn the_clock_is_stepped_set_free_and_stopped() {
    let exchange = Exchange::start(OPEN).await;
    let set = async |wish: Value| {
        exchange
            .send("POST", "/rawe/v1/clock", Some(&wish.to_string()))
            .await
    };
    for (wish, now) in [
        (json!({"step_s": 60}), "2026-03-02T16:31:00Z"),
        (json!({"step_bars": 1}), "2026-03-02T17:00:00Z"),
        (json!({"step_bars": 2}), "2026-03-02T19:00:00Z"),
        (json!({"paused": true, "step_s": 0}), "2026-03-02T19:00:00Z"),
    ] {
        let (status, answer) = set(wish.clone()).await;
        assert_eq!((status, &answer["now"]), (200, &json!(now)), "{wish}");
    }
    let (status, answer) = set(json!({"speed": 1e6})).await;
    assert_eq!(
        (status, &answer["paused"]),
        (200, &json!(true)),
        "still paused"
    );
    assert_eq!(set(json!({"step_s": 60})).await.0, 200);
    assert_eq!(set(json!({"paused": false})).await.0, 200);
    assert_eq!(set(json!({"step_s": 60})).await.0, 409, "it runs by itself");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while exchange.get("/rawe/v1/health").await["now"] == json!("2026-03-02T19:01:00Z") {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(set(json!({"speed": 0})).await.0, 200);
    let stopped = exchange.get("/rawe/v1/market").await;
    assert_eq!(
        (&stopped["paced"], &stopped["speed"]),
        (&json!(true), &Value::Null)
    );
    for bad in [
        json!({}),
        json!({"step_s": -1}),
        json!({"speed": -1}),
        json!({"now": OPEN, "step_s": 1}),
        json!({"sped": 1}),
    ] {
        assert_eq!(set(bad.clone()).await.0, 422, "{bad}");
    }
    exchange.stop().await;
}

//! Halts of single assets: by the admin API and by a fault in market time, for all accounts, over a
//! saved state, and told on the stream of stocks.

use serde_json::{Value, json};

use crate::support::{Exchange, OPEN, at};

fn buy(symbol: &str) -> Value {
    json!({"symbol": symbol, "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"})
}

async fn halts(exchange: &Exchange, method: &str, path: &str, body: Option<Value>) -> Value {
    let body = body.map(|body| body.to_string());
    let path = format!("/rawe/v1/halts{path}");
    let (status, answer) = exchange.send(method, &path, body.as_deref()).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn a_halt_keeps_orders_waiting_for_all_until_its_end() {
    let exchange = Exchange::start_shared(OPEN, None).await;
    let listed = halts(
        &exchange,
        "POST",
        "",
        Some(json!({"symbol": "AAPL", "minutes": 45})),
    )
    .await;
    assert_eq!(listed[0]["symbol"], "AAPL");
    let until = listed[0]["until"].as_str().unwrap();
    assert_eq!(at(until), at("2026-03-02T17:15:00Z"));
    let first = exchange.take(&buy("AAPL")).await;
    assert_eq!(
        (&first["status"], &first["filled_qty"]),
        (&json!("new"), &json!("0"))
    );
    let body = buy("AAPL").to_string();
    let other = exchange
        .send_with_keys("POST", "/v2/orders", Some(&body), "other", "other")
        .await;
    assert_eq!((other.0, &other.1["status"]), (200, &json!("new")));
    let free = exchange.take(&buy("WHOLE")).await;
    assert_eq!(free["status"], "filled");
    exchange.advance("2026-03-02T17:14:59Z").await;
    let path = format!("/v2/orders/{}", first["id"].as_str().unwrap());
    assert_eq!(exchange.get(&path).await["status"], "new");
    exchange.advance("2026-03-02T17:20:00Z").await;
    let filled = exchange.get(&path).await;
    assert_eq!(filled["status"], "filled");
    assert_eq!(
        at(filled["filled_at"].as_str().unwrap()),
        at("2026-03-02T17:15:00Z")
    );
    assert_eq!(halts(&exchange, "GET", "", None).await, json!([]));
    exchange.stop().await;
}

#[tokio::test]
async fn a_halt_without_an_end_is_ended_by_hand_and_outlives_a_saved_state() {
    let exchange = Exchange::start(OPEN).await;
    halts(&exchange, "POST", "", Some(json!({"symbol": "AAPL"}))).await;
    let order = exchange.take(&buy("AAPL")).await;
    let state = exchange.get("/rawe/v1/state").await.to_string();
    let (status, _) = exchange.send("POST", "/rawe/v1/state", Some(&state)).await;
    assert_eq!(status, 204);
    exchange.advance("2026-03-02T20:30:00Z").await;
    let listed = halts(&exchange, "GET", "", None).await;
    assert_eq!(listed, json!([{"symbol": "AAPL", "until": null}]));
    assert_eq!(
        halts(&exchange, "DELETE", "?symbol=AAPL", None).await,
        json!([])
    );
    let path = format!("/v2/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(exchange.get(&path).await["status"], "filled");
    for (body, status) in [
        (json!({"symbol": "NOPE"}), 404),
        (json!({"symbol": "AAPL", "minutes": 0}), 422),
        (json!({"minutes": 5}), 422),
        (json!({"symbol": "AAPL", "hours": 5}), 422),
    ] {
        let body = body.to_string();
        let answer = exchange.send("POST", "/rawe/v1/halts", Some(&body)).await;
        assert_eq!(answer.0, status, "{body}: {}", answer.1);
    }
    exchange.stop().await;
}

#[tokio::test]
async fn the_second_order_for_a_stock_meets_a_halt_in_market_time() {
    let exchange = Exchange::start(OPEN).await;
    let rule = json!({
        "fault": "halt", "asset_class": "us_equity", "at": [2], "minutes": 150,
    });
    let plan = json!({"seed": 0, "rules": [rule]}).to_string();
    let (status, answer) = exchange.send("POST", "/rawe/v1/faults", Some(&plan)).await;
    assert_eq!(status, 200, "{answer}");
    let coin = json!({
        "symbol": "BTC/USD", "qty": "0.1", "side": "buy", "type": "market",
        "time_in_force": "gtc",
    });
    assert_eq!(exchange.take(&buy("AAPL")).await["status"], "filled");
    for _ in 0..3 {
        assert_eq!(exchange.take(&coin).await["status"], "filled");
    }
    let halted = exchange.take(&buy("WHOLE")).await;
    assert_eq!(halted["status"], "new");
    assert_eq!(exchange.take(&buy("AAPL")).await["status"], "filled");
    exchange.advance("2026-03-02T19:00:00Z").await;
    let path = format!("/v2/orders/{}", halted["id"].as_str().unwrap());
    assert_eq!(exchange.get(&path).await["status"], "filled");
    for rule in [
        json!({"fault": "halt", "at": [1]}),
        json!({"fault": "halt", "at": [1], "minutes": 0}),
        json!({"fault": "lag", "at": [1], "ms": 5, "minutes": 5}),
        json!({"fault": "halt", "at": [1], "ms": 5, "asset_class": "bonds"}),
    ] {
        let plan = json!({"seed": 0, "rules": [rule]}).to_string();
        let (status, _) = exchange.send("POST", "/rawe/v1/faults", Some(&plan)).await;
        assert_eq!(status, 422, "{plan}");
    }
    exchange.stop().await;
}

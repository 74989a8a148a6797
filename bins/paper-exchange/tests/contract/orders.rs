//! Orders over HTTP: taken, listed, found, cancelled, and every refusal with its body.

use serde_json::{Value, json};

use crate::support::{Exchange, NIGHT, OPEN, dec};

/// A market order for one AAPL share with some fields replaced; null removes a field.
fn order(changes: &Value) -> Value {
    let mut order = json!({"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market",
        "time_in_force": "day"});
    for (field, value) in changes.as_object().unwrap() {
        if value.is_null() {
            order.as_object_mut().unwrap().remove(field);
        } else {
            order[field] = value.clone();
        }
    }
    order
}

/// A crypto order in dollars.
fn coins(notional: &str, side: &str) -> Value {
    order(
        &json!({"symbol": "BTC/USD", "qty": null, "notional": notional, "side": side,
        "time_in_force": "gtc"}),
    )
}

#[tokio::test]
async fn an_order_in_the_session_is_answered_filled_with_every_field() {
    let exchange = Exchange::start(OPEN).await;
    let taken = exchange
        .take(&order(&json!({"client_order_id": "mine", "qty": "2"})))
        .await;
    for (field, value) in [
        ("client_order_id", json!("mine")),
        ("symbol", json!("AAPL")),
        ("asset_class", json!("us_equity")),
        ("qty", json!("2")),
        ("notional", Value::Null),
        ("filled_qty", json!("2")),
        ("filled_avg_price", json!("104")),
        ("order_class", json!("")),
        ("order_type", json!("market")),
        ("type", json!("market")),
        ("side", json!("buy")),
        ("time_in_force", json!("day")),
        ("limit_price", Value::Null),
        ("status", json!("filled")),
        ("extended_hours", json!(false)),
        ("legs", Value::Null),
        ("submitted_at", json!(OPEN)),
        ("filled_at", json!(OPEN)),
        ("canceled_at", Value::Null),
        ("position_intent", json!("buy_to_open")),
    ] {
        assert_eq!(taken.get(field), Some(&value), "{field}");
    }
    let id = taken["id"].as_str().unwrap();
    assert_eq!(exchange.get(&format!("/v2/orders/{id}")).await, taken);
    let by_client_id = "/v2/orders:by_client_order_id?client_order_id=mine";
    assert_eq!(exchange.get(by_client_id).await, taken);
    exchange.stop().await;
}

#[tokio::test]
async fn numbers_are_taken_as_strings_and_as_numbers() {
    let exchange = Exchange::start(OPEN).await;
    for (changes, filled) in [
        (json!({"qty": 2}), "2"),
        (json!({"qty": 0.5}), "0.5"),
        (
            json!({"qty": "0.5", "extended_hours": false, "order_class": ""}),
            "0.5",
        ),
        (
            json!({"qty": "3", "extended_hours": "False", "order_class": "simple"}),
            "3",
        ),
        (json!({"qty": null, "notional": 208}), "2"),
        (json!({"qty": null, "notional": "100"}), "0.961538461"),
    ] {
        let taken = exchange.take(&order(&changes)).await;
        assert_eq!(taken["filled_qty"], filled, "{changes}");
    }
    exchange.stop().await;
}

#[tokio::test]
async fn an_order_of_the_night_fills_at_the_open() {
    let exchange = Exchange::start(NIGHT).await;
    let taken = exchange
        .take(&order(&json!({"qty": null, "notional": "1000"})))
        .await;
    assert_eq!(
        (&taken["status"], &taken["qty"]),
        (&json!("accepted"), &Value::Null)
    );
    assert_eq!(taken["filled_avg_price"], Value::Null);
    assert_eq!(taken["expires_at"], "2026-03-03T21:00:00Z");
    let path = format!("/v2/orders/{}", taken["id"].as_str().unwrap());
    exchange.advance("2026-03-03T14:29:59Z").await;
    assert_eq!(exchange.get(&path).await["status"], "accepted");
    let clock = exchange.advance("2026-03-03T14:30:00Z").await;
    assert_eq!(clock["fills"], 1);
    let filled = exchange.get(&path).await;
    assert_eq!(
        (&filled["status"], &filled["notional"]),
        (&json!("filled"), &json!("1000"))
    );
    assert_eq!(filled["filled_at"], "2026-03-03T14:30:00Z");
    // Monday's seven bars opened at 100, 102, ... 112.
    assert_eq!(dec(&filled["filled_avg_price"]).to_string(), "114");
    exchange.stop().await;
}

#[tokio::test]
async fn a_limit_order_rests_fills_in_a_range_or_is_cancelled() {
    let exchange = Exchange::start(OPEN).await;
    exchange.take(&order(&json!({"qty": "2"}))).await;
    let limit = |price: &str, id: &str| {
        order(
            &json!({"side": "sell", "type": "limit", "limit_price": price,
            "client_order_id": id}),
        )
    };
    let first = exchange.take(&limit("107.50", "near")).await;
    assert_eq!(
        (&first["status"], &first["limit_price"]),
        (&json!("new"), &json!("107.5"))
    );
    let far = exchange.take(&limit("500", "far")).await;
    exchange.advance("2026-03-02T18:00:00Z").await;
    let near = exchange
        .get("/v2/orders:by_client_order_id?client_order_id=near")
        .await;
    assert_eq!(near["filled_avg_price"], "107.5");
    let path = format!("/v2/orders/{}", far["id"].as_str().unwrap());
    assert_eq!(
        exchange.send("DELETE", &path, None).await,
        (204, Value::Null)
    );
    assert_eq!(exchange.get(&path).await["status"], "canceled");
    let (status, body) = exchange.send("DELETE", &path, None).await;
    assert_eq!((status, &body["code"]), (422, &json!(42_210_000)), "{body}");
    exchange.stop().await;
}

#[tokio::test]
async fn an_id_is_used_for_ever() {
    let exchange = Exchange::start(NIGHT).await;
    let mine = order(&json!({"client_order_id": "mine"}));
    let taken = exchange.take(&mine).await;
    let duplicate = (
        422,
        json!({"code": 40_010_001, "message": "client_order_id must be unique"}),
    );
    assert_eq!(exchange.order(&mine).await, duplicate);
    let path = format!("/v2/orders/{}", taken["id"].as_str().unwrap());
    exchange.send("DELETE", &path, None).await;
    assert_eq!(exchange.order(&mine).await, duplicate);
    exchange.stop().await;
}

/// An order that is refused on its own: fields changed, status, code, start of the message.
type RefusedCase = (Value, u16, i64, &'static str);

/// A field is missing, contradictory or unreadable.
fn malformed_cases() -> Vec<RefusedCase> {
    [
        (json!({"symbol": null}), "symbol is required"),
        (json!({"side": null}), "side is required"),
        (json!({"side": "short"}), "invalid side: short"),
        (json!({"type": null}), "type is required"),
        (json!({"type": "best"}), "invalid order type: best"),
        (json!({"time_in_force": null}), "time_in_force is required"),
        (json!({"qty": null}), "qty or notional is required"),
        (
            json!({"notional": "5"}),
            "only one of qty or notional is accepted",
        ),
        (json!({"qty": "many"}), "request body format is invalid"),
        (json!({"qty": "0"}), "qty must be > 0"),
        (
            json!({"type": "limit"}),
            "limit orders require a limit price",
        ),
        (
            json!({"limit_price": "5"}),
            "market orders require no limit price",
        ),
        (
            json!({"position_intent": "buy"}),
            "invalid position_intent: buy",
        ),
    ]
    .map(|(changes, message)| (changes, 422, 40_010_001, message))
    .into()
}

/// A rule is broken, or the exchange does not play it.
fn broken_cases() -> Vec<RefusedCase> {
    let tiny = json!({"type": "limit", "limit_price": "5.001"});
    let lasting = json!({"qty": "0.5", "time_in_force": "gtc"});
    [
        (
            json!({"type": "stop", "stop_price": "1"}),
            "stop price must be greater than current price",
        ),
        (
            json!({"time_in_force": "opg"}),
            "opg orders are not accepted at this time",
        ),
        (tiny, "invalid limit_price 5.001. sub-penny"),
        (
            json!({"order_class": "oto", "take_profit": {"limit_price": "1"}}),
            "take_profit.limit_price must be >= base_price + 0.01",
        ),
        (
            json!({"extended_hours": true}),
            "extended hours order must be DAY or GTC limit orders",
        ),
        (json!({"symbol": "NOPE"}), "asset \"NOPE\" not found"),
        (json!({"symbol": "BTC/USD"}), "invalid crypto time_in_force"),
        (lasting, "fractional orders must be DAY orders"),
        (
            json!({"qty": "0.5", "side": "sell"}),
            "fractional orders cannot be sold short",
        ),
        (
            json!({"symbol": "HARD", "side": "sell"}),
            "asset \"HARD\" cannot be sold short",
        ),
        (
            json!({"position_intent": "buy_to_close"}),
            "position intent mismatch",
        ),
    ]
    .map(|(changes, message)| (changes, 422, 42_210_000, message))
    .into()
}

/// The account or the asset forbids it.
fn forbidden_cases() -> Vec<RefusedCase> {
    [
        (
            json!({"symbol": "WHOLE", "qty": "0.5"}),
            "asset \"WHOLE\" is not fractionable",
        ),
        (json!({"qty": "5000"}), "insufficient buying power"),
        (
            json!({"symbol": "BTC/USD", "side": "sell", "time_in_force": "ioc"}),
            "insufficient qty available for order (requested: 1, available: 0)",
        ),
    ]
    .map(|(changes, message)| (changes, 403, 40_310_000, message))
    .into()
}

#[tokio::test]
async fn every_refusal_has_status_code_and_message() {
    let exchange = Exchange::start(OPEN).await;
    let cases = [malformed_cases(), broken_cases(), forbidden_cases()]
        .into_iter()
        .flatten();
    for (changes, status, code, message) in cases {
        let (got, body) = exchange.order(&order(&changes)).await;
        assert_eq!(
            (got, &body["code"]),
            (status, &json!(code)),
            "{changes}: {body}"
        );
        let text = body["message"].as_str().unwrap();
        assert!(text.starts_with(message), "{changes}: {body}");
    }
    let (_, body) = exchange.order(&order(&json!({"qty": "5000"}))).await;
    assert_eq!(
        (&body["buying_power"], &body["cost_basis"]),
        (&json!("200000"), &json!("520000"))
    );
    assert_eq!(exchange.get("/v2/orders?status=all").await, json!([]));
    exchange.stop().await;
}

#[tokio::test]
async fn rubbish_is_refused_with_a_code_and_harms_nothing() {
    let exchange = Exchange::start(OPEN).await;
    let long = format!(r#"{{"symbol": "{}"}}"#, "A".repeat(70_000));
    let deep = "[".repeat(10_000);
    let cases = [
        ("", 422),
        ("not json", 422),
        ("[]", 422),
        ("null", 422),
        ("{}", 422),
        (r#"{"symbol": 5, "qty": {"a": 1}}"#, 422),
        (
            r#"{"symbol": "AAPL", "qty": "1e400", "side": "buy", "type": "market"}"#,
            422,
        ),
        (
            r#"{"symbol": "AAPL", "qty": 1e308, "side": "buy", "type": "market"}"#,
            422,
        ),
        (deep.as_str(), 422),
        (long.as_str(), 413),
    ];
    for (body, status) in cases {
        let start = body.get(..60).unwrap_or(body);
        let (got, answer) = exchange.send("POST", "/v2/orders", Some(body)).await;
        assert_eq!(got, status, "{start}: {answer}");
        assert!(answer["code"].is_i64(), "{start}: {answer}");
    }
    for path in [
        "/v2/orders/none",
        "/v2/orders/%00",
        "/v2/orders/%F0%9F%92%A5",
    ] {
        let (status, body) = exchange.send("GET", path, None).await;
        assert_eq!((status, &body["code"]), (422, &json!(40_010_001)), "{path}");
    }
    let unknown = "/v2/orders/00000000-0000-4000-8000-000000000000";
    for method in ["GET", "DELETE"] {
        let (status, body) = exchange.send(method, unknown, None).await;
        assert_eq!((status, &body["code"]), (404, &json!(40_410_000)));
        assert!(
            body["message"]
                .as_str()
                .unwrap()
                .starts_with("order not found")
        );
    }
    let by_client_id = "/v2/orders:by_client_order_id";
    let (status, _) = exchange.send("GET", by_client_id, None).await;
    assert_eq!(status, 422);
    let unknown = format!("{by_client_id}?client_order_id=none");
    assert_eq!(exchange.send("GET", &unknown, None).await.0, 404);
    exchange.take(&order(&json!({}))).await;
    exchange.stop().await;
}

#[tokio::test]
async fn held_shares_wash_trades_and_opposite_openings_are_refused() {
    let exchange = Exchange::start(OPEN).await;
    exchange.take(&order(&json!({"qty": "10"}))).await;
    let resting = json!({"side": "sell", "qty": "7", "type": "limit", "limit_price": "500"});
    let resting = exchange.take(&order(&resting)).await;
    let (status, body) = exchange
        .order(&order(&json!({"side": "sell", "qty": "4"})))
        .await;
    assert_eq!(status, 403);
    let held = json!({
        "code": 40_310_000,
        "message": "insufficient qty available for order (requested: 4, available: 3)",
        "available": "3", "existing_qty": "10", "held_for_orders": "7", "symbol": "AAPL",
    });
    assert_eq!(body, held);
    let (status, body) = exchange.order(&order(&json!({}))).await;
    let wash = json!({
        "code": 40_310_000,
        "message": "potential wash trade detected. use complex orders",
        "existing_order_id": resting["id"],
        "reject_reason": "opposite side limit order exists",
    });
    assert_eq!((status, body), (403, wash));
    let opening = json!({"symbol": "WHOLE", "side": "sell", "type": "limit", "limit_price": "500"});
    exchange.take(&order(&opening)).await;
    let (status, body) = exchange.order(&order(&json!({"symbol": "WHOLE"}))).await;
    assert_eq!(status, 403);
    assert_eq!(
        body["message"],
        "cannot open a long buy while a short sell order is open"
    );
    exchange.stop().await;
}

#[tokio::test]
async fn listings_filter_and_sort() {
    let exchange = Exchange::start(NIGHT).await;
    exchange
        .take(&order(&json!({"client_order_id": "one"})))
        .await;
    exchange.take(&coins("100", "buy")).await;
    exchange.advance("2026-03-02T23:00:00Z").await;
    exchange
        .take(&order(
            &json!({"client_order_id": "two", "symbol": "WHOLE"}),
        ))
        .await;
    for (query, expected) in [
        ("", vec!["WHOLE", "AAPL"]),
        ("?status=all", vec!["WHOLE", "BTC/USD", "AAPL"]),
        ("?status=closed", vec!["BTC/USD"]),
        (
            "?status=all&direction=asc",
            vec!["AAPL", "BTC/USD", "WHOLE"],
        ),
        ("?status=all&limit=1", vec!["WHOLE"]),
        ("?status=all&symbols=AAPL,BTCUSD", vec!["BTC/USD", "AAPL"]),
        ("?status=all&asset_class=crypto", vec!["BTC/USD"]),
        ("?status=all&side=sell", vec![]),
        ("?status=all&after=2026-03-02T22:00:00Z", vec!["WHOLE"]),
        (
            "?status=all&until=2026-03-02T23:00:00Z",
            vec!["BTC/USD", "AAPL"],
        ),
    ] {
        let orders = exchange.get(&format!("/v2/orders{query}")).await;
        let symbols: Vec<&str> = orders
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["symbol"].as_str().unwrap())
            .collect();
        assert_eq!(symbols, expected, "{query}");
    }
    for bad in [
        "status=some",
        "limit=501",
        "direction=up",
        "after=soon",
        "side=long",
    ] {
        let (status, body) = exchange
            .send("GET", &format!("/v2/orders?{bad}"), None)
            .await;
        assert_eq!((status, &body["code"]), (422, &json!(40_010_001)), "{bad}");
    }
    let (status, results) = exchange.send("DELETE", "/v2/orders", None).await;
    assert_eq!(status, 207);
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| result["status"] == 200));
    assert_eq!(exchange.get("/v2/orders").await, json!([]));
    exchange.stop().await;
}

#[tokio::test]
async fn coins_pay_their_fee_in_coin() {
    let exchange = Exchange::start(OPEN).await;
    let bought = exchange.take(&coins("5000", "buy")).await;
    let filled = dec(&bought["filled_qty"]);
    let position = exchange.get("/v2/positions/BTCUSD").await;
    let kept = dec(&position["qty"]);
    let fee = filled - kept;
    assert!(fee > filled * dec(&json!("0.002499")) && fee < filled * dec(&json!("0.002501")));
    assert_eq!(position["qty_available"], position["qty"]);
    let sale = |quantity: String| {
        order(&json!({"symbol": "BTCUSD", "side": "sell", "qty": quantity,
            "time_in_force": "ioc"}))
    };
    let (status, body) = exchange.order(&sale(filled.to_string())).await;
    assert_eq!((status, &body["code"]), (403, &json!(40_310_000)));
    exchange.take(&sale(kept.to_string())).await;
    let (status, body) = exchange.send("GET", "/v2/positions/BTCUSD", None).await;
    assert_eq!((status, &body["code"]), (404, &json!(40_410_000)));
    exchange.stop().await;
}

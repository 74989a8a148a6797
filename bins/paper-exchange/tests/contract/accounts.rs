//! Several accounts, their settings, what they did and what they were worth.

use serde_json::{Value, json};

use crate::support::{Exchange, OPEN, dec};

fn buy(qty: &str) -> Value {
    json!({"symbol": "AAPL", "qty": qty, "side": "buy", "type": "market", "time_in_force": "day"})
}

async fn other(exchange: &Exchange, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
    exchange
        .send_with_keys(method, path, body, "other", "other")
        .await
}

#[tokio::test]
async fn accounts_share_the_market_and_nothing_else() {
    let exchange = Exchange::start_shared(OPEN, None).await;
    let order = exchange.take(&buy("5")).await;
    let (_, account) = other(&exchange, "GET", "/v2/account", None).await;
    assert_eq!(dec(&account["cash"]), 1000.into());
    assert_ne!(account["id"], exchange.get("/v2/account").await["id"]);
    assert_eq!(
        other(&exchange, "GET", "/v2/positions", None).await,
        (200, json!([]))
    );
    let path = format!("/v2/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(other(&exchange, "GET", &path, None).await.0, 404);
    let (status, taken) = other(&exchange, "POST", "/v2/orders", Some(&buy("1").to_string())).await;
    assert_eq!(status, 200, "{taken}");
    assert_ne!(taken["id"], order["id"]);
    let book = exchange.get("/rawe/v1/book?account=other").await;
    assert_eq!(book["orders"].as_array().unwrap().len(), 1);
    assert_eq!(
        exchange
            .send("GET", "/rawe/v1/book?account=none", None)
            .await
            .0,
        404
    );
    // The keys of one with the secret of another open nothing.
    let mixed = exchange
        .send_with_keys("GET", "/v2/account", None, "paper", "other")
        .await;
    assert_eq!(mixed.0, 401);
    // Time passes for all.
    exchange.advance("2026-03-03T16:30:00Z").await;
    let (_, account) = other(&exchange, "GET", "/v2/account", None).await;
    assert!(dec(&account["equity"]) > 1000.into());
    exchange.stop().await;
}

#[tokio::test]
async fn settings_decide_about_orders() {
    let exchange = Exchange::start(OPEN).await;
    let path = "/v2/account/configurations";
    let set = async |change: Value| {
        exchange
            .send("PATCH", path, Some(&change.to_string()))
            .await
    };
    let fresh = exchange.get(path).await;
    assert_eq!(fresh["suspend_trade"], false);
    assert_eq!(fresh["max_margin_multiplier"], "4");
    let short = json!({"symbol": "AAPL", "qty": "1", "side": "sell", "type": "market",
        "time_in_force": "day"});
    for (change, order, words) in [
        (
            json!({"suspend_trade": true}),
            buy("1"),
            "new orders are rejected by user request",
        ),
        (
            json!({"no_shorting": true}),
            short,
            "account is not allowed to short",
        ),
        (
            json!({"fractional_trading": false}),
            buy("1.5"),
            "fractional trading is not enabled",
        ),
        (
            json!({"max_margin_multiplier": "1"}),
            buy("1500"),
            "insufficient buying power",
        ),
    ] {
        let (status, _) = set(change).await;
        assert_eq!(status, 200);
        let (status, body) = exchange.order(&order).await;
        assert_eq!((status, &body["code"]), (403, &json!(40_310_000)), "{body}");
        assert!(
            body["message"].as_str().unwrap().starts_with(words),
            "{body}"
        );
        assert_eq!(set(fresh.clone()).await, (200, fresh.clone()));
    }
    exchange.take(&buy("1500")).await;
    for bad in [
        json!({"max_margin_multiplier": "3"}),
        json!({"trade_confirm_email": "some"}),
        json!({"suspend_trade": "perhaps"}),
        json!([]),
    ] {
        let (status, body) = set(bad).await;
        assert_eq!((status, &body["code"]), (422, &json!(40_010_001)), "{body}");
    }
    assert_eq!(exchange.get(path).await, fresh);
    exchange.stop().await;
}

#[tokio::test]
async fn activities_are_paged_both_ways_and_filtered() {
    let exchange = Exchange::start(OPEN).await;
    for _ in 0..3 {
        exchange.take(&buy("2")).await;
        let coin = json!({"symbol": "BTC/USD", "notional": "100", "side": "buy", "type": "market",
            "time_in_force": "gtc"});
        exchange.take(&coin).await;
    }
    exchange.advance("2026-03-03T16:30:00Z").await;
    let sold = json!({"symbol": "AAPL", "qty": "1", "side": "sell", "type": "market",
        "time_in_force": "day"});
    let sold = exchange.take(&sold).await;
    let all = exchange.get("/v2/account/activities").await;
    let all = all.as_array().unwrap();
    // Seven fills and three fees of coins, newest first.
    assert_eq!(all.len(), 10);
    assert_eq!(all[0]["order_id"], sold["id"]);
    for (field, value) in [
        ("activity_type", "FILL"),
        ("type", "fill"),
        ("side", "sell"),
        ("qty", "1"),
        ("cum_qty", "1"),
        ("leaves_qty", "0"),
        ("order_status", "filled"),
    ] {
        assert_eq!(all[0][field], value, "{field}");
    }
    let id = all[0]["id"].as_str().unwrap();
    assert!(id.starts_with("20260303113000000::"), "{id}");
    for direction in ["asc", "desc"] {
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("/v2/account/activities?page_size=3&direction={direction}{token}");
            let page = exchange.get(&path).await;
            let Some(last) = page.as_array().unwrap().last() else {
                break;
            };
            token = format!("&page_token={}", last["id"].as_str().unwrap());
            seen.extend(page.as_array().unwrap().clone());
        }
        if direction == "asc" {
            seen.reverse();
        }
        assert_eq!(&seen, all, "{direction}");
    }
    for (path, count) in [
        ("/FILL", 7),
        ("/CFEE", 3),
        ("?activity_types=FILL,CFEE", 10),
        ("?category=non_trade_activity", 3),
        ("?date=2026-03-03", 1),
        ("?after=2026-03-03T00:00:00Z", 1),
        ("?until=2026-03-03T00:00:00Z", 9),
        (&format!("?order_id={}", sold["id"].as_str().unwrap()), 1),
    ] {
        let rows = exchange.get(&format!("/v2/account/activities{path}")).await;
        assert_eq!(rows.as_array().unwrap().len(), count, "{path}");
    }
    exchange.stop().await;
}

#[tokio::test]
async fn bad_questions_about_activities_are_refused() {
    let exchange = Exchange::start(OPEN).await;
    for bad in [
        "page_size=101",
        "page_token=x",
        "order_id=x",
        "date=soon",
        "direction=up",
    ] {
        let (status, _) = exchange
            .send("GET", &format!("/v2/account/activities?{bad}"), None)
            .await;
        assert_eq!(status, 422, "{bad}");
    }
    exchange.stop().await;
}

#[tokio::test]
async fn the_portfolio_has_a_past() {
    let exchange = Exchange::start(OPEN).await;
    exchange.take(&buy("10")).await;
    exchange.advance("2026-03-06T18:00:00Z").await;
    let path = "/v2/account/portfolio/history";
    let days = exchange
        .get(&format!("{path}?period=1W&timeframe=1D"))
        .await;
    let equity: Vec<f64> = serde_json::from_value(days["equity"].clone()).unwrap();
    assert_eq!(equity.len(), 5);
    // What it was at each close, and what it is now.
    let now = exchange.get("/v2/account").await;
    let now: f64 = now["equity"].as_str().unwrap().parse().unwrap();
    assert!((equity[4] - now).abs() < 1e-6, "{equity:?} {now}");
    assert!(
        equity.windows(2).all(|pair| pair[0] < pair[1]),
        "{equity:?}"
    );
    assert_eq!(days["base_value"], json!(100_000.0));
    let gain = equity[4] - 100_000.0;
    let told: Vec<f64> = serde_json::from_value(days["profit_loss"].clone()).unwrap();
    assert!((told[4] - gain).abs() < 1e-6);
    let hours = exchange
        .get(&format!("{path}?period=1D&timeframe=1H"))
        .await;
    for array in ["timestamp", "equity", "profit_loss", "profit_loss_pct"] {
        // The rest of Thursday's session from 13:00, and Friday's until 13:00.
        assert_eq!(hours[array].as_array().unwrap().len(), 8, "{array} {hours}");
    }
    for bad in [
        "period=1X",
        "timeframe=2Min",
        "period=1A&timeframe=1Min",
        "start=2026-03-01&end=2026-03-02&period=1D",
        "intraday_reporting=never",
    ] {
        let (status, _) = exchange.send("GET", &format!("{path}?{bad}"), None).await;
        // A year is longer than this account is old, yet it is what was asked for.
        assert_eq!(status, 422, "{bad}");
    }
    exchange.stop().await;
}

#[tokio::test]
async fn each_account_has_its_budget_of_requests() {
    let exchange = Exchange::start_shared(OPEN, Some(3)).await;
    let client = reqwest::Client::new();
    let ask = async |key: &str| {
        let request = client.get(format!("{}/v2/clock", exchange.base()));
        let request = request
            .header("APCA-API-KEY-ID", key)
            .header("APCA-API-SECRET-KEY", key);
        let answer = request.send().await.unwrap();
        let header =
            |name: &str| -> Option<i64> { answer.headers().get(name)?.to_str().ok()?.parse().ok() };
        assert_eq!(header("x-ratelimit-limit"), Some(3));
        assert!(header("x-ratelimit-reset").is_some());
        (
            answer.status().as_u16(),
            header("x-ratelimit-remaining").unwrap(),
        )
    };
    // A minute may end meanwhile: then the budget is whole again, once.
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(ask("paper").await);
    }
    assert!(answers.contains(&(429, 0)), "{answers:?}");
    assert!(answers.contains(&(200, 2)), "{answers:?}");
    assert_eq!(ask("other").await.0, 200);
    exchange.stop().await;
}

//! Faults on demand, as a client meets them, and that the book stays true under them.

use std::time::Duration;

use crate::support::*;
use rawe_alpaca::{Settings, TradingClient};
use rawe_core::{ClientOrderId, DecisionId, Purpose, Symbol};
use rawe_execution::broker::{
    Amount, Broker, OrderKind, OrderRequest, OrderStatus, Side, SubmitOutcome, TimeInForce,
};
use secrecy::SecretString;
use serde_json::{Value, json};

const FAULTS: &str = "/rawe/v1/faults";

async fn plan(exchange: &Exchange, rules: Value) {
    let body = json!({"seed": 3, "rules": rules}).to_string();
    let (status, answer) = exchange.send("POST", FAULTS, Some(&body)).await;
    assert_eq!(status, 200, "{answer}");
}

fn client(exchange: &Exchange) -> TradingClient {
    let url: url::Url = exchange.base().parse().unwrap();
    let key = || SecretString::from("paper");
    let mut settings = Settings::new(url.clone(), url, key(), key());
    settings.read_timeout = Duration::from_millis(400);
    settings.total_timeout = Duration::from_millis(400);
    TradingClient::new(&settings).unwrap()
}

fn request(name: &str) -> OrderRequest {
    let symbol = Symbol::new("AAPL").unwrap();
    OrderRequest {
        client_order_id: order_id(name),
        symbol,
        side: Side::Buy,
        closes: false,
        amount: Amount::Quantity(10.into()),
        time_in_force: TimeInForce::Day,
        kind: OrderKind::Market,
    }
}

fn order_id(name: &str) -> ClientOrderId {
    let symbol = Symbol::new("AAPL").unwrap();
    DecisionId::derive(name, &symbol, Purpose::Open, None).client_order_id()
}

/// Waits until a look-up says so.
async fn until(client: &TradingClient, name: &str, status: OrderStatus) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let order = client.order_by_client_id(&order_id(name)).await.unwrap();
        if order.as_ref().map(|order| order.status) == Some(status) {
            return;
        }
        assert!(tokio::time::Instant::now() < limit, "still {order:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn every_fault_of_a_post_is_unknown_or_a_refusal_and_has_the_effect_it_says() {
    let exchange = Exchange::start(OPEN).await;
    let client = client(&exchange);
    // fault, whether the order is there afterwards, whether the outcome is certain
    let cases = [
        (json!({"fault": "drop_request"}), false, false),
        (json!({"fault": "drop_answer"}), true, false),
        (
            json!({"fault": "fail_request", "status": 502}),
            false,
            false,
        ),
        (json!({"fault": "fail_answer", "status": 504}), true, false),
        (json!({"fault": "fail_answer"}), true, false),
        (json!({"fault": "rate_limit", "ms": 100}), false, true),
        (json!({"fault": "garble_answer"}), true, false),
        (json!({"fault": "delay_answer", "ms": 2000}), true, false),
        (json!({"fault": "delay_answer", "ms": [1, 20]}), true, true),
        (json!({"fault": "delay_request", "ms": 20}), true, true),
    ];
    for (number, (mut rule, taken, certain)) in cases.into_iter().enumerate() {
        rule["at"] = json!([1]);
        rule["method"] = json!("POST");
        rule["route"] = json!("/v2/orders");
        plan(&exchange, json!([rule])).await;
        let name = format!("case-{number}");
        let outcome = client.submit(&request(&name)).await;
        assert_eq!(
            !matches!(outcome, SubmitOutcome::Unknown(_)),
            certain,
            "{rule}: {outcome:?}"
        );
        // The 429 told reads to keep still; the window is over soon.
        let found = client.order_by_client_id(&order_id(&name)).await.unwrap();
        assert_eq!(found.is_some(), taken, "{rule}");
        // The same id again: refused if it was there, taken once if not.
        let again = client.submit(&request(&name)).await;
        match again {
            SubmitOutcome::Duplicate(_) => assert!(taken, "{rule}"),
            SubmitOutcome::Accepted(_) => assert!(!taken, "{rule}"),
            other => panic!("{rule}: {other:?}"),
        }
    }
    let book = exchange.get("/rawe/v1/book").await;
    assert_eq!(book["orders"].as_array().unwrap().len(), 10, "each id once");
    let counts = exchange.get(FAULTS).await["injected"].clone();
    let expected = json!({"drop_request": 1, "drop_answer": 1, "fail_request": 1,
        "fail_answer": 2, "rate_limit": 1, "garble_answer": 1, "delay_answer": 2,
        "delay_request": 1});
    assert_eq!(counts, expected);
    exchange.stop().await;
}

#[tokio::test]
async fn orders_fill_in_parts_or_are_refused_late() {
    let exchange = Exchange::start(OPEN).await;
    let client = client(&exchange);
    let partial = |then: &str| {
        json!([{"fault": "partial_fill", "probability": 1.0, "ms": 60,
        "fraction": 0.35, "then": then}])
    };
    for (name, then, ends) in [
        ("fills", "fills", OrderStatus::Filled),
        ("cancelled", "cancelled", OrderStatus::Canceled),
    ] {
        plan(&exchange, partial(then)).await;
        let SubmitOutcome::Accepted(report) = client.submit(&request(name)).await else {
            panic!("not accepted");
        };
        assert_eq!(report.status, OrderStatus::PartiallyFilled);
        assert_eq!(report.filled_quantity, 3.into(), "whole shares");
        until(&client, name, ends).await;
    }
    plan(
        &exchange,
        json!([{"fault": "late_reject", "at": [1], "ms": 60}]),
    )
    .await;
    let SubmitOutcome::Accepted(report) = client.submit(&request("late")).await else {
        panic!("not accepted");
    };
    assert_eq!(report.status, OrderStatus::Working);
    until(&client, "late", OrderStatus::Rejected).await;
    let held = exchange.get("/v2/positions/AAPL").await;
    assert_eq!(held["qty"], "13");
    exchange.stop().await;
}

#[tokio::test]
async fn look_ups_lag_and_halts_end() {
    let exchange = Exchange::start(OPEN).await;
    let client = client(&exchange);
    let rules =
        json!([{"fault": "lag", "at": [1], "ms": 150}, {"fault": "halt", "at": [2], "ms": 100}]);
    plan(&exchange, rules).await;
    assert!(matches!(
        client.submit(&request("lags")).await,
        SubmitOutcome::Accepted(_)
    ));
    assert_eq!(
        client.order_by_client_id(&order_id("lags")).await.unwrap(),
        None
    );
    assert!(matches!(
        client.submit(&request("lags")).await,
        SubmitOutcome::Duplicate(_)
    ));
    until(&client, "lags", OrderStatus::Filled).await;
    // The duplicate was the second order of the plan: the asset is halted, or was until now.
    let SubmitOutcome::Accepted(_) = client.submit(&request("halted")).await else {
        panic!("not accepted");
    };
    until(&client, "halted", OrderStatus::Filled).await;
    exchange.stop().await;
}

#[tokio::test]
async fn plans_are_checked_and_cleared() {
    let exchange = Exchange::start(OPEN).await;
    let bad = [
        json!({"seed": 1, "rules": [{"fault": "explode"}]}),
        json!({"seed": 1, "rules": [{"fault": "drop_answer"}]}),
        json!({"seed": 1, "rules": [{"fault": "drop_answer", "probability": 1.5}]}),
        json!({"seed": 1, "rules": [{"fault": "lag", "probability": 0.5}]}),
        json!({"seed": 1, "rules": [{"fault": "lag", "probability": 0.5, "ms": [9, 1]}]}),
        json!({"seed": 1, "rules": [{"fault": "drop_answer", "at": [1], "surprise": 1}]}),
        json!({"seed": 1, "rules": [{"fault": "fail_answer", "at": [1], "status": 200}]}),
    ];
    for plan in bad {
        let (status, answer) = exchange.send("POST", FAULTS, Some(&plan.to_string())).await;
        assert_eq!(status, 422, "{plan}: {answer}");
    }
    plan(
        &exchange,
        json!([{"fault": "fail_request", "probability": 1.0}]),
    )
    .await;
    assert_eq!(exchange.send("GET", "/v2/clock", None).await.0, 500);
    assert_eq!(exchange.send("DELETE", FAULTS, None).await.0, 200);
    assert_eq!(exchange.send("GET", "/v2/clock", None).await.0, 200);
    exchange.stop().await;
}

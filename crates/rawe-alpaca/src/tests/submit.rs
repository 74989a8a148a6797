//! What comes of a POST under every status and fault: three outcomes, and never a second POST.

use rawe_core::{ClientOrderId, DecisionId, Purpose};
use rawe_execution::broker::{
    Amount, Broker, OrderRequest, OrderStatus, Rejection, Side, SubmitOutcome, TimeInForce,
};
use serde_json::{Value, json};

use super::server::{Play, Server, answer};
use super::{client, symbol};

fn order_id() -> ClientOrderId {
    DecisionId::derive("test", &symbol("AAPL"), Purpose::Open, None).client_order_id()
}

fn request() -> OrderRequest {
    OrderRequest {
        client_order_id: order_id(),
        symbol: symbol("AAPL"),
        side: Side::Buy,
        closes: false,
        amount: Amount::Notional("1000.10".parse().unwrap()),
        time_in_force: TimeInForce::Day,
        kind: rawe_execution::broker::OrderKind::Market,
    }
}

fn order_body() -> Value {
    json!({"id": "61e69015-8549-4bfd-b9c3-01e75843f47d", "client_order_id": order_id().as_str(),
        "symbol": "AAPL", "asset_class": "us_equity", "notional": "1000.10", "qty": null,
        "filled_qty": "0", "filled_avg_price": null, "side": "buy", "type": "market",
        "time_in_force": "day", "status": "accepted", "order_class": "",
        "submitted_at": "2026-01-05T15:00:00.123456789Z"})
}

async fn outcome_of(play: Play) -> SubmitOutcome {
    let server = Server::playing([play.clone()]).await;
    let outcome = client(&server.url).submit(&request()).await;
    let posts = server.lines();
    assert_eq!(posts, vec!["POST /v2/orders"], "after {play:?}");
    outcome
}

#[tokio::test]
async fn an_accepted_order_is_reported_and_the_request_is_plain() {
    let server = Server::playing([answer(200, order_body())]).await;
    let SubmitOutcome::Accepted(report) = client(&server.url).submit(&request()).await else {
        panic!("not accepted");
    };
    assert_eq!(report.status, OrderStatus::Working);
    assert_eq!(report.client_order_id, order_id().as_str());
    assert_eq!(report.notional, Some("1000.10".parse().unwrap()));
    let seen = &server.seen()[0];
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let expected = json!({"symbol": "AAPL", "notional": "1000.1", "side": "buy",
        "type": "market", "time_in_force": "day", "client_order_id": order_id().as_str()});
    assert_eq!(body, expected);
    assert!(seen.head.contains(super::KEY_ID) && seen.head.contains(super::SECRET_KEY));
}

/// Stocks can be short: what closes says so, and the broker refuses what would open.
#[tokio::test]
async fn a_closing_of_a_stock_names_its_intent() {
    for (name, side, intent) in [
        ("AAPL", Side::Sell, Some("sell_to_close")),
        ("AAPL", Side::Buy, Some("buy_to_close")),
        ("BTC/USD", Side::Sell, None),
    ] {
        let server = Server::playing([answer(200, order_body())]).await;
        let closing = OrderRequest {
            symbol: symbol(name),
            side,
            closes: true,
            ..request()
        };
        client(&server.url).submit(&closing).await;
        let body: Value = serde_json::from_str(&server.seen()[0].body).unwrap();
        let told = body.get("position_intent").and_then(Value::as_str);
        assert_eq!(told, intent, "{name} {side:?}");
    }
}

#[tokio::test]
async fn every_status_has_its_outcome() {
    let body = r#"{"code": 40310000, "message": "insufficient buying power"}"#;
    let server = Server::playing((200..=599).map(|status| answer(status, body))).await;
    let client = client(&server.url);
    for status in 200..=599_u16 {
        let outcome = client.submit(&request()).await;
        match status {
            400 | 401 | 403 | 404 | 422 | 429 => {
                let expected = Rejection {
                    status,
                    code: Some(40_310_000),
                    message: "insufficient buying power".into(),
                };
                assert_eq!(outcome, SubmitOutcome::Rejected(expected));
            }
            _ => assert!(
                matches!(outcome, SubmitOutcome::Unknown(_)),
                "{status}: {outcome:?}"
            ),
        }
    }
    assert_eq!(server.lines(), vec!["POST /v2/orders"; 400]);
}

#[tokio::test]
async fn a_refusal_without_json_is_still_a_refusal() {
    for body in ["", "<html>denied</html>", "[]", "null"] {
        let expected = Rejection {
            status: 403,
            code: None,
            message: String::new(),
        };
        assert_eq!(
            outcome_of(answer(403, body)).await,
            SubmitOutcome::Rejected(expected)
        );
    }
}

#[tokio::test]
async fn a_used_id_is_a_duplicate_in_both_spellings() {
    for message in [
        "client_order_id must be unique",
        "Client order id must be unique",
    ] {
        let body = json!({"code": 40_010_001, "message": message});
        let outcome = outcome_of(answer(422, body)).await;
        assert_eq!(outcome, SubmitOutcome::Duplicate(message.to_owned()));
    }
    let other = json!({"code": 40_010_001, "message": "qty must be integer"});
    assert!(matches!(
        outcome_of(answer(422, other)).await,
        SubmitOutcome::Rejected(_)
    ));
}

#[tokio::test]
async fn every_fault_of_the_line_is_unknown() {
    let mut garbled = order_body();
    garbled["filled_qty"] = json!("1,5");
    let mut nowhere = order_body();
    nowhere["symbol"] = json!("not a symbol");
    let plays = [
        Play::Drop,
        Play::Reset,
        Play::Silence,
        Play::Rubbish,
        Play::Half(200, order_body().to_string()),
        Play::Half(403, r#"{"message": "no"}"#.to_owned()),
        Play::Redirect(302),
        Play::Redirect(307),
        Play::Redirect(308),
        answer(200, "this is no json"),
        answer(200, "{}"),
        answer(200, ""),
        answer(200, garbled),
        answer(200, nowhere),
    ];
    for play in plays {
        let outcome = outcome_of(play.clone()).await;
        assert!(
            matches!(outcome, SubmitOutcome::Unknown(_)),
            "{play:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_unknown() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(listener);
    let outcome = client(&url).submit(&request()).await;
    assert!(matches!(outcome, SubmitOutcome::Unknown(_)), "{outcome:?}");
}

#[tokio::test]
async fn keys_never_show_even_if_a_server_echoes_them() {
    let echo = format!("you sent {} and {}", super::KEY_ID, super::SECRET_KEY);
    let body = json!({"message": echo});
    for status in [200, 403, 422, 500] {
        let outcome = outcome_of(answer(status, &body)).await;
        let text = format!("{outcome:?}");
        assert!(
            !text.contains("CANARY") && !text.contains("canary"),
            "{text}"
        );
    }
    let server = Server::playing([answer(403, &body)]).await;
    let client = client(&server.url);
    let error = client.account().await.unwrap_err();
    let settings = super::settings(&server.url);
    for text in [
        format!("{error} {error:?}"),
        format!("{client:?}"),
        format!("{settings:?}"),
    ] {
        assert!(
            !text.contains("CANARY") && !text.contains("canary"),
            "{text}"
        );
    }
}

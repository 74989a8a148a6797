//! The socket of order updates, with our own client and bare.

use std::time::Duration;

use crate::support::*;
use futures_util::{SinkExt, StreamExt};
use rawe_alpaca::types::TradeEvent;
use rawe_alpaca::{Settings, TradeNews, TradeUpdate, TradeUpdates, UpdatesPatience};
use rawe_execution::broker::OrderStatus;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

fn listen(exchange: &Exchange) -> TradeUpdates {
    let url: url::Url = exchange.base().parse().unwrap();
    let key = || SecretString::from("paper");
    let patience = UpdatesPatience {
        handshake_within: Duration::from_secs(5),
        ping_every: Duration::from_millis(50),
        pong_within: Duration::from_millis(150),
        backoff_min: Duration::from_millis(5),
        backoff_max: Duration::from_millis(40),
    };
    TradeUpdates::start_with(&Settings::new(url.clone(), url, key(), key()), patience).unwrap()
}

async fn next(updates: &mut TradeUpdates) -> TradeNews {
    tokio::time::timeout(Duration::from_secs(10), updates.next())
        .await
        .expect("news in time")
}

async fn update(updates: &mut TradeUpdates) -> TradeUpdate {
    match next(updates).await {
        TradeNews::Update(update) => *update,
        other => panic!("{other:?}"),
    }
}

async fn connected(updates: &mut TradeUpdates) {
    while next(updates).await != TradeNews::Connected {}
}

fn market(id: &str, side: &str, qty: &str) -> Value {
    json!({"symbol": "AAPL", "qty": qty, "side": side, "type": "market",
        "time_in_force": "day", "client_order_id": id})
}

#[tokio::test]
async fn every_change_of_an_order_is_told_in_order() {
    let exchange = Exchange::start(OPEN).await;
    let mut updates = listen(&exchange);
    connected(&mut updates).await;
    exchange.take(&market("one", "buy", "10")).await;
    let new = update(&mut updates).await;
    assert_eq!(
        (new.event, new.report.status),
        (TradeEvent::New, OrderStatus::Working)
    );
    assert_eq!(
        (new.report.client_order_id.as_str(), new.price),
        ("one", None)
    );
    let fill = update(&mut updates).await;
    assert_eq!(
        (fill.event, fill.report.status),
        (TradeEvent::Fill, OrderStatus::Filled)
    );
    assert_eq!(
        (fill.quantity, fill.position_quantity),
        (Some(10.into()), Some(10.into()))
    );
    assert_eq!((fill.price, fill.at), (Some(104.into()), Some(at(OPEN))));
    assert!(fill.execution_id.is_some() && fill.execution_id != new.execution_id);
    let stop = json!({"symbol": "AAPL", "qty": "10", "side": "sell", "type": "stop",
        "stop_price": "90", "time_in_force": "gtc"});
    let resting = exchange.take(&stop).await;
    assert_eq!(
        (&resting["type"], &resting["stop_price"]),
        (&json!("stop"), &json!("90"))
    );
    assert_eq!(update(&mut updates).await.event, TradeEvent::New);
    let id = resting["id"].as_str().unwrap();
    let (status, _) = exchange
        .send("DELETE", &format!("/v2/orders/{id}"), None)
        .await;
    assert_eq!(status, 204);
    let canceled = update(&mut updates).await;
    assert_eq!(canceled.event, TradeEvent::Canceled);
    assert_eq!(canceled.report.broker_order_id, id);
    let limit = json!({"symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit",
        "limit_price": "50", "time_in_force": "day"});
    exchange.take(&limit).await;
    assert_eq!(update(&mut updates).await.event, TradeEvent::New);
    exchange.advance(NIGHT).await;
    let expired = update(&mut updates).await;
    assert_eq!(
        (expired.event, expired.report.status),
        (TradeEvent::Expired, OrderStatus::Expired)
    );
    exchange.take(&market("night", "sell", "10")).await;
    assert_eq!(update(&mut updates).await.event, TradeEvent::Accepted);
    exchange.advance("2026-03-03T15:00:00Z").await;
    assert_eq!(update(&mut updates).await.event, TradeEvent::New);
    assert_eq!(update(&mut updates).await.position_quantity, Some(0.into()));
    exchange.stop().await;
    assert!(matches!(
        next(&mut updates).await,
        TradeNews::Disconnected { .. }
    ));
}

#[tokio::test]
async fn updates_come_twice_late_or_not_at_all_as_told() {
    let exchange = Exchange::start(OPEN).await;
    let mut updates = listen(&exchange);
    connected(&mut updates).await;
    let rules = json!([
        {"fault": "duplicate_update", "at": [1]},
        {"fault": "delay_update", "at": [3], "ms": 100},
        {"fault": "mute_stream", "at": [5], "ms": 1500},
    ]);
    let plan = json!({"seed": 1, "rules": rules}).to_string();
    exchange.send("POST", "/rawe/v1/faults", Some(&plan)).await;
    exchange.take(&market("a", "buy", "1")).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(update(&mut updates).await.event);
    }
    assert_eq!(
        told,
        [TradeEvent::New, TradeEvent::New, TradeEvent::Fill],
        "one comes twice"
    );
    exchange.take(&market("b", "buy", "1")).await;
    let told = [
        update(&mut updates).await.event,
        update(&mut updates).await.event,
    ];
    assert_eq!(
        told,
        [TradeEvent::Fill, TradeEvent::New],
        "one is overtaken"
    );
    exchange.take(&market("c", "buy", "1")).await;
    let TradeNews::Disconnected { reason } = next(&mut updates).await else {
        panic!("the mute socket was not noticed");
    };
    assert!(reason.contains("mute"), "{reason}");
    // The seat is free when the silence is over; until then the newcomer is told to wait.
    connected(&mut updates).await;
    let cut = json!({"seed": 1, "rules": [{"fault": "cut_stream", "at": [2]}]}).to_string();
    exchange.send("POST", "/rawe/v1/faults", Some(&cut)).await;
    exchange.take(&market("d", "buy", "1")).await;
    assert_eq!(update(&mut updates).await.event, TradeEvent::New);
    assert!(matches!(
        next(&mut updates).await,
        TradeNews::Disconnected { .. }
    ));
    connected(&mut updates).await;
    exchange.stop().await;
}

type Socket = WebSocketStream<TcpStream>;

async fn open(exchange: &Exchange) -> Socket {
    let address = exchange.base().trim_start_matches("http://");
    let tcp = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/stream");
    tokio_tungstenite::client_async(url.as_str(), tcp)
        .await
        .unwrap()
        .0
}

async fn ask(socket: &mut Socket, message: &str) -> Value {
    socket.send(Message::text(message)).await.unwrap();
    match socket.next().await.unwrap().unwrap() {
        Message::Binary(bytes) => serde_json::from_slice(&bytes).unwrap(),
        other => panic!("no binary frame: {other:?}"),
    }
}

#[tokio::test]
async fn the_socket_speaks_as_alpaca_does() {
    let exchange = Exchange::start(OPEN).await;
    let mut socket = open(&exchange).await;
    let listen = r#"{"action":"listen","data":{"streams":["trade_updates","account_updates"]}}"#;
    let unauthorized = |action: &str| json!({"stream": "authorization", "data": {"status": "unauthorized", "action": action}});
    assert_eq!(ask(&mut socket, listen).await, unauthorized("listen"));
    let wrong = r#"{"action":"authenticate","data":{"key_id":"x","secret_key":"y"}}"#;
    assert_eq!(ask(&mut socket, wrong).await, unauthorized("authenticate"));
    let error = json!([{"T": "error", "code": 400, "msg": "invalid syntax"}]);
    for rubbish in ["{", "[]", "7", r#"{"action":"dance"}"#] {
        assert_eq!(ask(&mut socket, rubbish).await, error, "{rubbish}");
    }
    // The newer spelling.
    let keys = r#"{"action":"auth","key":"paper","secret":"paper"}"#;
    let authorized = ask(&mut socket, keys).await;
    assert_eq!(authorized["data"]["status"], "authorized");
    let listening = json!({"stream": "listening", "data": {"streams": ["trade_updates"]}});
    assert_eq!(ask(&mut socket, listen).await, listening);
    let mut second = open(&exchange).await;
    let refused = json!([{"T": "error", "code": 406, "msg": "connection limit exceeded"}]);
    assert_eq!(ask(&mut second, keys).await, refused);
    drop(socket);
    // The seat is free as soon as the server has seen the end.
    let limit = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let mut third = open(&exchange).await;
        if ask(&mut third, keys).await["data"]["status"] == "authorized" {
            break;
        }
        assert!(tokio::time::Instant::now() < limit, "the seat stays taken");
    }
    exchange.stop().await;
}

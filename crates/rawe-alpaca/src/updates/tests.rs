//! The stream against a server that plays what it is told: updates, silence, refusals, rubbish.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use super::*;
use crate::dialer::{Backoff, websocket_url};
use crate::tests::{KEY_ID, SECRET_KEY, settings};

type Socket = WebSocketStream<TcpStream>;

/// Nothing here takes longer than this unless it hangs.
const LIMIT: Duration = Duration::from_secs(10);

fn patience() -> UpdatesPatience {
    UpdatesPatience {
        handshake_within: Duration::from_millis(500),
        ping_every: Duration::from_millis(40),
        pong_within: Duration::from_millis(200),
        backoff_min: Duration::from_millis(2),
        backoff_max: Duration::from_millis(20),
    }
}

/// A port to connect to, and a client that does.
async fn listening() -> (TcpListener, TradeUpdates) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let updates = TradeUpdates::start_with(&settings(&url), patience()).unwrap();
    (listener, updates)
}

async fn next(updates: &mut TradeUpdates) -> TradeNews {
    tokio::time::timeout(LIMIT, updates.next())
        .await
        .expect("news in time")
}

async fn request(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn say(socket: &mut Socket, message: &Value) {
    socket
        .send(Message::binary(message.to_string()))
        .await
        .unwrap();
}

/// Takes a connection up to the point where updates may be sent.
async fn welcome(listener: &TcpListener) -> Socket {
    let (tcp, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(tcp).await.unwrap();
    let asked = request(&mut socket).await;
    let keys = json!({"key_id": KEY_ID, "secret_key": SECRET_KEY});
    assert_eq!(asked, json!({"action": "authenticate", "data": keys}));
    let data = json!({"status": "authorized", "action": "authenticate"});
    say(
        &mut socket,
        &json!({"stream": "authorization", "data": data}),
    )
    .await;
    let streams = json!({"streams": ["trade_updates"]});
    assert_eq!(
        request(&mut socket).await,
        json!({"action": "listen", "data": streams})
    );
    say(
        &mut socket,
        &json!({"stream": "listening", "data": streams}),
    )
    .await;
    socket
}

fn update(event: &str, id: &str) -> Value {
    let order = json!({"id": id, "client_order_id": "mine", "symbol": "BTCUSD",
        "asset_class": "crypto", "side": "buy", "status": "filled", "filled_qty": "0.5",
        "qty": "0.5", "filled_avg_price": "50000.25"});
    let data = json!({"event": event, "execution_id": "x", "price": "50000.25", "qty": "0.5",
        "position_qty": "0.49875", "timestamp": "2026-03-02T16:30:00Z", "order": order});
    json!({"stream": "trade_updates", "data": data})
}

fn id_of(news: &TradeNews) -> &str {
    match news {
        TradeNews::Update(update) => &update.report.broker_order_id,
        other => panic!("{other:?}"),
    }
}

fn reason_of(news: TradeNews) -> String {
    match news {
        TradeNews::Disconnected { reason } => {
            assert!(
                !reason.contains(KEY_ID) && !reason.contains(SECRET_KEY),
                "{reason}"
            );
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn updates_come_in_both_kinds_of_frames_and_after_a_cut() {
    let (listener, mut updates) = listening().await;
    for life in 0..3 {
        let mut socket = welcome(&listener).await;
        assert_eq!(next(&mut updates).await, TradeNews::Connected);
        say(&mut socket, &update("fill", "binary")).await;
        let text = Message::text(update("canceled", "text").to_string());
        socket.send(text).await.unwrap();
        // Neither of these ends the stream or reaches the listener.
        say(&mut socket, &update("invented_tomorrow", "unknown")).await;
        say(
            &mut socket,
            &json!({"stream": "trade_updates", "data": {"event": "fill"}}),
        )
        .await;
        socket
            .send(Message::binary(vec![0xff, 0x00]))
            .await
            .unwrap();
        say(&mut socket, &update("new", "last")).await;
        let first = next(&mut updates).await;
        let TradeNews::Update(first) = first else {
            panic!("{first:?}");
        };
        assert_eq!(first.report.broker_order_id, "binary");
        assert_eq!(first.report.symbol.as_str(), "BTC/USD");
        assert_eq!(first.position_quantity, Some("0.49875".parse().unwrap()));
        for id in ["text", "last"] {
            assert_eq!(id_of(&next(&mut updates).await), id);
        }
        // A cut without a word, a close, a complaint: all end the same way.
        match life {
            0 => drop(socket),
            1 => socket.close(None).await.unwrap(),
            _ => {
                let complaint = json!([{"T": "error", "code": 406, "msg": "limit"}]);
                say(&mut socket, &complaint).await;
            }
        }
        let reason = reason_of(next(&mut updates).await);
        assert!(life != 2 || reason.contains("406 limit"), "{reason}");
    }
}

#[tokio::test]
async fn a_mute_socket_is_noticed_and_a_quiet_one_is_kept() {
    let (listener, mut updates) = listening().await;
    let mut socket = welcome(&listener).await;
    assert_eq!(next(&mut updates).await, TradeNews::Connected);
    // Quiet for many pings, each answered while the server reads.
    let reading = async {
        let until = Instant::now() + Duration::from_millis(400);
        while tokio::time::timeout_at(until, socket.next()).await.is_ok() {}
    };
    reading.await;
    say(&mut socket, &update("fill", "after the quiet")).await;
    assert_eq!(id_of(&next(&mut updates).await), "after the quiet");
    // From here on nobody reads: no pong is ever sent.
    let reason = reason_of(next(&mut updates).await);
    assert!(reason.contains("mute"), "{reason}");
}

#[tokio::test]
async fn refusals_are_told_once_and_tried_again() {
    let (listener, mut updates) = listening().await;
    for attempt in 0..3 {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(tcp).await.unwrap();
        let asked = request(&mut socket).await;
        // A server that echoes the keys.
        let data = json!({"error": format!("unauthorized: {asked}")});
        say(
            &mut socket,
            &json!({"stream": "authorization", "data": data}),
        )
        .await;
        if attempt == 0 {
            reason_of(next(&mut updates).await);
        }
    }
    let _socket = welcome(&listener).await;
    assert_eq!(next(&mut updates).await, TradeNews::Connected);
}

#[tokio::test]
async fn an_upgrade_that_is_refused_or_never_answered_is_tried_again() {
    let (listener, mut updates) = listening().await;
    let (mut tcp, _) = listener.accept().await.unwrap();
    let mut head = [0; 1024];
    let _read = tcp.read(&mut head).await.unwrap();
    tcp.write_all(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    let reason = reason_of(next(&mut updates).await);
    assert!(reason.contains("429"), "{reason}");
    drop(tcp);
    // Accepted, read, and never answered.
    let (_silent, _) = listener.accept().await.unwrap();
    let _socket = welcome(&listener).await;
    assert_eq!(next(&mut updates).await, TradeNews::Connected);
}

#[test]
fn the_address_follows_from_the_trading_url() {
    let cases = [
        (
            "https://paper-api.alpaca.markets",
            "wss://paper-api.alpaca.markets/stream",
        ),
        (
            "https://paper-api.alpaca.markets/v2/",
            "wss://paper-api.alpaca.markets/stream",
        ),
        ("http://127.0.0.1:8460", "ws://127.0.0.1:8460/stream"),
        (
            "http://[::1]:8460/alpaca?x=1#y",
            "ws://[::1]:8460/alpaca/stream",
        ),
    ];
    for (trading, stream) in cases {
        assert_eq!(
            websocket_url(&trading.parse().unwrap(), "/stream")
                .unwrap()
                .as_str(),
            stream
        );
    }
    assert!(websocket_url(&"ftp://example.org".parse().unwrap(), "/stream").is_err());
}

#[tokio::test]
async fn a_live_account_is_refused_without_the_second_switch() {
    let mut settings = settings(&"https://api.alpaca.markets".parse().unwrap());
    let refused = TradeUpdates::start(&settings).unwrap_err();
    assert!(
        matches!(refused, ClientError::LiveNotAllowed(_)),
        "{refused}"
    );
    settings.trading_url = "http://paper-api.alpaca.markets".parse().unwrap();
    let refused = TradeUpdates::start(&settings).unwrap_err();
    assert!(matches!(refused, ClientError::Unencrypted(_)), "{refused}");
}

proptest! {
    #[test]
    fn waits_double_within_their_bounds(randoms in prop::collection::vec(any::<u64>(), 1..40)) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let mut whole = Duration::from_secs(2);
        for random in randoms {
            let wait = backoff.wait(random);
            prop_assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
            whole = (whole * 2).min(Duration::from_secs(30));
        }
        backoff.reset();
        prop_assert!(backoff.wait(0) == Duration::from_secs(1));
    }
}

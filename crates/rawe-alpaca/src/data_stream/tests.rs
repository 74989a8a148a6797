//! The data streams against a scripted server on loopback, and one life of a socket by hand.

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;

use super::*;
use crate::tests::{KEY_ID, SECRET_KEY, settings, symbol};

type Served = WebSocketStream<TcpStream>;

/// Nothing here takes longer than this unless it hangs.
const LIMIT: Duration = Duration::from_secs(10);

fn patience() -> DataPatience {
    DataPatience {
        handshake_within: Duration::from_millis(500),
        ping_every: Duration::from_millis(40),
        pong_within: Duration::from_millis(200),
        backoff_min: Duration::from_millis(2),
        backoff_max: Duration::from_millis(20),
        refused_wait: Duration::from_millis(100),
    }
}

async fn listening(endpoint: DataEndpoint, symbols: &[&str]) -> (TcpListener, DataStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let symbols: Vec<Symbol> = symbols.iter().map(|text| symbol(text)).collect();
    let stream = DataStream::start(&settings(&url), endpoint, &symbols, patience()).unwrap();
    (listener, stream)
}

async fn next(stream: &mut DataStream) -> DataNews {
    tokio::time::timeout(LIMIT, stream.next())
        .await
        .expect("news in time")
}

async fn request(socket: &mut Served) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn say(socket: &mut Served, message: &Value) {
    socket
        .send(Message::text(message.to_string()))
        .await
        .unwrap();
}

async fn accept(listener: &TcpListener) -> Served {
    let (tcp, _) = listener.accept().await.unwrap();
    tokio_tungstenite::accept_async(tcp).await.unwrap()
}

/// Takes a connection up to the confirmed subscription; returns what was subscribed to.
async fn welcome(listener: &TcpListener) -> (Served, Value) {
    let mut socket = accept(listener).await;
    say(&mut socket, &json!([{"T": "success", "msg": "connected"}])).await;
    let keys = json!({"action": "auth", "key": KEY_ID, "secret": SECRET_KEY});
    assert_eq!(request(&mut socket).await, keys);
    say(
        &mut socket,
        &json!([{"T": "success", "msg": "authenticated"}]),
    )
    .await;
    let asked = request(&mut socket).await;
    say(&mut socket, &json!([{"T": "subscription", "bars": ["*"]}])).await;
    (socket, asked)
}

fn minute(symbol: &str, close: f64) -> Value {
    json!({"T": "b", "S": symbol, "o": 1, "h": 9, "l": 1, "c": close, "v": 10, "n": 1, "vw": 1,
        "t": "2026-11-20T15:00:00Z"})
}

fn reason_of(news: DataNews) -> String {
    match news {
        DataNews::Disconnected { reason } => {
            let has_key = reason.contains(KEY_ID) || reason.contains(SECRET_KEY);
            assert!(!has_key, "{reason}");
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bars_come_one_by_one_and_after_every_kind_of_cut() {
    let (listener, mut stream) = listening(DataEndpoint::Crypto, &["BTC/USD", "ETH/USD"]).await;
    for life in 0..4 {
        let (mut socket, asked) = welcome(&listener).await;
        let names = json!(["BTC/USD", "ETH/USD"]);
        assert_eq!(
            asked,
            json!({"action": "subscribe", "bars": names, "updatedBars": names})
        );
        assert_eq!(next(&mut stream).await, DataNews::Connected);
        let nobody_asked = minute("DOGE/USD", 2.0);
        let bars = json!([minute("BTC/USD", 2.0), nobody_asked, minute("ETHUSD", 3.0)]);
        say(&mut socket, &bars).await;
        for (name, close) in [("BTC/USD", 2.0), ("ETH/USD", 3.0)] {
            let DataNews::Bar { symbol, bar } = next(&mut stream).await else {
                panic!("no bar");
            };
            assert_eq!(
                (symbol.as_str(), bar.c.to_bits()),
                (name, f64::to_bits(close))
            );
        }
        match life {
            0 => drop(socket),
            1 => socket.close(None).await.unwrap(),
            2 => {
                let complaint = json!([{"T": "error", "code": 407, "msg": "slow client"}]);
                say(&mut socket, &complaint).await;
            }
            _ => stream.restarter().restart(),
        }
        let reason = reason_of(next(&mut stream).await);
        assert!(life != 2 || reason.contains("407 slow client"), "{reason}");
    }
}

#[tokio::test]
async fn articles_come_for_the_symbols_without_slashes() {
    let (listener, mut stream) = listening(DataEndpoint::News, &["BTC/USD", "KO"]).await;
    let (mut socket, asked) = welcome(&listener).await;
    assert_eq!(
        asked,
        json!({"action": "subscribe", "news": ["BTCUSD", "KO"]})
    );
    assert_eq!(next(&mut stream).await, DataNews::Connected);
    let article = json!({"T": "n", "id": 24_919_710, "headline": "H", "summary": "", "author": "A",
        "created_at": "2026-11-20T15:00:00Z", "updated_at": "2026-11-20T15:00:01Z",
        "content": "<p>x</p>", "url": "https://x.test", "symbols": ["KO"], "source": "benzinga"});
    socket
        .send(Message::binary(json!([article]).to_string()))
        .await
        .unwrap();
    let heard = next(&mut stream).await;
    assert!(
        matches!(&heard, DataNews::Article(article) if article.id == 24_919_710),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_mute_socket_is_noticed_and_a_quiet_one_is_kept() {
    let (listener, mut stream) = listening(DataEndpoint::Crypto, &["BTC/USD"]).await;
    let (mut socket, _) = welcome(&listener).await;
    assert_eq!(next(&mut stream).await, DataNews::Connected);
    let until = Instant::now() + Duration::from_millis(400);
    while tokio::time::timeout_at(until, socket.next()).await.is_ok() {}
    say(&mut socket, &json!([minute("BTC/USD", 5.0)])).await;
    assert!(matches!(next(&mut stream).await, DataNews::Bar { .. }));
    // From here on nobody reads: no pong is ever sent.
    let reason = reason_of(next(&mut stream).await);
    assert!(reason.contains("mute"), "{reason}");
}

#[tokio::test]
async fn refusals_are_told_once_and_tried_again_later() {
    let (listener, mut stream) = listening(DataEndpoint::Stocks(StockFeed::Sip), &["KO"]).await;
    let began = Instant::now();
    for (attempt, code) in [402, 409, 406, 404].into_iter().enumerate() {
        let mut socket = accept(&listener).await;
        say(&mut socket, &json!([{"T": "success", "msg": "connected"}])).await;
        let asked = request(&mut socket).await;
        // A server that echoes the keys.
        let complaint = json!([{"T": "error", "code": code, "msg": format!("no: {asked}")}]);
        say(&mut socket, &complaint).await;
        if attempt == 0 {
            let reason = reason_of(next(&mut stream).await);
            assert!(reason.contains("402"), "{reason}");
        }
    }
    // Two of the four are refusals, after which nobody hurries.
    assert!(began.elapsed() >= 2 * patience().refused_wait);
    let (_socket, _) = welcome(&listener).await;
    assert_eq!(next(&mut stream).await, DataNews::Connected);
}

#[tokio::test]
async fn a_server_that_never_greets_is_left() {
    let (listener, mut stream) = listening(DataEndpoint::News, &[]).await;
    let _silent = accept(&listener).await;
    let reason = reason_of(next(&mut stream).await);
    assert!(reason.contains("greeting took too long"), "{reason}");
    let (_socket, asked) = welcome(&listener).await;
    assert_eq!(asked, json!({"action": "subscribe", "news": ["*"]}));
    assert_eq!(next(&mut stream).await, DataNews::Connected);
}

#[test]
fn addresses_follow_from_the_data_url_and_the_endpoint() {
    let alpaca = "https://data.alpaca.markets";
    let night = StockFeed::Named("boats".to_owned());
    for (base, endpoint, wanted) in [
        (
            alpaca,
            DataEndpoint::Stocks(StockFeed::Iex),
            "wss://stream.data.alpaca.markets/v2/iex",
        ),
        (
            alpaca,
            DataEndpoint::Stocks(night),
            "wss://stream.data.alpaca.markets/v1beta1/boats",
        ),
        (
            "https://data.sandbox.alpaca.markets",
            DataEndpoint::News,
            "wss://stream.data.sandbox.alpaca.markets/v1beta1/news",
        ),
        (
            "http://127.0.0.1:8460",
            DataEndpoint::Crypto,
            "ws://127.0.0.1:8460/v1beta3/crypto/us",
        ),
    ] {
        let url = websocket_url(&stream_base(&base.parse().unwrap()), &endpoint.path()).unwrap();
        assert_eq!(url.as_str(), wanted);
    }
}

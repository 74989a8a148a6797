//! The websockets of market data: handshake, subscriptions, errors, and what they tell.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{Exchange, OPEN};

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(exchange: &Exchange, path: &str, keys: Option<&str>) -> Self {
        let authority = exchange.base().strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(authority).await.unwrap();
        let mut request = format!("ws://{authority}{path}")
            .into_client_request()
            .unwrap();
        if let Some(key) = keys {
            let headers = request.headers_mut();
            headers.insert("APCA-API-KEY-ID", key.parse().unwrap());
            headers.insert("APCA-API-SECRET-KEY", key.parse().unwrap());
        }
        let (socket, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap();
        let mut socket = Self(socket);
        assert_eq!(
            socket.next().await,
            json!([{"T": "success", "msg": "connected"}])
        );
        socket
    }

    async fn authenticated(exchange: &Exchange, path: &str) -> Self {
        let mut socket = Self::open(exchange, path, None).await;
        let answer = socket
            .ask(json!({"action": "auth", "key": "paper", "secret": "paper"}))
            .await;
        assert_eq!(answer, json!([{"T": "success", "msg": "authenticated"}]));
        socket
    }

    async fn next(&mut self) -> Value {
        let message = tokio::time::timeout(Duration::from_secs(10), self.0.next());
        match message.await.expect("a message in time").unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&mut self, message: Value) -> Value {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
        self.next().await
    }

    /// Whether the server has closed.
    async fn is_over(&mut self) -> bool {
        let next = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await;
        matches!(next, Ok(None | Some(Err(_) | Ok(Message::Close(_)))))
    }
}

fn error(code: u16, words: &str) -> Value {
    json!([{"T": "error", "code": code, "msg": words}])
}

#[tokio::test]
async fn every_mistake_has_its_code() {
    let exchange = Exchange::start_shared(OPEN, None).await;
    let mut socket = Socket::open(&exchange, "/v2/iex", None).await;
    let auth = |secret: &str| json!({"action": "auth", "key": "paper", "secret": secret});
    for (message, answer) in [
        (
            json!({"action": "subscribe", "bars": ["AAPL"]}),
            error(401, "not authenticated"),
        ),
        (auth("wrong"), error(402, "auth failed")),
        (json!({"action": "dance"}), error(400, "invalid syntax")),
        (json!([]), error(400, "invalid syntax")),
        (
            auth("paper"),
            json!([{"T": "success", "msg": "authenticated"}]),
        ),
        (auth("paper"), error(403, "already authenticated")),
        (
            json!({"action": "subscribe", "news": ["*"]}),
            error(410, "invalid subscribe action for this feed"),
        ),
        (
            json!({"action": "subscribe", "bars": "AAPL"}),
            error(400, "invalid syntax"),
        ),
    ] {
        assert_eq!(socket.ask(message.clone()).await, answer, "{message}");
    }
    socket.0.send(Message::text("{")).await.unwrap();
    assert_eq!(socket.next().await, error(400, "invalid syntax"));
    // One connection a stream and account.
    let mut second = Socket::open(&exchange, "/v2/iex", None).await;
    assert_eq!(
        second.ask(auth("paper")).await,
        error(406, "connection limit exceeded")
    );
    assert!(second.is_over().await);
    let _elsewhere = Socket::authenticated(&exchange, "/v2/sip").await;
    // Keys on the upgrade are as good; another account has its own seat.
    let mut other = Socket::open(&exchange, "/v2/iex", Some("other")).await;
    assert_eq!(
        other.next().await,
        json!([{"T": "success", "msg": "authenticated"}])
    );
    drop(socket);
    // The seat is free as soon as the server has noticed.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let mut again = Socket::open(&exchange, "/v2/iex", None).await;
        if again.ask(auth("paper")).await == json!([{"T": "success", "msg": "authenticated"}]) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
    }
    let (status, _) = exchange.send("GET", "/v2/iex", None).await;
    assert_eq!(status, 404, "no upgrade, no endpoint");
    exchange.stop().await;
}

#[tokio::test]
async fn subscriptions_are_answered_whole_and_obeyed() {
    let exchange = Exchange::start(OPEN).await;
    let mut socket = Socket::authenticated(&exchange, "/v2/iex").await;
    let answer = socket
        .ask(json!({"action": "subscribe", "bars": ["AAPL", "HARD"]}))
        .await;
    assert_eq!(answer[0]["T"], "subscription");
    assert_eq!(answer[0]["bars"], json!(["AAPL", "HARD"]));
    assert_eq!(answer[0]["trades"], json!([]));
    let answer = socket
        .ask(json!({"action": "unsubscribe", "bars": ["HARD"]}))
        .await;
    assert_eq!(answer[0]["bars"], json!(["AAPL"]));
    socket
        .ask(json!({"action": "subscribe", "trades": ["AAPL"], "quotes": ["AAPL"]}))
        .await;
    exchange.advance("2026-03-02T17:00:00Z").await;
    let told = socket.next().await;
    let shown: Vec<Value> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|m| json!([m["T"], m["S"], m["t"]]))
        .collect();
    let end = "2026-03-02T17:00:00Z";
    assert_eq!(
        Value::from(shown),
        json!([
            ["q", "AAPL", end],
            ["t", "AAPL", end],
            ["b", "AAPL", "2026-03-02T16:00:00Z"],
            ["q", "AAPL", end],
            ["t", "AAPL", end]
        ])
    );
    let bars = exchange.get("/v2/stocks/bars/latest?symbols=AAPL").await;
    let mut bar = told[2].clone();
    bar.as_object_mut()
        .unwrap()
        .retain(|name, _| name != "T" && name != "S");
    assert_eq!(bar, bars["bars"]["AAPL"], "as REST serves it");
    exchange.stop().await;
}

#[tokio::test]
async fn however_the_clock_jumps_nothing_is_lost_or_doubled() {
    let exchange = Exchange::start(OPEN).await;
    let mut coins = Socket::authenticated(&exchange, "/v1beta3/crypto/us").await;
    coins
        .ask(json!({"action": "subscribe", "bars": ["*"]}))
        .await;
    let mut news = Socket::authenticated(&exchange, "/v1beta1/news").await;
    news.ask(json!({"action": "subscribe", "news": ["AAPL"]}))
        .await;
    for now in [
        "2026-03-02T17:30:00Z",
        "2026-03-02T17:45:00Z",
        "2026-03-04T00:00:00Z",
    ] {
        exchange.advance(now).await;
    }
    let mut bars = Vec::new();
    while bars.len() < 2 * 32 {
        bars.extend(coins.next().await.as_array().unwrap().clone());
    }
    assert_eq!(bars.len(), 2 * 32);
    let page = "/v1beta3/crypto/us/bars?symbols=BTC/USD,ETH/USD&timeframe=1Hour\
                &start=2026-03-02T16:00:00Z&end=2026-03-03T23:00:00Z";
    let page = exchange.get(page).await;
    for symbol in ["BTC/USD", "ETH/USD"] {
        let told = bars
            .iter()
            .filter(|bar| bar["S"] == symbol)
            .map(|bar| &bar["t"]);
        let served = page["bars"][symbol]
            .as_array()
            .unwrap()
            .iter()
            .map(|bar| &bar["t"]);
        assert!(told.eq(served), "{symbol}");
    }
    let served = "/v1beta1/news?symbols=AAPL&start=2026-03-02T16:31:00Z&sort=asc&limit=50";
    let served = exchange.get(served).await;
    let served: Vec<&Value> = served["news"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| &n["id"])
        .collect();
    let mut told = Vec::new();
    while told.len() < served.len() {
        told.extend(news.next().await.as_array().unwrap().clone());
    }
    let told: Vec<&Value> = told.iter().map(|article| &article["id"]).collect();
    assert_eq!(told, served);
    exchange.stop().await;
}

#[tokio::test]
async fn halts_and_bands_are_told_on_the_stream_of_stocks() {
    let exchange = Exchange::start(OPEN).await;
    let mut socket = Socket::authenticated(&exchange, "/v2/iex").await;
    let wanted = json!({"action": "subscribe", "statuses": ["AAPL"], "lulds": ["HARD"]});
    socket.ask(wanted).await;
    let halt = |symbol: &str| json!({"symbol": symbol, "minutes": 60}).to_string();
    for symbol in ["HARD", "AAPL"] {
        let (status, _) = exchange
            .send("POST", "/rawe/v1/halts", Some(&halt(symbol)))
            .await;
        assert_eq!(status, 200);
    }
    // Told at once, although the clock stands still; of what was not asked for nothing is told.
    assert_eq!(
        socket.next().await,
        json!([{
            "T": "s", "S": "AAPL", "sc": "H", "sm": "Trading Halt", "rc": "T1",
            "rm": "Halt News Pending", "t": "2026-03-02T16:30:00Z", "z": "C",
        }])
    );
    exchange.advance("2026-03-02T18:00:00Z").await;
    let Value::Array(told) = socket.next().await else {
        panic!("an array");
    };
    let kinds: Vec<(&str, &str)> = told
        .iter()
        .map(|one| (one["T"].as_str().unwrap(), one["t"].as_str().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("l", "2026-03-02T17:00:00Z"),
            ("l", "2026-03-02T17:00:00Z"),
            ("s", "2026-03-02T17:30:00Z"),
            ("l", "2026-03-02T18:00:00Z"),
            ("l", "2026-03-02T18:00:00Z"),
        ]
    );
    assert_eq!(told[2]["sc"], "T", "{}", told[2]);
    let band = &told[1];
    let (up, down) = (band["u"].as_f64().unwrap(), band["d"].as_f64().unwrap());
    assert!((up / down - 1.05 / 0.95).abs() < 1e-3, "{band}");
    exchange.stop().await;
}

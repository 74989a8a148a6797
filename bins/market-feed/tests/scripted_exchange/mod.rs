//! A small exchange on the loopback interface: serves the bars and articles it is given, on a clock
//! that tests or the feed move, streams what it is told to, and can be told to fail or to hang up.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rawe_alpaca::types::{BarData, BarsPage, NewsArticle, NewsPage};
use rawe_core::{AssetClass, Bar, Symbol, Timestamp};
use rawe_feed::bar_times::alpaca_start;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// What the exchange knows.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) now: Timestamp,
    pub(crate) warmup_until: Timestamp,
    /// Sorted by end.
    pub(crate) bars: Vec<Bar>,
    pub(crate) articles: Vec<NewsArticle>,
    /// So many requests for data fail next.
    pub(crate) failures: u32,
    /// Sockets of data streams, by path; absent while nobody may connect.
    pub(crate) streams: Option<BTreeMap<&'static str, mpsc::UnboundedSender<String>>>,
}

impl Script {
    /// Pushes a message over the stream of a path; fails if nobody listens there.
    #[allow(dead_code, reason = "not all tests stream")]
    pub(crate) fn push(&self, path: &str, message: &Value) {
        let sockets = self.streams.as_ref().unwrap();
        sockets[path].send(json!([message]).to_string()).unwrap();
    }

    /// Whether the stream of a path is listened to.
    #[allow(dead_code, reason = "not all tests stream")]
    pub(crate) fn is_heard(&self, path: &str) -> bool {
        let sockets = self.streams.as_ref();
        sockets.is_some_and(|s| s.get(path).is_some_and(|socket| !socket.is_closed()))
    }
}

pub(crate) type Shared = Arc<Mutex<Script>>;
type Params = Query<BTreeMap<String, String>>;
type Answer<T> = Result<Json<T>, (StatusCode, String)>;

/// Serves on a free port until the test ends; returns the base URL.
pub(crate) async fn serve(script: Shared) -> String {
    let router = Router::new()
        .route("/rawe/v1/market", get(market))
        .route("/rawe/v1/clock", post(set_clock))
        .route("/v2/stocks/bars", get(stock_bars))
        .route("/v1beta3/crypto/us/bars", get(crypto_bars))
        .route("/v1beta1/news", get(news_or_stream))
        .route("/v1beta3/crypto/us", get(crypto_stream))
        .with_state(script);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn market(State(script): State<Shared>) -> Json<Value> {
    let script = script.lock().unwrap();
    let timeframes: BTreeMap<&Symbol, _> = script
        .bars
        .iter()
        .map(|bar| (&bar.symbol, bar.timeframe))
        .collect();
    Json(json!({
        "now": script.now,
        "start": script.bars.first().unwrap().start,
        "end": script.bars.last().unwrap().end,
        "warmup_until": script.warmup_until,
        "symbols": timeframes.keys().collect::<Vec<_>>(),
        "timeframes": timeframes,
        "paced": true,
    }))
}

async fn set_clock(State(script): State<Shared>, Json(body): Json<Value>) -> Answer<Value> {
    let mut script = script.lock().unwrap();
    let wanted: Timestamp = body["now"].as_str().unwrap().parse().unwrap();
    if wanted < script.now {
        return Err((StatusCode::CONFLICT, "the clock does not go back".into()));
    }
    script.now = wanted;
    let next = script
        .bars
        .iter()
        .map(|bar| bar.end)
        .find(|end| *end > wanted);
    Ok(Json(
        json!({"now": wanted, "next_bar_end": next, "fills": 0}),
    ))
}

async fn stock_bars(State(script): State<Shared>, params: Params) -> Answer<BarsPage> {
    bars(&script, AssetClass::UsEquity, &params)
}

async fn crypto_bars(State(script): State<Shared>, params: Params) -> Answer<BarsPage> {
    bars(&script, AssetClass::Crypto, &params)
}

fn fail_if_told(script: &mut Script) -> Result<(), (StatusCode, String)> {
    if script.failures > 0 {
        script.failures -= 1;
        return Err((StatusCode::SERVICE_UNAVAILABLE, "told to fail".into()));
    }
    Ok(())
}

fn time(params: &Params, name: &str) -> Timestamp {
    params[name].parse().unwrap()
}

fn bars(script: &Shared, class: AssetClass, params: &Params) -> Answer<BarsPage> {
    let mut script = script.lock().unwrap();
    fail_if_told(&mut script)?;
    let symbols: Vec<&str> = params["symbols"].split(',').collect();
    let mut page = BarsPage::default();
    for bar in &script.bars {
        let t = alpaca_start(class, bar.timeframe, bar.start);
        let wanted = symbols.contains(&bar.symbol.as_str())
            && time(params, "start") <= t
            && t <= time(params, "end")
            && bar.end <= script.now;
        if wanted {
            page.bars
                .entry(bar.symbol.to_string())
                .or_default()
                .push(bar_data(t, bar));
        }
    }
    Ok(Json(page))
}

fn bar_data(t: Timestamp, bar: &Bar) -> BarData {
    BarData {
        t,
        o: bar.open,
        h: bar.high,
        l: bar.low,
        c: bar.close,
        v: bar.volume,
        n: None,
        vw: None,
    }
}

/// Pages of two articles.
fn news(State(script): State<Shared>, params: &Params) -> Answer<NewsPage> {
    let mut script = script.lock().unwrap();
    fail_if_told(&mut script)?;
    let skip: usize = params
        .get("page_token")
        .map_or(0, |token| token.parse().unwrap());
    let (start, end) = (time(params, "start"), time(params, "end").min(script.now));
    let inside = |article: &&NewsArticle| start <= article.updated_at && article.updated_at <= end;
    let mut found: Vec<NewsArticle> = script.articles.iter().filter(inside).cloned().collect();
    found.sort_by_key(|article| article.updated_at);
    let next = (found.len() > skip + 2).then(|| (skip + 2).to_string());
    let news = found.into_iter().skip(skip).take(2).collect();
    Ok(Json(NewsPage {
        news,
        next_page_token: next,
    }))
}

type Upgrade = Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>;

async fn news_or_stream(state: State<Shared>, upgrade: Upgrade, params: Params) -> Response {
    match upgrade {
        Ok(upgrade) => stream(state, upgrade, "/v1beta1/news"),
        Err(_) => news(state, &params).into_response(),
    }
}

async fn crypto_stream(state: State<Shared>, upgrade: WebSocketUpgrade) -> Response {
    stream(state, upgrade, "/v1beta3/crypto/us")
}

fn stream(State(script): State<Shared>, upgrade: WebSocketUpgrade, path: &'static str) -> Response {
    if script.lock().unwrap().streams.is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    upgrade.on_upgrade(move |socket| speak(script, socket, path))
}

/// Speaks as Alpaca does until the test hangs up.
async fn speak(script: Shared, mut socket: WebSocket, path: &'static str) {
    let say = |text: &'static str| Message::text(text);
    let greeting = say(r#"[{"T":"success","msg":"connected"}]"#);
    let _greeted = socket.send(greeting).await;
    let _keys = socket.recv().await;
    let _taken = socket
        .send(say(r#"[{"T":"success","msg":"authenticated"}]"#))
        .await;
    let _asked = socket.recv().await;
    let (sender, mut messages) = mpsc::unbounded_channel();
    if let Some(streams) = &mut script.lock().unwrap().streams {
        streams.insert(path, sender);
    }
    let _subscribed = socket.send(say(r#"[{"T":"subscription"}]"#)).await;
    loop {
        tokio::select! {
            message = messages.recv() => {
                // The test has let go of the other end.
                let Some(text) = message else { return };
                if socket.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
            heard = socket.recv() => if !matches!(heard, Some(Ok(_))) { return; },
        }
    }
}

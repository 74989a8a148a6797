//! The websockets of market data: stocks, crypto, news. A client authenticates, subscribes, and is
//! told what happens as the virtual clock moves; one connection a stream and account.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use rawe_core::{AssetClass, Timestamp};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::account::Account;
use crate::codec::Codec;
use crate::data_feed::{FeedKind, Span, Subscriptions, told};
use crate::frames::{Gone, heard};
use crate::refusals::ApiRefusal;
use crate::seats::Seat;
use crate::state::ExchangeState;

/// The largest message of a client, bytes.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// A client that has not authenticated by then is let go.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages in one frame.
const FRAME_MESSAGES_MAX: usize = 500;
/// A client that takes longer to read a frame is too slow.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// The feeds of stocks.
const STOCK_FEEDS: [&str; 4] = ["iex", "sip", "delayed_sip", "boats"];
/// The feeds of crypto.
const CRYPTO_FEEDS: [&str; 5] = ["us", "us-1", "us-2", "eu-1", "bs-1"];

pub(crate) async fn stocks(
    State(state): State<Arc<ExchangeState>>,
    Path(feed): Path<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) if STOCK_FEEDS.contains(&feed.as_str()) => {
            open(state, FeedKind::Stocks, feed, &headers, upgrade)
        }
        _ => no_such_feed(),
    }
}

pub(crate) async fn crypto(
    State(state): State<Arc<ExchangeState>>,
    Path(feed): Path<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) if CRYPTO_FEEDS.contains(&feed.as_str()) => {
            let seat = format!("crypto/{feed}");
            open(state, FeedKind::Crypto, seat, &headers, upgrade)
        }
        _ => no_such_feed(),
    }
}

fn no_such_feed() -> Response {
    let status = axum::http::StatusCode::NOT_FOUND;
    ApiRefusal::worded(status, "endpoint not found.").into_response()
}

/// The stream of news, whose path is also that of the listing: only an upgrade comes here.
pub(crate) fn open_news(
    state: Arc<ExchangeState>,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    open(state, FeedKind::News, "news".to_owned(), headers, upgrade)
}

fn open(
    state: Arc<ExchangeState>,
    kind: FeedKind,
    seat_name: String,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let header = |name: &str| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let codec = Codec::of(header("content-type"));
    let by_headers = state
        .accounts
        .by_keys(header("APCA-API-KEY-ID"), header("APCA-API-SECRET-KEY"))
        .cloned();
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let clock = state.clock.subscribe();
            let mut halts = state.halts.watch();
            let halts_told = *halts.borrow_and_update();
            let client = Client {
                socket,
                told_until: state.now(),
                state,
                kind,
                seat_name,
                codec,
                clock,
                halts,
                halts_told,
                seat: None,
                wanted: Subscriptions::default(),
            };
            client.serve(by_headers).await;
        })
}

/// One client.
struct Client {
    socket: WebSocket,
    state: Arc<ExchangeState>,
    kind: FeedKind,
    seat_name: String,
    codec: Codec,
    clock: watch::Receiver<Timestamp>,
    told_until: Timestamp,
    halts: watch::Receiver<usize>,
    halts_told: usize,
    seat: Option<Seat>,
    wanted: Subscriptions,
}

impl Client {
    async fn serve(mut self, by_headers: Option<Arc<Account>>) {
        let authenticate_by = Instant::now() + AUTHENTICATION_TIMEOUT;
        let mut going = self.succeed("connected").await;
        if let (Ok(()), Some(account)) = (&going, by_headers) {
            going = self.seat(&account).await;
        }
        while going.is_ok() {
            going = self.turn(authenticate_by).await;
        }
        let stream = self.seat_name.as_str();
        tracing::info!(
            event = "data_stream_closed",
            stream,
            "a client of market data has gone"
        );
    }

    /// Does the next thing: a message, market time that has passed, or letting the client go.
    async fn turn(&mut self, authenticate_by: Instant) -> Result<(), Gone> {
        let shutdown = self.state.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => Err(Gone),
            message = heard(&mut self.socket) => match message? {
                Some(bytes) => self.hear(&bytes).await,
                None => Ok(()),
            },
            moved = self.clock.changed() => match moved {
                Ok(()) => self.tell().await,
                Err(_) => Err(Gone),
            },
            halted = self.halts.changed() => match halted {
                Ok(()) => self.tell().await,
                Err(_) => Err(Gone),
            },
            () = tokio::time::sleep_until(authenticate_by), if self.seat.is_none() => {
                self.complain(404, "auth timeout").await?;
                Err(Gone)
            }
        }
    }

    async fn hear(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let Some(Value::Object(message)) = self.codec.read(bytes) else {
            return self.complain(400, "invalid syntax").await;
        };
        match message.get("action").and_then(Value::as_str) {
            Some("auth") => self.authenticate(&message).await,
            Some("subscribe" | "unsubscribe") if self.seat.is_none() => {
                self.complain(401, "not authenticated").await
            }
            Some(action @ ("subscribe" | "unsubscribe")) => {
                let add = action == "subscribe";
                // What happened before is told to the former list.
                self.tell().await?;
                match self.wanted.change(self.kind, &message, add) {
                    Ok(()) => {
                        let listed = self.wanted.listed(self.kind);
                        self.send(vec![listed]).await
                    }
                    Err((code, words)) => self.complain(code, words).await,
                }
            }
            _ => self.complain(400, "invalid syntax").await,
        }
    }

    async fn authenticate(&mut self, message: &Map<String, Value>) -> Result<(), Gone> {
        if self.seat.is_some() {
            return self.complain(403, "already authenticated").await;
        }
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or("");
        let (key, secret) = (text("key").as_bytes(), text("secret").as_bytes());
        match self.state.accounts.by_keys(key, secret).cloned() {
            Some(account) => self.seat(&account).await,
            None => self.complain(402, "auth failed").await,
        }
    }

    /// Takes the account's one seat at this stream.
    async fn seat(&mut self, account: &Account) -> Result<(), Gone> {
        self.seat = account.seats.take(&self.seat_name);
        if self.seat.is_none() {
            self.complain(406, "connection limit exceeded").await?;
            return Err(Gone);
        }
        let stream = self.seat_name.as_str();
        tracing::info!(
            event = "data_stream_opened",
            stream,
            "a client of market data is there"
        );
        self.succeed("authenticated").await
    }

    /// Tells what happened since the last time.
    async fn tell(&mut self) -> Result<(), Gone> {
        let now = *self.clock.borrow_and_update();
        let halts = *self.halts.borrow_and_update();
        let since = self.told_until;
        if now <= since && halts == self.halts_told {
            return Ok(());
        }
        let changes = self.state.halts.since(self.halts_told);
        self.told_until = now;
        self.halts_told += changes.len();
        let half_spread = self.state.half_spread(match self.kind {
            FeedKind::Crypto => AssetClass::Crypto,
            FeedKind::Stocks | FeedKind::News => AssetClass::UsEquity,
        });
        let span = Span {
            after: since,
            through: now,
            halts: &changes,
        };
        let (data, news) = (&self.state.data, &self.state.news);
        let mut messages = told(self.kind, &self.wanted, data, news, half_spread, &span);
        while !messages.is_empty() {
            let rest = messages.split_off(messages.len().min(FRAME_MESSAGES_MAX));
            self.send(messages).await?;
            messages = rest;
        }
        Ok(())
    }

    async fn succeed(&mut self, words: &str) -> Result<(), Gone> {
        self.say(json!({"T": "success", "msg": words})).await
    }

    async fn complain(&mut self, code: u16, words: &str) -> Result<(), Gone> {
        self.say(json!({"T": "error", "code": code, "msg": words}))
            .await
    }

    async fn say(&mut self, message: Value) -> Result<(), Gone> {
        match message {
            Value::Object(fields) => self.send(vec![fields]).await,
            _ => Ok(()),
        }
    }

    async fn send(&mut self, messages: Vec<Map<String, Value>>) -> Result<(), Gone> {
        let frame = self.codec.frame(messages);
        match tokio::time::timeout(SEND_WITHIN, self.socket.send(frame)).await {
            Ok(sent) => sent.map_err(|_| Gone),
            Err(_) => Err(Gone),
        }
    }
}

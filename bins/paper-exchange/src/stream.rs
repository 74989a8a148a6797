//! `/stream`: order updates as Alpaca's paper service sends them, JSON in binary frames.
//!
//! A client authenticates and listens; from then on it gets every change of every order, at most
//! once and without replay. One client an account at a time: another is told so and let go, as the
//! data streams of Alpaca do. What the faults do to updates is done here.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use rawe_alpaca::types as wire;
use rawe_market::asset::stable_uuid;
use rawe_market::{MarketData, OrderEvent, OrderEventKind};
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::account::Account;
use crate::faults::{FaultKind, Stage, Subject};
use crate::frames::{Gone, heard};
use crate::seats::Seat;
use crate::state::ExchangeState;
use crate::views;

/// Updates kept for a slow client before it is let go.
const UPDATES_WAITING_MAX: usize = 8_192;
/// The largest message of a client, bytes.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// A client that has not authenticated by then is let go.
const AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);

/// An update on its way to the client.
#[derive(Clone, Debug)]
struct Published {
    symbol: String,
    frame: Bytes,
}

/// Where the updates of an account are published.
#[derive(Debug)]
pub(crate) struct Updates {
    sender: broadcast::Sender<Published>,
}

impl Default for Updates {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(UPDATES_WAITING_MAX),
        }
    }
}

impl Updates {
    /// Sends an event to whoever listens. Costs nothing if nobody does.
    pub(crate) fn publish(&self, data: &MarketData, event: &OrderEvent) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        let update = update(data, event);
        let symbol = update.order.symbol.clone();
        let message = wire::StreamMessage::new(wire::STREAM_TRADE_UPDATES, update);
        let published = Published {
            symbol,
            frame: frame_of(&message),
        };
        // Whoever listened has just gone.
        let _heard = self.sender.send(published);
    }
}

fn update(data: &MarketData, event: &OrderEvent) -> wire::TradeUpdateData {
    let is_fill = matches!(
        event.kind,
        OrderEventKind::Fill | OrderEventKind::PartialFill
    );
    wire::TradeUpdateData {
        event: match event.kind {
            OrderEventKind::Accepted => wire::TradeEvent::Accepted,
            OrderEventKind::New => wire::TradeEvent::New,
            OrderEventKind::PartialFill => wire::TradeEvent::PartialFill,
            OrderEventKind::Fill => wire::TradeEvent::Fill,
            OrderEventKind::Canceled => wire::TradeEvent::Canceled,
            OrderEventKind::Expired => wire::TradeEvent::Expired,
            OrderEventKind::Rejected => wire::TradeEvent::Rejected,
            OrderEventKind::Replaced => wire::TradeEvent::Replaced,
        },
        execution_id: Some(stable_uuid(&format!("event:{}", event.number)).to_string()),
        timestamp: Some(event.at),
        price: event.fill.as_ref().map(|fill| fill.price),
        qty: event.fill.as_ref().map(|fill| fill.quantity),
        position_qty: is_fill.then_some(event.position),
        order: views::order(data, &event.order),
    }
}

fn frame_of(message: &impl Serialize) -> Bytes {
    // Our own types always serialize.
    Bytes::from(serde_json::to_vec(message).unwrap_or_default())
}

/// The upgrade. No keys are asked for yet.
pub(crate) async fn open(
    State(state): State<Arc<ExchangeState>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let client = Client {
                socket,
                state,
                account: None,
                updates: None,
                late: Vec::new(),
            };
            client.serve().await;
        })
}

/// One client.
struct Client {
    socket: WebSocket,
    state: Arc<ExchangeState>,
    /// Its account, and the seat that it has there.
    account: Option<(Arc<Account>, Seat)>,
    updates: Option<broadcast::Receiver<Published>>,
    /// Updates that a fault holds back, with the time at which they are sent.
    late: Vec<(Instant, Bytes)>,
}

impl Client {
    async fn serve(mut self) {
        let authenticate_by = Instant::now() + AUTHENTICATION_TIMEOUT;
        while self.turn(authenticate_by).await.is_ok() {}
        tracing::info!(
            event = "stream_closed",
            "a client of the order updates has gone"
        );
    }

    /// Does the next thing: a message, an update, a late update, or letting the client go.
    async fn turn(&mut self, authenticate_by: Instant) -> Result<(), Gone> {
        let next_late = self.late.iter().map(|(at, _)| *at).min();
        let shutdown = self.state.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => Err(Gone),
            message = heard(&mut self.socket) => match message? {
                Some(bytes) => self.hear(&bytes).await,
                None => Ok(()),
            },
            update = next_update(&mut self.updates) => match update {
                Ok(update) => self.pass_on(update).await,
                Err(RecvError::Lagged(_)) => {
                    self.complain(407, "slow client").await?;
                    Err(Gone)
                }
                Err(RecvError::Closed) => Err(Gone),
            },
            () = sleep_until(next_late) => self.send_late().await,
            () = tokio::time::sleep_until(authenticate_by), if self.account.is_none() => {
                self.complain(404, "auth timeout").await?;
                Err(Gone)
            }
        }
    }

    async fn hear(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let Ok(request) = serde_json::from_slice::<wire::StreamRequest>(bytes) else {
            return self.complain(400, "invalid syntax").await;
        };
        match request.action.as_str() {
            "authenticate" | "auth" => self.authenticate(&request).await,
            "listen" => self.listen(&request).await,
            _ => self.complain(400, "invalid syntax").await,
        }
    }

    async fn authenticate(&mut self, request: &wire::StreamRequest) -> Result<(), Gone> {
        let within = |name: &str| request.data.get(name).and_then(serde_json::Value::as_str);
        let key_id = request.key.as_deref().or(within("key_id"));
        let secret_key = request.secret.as_deref().or(within("secret_key"));
        let (key_id, secret_key) = (key_id.unwrap_or(""), secret_key.unwrap_or(""));
        let found = self
            .state
            .accounts
            .by_keys(key_id.as_bytes(), secret_key.as_bytes());
        let Some(found) = found.cloned() else {
            return self.authorization("unauthorized", "authenticate").await;
        };
        if self.account.is_none() {
            let seat = found.seats.take(wire::STREAM_TRADE_UPDATES);
            self.account = seat.map(|seat| (found, seat));
        }
        if self.account.is_none() {
            self.complain(406, "connection limit exceeded").await?;
            return Err(Gone);
        }
        self.authorization("authorized", "authenticate").await
    }

    async fn listen(&mut self, request: &wire::StreamRequest) -> Result<(), Gone> {
        let Some((account, _)) = &self.account else {
            return self.authorization("unauthorized", "listen").await;
        };
        let asked = request.data.get("streams").cloned().unwrap_or_default();
        let asked: Vec<String> = serde_json::from_value(asked).unwrap_or_default();
        let listens = asked.iter().any(|name| name == wire::STREAM_TRADE_UPDATES);
        // The list replaces the former one. Nothing after the answer may be missed.
        self.updates = listens.then(|| account.updates.sender.subscribe());
        let streams: &[&str] = if listens {
            tracing::info!(
                event = "stream_listening",
                "a client listens to order updates"
            );
            &[wire::STREAM_TRADE_UPDATES]
        } else {
            &[]
        };
        let data = json!({ "streams": streams });
        self.send(frame_of(&wire::StreamMessage::new(
            wire::STREAM_LISTENING,
            data,
        )))
        .await
    }

    /// Sends an update, or what the faults make of it.
    async fn pass_on(&mut self, update: Published) -> Result<(), Gone> {
        let subject = Subject {
            method: "STREAM",
            path: "/stream",
            symbol: Some(&update.symbol),
            class: self.state.class_of(&update.symbol),
        };
        let mut copies = 1;
        let mut late = None;
        for strike in self.state.faults.draw(Stage::Update, subject) {
            match strike.kind {
                FaultKind::DuplicateUpdate => copies += 1,
                FaultKind::DelayUpdate => late = Some(strike.wait),
                FaultKind::CutStream => return Err(Gone),
                // Nothing is read meanwhile either: no ping is answered.
                FaultKind::MuteStream => tokio::time::sleep(strike.wait).await,
                _ => {}
            }
        }
        for _ in 0..copies {
            match late {
                Some(wait) => self
                    .late
                    .push((Instant::now() + wait, update.frame.clone())),
                None => self.send(update.frame.clone()).await?,
            }
        }
        Ok(())
    }

    async fn send_late(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.late = later;
        let due: Vec<(Instant, Bytes)> = due;
        for (_, frame) in due {
            self.send(frame).await?;
        }
        Ok(())
    }

    async fn authorization(&mut self, status: &str, action: &str) -> Result<(), Gone> {
        let data = wire::Authorization {
            status: status.to_owned(),
            action: action.to_owned(),
        };
        self.send(frame_of(&wire::StreamMessage::new(
            wire::STREAM_AUTHORIZATION,
            data,
        )))
        .await
    }

    /// An error as the data streams word it.
    async fn complain(&mut self, code: u16, words: &str) -> Result<(), Gone> {
        let complaint = json!([{"T": "error", "code": code, "msg": words}]);
        self.send(frame_of(&complaint)).await
    }

    async fn send(&mut self, frame: Bytes) -> Result<(), Gone> {
        self.socket
            .send(Message::Binary(frame))
            .await
            .map_err(|_| Gone)
    }
}

async fn next_update(
    updates: &mut Option<broadcast::Receiver<Published>>,
) -> Result<Published, RecvError> {
    match updates {
        Some(updates) => updates.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

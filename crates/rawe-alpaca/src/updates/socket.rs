//! One life of the socket: connect, say who we are, listen, notice when it goes mute.

use futures_util::{SinkExt, StreamExt};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::convert;
use crate::dialer::{Dialer, Ended, Socket, ended, websocket_url, within};
use crate::redaction::Redaction;
use crate::settings::{ClientError, Settings};
use crate::types::{STREAM_TRADE_UPDATES, TradeEvent, TradeUpdateData};
use crate::updates::frames::{Incoming, read_frame};
use crate::updates::{TradeNews, TradeUpdate, UpdatesPatience};

/// The largest message taken, bytes: an order is about two thousand.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Where to connect, and as whom.
pub(crate) struct Caller {
    settings: Settings,
    dialer: Dialer,
    patience: UpdatesPatience,
    redaction: Redaction,
    news: Sender<TradeNews>,
}

impl Caller {
    pub(crate) fn new(
        settings: &Settings,
        patience: UpdatesPatience,
        news: Sender<TradeNews>,
    ) -> Result<Self, ClientError> {
        settings.check()?;
        let url = websocket_url(&settings.trading_url, "/stream")?;
        Ok(Self {
            settings: settings.clone(),
            dialer: Dialer::new(url, MESSAGE_BYTES_MAX)?,
            patience,
            redaction: Redaction::of(settings),
            news,
        })
    }

    /// Lives one life of the socket. Returns when it is over: whether updates ever came, and why.
    pub(crate) async fn live(&self) -> (bool, Ended) {
        let mut was_up = false;
        let Err(ended) = self.connect_and_listen(&mut was_up).await;
        (was_up, Ended(self.redaction.clean(&ended.0)))
    }

    async fn connect_and_listen(
        &self,
        was_up: &mut bool,
    ) -> Result<std::convert::Infallible, Ended> {
        let deadline = Instant::now() + self.patience.handshake_within;
        let mut socket = self.dialer.dial(deadline).await?;
        within(deadline, "authenticating", self.authenticate(&mut socket)).await??;
        *was_up = true;
        tracing::info!(
            event = "trade_updates_connected",
            "order updates are pushed to us"
        );
        self.tell(TradeNews::Connected).await?;
        self.listen(&mut socket).await
    }

    async fn authenticate(&self, socket: &mut Socket) -> Result<(), Ended> {
        let keys = json!({
            "key_id": self.settings.key_id.expose_secret(),
            "secret_key": self.settings.secret_key.expose_secret(),
        });
        send(socket, &json!({"action": "authenticate", "data": keys})).await?;
        while !matches!(self.hear(socket).await?, Incoming::Authorized(true)) {}
        let streams = json!({"streams": [STREAM_TRADE_UPDATES]});
        send(socket, &json!({"action": "listen", "data": streams})).await?;
        loop {
            match self.hear(socket).await? {
                Incoming::Listening(streams)
                    if streams.iter().any(|name| name == STREAM_TRADE_UPDATES) =>
                {
                    return Ok(());
                }
                Incoming::Listening(_) => {
                    return Err(Ended("the service does not offer trade_updates".to_owned()));
                }
                _ => {}
            }
        }
    }

    /// The next message before updates are due; refusals and complaints end the socket's life.
    async fn hear(&self, socket: &mut Socket) -> Result<Incoming, Ended> {
        loop {
            if let Some(incoming) = next_frame(socket).await? {
                return match incoming {
                    Incoming::Authorized(false) => Err(Ended("the keys were refused".to_owned())),
                    Incoming::Error(said) => Err(Ended(format!("the service says: {said}"))),
                    Incoming::Unreadable(reason) => Err(Ended(reason)),
                    other => Ok(other),
                };
            }
        }
    }

    /// Hears updates until the socket ends or goes mute.
    async fn listen(&self, socket: &mut Socket) -> Result<std::convert::Infallible, Ended> {
        let mut due = Instant::now() + self.patience.ping_every;
        let mut pinged = false;
        loop {
            tokio::select! {
                frame = next_frame(socket) => {
                    due = Instant::now() + self.patience.ping_every;
                    pinged = false;
                    match frame? {
                        Some(Incoming::Update(update)) => self.pass_on(*update).await?,
                        Some(Incoming::Unreadable(reason)) => self.complain(&reason),
                        Some(Incoming::Error(said)) => {
                            return Err(Ended(format!("the service says: {said}")));
                        }
                        Some(Incoming::Authorized(false)) => {
                            return Err(Ended("the keys were refused".to_owned()));
                        }
                        _ => {}
                    }
                }
                () = tokio::time::sleep_until(due) => {
                    if pinged {
                        let quiet = self.patience.pong_within.as_secs_f64();
                        return Err(Ended(format!("mute: no answer to a ping in {quiet} s")));
                    }
                    due = Instant::now() + self.patience.pong_within;
                    pinged = true;
                    let ping = socket.send(Message::Ping(Bytes::new()));
                    within(due, "pinging", ping).await?.map_err(|e| ended("pinging", e))?;
                }
            }
        }
    }

    /// Hands an update to whoever listens; events that this build does not know are left out.
    async fn pass_on(&self, update: TradeUpdateData) -> Result<(), Ended> {
        if let TradeEvent::Other(name) = &update.event {
            tracing::debug!(event = "trade_update_ignored", kind = %name, "an unknown event");
            return Ok(());
        }
        match convert::order(&update.order, &[]) {
            Ok(report) => {
                let update = TradeUpdate {
                    event: update.event,
                    report,
                    execution_id: update.execution_id,
                    at: update.timestamp,
                    price: update.price,
                    quantity: update.qty,
                    position_quantity: update.position_qty,
                };
                self.tell(TradeNews::Update(Box::new(update))).await
            }
            Err(error) => {
                self.complain(&error.to_string());
                Ok(())
            }
        }
    }

    fn complain(&self, reason: &str) {
        tracing::warn!(
            event = "trade_update_unreadable",
            reason = %self.redaction.clean(reason),
            "an order update cannot be read; polls will tell what it was about"
        );
    }

    async fn tell(&self, news: TradeNews) -> Result<(), Ended> {
        let gone = |_| Ended("nobody listens any more".to_owned());
        self.news.send(news).await.map_err(gone)
    }
}

async fn send(socket: &mut Socket, message: &serde_json::Value) -> Result<(), Ended> {
    let sent = socket.send(Message::text(message.to_string())).await;
    sent.map_err(|error| ended("sending", error))
}

/// The next frame; `None` for pings and pongs. Pings are answered by the socket itself.
async fn next_frame(socket: &mut Socket) -> Result<Option<Incoming>, Ended> {
    match socket.next().await {
        None => Err(Ended("the connection was closed".to_owned())),
        Some(Err(error)) => Err(ended("receiving", error)),
        Some(Ok(Message::Text(text))) => Ok(Some(read_frame(text.as_bytes()))),
        Some(Ok(Message::Binary(bytes))) => Ok(Some(read_frame(&bytes))),
        Some(Ok(Message::Close(frame))) => {
            let said = frame.map(|frame| format!(" ({} {})", frame.code, frame.reason));
            let said = said.unwrap_or_default();
            Err(Ended(format!("the service closed the connection{said}")))
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
    }
}

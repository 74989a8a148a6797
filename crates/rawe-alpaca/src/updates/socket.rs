//! One life of the socket: connect, say who we are, listen, notice when it goes mute.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use url::Url;

use crate::convert;
use crate::redaction::Redaction;
use crate::settings::{ClientError, Settings};
use crate::types::{STREAM_TRADE_UPDATES, TradeEvent, TradeUpdateData};
use crate::updates::frames::{Incoming, read_frame};
use crate::updates::{TradeNews, TradeUpdate, UpdatesPatience};

/// The largest message taken, bytes: an order is about two thousand.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Updates are small and few: the library's default of 128 KiB would lie idle.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Why a socket's life ended; the text holds no key.
pub(crate) struct Ended(pub(crate) String);

/// Where to connect, and as whom.
pub(crate) struct Caller {
    settings: Settings,
    url: Url,
    tls: Option<TlsConnector>,
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
        let url = stream_url(&settings.trading_url)?;
        let tls = match url.scheme() {
            "wss" => Some(TlsConnector::from(Arc::new(tls_config()?))),
            _ => None,
        };
        Ok(Self {
            settings: settings.clone(),
            url,
            tls,
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
        let tcp = within(deadline, "connecting", self.connect()).await??;
        match &self.tls {
            None => Box::pin(self.upgrade_and_listen(tcp, deadline, was_up)).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host().to_owned())
                    .map_err(|error| ended("naming the host", error))?;
                let stream = within(
                    deadline,
                    "agreeing on TLS",
                    Box::pin(tls.connect(name, tcp)),
                )
                .await?;
                let stream = stream.map_err(|error| ended("agreeing on TLS", error))?;
                Box::pin(self.upgrade_and_listen(stream, deadline, was_up)).await
            }
        }
    }

    /// The host, without the brackets of an address of version 6.
    fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    async fn connect(&self) -> Result<TcpStream, Ended> {
        let port = self.url.port_or_known_default().unwrap_or(443);
        let tcp = TcpStream::connect((self.host(), port)).await;
        let tcp = tcp.map_err(|error| ended("connecting", error))?;
        // A socket that refuses the option is only slower.
        drop(tcp.set_nodelay(true));
        Ok(tcp)
    }

    async fn upgrade_and_listen<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        deadline: Instant,
        was_up: &mut bool,
    ) -> Result<std::convert::Infallible, Ended> {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let upgrade =
            tokio_tungstenite::client_async_with_config(self.url.as_str(), stream, Some(config));
        let (mut socket, _) = within(deadline, "upgrading", upgrade)
            .await?
            .map_err(|error| ended("upgrading", error))?;
        within(deadline, "authenticating", self.authenticate(&mut socket)).await??;
        *was_up = true;
        tracing::info!(
            event = "trade_updates_connected",
            "order updates are pushed to us"
        );
        self.tell(TradeNews::Connected).await?;
        self.listen(&mut socket).await
    }

    async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut WebSocketStream<S>,
    ) -> Result<(), Ended> {
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
    async fn hear<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut WebSocketStream<S>,
    ) -> Result<Incoming, Ended> {
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
    async fn listen<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut WebSocketStream<S>,
    ) -> Result<std::convert::Infallible, Ended> {
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

fn ended(doing: &str, error: impl std::fmt::Display) -> Ended {
    Ended(format!("{doing}: {error}"))
}

async fn within<T>(
    deadline: Instant,
    doing: &str,
    work: impl Future<Output = T>,
) -> Result<T, Ended> {
    tokio::time::timeout_at(deadline, work)
        .await
        .map_err(|_| Ended(format!("{doing} took too long")))
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    message: &serde_json::Value,
) -> Result<(), Ended> {
    let sent = socket.send(Message::text(message.to_string())).await;
    sent.map_err(|error| ended("sending", error))
}

/// The next frame; `None` for pings and pongs. Pings are answered by the socket itself.
async fn next_frame<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
) -> Result<Option<Incoming>, Ended> {
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

/// `<trading base>/stream` as a websocket.
pub(crate) fn stream_url(trading: &Url) -> Result<Url, ClientError> {
    let bad = || ClientError::BadUrl(trading.to_string());
    let mut url = trading.clone();
    let scheme = match trading.scheme() {
        "https" => "wss",
        "http" => "ws",
        _ => return Err(bad()),
    };
    url.set_scheme(scheme).map_err(|()| bad())?;
    // People write the base with its version; the stream has none.
    let prefix = trading.path().trim_end_matches('/');
    let prefix = prefix.strip_suffix("/v2").unwrap_or(prefix);
    url.set_path(&format!("{prefix}/stream"));
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// TLS as the REST client does it: rustls with ring, the system's certificates.
fn tls_config() -> Result<ClientConfig, ClientError> {
    let setup = |error: rustls::Error| ClientError::Setup(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .with_platform_verifier()
        .map_err(setup)?;
    Ok(builder.with_no_client_auth())
}

/// Waits between lives: doubling from the shortest to the longest, each somewhere in its upper
/// half, so that clients that failed together do not come back together.
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(patience: &UpdatesPatience) -> Self {
        Self {
            // A wait is at least half of what it doubles to.
            shortest: patience.backoff_min.saturating_mul(2),
            longest: patience.backoff_max,
            next: patience.backoff_min.saturating_mul(2),
        }
    }

    /// Begins with the shortest wait again.
    pub(crate) fn reset(&mut self) {
        self.next = self.shortest;
    }

    /// The next wait; `random` is any number.
    pub(crate) fn wait(&mut self, random: u64) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.longest);
        let half = whole / 2;
        let spread_ms = u64::try_from(half.as_millis()).unwrap_or(0) + 1;
        half + Duration::from_millis(random % spread_ms)
    }
}

//! Bars and news as Alpaca pushes them: one websocket for each endpoint, kept alive for ever.
//!
//! There is no replay: what is published while a socket is down is never told, so whoever listens
//! asks the REST API for it after every [`DataNews::Connected`]. What is said over a socket, and
//! when it counts as mute, is decided in `data_stream/session.rs`, which does no I/O; the reading
//! of frames is in `data_stream/frames.rs`.

mod frames;
mod session;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rawe_core::Symbol;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use url::Url;

use self::session::{Ending, Session, Step};
use crate::dialer::{Backoff, Dialer, Ended, Socket, ended, websocket_url};
use crate::redaction::Redaction;
use crate::settings::{ClientError, Settings, StockFeed};
use crate::types::{BarData, NewsArticle};

/// The largest message taken, bytes: an article with its content, and then some.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// News held for a listener that is busy; beyond them the socket is not read.
const NEWS_WAITING_MAX: usize = 4_096;

/// What is streamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataEndpoint {
    /// Minute bars of stocks.
    Stocks(StockFeed),
    /// Minute bars of crypto pairs, around the clock.
    Crypto,
    /// Articles.
    News,
}

impl DataEndpoint {
    /// The path below the stream's host. Feeds of the night are in beta at Alpaca.
    fn path(&self) -> String {
        match self {
            Self::Stocks(feed) => {
                let version = match feed.as_str() {
                    "boats" | "overnight" => "v1beta1",
                    _ => "v2",
                };
                format!("/{version}/{}", feed.as_str())
            }
            Self::Crypto => "/v1beta3/crypto/us".to_owned(),
            Self::News => "/v1beta1/news".to_owned(),
        }
    }

    /// The stream's name in logs.
    fn name(&self) -> &'static str {
        match self {
            Self::Stocks(_) => "stocks",
            Self::Crypto => "crypto",
            Self::News => "news",
        }
    }
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq)]
pub enum DataNews {
    /// What was asked for comes from now on; what was before must be asked for by REST.
    Connected,
    /// Something may be missed from now on. Said once for each [`DataNews::Connected`], and once if
    /// the first connection fails.
    Disconnected {
        /// Why, without keys.
        reason: String,
    },
    /// A bar of one minute; may come again, corrected, under the same `t`.
    Bar {
        /// The asset, spelled as it was asked for.
        symbol: Symbol,
        /// The bar.
        bar: BarData,
    },
    /// An article, new or edited.
    Article(Box<NewsArticle>),
}

/// How long a socket waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataPatience {
    /// For a connection on which data comes: from the first packet to the confirmed subscription.
    pub handshake_within: Duration,
    /// Quiet after which a ping is sent.
    pub ping_every: Duration,
    /// Quiet after the ping after which the socket counts as mute.
    pub pong_within: Duration,
    /// The first wait before connecting again.
    pub backoff_min: Duration,
    /// The longest wait before connecting again.
    pub backoff_max: Duration,
    /// The wait after keys, entitlement or subscription were refused.
    pub refused_wait: Duration,
}

impl Default for DataPatience {
    fn default() -> Self {
        Self {
            handshake_within: Duration::from_secs(15),
            ping_every: Duration::from_secs(10),
            pong_within: Duration::from_secs(10),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_mins(1),
            refused_wait: Duration::from_mins(5),
        }
    }
}

/// One stream of data. Dropping it closes the socket.
#[derive(Debug)]
pub struct DataStream {
    news: mpsc::Receiver<DataNews>,
    restart: Arc<Notify>,
    task: JoinHandle<()>,
}

impl DataStream {
    /// Starts to connect, and goes on for ever. `symbols` are the assets of the bars, or those that
    /// articles must name. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When a URL cannot be used or TLS cannot be set up. Whether the service can be reached is
    /// told by [`DataStream::next`].
    pub fn start(
        settings: &Settings,
        endpoint: DataEndpoint,
        symbols: &[Symbol],
        patience: DataPatience,
    ) -> Result<Self, ClientError> {
        settings.check()?;
        let url = websocket_url(&stream_base(&settings.data_url), &endpoint.path())?;
        let (sender, news) = mpsc::channel(NEWS_WAITING_MAX);
        let restart = Arc::new(Notify::new());
        let caller = Caller {
            dialer: Dialer::new(url, MESSAGE_BYTES_MAX)?,
            settings: settings.clone(),
            redaction: Redaction::of(settings),
            endpoint,
            symbols: symbols.to_vec(),
            patience,
            news: sender,
            restart: Arc::clone(&restart),
        };
        let task = tokio::spawn(caller.keep_alive());
        Ok(Self {
            news,
            restart,
            task,
        })
    }

    /// The next news; may be cancelled without losing any. Pends for ever once the runtime that
    /// the socket lives in has ended.
    pub async fn next(&mut self) -> DataNews {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// A handle that has the socket closed and opened again, for one that answers pings and yet
    /// says nothing.
    pub fn restarter(&self) -> Restarter {
        Restarter(Arc::clone(&self.restart))
    }
}

impl Drop for DataStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Has a stream's socket opened again.
#[derive(Clone, Debug)]
pub struct Restarter(Arc<Notify>);

impl Restarter {
    /// Closes the socket, if one is open; it is opened again at once.
    pub fn restart(&self) {
        self.0.notify_waiters();
    }
}

/// The host of the streams that belong to a data host: Alpaca's have their own.
fn stream_base(data_url: &Url) -> Url {
    let own = match data_url.host_str() {
        Some("data.alpaca.markets") => "stream.data.alpaca.markets",
        Some("data.sandbox.alpaca.markets") => "stream.data.sandbox.alpaca.markets",
        _ => return data_url.clone(),
    };
    let mut url = data_url.clone();
    // A name of a host that is one cannot be refused.
    let _set = url.set_host(Some(own));
    url
}

/// Where to connect, as whom, and who listens.
struct Caller {
    dialer: Dialer,
    settings: Settings,
    redaction: Redaction,
    endpoint: DataEndpoint,
    symbols: Vec<Symbol>,
    patience: DataPatience,
    news: mpsc::Sender<DataNews>,
    restart: Arc<Notify>,
}

impl Caller {
    /// Connects again and again until nobody listens.
    async fn keep_alive(self) {
        let mut backoff = Backoff::new(self.patience.backoff_min, self.patience.backoff_max);
        let mut said_down = false;
        loop {
            let began = Instant::now();
            let mut was_up = false;
            let ending = match self.live(&mut was_up).await {
                Ok(ending) => ending,
                Err(Ended(reason)) => Ending::passing(reason),
            };
            let reason = self.redaction.clean(&ending.reason);
            if was_up || !said_down {
                said_down = true;
                let reason = reason.clone();
                if self
                    .news
                    .send(DataNews::Disconnected { reason })
                    .await
                    .is_err()
                {
                    return;
                }
            }
            // A socket that lives for a moment only is no reason to hurry.
            if was_up && began.elapsed() >= self.patience.ping_every {
                backoff.reset();
            }
            let mut wait = backoff.wait(RandomState::new().hash_one(began));
            if ending.is_refusal {
                wait = wait.max(self.patience.refused_wait);
            }
            tracing::warn!(
                event = "data_stream_disconnected",
                stream = self.endpoint.name(),
                reason,
                retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "a stream of market data is down; polls go on"
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.news.closed() => return,
            }
        }
    }

    /// Lives one life of the socket.
    async fn live(&self, was_up: &mut bool) -> Result<Ending, Ended> {
        let began = Instant::now();
        let mut socket = self
            .dialer
            .dial(began + self.patience.handshake_within)
            .await?;
        let mut session =
            Session::new(&self.settings, &self.endpoint, &self.symbols, self.patience);
        loop {
            let steps = tokio::select! {
                heard = socket.next() => hear(&mut session, heard, began.elapsed())?,
                () = tokio::time::sleep_until(began + session.due()) => {
                    session.pass(began.elapsed())
                }
                () = self.restart.notified() => {
                    return Ok(Ending::passing("told to begin again".to_owned()));
                }
            };
            for step in steps {
                if let Some(ending) = self.take(&mut socket, step, was_up).await? {
                    return Ok(ending);
                }
            }
        }
    }

    /// Takes a step; the ending, if it is the last.
    async fn take(
        &self,
        socket: &mut Socket,
        step: Step,
        was_up: &mut bool,
    ) -> Result<Option<Ending>, Ended> {
        let message = match step {
            Step::Send(text) => Message::text(text),
            Step::Ping => Message::Ping(Bytes::new()),
            Step::Tell(news) => {
                if news == DataNews::Connected {
                    *was_up = true;
                    tracing::info!(
                        event = "data_stream_connected",
                        stream = self.endpoint.name(),
                        "market data is pushed to us"
                    );
                }
                let gone = |_| Ended("nobody listens any more".to_owned());
                self.news.send(news).await.map_err(gone)?;
                return Ok(None);
            }
            Step::Unreadable(reason) => {
                tracing::warn!(
                    event = "data_message_unreadable",
                    stream = self.endpoint.name(),
                    reason = %self.redaction.clean(&reason),
                    "a message cannot be read; polls will tell what it was about"
                );
                return Ok(None);
            }
            Step::End(ending) => return Ok(Some(ending)),
        };
        let sent = socket.send(message).await;
        sent.map(|()| None).map_err(|error| ended("sending", error))
    }
}

/// What a frame of the socket means to the session; an error if the socket has ended.
fn hear(
    session: &mut Session,
    heard: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    now: Duration,
) -> Result<Vec<Step>, Ended> {
    match heard {
        None => Err(Ended("the connection was closed".to_owned())),
        Some(Err(error)) => Err(ended("receiving", error)),
        Some(Ok(Message::Text(text))) => Ok(session.hear(text.as_bytes(), now)),
        Some(Ok(Message::Binary(bytes))) => Ok(session.hear(&bytes, now)),
        Some(Ok(Message::Close(frame))) => {
            let said = frame.map(|frame| format!(" ({} {})", frame.code, frame.reason));
            let said = said.unwrap_or_default();
            Err(Ended(format!("the service closed the connection{said}")))
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
            session.hear_sign_of_life(now);
            Ok(Vec::new())
        }
    }
}

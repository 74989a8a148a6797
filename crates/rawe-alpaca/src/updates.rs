//! What becomes of orders, as the broker pushes it: one socket, kept alive for ever.
//!
//! There is no replay: what happened while the socket was down is never told, so whoever listens
//! asks for open orders, positions and fills after every [`TradeNews::Connected`]. The socket's
//! life is in `updates/socket.rs`, the reading of frames in `updates/frames.rs`. Proxies of the
//! environment are not used.

mod frames;
mod socket;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use rawe_core::Timestamp;
use rawe_execution::broker::OrderReport;
use rust_decimal::Decimal;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::dialer::{Backoff, Ended};
use crate::settings::{ClientError, Settings};
use crate::types::TradeEvent;

/// News held for a listener that is busy; beyond them the socket is not read.
const NEWS_WAITING_MAX: usize = 4_096;

/// News of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeUpdate {
    /// What happened.
    pub event: TradeEvent,
    /// The order after it.
    pub report: OrderReport,
    /// Names the event; a repeated message has the same one.
    pub execution_id: Option<String>,
    /// When, broker time.
    pub at: Option<Timestamp>,
    /// USD a unit of this fill; fills only.
    pub price: Option<Decimal>,
    /// Units of this fill; the report's `filled_quantity` counts all.
    pub quantity: Option<Decimal>,
    /// Units held after this fill, negative when short.
    pub position_quantity: Option<Decimal>,
}

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TradeNews {
    /// Updates come from now on; what was before must be asked for.
    Connected,
    /// Updates may be missed from now on. Said once for each [`TradeNews::Connected`], and once
    /// if the first connection fails.
    Disconnected {
        /// Why, without keys.
        reason: String,
    },
    /// An order changed; may come twice, late, or out of order.
    Update(Box<TradeUpdate>),
}

/// How long the socket waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdatesPatience {
    /// For a connection on which updates come: from the first packet to `listening`.
    pub handshake_within: Duration,
    /// Quiet after which a ping is sent.
    pub ping_every: Duration,
    /// Quiet after the ping after which the socket counts as mute.
    pub pong_within: Duration,
    /// The first wait before connecting again.
    pub backoff_min: Duration,
    /// The longest wait before connecting again.
    pub backoff_max: Duration,
}

impl Default for UpdatesPatience {
    fn default() -> Self {
        Self {
            handshake_within: Duration::from_secs(10),
            ping_every: Duration::from_secs(10),
            pong_within: Duration::from_secs(10),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(30),
        }
    }
}

/// The stream of order updates. Dropping it closes the socket.
#[derive(Debug)]
pub struct TradeUpdates {
    news: mpsc::Receiver<TradeNews>,
    task: JoinHandle<()>,
}

impl TradeUpdates {
    /// Starts to connect, and goes on for ever. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When a URL cannot be used, means a live account that is not allowed explicitly, or TLS
    /// cannot be set up. Whether the service can be reached is told by [`TradeUpdates::next`].
    pub fn start(settings: &Settings) -> Result<Self, ClientError> {
        Self::start_with(settings, UpdatesPatience::default())
    }

    /// The same with other patience.
    ///
    /// # Errors
    /// As [`TradeUpdates::start`].
    pub fn start_with(settings: &Settings, patience: UpdatesPatience) -> Result<Self, ClientError> {
        let (sender, news) = mpsc::channel(NEWS_WAITING_MAX);
        let caller = socket::Caller::new(settings, patience, sender.clone())?;
        let task = tokio::spawn(keep_alive(caller, patience, sender));
        Ok(Self { news, task })
    }

    /// The next news; may be cancelled without losing any. Pends for ever once the runtime that
    /// the socket lives in has ended.
    pub async fn next(&mut self) -> TradeNews {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }
}

impl Drop for TradeUpdates {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects again and again until nobody listens.
async fn keep_alive(
    caller: socket::Caller,
    patience: UpdatesPatience,
    news: mpsc::Sender<TradeNews>,
) {
    let mut backoff = Backoff::new(patience.backoff_min, patience.backoff_max);
    let mut said_down = false;
    loop {
        let began = Instant::now();
        let (was_up, Ended(reason)) = caller.live().await;
        if was_up || !said_down {
            said_down = true;
            let reason = reason.clone();
            if news.send(TradeNews::Disconnected { reason }).await.is_err() {
                return;
            }
        }
        // A socket that lives for a moment only is no reason to hurry.
        if was_up && began.elapsed() >= patience.ping_every {
            backoff.reset();
        }
        let wait = backoff.wait(RandomState::new().hash_one(began));
        tracing::warn!(
            event = "trade_updates_disconnected",
            reason,
            retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "the stream of order updates is down; polls go on"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = news.closed() => return,
        }
    }
}

//! Tasks that listen to the world and tell the engine: streams of the bus, heartbeats, news of
//! orders, signals to the process. Each ends with the shutdown; none of them decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rawe_alpaca::{TradeNews, TradeUpdates};
use rawe_bus::{Bus, EntryId};
use rawe_core::Heartbeat;
use rawe_core::channels::{
    ACKS_STREAM, BARS_STREAM, CLOCK_STREAM, CONTROL_STREAM, STANCES_STREAM, STATUS_HASH,
};
use rawe_execution::broker::{Broker, OrderReport};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::market_time::MarketTime;

/// The streams the engine follows, in the order in which one batch is handled: the operator first,
/// stances and bars before the clock, acknowledgements last.
pub(crate) const FOLLOWED: [&str; 5] = [
    CONTROL_STREAM,
    STANCES_STREAM,
    BARS_STREAM,
    CLOCK_STREAM,
    ACKS_STREAM,
];
/// How many entries of a stream are read at once.
const READ_COUNT: usize = 512;
/// How long one read waits.
const READ_BLOCK: Duration = Duration::from_secs(1);
/// How long to wait before the bus is asked again after an error.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// How often heartbeats are looked at.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// What the tasks tell.
#[derive(Debug)]
pub(crate) enum Heard {
    /// An entry of a followed stream.
    Entry {
        /// Its stream.
        stream: &'static str,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// All heartbeats.
    Heartbeats(Vec<Heartbeat>),
    /// News of an order that the broker pushed, in broker time.
    Update(Box<OrderReport>),
    /// Whether the broker pushes such news from now on.
    Pushes(bool),
    /// SIGUSR1.
    SignalHalt,
}

/// Follows the streams from the given ids.
pub(crate) async fn follow_streams(
    bus: Arc<dyn Bus>,
    mut from: BTreeMap<&'static str, EntryId>,
    time: Arc<MarketTime>,
    heard: mpsc::Sender<Heard>,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        // In a replay the engine reads bars by itself, up to each instant.
        let paced = time.is_paced();
        let wanted: Vec<(&str, EntryId)> = FOLLOWED
            .iter()
            .filter(|stream| !paced || **stream != BARS_STREAM)
            .map(|stream| (*stream, from.get(stream).copied().unwrap_or(EntryId::START)))
            .collect();
        let read = tokio::select! {
            read = bus.read(&wanted, READ_COUNT, READ_BLOCK) => read,
            () = shutdown.cancelled() => return,
        };
        let mut entries = match read {
            Ok(entries) => entries,
            Err(error) => {
                tracing::debug!(event = "streams_unread", %error, "trying again");
                sleep(RETRY_WAIT).await;
                continue;
            }
        };
        for stream in FOLLOWED {
            for entry in entries.remove(stream).unwrap_or_default() {
                from.insert(stream, entry.id);
                let entry = Heard::Entry {
                    stream,
                    payload: entry.payload,
                };
                if heard.send(entry).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Looks at the heartbeats once a second.
pub(crate) async fn watch_heartbeats(
    bus: Arc<dyn Bus>,
    heard: mpsc::Sender<Heard>,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        match bus.fields(STATUS_HASH).await {
            Ok(fields) => {
                let beats = fields
                    .values()
                    .filter_map(|beat| serde_json::from_slice(beat).ok())
                    .collect();
                if heard.send(Heard::Heartbeats(beats)).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::debug!(event = "heartbeats_unread", %error, "trying again"),
        }
        tokio::select! {
            () = sleep(STATUS_INTERVAL) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Hands on what the broker pushes, whether it does, and after each reconnection how open orders
/// stand by then.
pub(crate) async fn follow_updates(
    mut updates: TradeUpdates,
    broker: Arc<dyn Broker>,
    heard: mpsc::Sender<Heard>,
    shutdown: CancellationToken,
) {
    let mut connected = Some(false);
    loop {
        if let Some(pushes) = connected.take()
            && heard.send(Heard::Pushes(pushes)).await.is_err()
        {
            return;
        }
        let news = tokio::select! {
            news = updates.next() => news,
            () = shutdown.cancelled() => return,
        };
        match news {
            TradeNews::Connected => {
                connected = Some(true);
                // There is no replay of what was missed. What has ended meanwhile the desk finds by
                // asking for the orders it knows, which it does all along.
                match broker.open_orders().await {
                    Ok(reports) => {
                        for report in reports {
                            if heard.send(Heard::Update(Box::new(report))).await.is_err() {
                                return;
                            }
                        }
                    }
                    Err(error) => tracing::debug!(event = "broker_silent", %error, "polls go on"),
                }
            }
            TradeNews::Disconnected { reason } => {
                connected = Some(false);
                tracing::debug!(event = "trade_updates_lost", reason, "polls go on");
            }
            TradeNews::Update(update) => {
                let update = Heard::Update(Box::new(update.report));
                if heard.send(update).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Tells of every SIGUSR1.
///
/// # Errors
/// When the process cannot listen to signals.
pub(crate) fn watch_halt_signal(
    heard: mpsc::Sender<Heard>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut halts = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = halts.recv() => {}
                () = shutdown.cancelled() => return,
            }
            if heard.send(Heard::SignalHalt).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

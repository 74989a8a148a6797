//! Tasks that listen to the world and tell the engine: streams of the bus, heartbeats, the
//! broker's clock. Each ends with the shutdown; none of them decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rawe_bus::{Bus, EntryId};
use rawe_core::channels::{ACKS_STREAM, CLOCK_STREAM, CONTROL_STREAM, STANCES_STREAM, STATUS_HASH};
use rawe_core::{ClientOrderId, Heartbeat, Symbol, Timestamp};
use rawe_execution::broker::{AssetInfo, Broker, BrokerClock, BrokerError};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::market_time::MarketTime;

/// The streams the engine follows, in the order in which one batch is handled: stances and control
/// before the clock, acknowledgements last.
pub(crate) const FOLLOWED: [&str; 4] = [STANCES_STREAM, CONTROL_STREAM, CLOCK_STREAM, ACKS_STREAM];
/// How many entries of a stream are read at once.
const READ_COUNT: usize = 512;
/// How long one read waits.
const READ_BLOCK: Duration = Duration::from_secs(1);
/// How long to wait before the bus is asked again after an error.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// How often heartbeats are looked at.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// How often the broker's clock is asked at least, when live.
const HOURS_INTERVAL: Duration = Duration::from_secs(30);
/// How often the broker's clock is asked at most.
const HOURS_INTERVAL_MIN: Duration = Duration::from_millis(250);

/// What the tasks tell.
#[derive(Debug)]
pub(crate) enum Input {
    /// An entry of a followed stream.
    Entry {
        /// Its stream.
        stream: &'static str,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// All heartbeats.
    Heartbeats(Vec<Heartbeat>),
    /// The broker's clock; `None` when it cannot be asked.
    Hours(Option<BrokerClock>),
    /// What the broker says of an asset, and when an order of ours last filled in it.
    Asset {
        /// The asset.
        symbol: Symbol,
        /// `Err` when the broker could not be asked.
        answer: Result<(Option<AssetInfo>, Option<Timestamp>), String>,
    },
}

/// Follows the streams from the given ids.
pub(crate) async fn follow_streams(
    bus: Arc<dyn Bus>,
    mut from: BTreeMap<&'static str, EntryId>,
    inputs: mpsc::Sender<Input>,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        let wanted: Vec<(&str, EntryId)> = FOLLOWED
            .iter()
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
                if inputs
                    .send(Input::Entry {
                        stream,
                        payload: entry.payload,
                    })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }
}

/// Looks at the heartbeats once a second.
pub(crate) async fn watch_heartbeats(
    bus: Arc<dyn Bus>,
    inputs: mpsc::Sender<Input>,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        match bus.fields(STATUS_HASH).await {
            Ok(fields) => {
                let beats = fields
                    .values()
                    .filter_map(|beat| serde_json::from_slice(beat).ok())
                    .collect();
                if inputs.send(Input::Heartbeats(beats)).await.is_err() {
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

/// Asks the broker's clock now and then, and at each change of session. In a replay the engine
/// asks by itself, at the instants that need it.
pub(crate) async fn watch_hours(
    broker: Arc<dyn Broker>,
    time: Arc<MarketTime>,
    inputs: mpsc::Sender<Input>,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        let mut wait = HOURS_INTERVAL;
        if !time.is_paced() {
            let clock = broker.clock().await;
            if let Err(error) = &clock {
                tracing::warn!(event = "broker_silent", %error, "the market counts as closed");
                wait = HOURS_INTERVAL / 6;
            }
            let clock = clock.ok();
            if let Some(change) = clock.as_ref().and_then(next_change) {
                wait = wait.min(change).max(HOURS_INTERVAL_MIN);
            }
            if !time.is_paced() && inputs.send(Input::Hours(clock)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// How long until the session opens or closes, if that is still to come.
pub(crate) fn next_change(clock: &BrokerClock) -> Option<Duration> {
    let at = if clock.is_open {
        clock.next_close
    } else {
        clock.next_open
    };
    (at - clock.timestamp)
        .to_std()
        .ok()
        .filter(|wait| !wait.is_zero())
}

/// Asks what the broker says of an asset, a few times before giving up.
pub(crate) async fn look_up_asset(
    broker: Arc<dyn Broker>,
    symbol: Symbol,
) -> Result<(Option<AssetInfo>, Option<Timestamp>), String> {
    let mut attempts = 0;
    loop {
        match asset_and_last_fill(broker.as_ref(), &symbol).await {
            Ok(answer) => return Ok(answer),
            Err(error) if attempts >= 3 => return Err(error.to_string()),
            Err(_) => {
                attempts += 1;
                sleep(RETRY_WAIT).await;
            }
        }
    }
}

async fn asset_and_last_fill(
    broker: &dyn Broker,
    symbol: &Symbol,
) -> Result<(Option<AssetInfo>, Option<Timestamp>), BrokerError> {
    let Some(info) = broker.asset(symbol).await? else {
        return Ok((None, None));
    };
    let closed = broker.closed_orders(symbol).await?;
    let last_fill = closed
        .iter()
        .filter(|order| !order.filled_quantity.is_zero())
        .filter(|order| ClientOrderId::parse_ours(&order.client_order_id).is_some())
        .filter_map(|order| order.filled_at.or(order.updated_at))
        .max();
    Ok((Some(info), last_fill))
}

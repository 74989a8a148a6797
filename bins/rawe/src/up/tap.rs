//! The tap: what `rawe up` reads from the bus to tell the story: closed rounds, accepted signals,
//! the clock, heartbeats. It only reads. When the bus is inside the embedded process, the tap runs
//! there and its events travel to `rawe up` as log lines of the event `tapped`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rawe_bus::{Bus, Entry, EntryId};
use rawe_core::channels::{CLOCK_STREAM, DECISIONS_STREAM, SIGNALS_STREAM, STATUS_HASH};
use rawe_core::{ArbitrageSignal, ClockInstant, Heartbeat, RoundRecord};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The event name under which the embedded process writes tap events to its log.
pub(crate) const TAPPED: &str = "tapped";
/// Entries read of each stream at a time.
const BATCH_ENTRIES: usize = 1_000;
/// How long one read waits for entries.
const READ_BLOCK: Duration = Duration::from_millis(200);
/// How often heartbeats are read.
const STATUS_EVERY: Duration = Duration::from_millis(500);
/// The pause after a read that failed, so that a bus that is away is not hammered.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Something read from the bus.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "tap", rename_all = "snake_case")]
pub(crate) enum TapEvent {
    /// A round was closed.
    Round(Box<RoundRecord>),
    /// A signal was accepted.
    Signal(Box<ArbitrageSignal>),
    /// Market time moved; of several instants read at once only the newest is told.
    Clock(ClockInstant),
    /// The heartbeats of all processes.
    Status {
        /// By process name.
        beats: BTreeMap<String, Heartbeat>,
    },
}

/// Where the tap has read to.
#[derive(Debug)]
struct Cursors {
    decisions: EntryId,
    signals: EntryId,
    clock: EntryId,
}

/// Reads until told to stop, and sends what it reads to `events`. Starts after what is in the
/// streams already: what an earlier run left behind is not this run's story.
pub(crate) async fn tap(
    bus: Arc<dyn Bus>,
    events: mpsc::Sender<TapEvent>,
    shutdown: CancellationToken,
) {
    let mut cursors = Cursors {
        decisions: newest(&*bus, DECISIONS_STREAM).await,
        signals: newest(&*bus, SIGNALS_STREAM).await,
        clock: newest(&*bus, CLOCK_STREAM).await,
    };
    let mut status_due = Instant::now();
    while !shutdown.is_cancelled() && !events.is_closed() {
        if Instant::now() >= status_due {
            status_due = Instant::now() + STATUS_EVERY;
            if let Ok(fields) = bus.fields(STATUS_HASH).await {
                let beats = heartbeats(&fields);
                let _ = events.send(TapEvent::Status { beats }).await;
            }
        }
        if read_streams(&*bus, &mut cursors, &events).await.is_err() {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = sleep(PAUSE_AFTER_ERROR) => {}
            }
        }
    }
}

/// The heartbeats of `rawe:status`; fields that cannot be read are left out.
pub(crate) fn heartbeats(fields: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Heartbeat> {
    fields
        .iter()
        .filter_map(|(name, payload)| {
            serde_json::from_slice(payload)
                .ok()
                .map(|beat| (name.clone(), beat))
        })
        .collect()
}

async fn newest(bus: &dyn Bus, stream: &str) -> EntryId {
    bus.last(stream)
        .await
        .ok()
        .flatten()
        .map_or(EntryId::START, |entry| entry.id)
}

async fn read_streams(
    bus: &dyn Bus,
    cursors: &mut Cursors,
    events: &mpsc::Sender<TapEvent>,
) -> Result<(), rawe_bus::BusError> {
    let streams = [
        (SIGNALS_STREAM, cursors.signals),
        (DECISIONS_STREAM, cursors.decisions),
        (CLOCK_STREAM, cursors.clock),
    ];
    let mut batches = bus.read(&streams, BATCH_ENTRIES, READ_BLOCK).await?;
    let mut take = |stream: &str| batches.remove(stream).unwrap_or_default();
    let (signals, decisions, clock) = (
        take(SIGNALS_STREAM),
        take(DECISIONS_STREAM),
        take(CLOCK_STREAM),
    );
    for signal in parsed(&signals, &mut cursors.signals) {
        let _ = events.send(TapEvent::Signal(Box::new(signal))).await;
    }
    for record in parsed(&decisions, &mut cursors.decisions) {
        let _ = events.send(TapEvent::Round(Box::new(record))).await;
    }
    if let Some(instant) = parsed(&clock, &mut cursors.clock).into_iter().next_back() {
        let _ = events.send(TapEvent::Clock(instant)).await;
    }
    Ok(())
}

/// The payloads that can be read, and the cursor moved past all of them.
fn parsed<T: DeserializeOwned>(entries: &[Entry], cursor: &mut EntryId) -> Vec<T> {
    if let Some(last) = entries.last() {
        *cursor = last.id;
    }
    entries
        .iter()
        .filter_map(|entry| serde_json::from_slice(&entry.payload).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::tally::tests::round;
    use rawe_bus::{MemoryBus, StreamAppend};
    use rawe_core::RoundOutcome;

    async fn append(bus: &dyn Bus, stream: &str, payload: Vec<u8>) {
        let append = StreamAppend {
            stream,
            payloads: vec![payload],
            length_max: 100,
        };
        bus.append(&[append]).await.unwrap();
    }

    #[tokio::test]
    async fn tells_what_comes_and_not_what_was_there() {
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
        let old = serde_json::to_vec(&round(RoundOutcome::Conflict, None)).unwrap();
        append(&*bus, DECISIONS_STREAM, old).await;
        let (sender, mut receiver) = mpsc::channel(16);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(tap(bus.clone(), sender, shutdown.clone()));
        // The first event is the status, sent after the cursors were set.
        assert!(matches!(
            receiver.recv().await,
            Some(TapEvent::Status { .. })
        ));
        append(&*bus, DECISIONS_STREAM, b"rubbish".to_vec()).await;
        let new = serde_json::to_vec(&round(RoundOutcome::MinHold, None)).unwrap();
        append(&*bus, DECISIONS_STREAM, new).await;
        let outcome = loop {
            match receiver.recv().await {
                Some(TapEvent::Round(record)) => break record.outcome,
                Some(_) => {}
                None => panic!("the tap ended"),
            }
        };
        assert_eq!(outcome, RoundOutcome::MinHold);
        shutdown.cancel();
        task.await.unwrap();
    }

    #[test]
    fn an_event_survives_the_trip_through_a_log_line() {
        let event = TapEvent::Round(Box::new(round(RoundOutcome::NoQuorum, None)));
        let text = serde_json::to_string(&event).unwrap();
        let back: TapEvent = serde_json::from_str(&text).unwrap();
        assert!(matches!(back, TapEvent::Round(r) if r.outcome == RoundOutcome::NoQuorum));
    }
}

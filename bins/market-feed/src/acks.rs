//! Waiting for the participants of a replay.

use std::sync::Arc;
use std::time::Duration;

use rawe_bus::{Bus, BusError, EntryId};
use rawe_core::Acknowledgement;
use rawe_core::channels::ACKS_STREAM;
use rawe_feed::pacing::{AckOutcome, Pacer};
use rawe_runtime::Heart;
use tokio::time::Instant;

use crate::retry::{Backoff, Passing};

/// A participant silent for so long is named in a warning.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(5);
/// The same while participants build state from months of history.
pub(crate) const WARMING_SILENCE_MAX: Duration = Duration::from_mins(1);
/// How often the warning is repeated.
const WARN_EVERY: Duration = Duration::from_secs(30);
/// How long one read waits for acknowledgements.
const BLOCK: Duration = Duration::from_secs(1);
/// Acknowledgements read at once.
const READ_MAX: usize = 256;

/// Reads acknowledgements.
#[derive(Debug)]
pub(crate) struct AckReader {
    bus: Arc<dyn Bus>,
    heart: Heart,
    after: EntryId,
}

impl AckReader {
    /// A reader from the start of the stream.
    pub(crate) fn new(bus: Arc<dyn Bus>, heart: Heart) -> Self {
        Self {
            bus,
            heart,
            after: EntryId::START,
        }
    }

    /// Waits until everyone has acknowledged the pacer's step, however long it takes. Who is
    /// silent for `patience` is named in the log: the clock is paused until it speaks.
    pub(crate) async fn wait_for_all(
        &mut self,
        pacer: &mut Pacer,
        patience: Duration,
    ) -> Result<(), BusError> {
        let started = Instant::now();
        let mut warn_at = started + patience;
        let mut paused = false;
        let mut backoff = Backoff::new("the bus");
        while !pacer.missing().is_empty() {
            let block = BLOCK.min(warn_at.saturating_duration_since(Instant::now()));
            // A block of nothing means for ever to Redis.
            let block = block.max(Duration::from_millis(1));
            match self
                .bus
                .read(&[(ACKS_STREAM, self.after)], READ_MAX, block)
                .await
            {
                Ok(found) => {
                    backoff.worked();
                    for entry in found.into_values().flatten() {
                        self.after = self.after.max(entry.id);
                        self.take(&entry.payload, pacer);
                    }
                }
                Err(error) if error.is_passing() => backoff.failed(&error).await,
                Err(error) => return Err(error),
            }
            if Instant::now() >= warn_at && !pacer.missing().is_empty() {
                paused = true;
                warn_at = Instant::now() + WARN_EVERY;
                let silent = pacer.missing().join(",");
                tracing::warn!(
                    event = "clock_paused",
                    participant = silent,
                    step = pacer.step(),
                    market_time = %pacer.now(),
                    silent_s = started.elapsed().as_secs(),
                    "market time waits for {silent}"
                );
            }
        }
        if paused {
            let (step, waited_s) = (pacer.step(), started.elapsed().as_secs());
            tracing::info!(
                event = "clock_resumed",
                step,
                waited_s,
                "market time goes on"
            );
        }
        Ok(())
    }

    fn take(&self, payload: &[u8], pacer: &mut Pacer) {
        let Ok(ack) = serde_json::from_slice::<Acknowledgement>(payload) else {
            self.heart.add("acks_dropped_unreadable", 1);
            return;
        };
        let counter = match pacer.acknowledge(&ack) {
            AckOutcome::Counted => "acks_applied",
            AckOutcome::Old => "acks_dropped_old",
            AckOutcome::Unknown => "acks_dropped_unknown_step",
            AckOutcome::Stranger => "acks_dropped_stranger",
        };
        self.heart.add(counter, 1);
    }
}

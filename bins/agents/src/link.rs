//! The bus as an agent uses it: every call is repeated until it succeeds, with capped backoff, so
//! that a Redis that restarts costs an agent nothing but time. A set-up that is refused ends it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use rawe_bus::{Bus, BusError, Entry, EntryId, StreamAppend};
use rawe_core::Timestamp;
use rawe_core::channels::STREAM_LENGTH_MAX;
use rawe_runtime::{ShuttingDown, wall_now};
use tokio_util::sync::CancellationToken;

/// The first pause after a failure.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest pause after a failure.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// What became of something that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on the bus.
    Yes,
    /// It expired while the bus was away.
    Expired,
}

/// The bus, with patience.
#[derive(Debug)]
pub(crate) struct Link {
    bus: Arc<dyn Bus>,
    shutdown: CancellationToken,
    away: AtomicBool,
}

/// The pauses between repetitions of one call.
struct Patience<'a> {
    link: &'a Link,
    pause: Duration,
}

impl Patience<'_> {
    /// Waits after a failure; fails when waiting does not help or the process is to end.
    async fn after(&mut self, error: BusError, doing: &'static str) -> anyhow::Result<()> {
        if !error.is_retryable() {
            return Err(error).context(doing);
        }
        // One line per outage; the heartbeat warns of it too.
        if !self.link.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(event = "bus_away", %error, "{doing}: the bus is away, trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(self.pause) => {}
            () = self.link.shutdown.cancelled() => return Err(ShuttingDown.into()),
        }
        self.pause = (self.pause * 2).min(BACKOFF_MAX);
        Ok(())
    }
}

impl Link {
    pub(crate) fn new(bus: Arc<dyn Bus>, shutdown: CancellationToken) -> Self {
        Self {
            bus,
            shutdown,
            away: AtomicBool::new(false),
        }
    }

    fn patience(&self) -> Patience<'_> {
        Patience {
            link: self,
            pause: BACKOFF_MIN,
        }
    }

    fn answered(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!(event = "bus_back", "the bus is back, going on");
        }
    }

    /// Fails when the process is to end.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.shutdown.is_cancelled() {
            Err(ShuttingDown.into())
        } else {
            Ok(())
        }
    }

    /// Waits for `duration`, or fails when the process is to end.
    pub(crate) async fn pause(&self, duration: Duration) -> anyhow::Result<()> {
        tokio::select! {
            () = tokio::time::sleep(duration) => Ok(()),
            () = self.shutdown.cancelled() => Err(ShuttingDown.into()),
        }
    }

    pub(crate) async fn range(
        &self,
        stream: &str,
        after: EntryId,
        through: Option<EntryId>,
        count: usize,
    ) -> anyhow::Result<Vec<Entry>> {
        let mut patience = self.patience();
        loop {
            self.check()?;
            match self.bus.range(stream, after, through, count).await {
                Ok(entries) => {
                    self.answered();
                    return Ok(entries);
                }
                Err(error) => patience.after(error, "reading a stream").await?,
            }
        }
    }

    pub(crate) async fn fields(&self, hash: &str) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let mut patience = self.patience();
        loop {
            self.check()?;
            match self.bus.fields(hash).await {
                Ok(fields) => {
                    self.answered();
                    return Ok(fields);
                }
                Err(error) => patience.after(error, "reading a hash").await?,
            }
        }
    }

    /// Waits for entries; an empty answer means that none came within `block`.
    pub(crate) async fn read(
        &self,
        streams: &[(&str, EntryId)],
        count: usize,
        block: Duration,
    ) -> anyhow::Result<BTreeMap<String, Vec<Entry>>> {
        let mut patience = self.patience();
        loop {
            let answer = tokio::select! {
                answer = self.bus.read(streams, count, block) => answer,
                () = self.shutdown.cancelled() => return Err(ShuttingDown.into()),
            };
            match answer {
                Ok(entries) => {
                    self.answered();
                    return Ok(entries);
                }
                Err(error) => patience.after(error, "waiting for a stream").await?,
            }
        }
    }

    /// Appends one message to a stream, unless it expires (wall time) before the bus is back.
    pub(crate) async fn append(
        &self,
        stream: &str,
        payload: &[u8],
        expires: Option<Timestamp>,
    ) -> anyhow::Result<Sent> {
        let mut patience = self.patience();
        loop {
            let append = StreamAppend {
                stream,
                payloads: vec![payload.to_vec()],
                length_max: STREAM_LENGTH_MAX,
            };
            match self.bus.append(&[append]).await {
                Ok(_ids) => {
                    self.answered();
                    return Ok(Sent::Yes);
                }
                Err(error) => patience.after(error, "appending to a stream").await?,
            }
            if has_expired(expires) {
                return Ok(Sent::Expired);
            }
        }
    }

    /// Publishes one message, unless it expires (wall time) before the bus is back. It may arrive
    /// twice, when an answer was lost; receivers tell by its id.
    pub(crate) async fn publish(
        &self,
        channel: &str,
        payload: &[u8],
        expires: Option<Timestamp>,
    ) -> anyhow::Result<Sent> {
        let mut patience = self.patience();
        loop {
            if has_expired(expires) {
                return Ok(Sent::Expired);
            }
            match self.bus.publish(channel, payload).await {
                Ok(()) => {
                    self.answered();
                    return Ok(Sent::Yes);
                }
                Err(error) => patience.after(error, "publishing a signal").await?,
            }
        }
    }
}

fn has_expired(expires: Option<Timestamp>) -> bool {
    expires.is_some_and(|expires| wall_now() > expires)
}

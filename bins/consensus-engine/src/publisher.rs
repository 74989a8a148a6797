//! What the engine writes to the bus: accepted signals, closed rounds. Written by a thread of its
//! own, in order, so that neither a slow bus nor the writing itself holds up the votes; its queue is
//! bounded and what does not fit is counted.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rawe_bus::{Bus, StreamAppend};
use rawe_core::channels::STREAM_LENGTH_MAX;
use rawe_runtime::Heart;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How many messages wait at most: ten minutes of a very busy collective.
const QUEUE_LENGTH: usize = 8_192;
/// How many messages go out in one round trip at most.
const BATCH_LENGTH: usize = 256;
/// How long a message waits for others to share its round trip: Redis, which also carries the votes,
/// is asked seldom.
const GATHER: Duration = Duration::from_millis(10);
/// How long to wait before the bus is tried again.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// How long a flush may take before the engine goes on without it.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

enum Item {
    Message(&'static str, Vec<u8>),
    Flush(oneshot::Sender<()>),
}

/// The sending side.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    queue: mpsc::Sender<Item>,
    hurry: Arc<Notify>,
    heart: Heart,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(stream, payload) => write!(f, "{} bytes to {stream}", payload.len()),
            Self::Flush(_) => f.write_str("flush"),
        }
    }
}

impl Publisher {
    /// Starts the thread that writes. It ends when the publisher is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        bus: &dyn Bus,
        heart: Heart,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE_LENGTH);
        let hurry = Arc::new(Notify::new());
        let bus = bus
            .separate()
            .context("setting up the link for what is published")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting the runtime of the publisher")?;
        let hurried = Arc::clone(&hurry);
        thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || runtime.block_on(write_all(bus, waiting, &hurried, shutdown)))
            .context("starting the publisher")?;
        Ok(Self {
            queue,
            hurry,
            heart,
        })
    }

    /// Queues a message for a stream.
    pub(crate) fn publish(&self, stream: &'static str, payload: Vec<u8>) {
        if self.queue.try_send(Item::Message(stream, payload)).is_err() {
            self.heart.add("publish_dropped", 1);
        }
    }

    /// Waits until everything queued so far is written, for a bounded time.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        let flush = async {
            if self.queue.send(Item::Flush(done)).await.is_ok() {
                self.hurry.notify_one();
                // An error means that the writer has ended, with the process.
                let _ended = written.await;
            }
        };
        if timeout(FLUSH_LIMIT, flush).await.is_err() {
            tracing::warn!(
                event = "publish_delayed",
                "the bus takes long, going on without it"
            );
        }
    }
}

/// Waits for a message and, for a moment, for those after it; not if somebody is in a hurry.
async fn gather(
    waiting: &mut mpsc::Receiver<Item>,
    items: &mut Vec<Item>,
    hurried: &Notify,
) -> bool {
    let Some(first) = waiting.recv().await else {
        return false;
    };
    items.push(first);
    if waiting.len() < BATCH_LENGTH {
        tokio::select! {
            () = sleep(GATHER) => {}
            () = hurried.notified() => {}
        }
    }
    while items.len() < BATCH_LENGTH
        && let Ok(item) = waiting.try_recv()
    {
        items.push(item);
    }
    true
}

async fn write_all(
    bus: Arc<dyn Bus>,
    mut waiting: mpsc::Receiver<Item>,
    hurried: &Notify,
    shutdown: CancellationToken,
) {
    let mut items = Vec::with_capacity(BATCH_LENGTH);
    while gather(&mut waiting, &mut items, hurried).await {
        let mut flushes = Vec::new();
        let mut appends: Vec<StreamAppend<'static>> = Vec::new();
        for item in items.drain(..) {
            match item {
                Item::Flush(done) => flushes.push(done),
                Item::Message(stream, payload) => {
                    match appends.iter_mut().find(|append| append.stream == stream) {
                        Some(append) => append.payloads.push(payload),
                        None => appends.push(StreamAppend {
                            stream,
                            payloads: vec![payload],
                            length_max: STREAM_LENGTH_MAX,
                        }),
                    }
                }
            }
        }
        while !appends.is_empty() {
            match bus.append(&appends).await {
                Ok(_) => break,
                Err(error) if error.is_retryable() && !shutdown.is_cancelled() => {
                    tracing::debug!(event = "publish_failed", %error, "trying again");
                    sleep(RETRY_WAIT).await;
                }
                Err(error) => {
                    tracing::error!(event = "publish_refused", %error, "messages are lost");
                    break;
                }
            }
        }
        for done in flushes {
            // Whoever waited may have given up.
            let _gone = done.send(());
        }
    }
}

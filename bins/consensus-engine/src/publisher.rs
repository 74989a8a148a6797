//! What the engine writes to the bus: accepted signals, closed rounds. Written by a task of its
//! own, in order, so that a slow bus never holds up the votes; its queue is bounded and what does
//! not fit is counted.

use std::sync::Arc;
use std::time::Duration;

use rawe_bus::{Bus, StreamAppend};
use rawe_core::channels::STREAM_LENGTH_MAX;
use rawe_runtime::Heart;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// How many messages wait at most: ten minutes of a very busy collective.
const QUEUE_LENGTH: usize = 8_192;
/// How many messages go out in one round trip at most.
const BATCH_LENGTH: usize = 256;
/// How long a message waits for others to share its round trip, so that on a busy day orders do
/// not queue behind the writing of what is only for readers.
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
    /// Starts the task that writes.
    pub(crate) fn start(bus: Arc<dyn Bus>, heart: Heart, shutdown: CancellationToken) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(write_all(bus, waiting, shutdown));
        Self { queue, heart }
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

/// Waits for a message and, for a moment, for those after it. A flush is written at once.
async fn gather(waiting: &mut mpsc::Receiver<Item>, items: &mut Vec<Item>) -> bool {
    let Some(first) = waiting.recv().await else {
        return false;
    };
    let deadline = Instant::now() + GATHER;
    let mut next = Some(first);
    while let Some(item) = next {
        let urgent = matches!(item, Item::Flush(_));
        items.push(item);
        if urgent || items.len() >= BATCH_LENGTH {
            break;
        }
        next = timeout_at(deadline, waiting.recv()).await.ok().flatten();
    }
    true
}

async fn write_all(
    bus: Arc<dyn Bus>,
    mut waiting: mpsc::Receiver<Item>,
    shutdown: CancellationToken,
) {
    let mut items = Vec::with_capacity(BATCH_LENGTH);
    while gather(&mut waiting, &mut items).await {
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

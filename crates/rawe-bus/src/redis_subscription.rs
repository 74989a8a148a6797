//! A subscription on Redis that lasts for ever. The client library's own reconnecting can go deaf
//! (it gives up, or is refused in silence), so the link is supervised here: a ping with a deadline
//! finds servers that hang, and every loss is told to the reader.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use redis::Client;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::queue::{EventQueue, reader_channel};
use crate::redis_bus::{ANSWER_TIMEOUT, CONNECT_TIMEOUT};
use crate::redis_error::{classify, unanswered};
use crate::{BusError, BusEvent, Subscription};

/// How often the link is checked.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// How long the answer to a check may take. A server that is only busy must not be taken for one
/// that hangs: dropping its link would lose messages.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// The shortest wait before connecting again.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// The longest wait before connecting again, before jitter.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A link that held this long was healthy: the next loss is answered at once again.
const HEALTHY_AFTER: Duration = Duration::from_secs(5);

/// Starts the supervisor of one subscription. It ends when the reader goes away.
pub(crate) fn start(client: Client, channel: String, capacity: usize) -> Subscription {
    let queue = Arc::new(EventQueue::new(capacity));
    let (sender, events) = reader_channel();
    tokio::spawn(async move {
        tokio::select! {
            () = queue.forward(&sender) => {}
            never = supervise(&client, &channel, &queue) => match never {},
        }
    });
    Subscription { events }
}

fn backoff() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(BACKOFF_MIN)
        .with_max_delay(BACKOFF_MAX)
        .with_jitter()
        .without_max_times()
        .build()
}

async fn supervise(client: &Client, channel: &str, queue: &EventQueue) -> Infallible {
    let mut delays = backoff();
    // Only the first failure of a row is told: the reader needs one gap, not one for each try.
    let mut told = false;
    loop {
        let mut up_since = None;
        let error = match session(client, channel, queue, &mut up_since).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        if up_since.is_some() {
            told = false;
        }
        if up_since.is_some_and(|since| since.elapsed() >= HEALTHY_AFTER) {
            delays = backoff();
        }
        if !told {
            told = true;
            queue.push(BusEvent::Gap {
                reason: error.to_string(),
                lost: 0,
            });
        }
        let delay = delays.next().unwrap_or(BACKOFF_MAX);
        tracing::debug!(
            event = "subscription_lost",
            channel,
            %error,
            retry_in_ms = delay.as_millis(),
            "the subscription is down, connecting again"
        );
        sleep(delay).await;
    }
}

/// One link, from connecting to its loss.
async fn session(
    client: &Client,
    channel: &str,
    queue: &EventQueue,
    up_since: &mut Option<Instant>,
) -> Result<Infallible, BusError> {
    let link = timeout(CONNECT_TIMEOUT, client.get_async_pubsub())
        .await
        .map_err(|_| unanswered(CONNECT_TIMEOUT))?
        .map_err(|error| classify(&error))?;
    let (mut sink, mut messages) = link.split();
    timeout(ANSWER_TIMEOUT, sink.subscribe(channel))
        .await
        .map_err(|_| unanswered(ANSWER_TIMEOUT))?
        .map_err(|error| classify(&error))?;
    *up_since = Some(Instant::now());
    queue.push(BusEvent::Up);

    let pinging = async {
        let mut ticks = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            timeout(PING_TIMEOUT, sink.ping::<redis::Value>())
                .await
                .map_err(|_| unanswered(PING_TIMEOUT))?
                .map_err(|error| classify(&error))?;
        }
    };
    let listening = async {
        while let Some(message) = messages.next().await {
            queue.push(BusEvent::Message(message.get_payload_bytes().to_vec()));
        }
        Err(BusError::Unavailable(
            "the server closed the subscription".to_owned(),
        ))
    };
    // Both run at once: while a ping waits for its answer, messages are still taken.
    tokio::select! {
        ended = pinging => ended,
        ended = listening => ended,
    }
}

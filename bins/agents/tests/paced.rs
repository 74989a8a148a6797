//! An agent on a bus in memory, under a paced clock: what it says, when, and after a restart.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its own functions too"
)]

mod feed;
mod snapshots;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use feed::{Feed, HISTORY_HOURS, Running, hour};
use rawe_bus::{Bus, BusError, Entry, EntryId, MemoryBus, StreamAppend, Subscription};
use rawe_core::channels::STATUS_HASH;
use rawe_core::{ClockMode, Direction, Heartbeat, ProcessState, StanceMessage, Symbol};

/// Votes by asset of a stance message.
fn votes(message: &StanceMessage) -> BTreeMap<Symbol, Direction> {
    let vote = |s: &rawe_core::Stance| s.direction.map(|direction| (s.asset.clone(), direction));
    message.stances.iter().filter_map(vote).collect()
}

/// Experts by instant and asset, to the last bit.
fn experts(messages: &[StanceMessage]) -> BTreeMap<(i64, Symbol), u64> {
    let of = |m: &StanceMessage| {
        let at = m.timestamp.timestamp();
        m.stances
            .iter()
            .map(move |s| ((at, s.asset.clone()), s.expert.to_bits()))
            .collect::<Vec<_>>()
    };
    messages.iter().flat_map(of).collect()
}

#[tokio::test]
async fn every_step_has_a_stance_a_signal_per_vote_and_an_acknowledgement() {
    let mut feed = Feed::new("run-1").await;
    let agent = Running::start("balanced-arbitrator", Arc::new(feed.bus.clone()));
    feed.write_history(true).await;
    let warm = feed.acknowledged(0).await;
    assert_eq!(
        (warm.published, warm.participant.as_str()),
        (0, "balanced-arbitrator")
    );
    assert!(feed.stances().await.is_empty(), "the warm-up says nothing");

    let steps = 30;
    let mut published = 0;
    for _ in 0..steps {
        published = feed.play_next().await.published;
    }
    let signals = feed.signals(published).await;
    assert!(feed.is_silent());
    let stances = feed.stances().await;
    assert_eq!(stances.len(), steps);
    let mut sequence = 0;
    for (n, message) in stances.iter().enumerate() {
        assert_eq!(
            message.timestamp,
            hour(HISTORY_HOURS + 1 + i64::try_from(n).unwrap())
        );
        assert_eq!(message.stances.len(), 2);
        let mut said = BTreeMap::new();
        for signal in signals
            .iter()
            .filter(|signal| signal.timestamp == message.timestamp)
        {
            sequence += 1;
            let agent = signal.agent.as_ref().unwrap();
            assert_eq!(
                (agent.sequence, &agent.boot_id),
                (sequence, &message.agent.boot_id)
            );
            said.insert(signal.financial_asset.clone(), signal.metadata.direction);
        }
        assert_eq!(said, votes(message), "one signal per vote");
    }
    assert!(sequence > 0, "somebody voted");

    feed.announce(ClockMode::Ended, hour(HISTORY_HOURS + 31), true)
        .await;
    feed.acknowledged(30).await;
    let beat = feed
        .bus
        .fields(STATUS_HASH)
        .await
        .unwrap()
        .remove("balanced-arbitrator")
        .unwrap();
    agent.stop().await;
    let beat: Heartbeat = serde_json::from_slice(&beat).unwrap();
    assert_ne!(beat.state, ProcessState::Starting);
    let last = feed
        .bus
        .fields(STATUS_HASH)
        .await
        .unwrap()
        .remove("balanced-arbitrator")
        .unwrap();
    let last: Heartbeat = serde_json::from_slice(&last).unwrap();
    assert_eq!(last.state, ProcessState::Ended);
    assert_eq!(last.counters["signals_published"], published);
    assert_eq!(last.counters["steps_acknowledged"], 32);
}

#[tokio::test]
async fn a_restarted_agent_rebuilds_says_nothing_twice_and_goes_on_the_same() {
    let mut whole = Feed::new("run-1").await;
    let agent = Running::start("alpha-aggressor", Arc::new(whole.bus.clone()));
    whole.write_history(true).await;
    for _ in 0..12 {
        whole.play_next().await;
    }
    agent.stop().await;

    let mut broken = Feed::new("run-1").await;
    let agent = Running::start("alpha-aggressor", Arc::new(broken.bus.clone()));
    broken.write_history(true).await;
    let mut published = 0;
    for _ in 0..6 {
        published = broken.play_next().await.published;
    }
    let before = broken.signals(published).await;
    agent.stop().await;
    // Restarted on a step that was acknowledged: acknowledged again, nothing repeated.
    let agent = Running::start("alpha-aggressor", Arc::new(broken.bus.clone()));
    let again = broken.acknowledged(6).await;
    assert_eq!(again.published, 0);
    assert_eq!(broken.stances().await.len(), 6);
    assert!(broken.is_silent());
    agent.stop().await;
    // Away while a step was announced: it is spoken about after the restart, once.
    broken.announce_next().await;
    let agent = Running::start("alpha-aggressor", Arc::new(broken.bus.clone()));
    let mut after = broken.acknowledged(7).await.published;
    for _ in 7..12 {
        after = broken.play_next().await.published;
    }
    agent.stop().await;
    let signals = broken.signals(after).await;
    assert!(
        before
            .iter()
            .all(|signal| signal.timestamp <= hour(HISTORY_HOURS + 6))
    );
    assert!(
        signals
            .iter()
            .all(|signal| signal.timestamp > hour(HISTORY_HOURS + 6))
    );
    assert_eq!(
        experts(&broken.stances().await),
        experts(&whole.stances().await)
    );
}

#[tokio::test]
async fn a_feed_started_again_begins_anew_even_under_the_same_name() {
    let mut feed = Feed::new("run-1").await;
    let agent = Running::start("flux-follower", Arc::new(feed.bus.clone()));
    feed.write_history(true).await;
    for _ in 0..3 {
        feed.play_next().await;
    }
    let first = feed.stances().await;
    // The feed is started again: history, steps and numbers from the beginning.
    let mut second = Feed::new("run-1").await;
    second.bus = feed.bus.clone();
    second.acknowledged(3).await;
    second.write_history(true).await;
    second.acknowledged(0).await;
    for _ in 0..3 {
        second.play_next().await;
    }
    agent.stop().await;
    let all = feed.stances().await;
    assert_eq!(all.len(), 6);
    // The process is the same one, so its messages count on.
    let sequences: Vec<u64> = all.iter().map(|message| message.agent.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6]);
    assert_eq!(experts(&all[3..]), experts(&first));
}

#[tokio::test]
async fn a_live_agent_says_nothing_about_history() {
    let mut feed = Feed::new("live-1").await;
    let agent = Running::start("flux-follower", Arc::new(feed.bus.clone()));
    feed.write_history(false).await;
    let state = async {
        loop {
            let fields = feed.bus.fields(STATUS_HASH).await.unwrap();
            let beat: Option<Heartbeat> = fields
                .get("flux-follower")
                .and_then(|beat| serde_json::from_slice(beat).ok());
            if let Some(beat) = beat.filter(|beat| beat.state == ProcessState::Running) {
                return beat;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let beat = tokio::time::timeout(feed::DEADLINE, state)
        .await
        .expect("running in time");
    assert_eq!(beat.detail, "watching 2 assets");
    assert!(feed.stances().await.is_empty());
    assert!(feed.is_silent());
    agent.stop().await;
}

/// A bus that can be taken away, and that can fail publishing a number of times.
#[derive(Clone, Debug)]
struct FlakyBus {
    inner: MemoryBus,
    away: Arc<AtomicBool>,
    publish_failures: Arc<AtomicU64>,
}

impl FlakyBus {
    fn check(&self) -> Result<(), BusError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(BusError::Unavailable("taken away by the test".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Bus for FlakyBus {
    fn describe(&self) -> String {
        self.inner.describe()
    }
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }
    fn separate(&self) -> Result<Arc<dyn Bus>, BusError> {
        Ok(Arc::new(self.clone()))
    }
    async fn ping(&self) -> Result<(), BusError> {
        self.check()
    }
    async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), BusError> {
        self.check()?;
        let take = |left: u64| left.checked_sub(1);
        if self
            .publish_failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok()
        {
            return Err(BusError::Unavailable("a publish fails".to_owned()));
        }
        self.inner.publish(channel, payload).await
    }
    async fn subscribe(&self, channel: &str, capacity: usize) -> Subscription {
        self.inner.subscribe(channel, capacity).await
    }
    async fn append(&self, appends: &[StreamAppend<'_>]) -> Result<Vec<EntryId>, BusError> {
        self.check()?;
        self.inner.append(appends).await
    }
    async fn range(
        &self,
        stream: &str,
        after: EntryId,
        through: Option<EntryId>,
        count: usize,
    ) -> Result<Vec<Entry>, BusError> {
        self.check()?;
        self.inner.range(stream, after, through, count).await
    }
    async fn read(
        &self,
        streams: &[(&str, EntryId)],
        count: usize,
        block: Duration,
    ) -> Result<BTreeMap<String, Vec<Entry>>, BusError> {
        self.check()?;
        let found = self.inner.read(streams, count, block).await;
        self.check()?;
        found
    }
    async fn last(&self, stream: &str) -> Result<Option<Entry>, BusError> {
        self.check()?;
        self.inner.last(stream).await
    }
    async fn clear_streams(&self, streams: &[&str]) -> Result<(), BusError> {
        self.check()?;
        self.inner.clear_streams(streams).await
    }
    async fn set_field(&self, hash: &str, field: &str, payload: &[u8]) -> Result<(), BusError> {
        self.check()?;
        self.inner.set_field(hash, field, payload).await
    }
    async fn fields(&self, hash: &str) -> Result<BTreeMap<String, Vec<u8>>, BusError> {
        self.inner.fields(hash).await
    }
    async fn lease(
        &self,
        name: &str,
        holder: rawe_bus::LeaseHolder<'_>,
        ttl: Duration,
    ) -> Result<rawe_bus::Lease, BusError> {
        self.inner.lease(name, holder, ttl).await
    }
    async fn release_lease(&self, name: &str, boot: &str) -> Result<(), BusError> {
        self.inner.release_lease(name, boot).await
    }
}

#[tokio::test]
async fn an_outage_of_the_bus_loses_nothing_under_a_paced_clock() {
    let mut feed = Feed::new("run-1").await;
    let flaky = FlakyBus {
        inner: feed.bus.clone(),
        away: Arc::default(),
        publish_failures: Arc::default(),
    };
    let agent = Running::start("flux-follower", Arc::new(flaky.clone()));
    feed.write_history(true).await;
    let mut published = feed.acknowledged(0).await.published;
    for n in 0..10 {
        flaky.away.store(n % 3 == 0, Ordering::SeqCst);
        flaky.publish_failures.store(n % 2, Ordering::SeqCst);
        let step = feed.announce_next().await;
        flaky.away.store(false, Ordering::SeqCst);
        published = feed.acknowledged(step).await.published;
    }
    agent.stop().await;
    let signals = feed.signals(published).await;
    let stances = feed.stances().await;
    assert_eq!(stances.len(), 10);
    assert_eq!(
        stances
            .iter()
            .map(|message| votes(message).len())
            .sum::<usize>(),
        signals.len()
    );
    assert!(!signals.is_empty(), "somebody voted");
}

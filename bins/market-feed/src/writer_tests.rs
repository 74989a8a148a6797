//! Tests of writing once through a bus that fails before, or after, it has written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rawe_bus::{Entry, MemoryBus, Subscription};
use rawe_core::{Register, Timestamp};

use super::*;

/// A bus whose first appends fail: the first before anything is written, the second after the
/// first half of each stream's payloads, the third after all.
#[derive(Debug, Default)]
struct FailingBus {
    inner: MemoryBus,
    appends: AtomicU32,
}

#[async_trait]
impl Bus for FailingBus {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn separate(&self) -> Result<Arc<dyn Bus>, BusError> {
        self.inner.separate()
    }

    async fn ping(&self) -> Result<(), BusError> {
        self.inner.ping().await
    }

    async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), BusError> {
        self.inner.publish(channel, payload).await
    }

    async fn subscribe(&self, channel: &str, capacity: usize) -> Subscription {
        self.inner.subscribe(channel, capacity).await
    }

    async fn append(&self, appends: &[StreamAppend<'_>]) -> Result<Vec<EntryId>, BusError> {
        let halved = |append: &StreamAppend<'_>| {
            let half = append.payloads.len() / 2;
            let payloads = append.payloads.iter().take(half).cloned().collect();
            (append.stream.to_owned(), payloads, append.length_max)
        };
        match self.appends.fetch_add(1, Ordering::SeqCst) {
            0 => {}
            1 => {
                for (stream, payloads, length_max) in appends.iter().map(halved) {
                    let append = StreamAppend {
                        stream: &stream,
                        payloads,
                        length_max,
                    };
                    self.inner.append(&[append]).await?;
                }
            }
            2 => drop(self.inner.append(appends).await?),
            _ => return self.inner.append(appends).await,
        }
        Err(BusError::Unavailable("timed out".into()))
    }

    async fn range(
        &self,
        stream: &str,
        after: EntryId,
        through: Option<EntryId>,
        count: usize,
    ) -> Result<Vec<Entry>, BusError> {
        self.inner.range(stream, after, through, count).await
    }

    async fn read(
        &self,
        streams: &[(&str, EntryId)],
        count: usize,
        block: Duration,
    ) -> Result<BTreeMap<String, Vec<Entry>>, BusError> {
        self.inner.read(streams, count, block).await
    }

    async fn last(&self, stream: &str) -> Result<Option<Entry>, BusError> {
        self.inner.last(stream).await
    }

    async fn clear_streams(&self, streams: &[&str]) -> Result<(), BusError> {
        self.inner.clear_streams(streams).await
    }

    async fn set_field(&self, hash: &str, field: &str, payload: &[u8]) -> Result<(), BusError> {
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

fn item(number: usize) -> NewsItem {
    NewsItem {
        id: number.to_string(),
        published: Timestamp::UNIX_EPOCH,
        first_seen: Timestamp::UNIX_EPOCH,
        source: "test".into(),
        register: Register::News,
        author: None,
        followers: None,
        repost_of: None,
        trust_percent: None,
        symbols: Vec::new(),
        headline: "headline".into(),
        text: String::new(),
        backfill: false,
    }
}

#[tokio::test]
async fn everything_is_written_once_although_appends_fail() {
    let failing = Arc::new(FailingBus::default());
    let bus: Arc<dyn Bus> = Arc::clone(&failing) as Arc<dyn Bus>;
    let heart = Heart::new("market-feed", None, rawe_runtime::new_boot_id());
    let mut writer = StreamWriter::fresh(bus, heart).await.unwrap();
    let items: Vec<NewsItem> = (0..CHUNK + 7).map(item).collect();
    writer.write(&[], &items).await.unwrap();
    let written = failing
        .range(NEWS_STREAM, EntryId::START, None, usize::MAX)
        .await
        .unwrap();
    let ids: Vec<String> = written
        .iter()
        .map(|entry| {
            serde_json::from_slice::<NewsItem>(&entry.payload)
                .unwrap()
                .id
        })
        .collect();
    assert!(
        ids.iter().eq(items.iter().map(|item| &item.id)),
        "{} written",
        ids.len()
    );
    assert_eq!(writer.ends(), (EntryId::START, written.last().unwrap().id));
    // Two failures cost a wait each, the third append had nothing left to do.
    assert!(failing.appends.load(Ordering::SeqCst) >= 4);
}

#[tokio::test]
async fn a_fresh_run_finds_the_streams_empty() {
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
    let heart = Heart::new("market-feed", None, rawe_runtime::new_boot_id());
    let mut writer = StreamWriter::behind(Arc::clone(&bus), heart.clone())
        .await
        .unwrap();
    writer.write(&[], &[item(1), item(2)]).await.unwrap();
    let behind = StreamWriter::behind(Arc::clone(&bus), heart.clone())
        .await
        .unwrap();
    assert_eq!(behind.ends(), writer.ends());
    let fresh = StreamWriter::fresh(Arc::clone(&bus), heart).await.unwrap();
    assert_eq!(fresh.ends(), (EntryId::START, EntryId::START));
    assert_eq!(bus.last(NEWS_STREAM).await.unwrap(), None);
}

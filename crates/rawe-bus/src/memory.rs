//! The bus in one process's memory: the embedded default, and what tests run on. It promises what
//! the bus on Redis promises, except that nothing survives the process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::leases::Leases;
use crate::queue::{EventQueue, reader_channel};
use crate::{
    Bus, BusError, BusEvent, Entry, EntryId, Lease, LeaseHolder, StreamAppend, Subscription,
};

/// A bus in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryBus {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes those who wait for stream entries.
    appended: Notify,
}

#[derive(Debug, Default)]
struct State {
    channels: HashMap<String, Vec<Weak<EventQueue>>>,
    streams: HashMap<String, VecDeque<Entry>>,
    hashes: HashMap<String, BTreeMap<String, Vec<u8>>>,
    /// Ids count appends of the whole bus, so that they never depend on a clock.
    appends: u64,
    leases: Leases,
}

impl MemoryBus {
    /// An empty bus.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn entries_after(
        &self,
        streams: &[(&str, EntryId)],
        count: usize,
    ) -> BTreeMap<String, Vec<Entry>> {
        let state = self.lock();
        let mut found = BTreeMap::new();
        for &(stream, after) in streams {
            let entries = state.after(stream, after, None, count);
            if !entries.is_empty() {
                found.insert(stream.to_owned(), entries);
            }
        }
        found
    }
}

impl State {
    fn after(
        &self,
        stream: &str,
        after: EntryId,
        through: Option<EntryId>,
        count: usize,
    ) -> Vec<Entry> {
        let Some(entries) = self.streams.get(stream) else {
            return Vec::new();
        };
        let first = entries.partition_point(|entry| entry.id <= after);
        entries
            .range(first..)
            .take_while(|entry| through.is_none_or(|through| entry.id <= through))
            .take(count)
            .cloned()
            .collect()
    }

    fn append(&mut self, append: &StreamAppend<'_>) -> EntryId {
        let mut last = EntryId::START;
        if append.payloads.is_empty() {
            return last;
        }
        let entries = self.streams.entry(append.stream.to_owned()).or_default();
        for payload in &append.payloads {
            self.appends += 1;
            last = EntryId {
                millis: self.appends,
                sequence: 0,
            };
            entries.push_back(Entry {
                id: last,
                payload: payload.clone(),
            });
        }
        let surplus = entries.len().saturating_sub(append.length_max);
        entries.drain(..surplus);
        last
    }
}

#[async_trait]
impl Bus for MemoryBus {
    fn describe(&self) -> String {
        "in memory".to_owned()
    }

    fn kind(&self) -> &'static str {
        "embedded"
    }

    fn separate(&self) -> Result<Arc<dyn Bus>, BusError> {
        Ok(Arc::new(self.clone()))
    }

    async fn ping(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), BusError> {
        let mut state = self.lock();
        let Some(queues) = state.channels.get_mut(channel) else {
            return Ok(());
        };
        queues.retain(|queue| match queue.upgrade() {
            Some(queue) => {
                queue.push(BusEvent::Message(payload.to_vec()));
                true
            }
            None => false,
        });
        Ok(())
    }

    async fn subscribe(&self, channel: &str, capacity: usize) -> Subscription {
        let queue = Arc::new(EventQueue::new(capacity));
        queue.push(BusEvent::Up);
        self.lock()
            .channels
            .entry(channel.to_owned())
            .or_default()
            .push(Arc::downgrade(&queue));
        let (sender, events) = reader_channel();
        tokio::spawn(async move { queue.forward(&sender).await });
        Subscription { events }
    }

    async fn append(&self, appends: &[StreamAppend<'_>]) -> Result<Vec<EntryId>, BusError> {
        let ids = {
            let mut state = self.lock();
            appends.iter().map(|append| state.append(append)).collect()
        };
        self.shared.appended.notify_waiters();
        Ok(ids)
    }

    async fn range(
        &self,
        stream: &str,
        after: EntryId,
        through: Option<EntryId>,
        count: usize,
    ) -> Result<Vec<Entry>, BusError> {
        Ok(self.lock().after(stream, after, through, count))
    }

    async fn read(
        &self,
        streams: &[(&str, EntryId)],
        count: usize,
        block: Duration,
    ) -> Result<BTreeMap<String, Vec<Entry>>, BusError> {
        let deadline = Instant::now() + block;
        loop {
            let appended = self.shared.appended.notified();
            tokio::pin!(appended);
            // Listening begins before looking, so that no append falls between the two.
            appended.as_mut().enable();
            let found = self.entries_after(streams, count);
            if !found.is_empty() {
                return Ok(found);
            }
            if tokio::time::timeout_at(deadline, appended).await.is_err() {
                return Ok(BTreeMap::new());
            }
        }
    }

    async fn last(&self, stream: &str) -> Result<Option<Entry>, BusError> {
        Ok(self
            .lock()
            .streams
            .get(stream)
            .and_then(|entries| entries.back().cloned()))
    }

    async fn clear_streams(&self, streams: &[&str]) -> Result<(), BusError> {
        let mut state = self.lock();
        for stream in streams {
            state.streams.remove(*stream);
        }
        Ok(())
    }

    async fn set_field(&self, hash: &str, field: &str, payload: &[u8]) -> Result<(), BusError> {
        let mut state = self.lock();
        let fields = state.hashes.entry(hash.to_owned()).or_default();
        fields.insert(field.to_owned(), payload.to_vec());
        Ok(())
    }

    async fn fields(&self, hash: &str) -> Result<BTreeMap<String, Vec<u8>>, BusError> {
        Ok(self.lock().hashes.get(hash).cloned().unwrap_or_default())
    }

    async fn lease(
        &self,
        name: &str,
        holder: LeaseHolder<'_>,
        ttl: Duration,
    ) -> Result<Lease, BusError> {
        Ok(self.lock().leases.take(name, holder, ttl))
    }

    async fn release_lease(&self, name: &str, boot: &str) -> Result<(), BusError> {
        self.lock().leases.give_back(name, boot);
        Ok(())
    }
}

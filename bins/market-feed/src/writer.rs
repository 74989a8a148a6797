//! Writes to the streams of the bus: in order, in chunks, and each payload once, although a bus
//! that times out may or may not have written.

use std::sync::Arc;

use rawe_bus::{Bus, BusError, EntryId, StreamAppend};
use rawe_core::channels::{
    ACKS_STREAM, BARS_STREAM, CLOCK_STREAM, MARKET_STREAM_LENGTH_MAX, NEWS_STREAM,
    STREAM_LENGTH_MAX,
};
use rawe_core::{Bar, ClockInstant, NewsItem};
use rawe_runtime::Heart;
use serde::Serialize;

use crate::retry::{Backoff, Passing, until_answered};

/// Payloads of one stream in one append: half a megabyte at most, far below any limit.
const CHUNK: usize = 500;

/// The only writer of `rawe:bars`, `rawe:news` and `rawe:clock`.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    bus: Arc<dyn Bus>,
    heart: Heart,
    bars: Tail,
    news: Tail,
    clock: Tail,
}

/// The end of one stream.
#[derive(Clone, Copy, Debug)]
struct Tail {
    stream: &'static str,
    length_max: usize,
    last: EntryId,
}

impl StreamWriter {
    /// A writer behind what the streams hold.
    pub(crate) async fn behind(bus: Arc<dyn Bus>, heart: Heart) -> Result<Self, BusError> {
        let mut tails = Vec::new();
        for (stream, length_max) in [
            (BARS_STREAM, MARKET_STREAM_LENGTH_MAX),
            (NEWS_STREAM, MARKET_STREAM_LENGTH_MAX),
            (CLOCK_STREAM, STREAM_LENGTH_MAX),
        ] {
            let newest = until_answered!("the bus", bus.last(stream).await)?;
            let last = newest.map_or(EntryId::START, |entry| entry.id);
            tails.push(Tail {
                stream,
                length_max,
                last,
            });
        }
        match tails.as_slice() {
            [bars, news, clock] => Ok(Self {
                heart,
                bars: *bars,
                news: *news,
                clock: *clock,
                bus,
            }),
            _ => Err(BusError::Protocol("three streams have three ends".into())),
        }
    }

    /// A writer of a fresh run: bars, news, clock and acknowledgements of older ones are gone.
    pub(crate) async fn fresh(bus: Arc<dyn Bus>, heart: Heart) -> Result<Self, BusError> {
        let streams = [BARS_STREAM, NEWS_STREAM, CLOCK_STREAM, ACKS_STREAM];
        until_answered!("the bus", bus.clear_streams(&streams).await)?;
        Self::behind(bus, heart).await
    }

    /// The newest entries of bars and news.
    pub(crate) fn ends(&self) -> (EntryId, EntryId) {
        (self.bars.last, self.news.last)
    }

    /// Writes bars and items, each in the order given.
    pub(crate) async fn write(&mut self, bars: &[Bar], news: &[NewsItem]) -> Result<(), BusError> {
        let (bar_payloads, news_payloads) = (payloads(bars), payloads(news));
        let (mut bar_chunks, mut news_chunks) =
            (bar_payloads.chunks(CHUNK), news_payloads.chunks(CHUNK));
        loop {
            let (bars, news) = (bar_chunks.next(), news_chunks.next());
            if bars.is_none() && news.is_none() {
                break;
            }
            let written = [(self.bars, bars), (self.news, news)]
                .map(|(tail, chunk)| (tail, chunk.unwrap_or_default().to_vec()));
            [self.bars.last, self.news.last] = append_each_once(&self.bus, written).await?;
        }
        self.heart.add("bars_written", bars.len() as u64);
        self.heart.add("news_written", news.len() as u64);
        Ok(())
    }

    /// Announces an instant.
    pub(crate) async fn announce(&mut self, instant: &ClockInstant) -> Result<(), BusError> {
        let written = [(self.clock, payloads(std::slice::from_ref(instant)))];
        [self.clock.last] = append_each_once(&self.bus, written).await?;
        Ok(())
    }
}

/// Our own types always serialise; should one not, it is left out and the log says so.
fn payloads<T: Serialize>(values: &[T]) -> Vec<Vec<u8>> {
    let payload = |value: &T| match serde_json::to_vec(value) {
        Ok(payload) => Some(payload),
        Err(error) => {
            tracing::error!(event = "item_dropped", error = %error, "an item cannot be written");
            None
        }
    };
    values.iter().filter_map(payload).collect()
}

/// Appends to several streams until everything is written; after a failure it looks what has
/// arrived, and goes on behind that. Returns the last id of each stream.
async fn append_each_once<const N: usize>(
    bus: &Arc<dyn Bus>,
    mut written: [(Tail, Vec<Vec<u8>>); N],
) -> Result<[EntryId; N], BusError> {
    let mut backoff = Backoff::new("the bus");
    loop {
        let appends: Vec<StreamAppend<'_>> = written
            .iter()
            .filter(|(_, payloads)| !payloads.is_empty())
            .map(|(tail, payloads)| StreamAppend {
                stream: tail.stream,
                payloads: payloads.clone(),
                length_max: tail.length_max,
            })
            .collect();
        if appends.is_empty() {
            return Ok(written.map(|(tail, _)| tail.last));
        }
        match bus.append(&appends).await {
            Ok(ids) => {
                backoff.worked();
                let waiting = written
                    .iter_mut()
                    .filter(|(_, payloads)| !payloads.is_empty());
                for ((tail, payloads), id) in waiting.zip(ids) {
                    tail.last = id;
                    payloads.clear();
                }
            }
            Err(error) if error.is_passing() => {
                backoff.failed(&error).await;
                for (tail, payloads) in &mut written {
                    drop_arrived(bus, tail, payloads).await?;
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Takes out the payloads that a failed append has written all the same.
async fn drop_arrived(
    bus: &Arc<dyn Bus>,
    tail: &mut Tail,
    payloads: &mut Vec<Vec<u8>>,
) -> Result<(), BusError> {
    let (stream, after, count) = (tail.stream, tail.last, payloads.len());
    let arrived = until_answered!("the bus", bus.range(stream, after, None, count).await)?;
    let same = arrived
        .iter()
        .zip(&*payloads)
        .take_while(|(entry, p)| entry.payload == **p)
        .count();
    if let Some(entry) = same.checked_sub(1).and_then(|last| arrived.get(last)) {
        tail.last = entry.id;
    }
    payloads.drain(..same);
    Ok(())
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;

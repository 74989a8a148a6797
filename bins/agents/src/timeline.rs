//! Market data in the order of market time: two streams merged, applied, and a scan at every grid
//! instant in between.
//!
//! A bar counts at its end, an item when it was first seen; at the same time bars come first.
//! Everything up to and including a grid instant is applied before its scan, nothing after it.
//! Entries are read in chunks, so that months of history never lie in memory at once.

use std::collections::VecDeque;

use chrono::{TimeDelta, Timelike};
use rawe_agent::{Agent, ScanResult};
use rawe_bus::EntryId;
use rawe_core::channels::{BARS_STREAM, NEWS_STREAM};
use rawe_core::{Bar, NewsItem, ProcessState, Timestamp};
use rawe_runtime::Heart;
use serde::de::DeserializeOwned;

use crate::link::Link;

/// Entries of one stream read at once.
const CHUNK: usize = 1_000;
/// After so many entries in a row other tasks of the process get their turn.
const EVENTS_PER_TURN: u32 = 256;

/// One stream, from a position on, with a chunk of it in memory.
#[derive(Debug)]
struct Lane<T> {
    stream: &'static str,
    /// The last entry read.
    after: EntryId,
    /// The last entry applied in this run.
    applied: Option<EntryId>,
    through: Option<EntryId>,
    chunk: VecDeque<(EntryId, Timestamp, T)>,
    is_drained: bool,
    refused: u64,
}

impl<T: DeserializeOwned> Lane<T> {
    fn new(stream: &'static str, after: EntryId) -> Self {
        Self {
            stream,
            after,
            applied: None,
            through: None,
            chunk: VecDeque::new(),
            is_drained: false,
            refused: 0,
        }
    }

    /// Reads the next chunk if there is none in memory. `time` says when an entry counts; `None`
    /// refuses it.
    async fn fill(
        &mut self,
        link: &Link,
        time: impl Fn(&T) -> Option<Timestamp>,
    ) -> anyhow::Result<()> {
        while self.chunk.is_empty() && !self.is_drained {
            if self.through.is_some_and(|through| through <= self.after) {
                self.is_drained = true;
                break;
            }
            let entries = link
                .range(self.stream, self.after, self.through, CHUNK)
                .await?;
            self.is_drained = entries.len() < CHUNK;
            for entry in entries {
                self.after = entry.id;
                let read = serde_json::from_slice::<T>(&entry.payload).ok();
                match read.and_then(|read| time(&read).map(|at| (at, read))) {
                    Some((at, read)) => self.chunk.push_back((entry.id, at, read)),
                    None => self.refuse(entry.id),
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, id: EntryId) {
        self.refused += 1;
        if self.refused == 1 {
            tracing::warn!(
                event = "market_entry_refused",
                stream = self.stream,
                entry = %id,
                "an entry of {} cannot be used; further ones are only counted",
                self.stream
            );
        }
    }

    fn reopen(&mut self, through: Option<EntryId>) {
        self.through = through;
        self.is_drained = false;
    }

    /// Takes the next entry, which is then applied.
    fn take(&mut self) -> Option<(Timestamp, T)> {
        let (id, at, read) = self.chunk.pop_front()?;
        self.applied = Some(id);
        Some((at, read))
    }

    /// Goes on after an entry that has been applied.
    fn continue_after(&mut self, applied: EntryId) {
        (self.after, self.applied) = (applied, Some(applied));
    }

    fn next_time(&self) -> Option<Timestamp> {
        self.chunk.front().map(|(_, at, _)| *at)
    }
}

/// What becomes of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// It is said.
    Said,
    /// It was said by an earlier boot: only what it counts is counted.
    Heard,
    /// It lies in the past and only builds state.
    Past,
}

/// Where an agent is: what it has applied, and through when it has scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The bar applied last.
    pub(crate) bars: EntryId,
    /// The news item applied last, if any.
    pub(crate) news: Option<EntryId>,
    /// The grid up to here has been scanned.
    pub(crate) scanned_through: Timestamp,
}

/// An agent, its place in market time and in the streams.
#[derive(Debug)]
pub(crate) struct Timeline {
    agent: Agent,
    bars: Lane<Bar>,
    news: Lane<NewsItem>,
    /// The grid up to here has been scanned.
    scanned_through: Option<Timestamp>,
    heart: Heart,
}

impl Timeline {
    pub(crate) fn new(
        agent: Agent,
        bars_before: EntryId,
        news_before: EntryId,
        heart: Heart,
    ) -> Self {
        Self {
            agent,
            bars: Lane::new(BARS_STREAM, bars_before),
            news: Lane::new(NEWS_STREAM, news_before),
            scanned_through: None,
            heart,
        }
    }

    /// Goes on from a place, with the agent as it was there.
    pub(crate) fn continue_from(&mut self, place: Place) {
        self.bars.continue_after(place.bars);
        if let Some(news) = place.news {
            self.news.continue_after(news);
        }
        self.scanned_through = Some(place.scanned_through);
    }

    /// Where the agent is; `None` before its first bar.
    pub(crate) fn place(&self) -> Option<Place> {
        Some(Place {
            bars: self.bars.applied?,
            news: self.news.applied,
            scanned_through: self.scanned_through?,
        })
    }

    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }

    pub(crate) fn agent_mut(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// The positions after which nothing has been read yet.
    pub(crate) fn positions(&self) -> [(&'static str, EntryId); 2] {
        [
            (self.bars.stream, self.bars.after),
            (self.news.stream, self.news.after),
        ]
    }

    /// Whether entries are held that lie after the next scan.
    pub(crate) fn holds_entries(&self) -> bool {
        self.next_event().is_some()
    }

    /// Entries that could not be used so far.
    pub(crate) fn refused(&self) -> u64 {
        self.bars.refused + self.news.refused
    }

    /// Allows reading up to these entries; `None`: up to whatever there is.
    pub(crate) fn reopen(&mut self, bars: Option<EntryId>, news: Option<EntryId>) {
        self.bars.reopen(bars);
        self.news.reopen(news);
    }

    /// The next grid instant to scan; `None` before the first bar.
    pub(crate) fn next_scan(&self) -> Option<Timestamp> {
        self.agent.voter().grid().next_after(self.scanned_through?)
    }

    /// Applies what the streams hold, up to and including `events_until`, and scans every grid
    /// instant up to and including `scans_until`. Scans that are to be said are returned.
    pub(crate) async fn advance(
        &mut self,
        link: &Link,
        events_until: Timestamp,
        scans_until: Timestamp,
        hearing: impl Fn(Timestamp) -> Hearing + Send,
    ) -> anyhow::Result<Vec<ScanResult>> {
        let mut said = Vec::new();
        let mut events_in_turn = 0;
        loop {
            self.bars
                .fill(link, |bar| bar.is_sane().then_some(bar.end))
                .await?;
            self.news.fill(link, |item| Some(item.first_seen)).await?;
            let scan = self.next_scan();
            match (self.next_event(), scan) {
                (Some(at), scan) if at <= events_until && scan.is_none_or(|scan| at <= scan) => {
                    self.apply_next();
                    events_in_turn += 1;
                }
                (_, Some(scan)) if scan <= scans_until => {
                    match hearing(scan) {
                        Hearing::Said => said.push(self.agent.scan(scan)),
                        Hearing::Heard => drop(self.agent.scan(scan)),
                        Hearing::Past => self.agent.rebuild(scan),
                    }
                    if hearing(scan) != Hearing::Said {
                        self.show_rebuilding(scan);
                    }
                    self.scanned_through = Some(scan);
                    self.heart.progress("scan", Some(scan));
                    self.heart.add("scans", 1);
                    events_in_turn = EVENTS_PER_TURN;
                }
                _ => return Ok(said),
            }
            if events_in_turn >= EVENTS_PER_TURN {
                events_in_turn = 0;
                link.check()?;
                tokio::task::yield_now().await;
            }
        }
    }

    /// A long rebuild shows how far it is, once per market day.
    fn show_rebuilding(&self, scan: Timestamp) {
        if scan.hour() == 15 {
            let progress = self.agent.voter().warmup_progress(scan);
            self.heart.set_state(ProcessState::Warming, progress);
        }
    }

    fn next_event(&self) -> Option<Timestamp> {
        [self.bars.next_time(), self.news.next_time()]
            .into_iter()
            .flatten()
            .min()
    }

    fn apply_next(&mut self) {
        let item_is_first = match (self.bars.next_time(), self.news.next_time()) {
            (Some(bar), Some(item)) => item < bar,
            (None, Some(_)) => true,
            _ => false,
        };
        if item_is_first {
            if let Some((_, item)) = self.news.take() {
                self.agent.apply_item(&item);
                self.heart.add("items_applied", 1);
            }
        } else if let Some((end, bar)) = self.bars.take() {
            self.agent.apply_bar(&bar);
            self.heart.add("bars_applied", 1);
            // The grid begins with the first bar, whose end may itself be on it.
            self.scanned_through
                .get_or_insert(end - TimeDelta::milliseconds(1));
        }
    }
}

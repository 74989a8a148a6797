//! Who a live run is, and what the streams hold of it from before a restart.

use std::sync::Arc;

use anyhow::Context;
use chrono::TimeDelta;
use rawe_bus::{Bus, Entry, EntryId};
use rawe_core::channels::{BARS_STREAM, CLOCK_STREAM, NEWS_STREAM};
use rawe_core::{Bar, ClockInstant, NewsItem, Symbol, Timeframe, Timestamp};
use rawe_feed::following::Delivered;
use rawe_feed::intake::Intake;
use rawe_runtime::{BrokerArgs, wall_now};
use serde::de::DeserializeOwned;

use super::MEMORY;
use crate::args::{FeedSettings, LIVE_SYMBOLS};
use crate::retry::until_answered;

/// How far back a resumed run asks: something may have been missed long before the newest entry.
const RESUME_OVERLAP: TimeDelta = TimeDelta::days(1);
/// Entries read at once from what the streams hold already.
const READ_MAX: usize = 1_000;

/// What has been delivered.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) delivered: Delivered,
    /// Items of sources by their ids.
    pub(super) intake: Intake,
}

/// The symbols asked for, or the default ones.
pub(super) fn live_symbols(settings: &FeedSettings) -> Vec<Symbol> {
    let mut symbols = settings.symbols.clone();
    if symbols.is_empty() {
        symbols = LIVE_SYMBOLS
            .iter()
            .filter_map(|text| Symbol::new(text).ok())
            .collect();
    }
    symbols.sort();
    symbols.dedup();
    symbols
}

/// The same for the same symbols, bars and server, so that a restarted feed goes on with its run.
pub(super) fn run_id(symbols: &[Symbol], settings: &FeedSettings, broker: &BrokerArgs) -> String {
    let mut hash: u32 = 0x811c_9dc5; // FNV-1a: the same in every build, unlike the library's.
    let names = symbols.iter().map(Symbol::as_str);
    let server = broker.data_url();
    for byte in names
        .chain([server.as_str()])
        .flat_map(|text| text.bytes().chain([0]))
    {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let length = match settings.timeframe {
        Timeframe::Hour => "hour",
        Timeframe::Day => "day",
    };
    format!("live-{length}-{}s-{hash:08x}", symbols.len())
}

/// What the streams hold of this very run, if it was complete once; `None` for a fresh start.
pub(super) async fn known_of_run(
    bus: &Arc<dyn Bus>,
    run_id: &str,
    start: Timestamp,
) -> anyhow::Result<Option<Known>> {
    let newest = until_answered!("the bus", bus.last(CLOCK_STREAM).await)?;
    let clock = newest.and_then(|e| serde_json::from_slice::<ClockInstant>(&e.payload).ok());
    // A hole of more than a few days is filled faster and safer from the start.
    let long_ago = start.max(wall_now() - MEMORY);
    if clock.is_none_or(|clock| clock.paced || clock.run_id != run_id) {
        return Ok(None);
    }
    let mut known = Known::default();
    let delivered = &mut known.delivered;
    for_each_entry::<Bar>(bus, BARS_STREAM, |bar| {
        delivered.bars.insert((bar.end, bar.symbol));
    })
    .await?;
    let newest = delivered.bars.last().map(|(end, _)| *end);
    let Some(bars_through) = newest.filter(|end| *end >= long_ago) else {
        return Ok(None);
    };
    delivered.bars.retain(|(end, _)| *end >= long_ago);
    (delivered.bars_through, delivered.news_through) = (bars_through - RESUME_OVERLAP, long_ago);
    for_each_entry::<NewsItem>(bus, NEWS_STREAM, |item| {
        if item.first_seen < long_ago {
            return;
        }
        known.intake.remember(&item.source, &item.id);
        if let Ok(id) = item.id.parse() {
            delivered.articles.add(id, item.first_seen);
            let through = item.first_seen - RESUME_OVERLAP;
            delivered.news_through = delivered.news_through.max(through);
        }
    })
    .await?;
    Ok(Some(known))
}

/// Reads a whole stream, oldest entry first.
async fn for_each_entry<T: DeserializeOwned>(
    bus: &Arc<dyn Bus>,
    stream: &str,
    mut each: impl FnMut(T),
) -> anyhow::Result<()> {
    let mut after = EntryId::START;
    loop {
        let entries: Vec<Entry> =
            until_answered!("the bus", bus.range(stream, after, None, READ_MAX).await)
                .context("reading what the streams hold")?;
        let Some(last) = entries.last() else {
            return Ok(());
        };
        after = last.id;
        for entry in &entries {
            if let Ok(value) = serde_json::from_slice(&entry.payload) {
                each(value);
            }
        }
    }
}

//! Live: bars and articles polled as they appear. Every process reads the wall clock; this one
//! says once that the history is complete and then only adds to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use rawe_bus::{Bus, Entry, EntryId};
use rawe_core::channels::{BARS_STREAM, CLOCK_STREAM, NEWS_STREAM};
use rawe_core::{
    Bar, ClockInstant, ClockMode, NewsItem, ProcessState, Symbol, Timeframe, Timestamp,
};
use rawe_feed::NewsTimeline;
use rawe_feed::bar_times::spans_between;
use rawe_runtime::{BrokerArgs, Heart, wall_now};
use serde::de::DeserializeOwned;

use crate::args::{FeedSettings, LIVE_SYMBOLS, NewsSource};
use crate::market_data::{Group, KnownArticles, MarketData, groups};
use crate::paced::history_start;
use crate::retry::{Backoff, until_answered};
use crate::warmup::{RECENT, WarmUp};
use crate::writer::StreamWriter;

/// What ended or was published longer ago than this, when we first see it, is history: it builds
/// state and triggers nothing.
const FRESH: TimeDelta = TimeDelta::minutes(30);
/// How far back bars are asked for again, to find those that came late: hourly ones.
const HOURLY_OVERLAP: TimeDelta = TimeDelta::hours(3);
/// The same for daily ones: a long weekend.
const DAILY_OVERLAP: TimeDelta = TimeDelta::days(4);
/// How far back articles are asked for again.
const NEWS_OVERLAP: TimeDelta = TimeDelta::minutes(15);
/// How long delivered bars and articles are remembered, beyond any overlap.
const MEMORY: TimeDelta = RECENT;
/// When bars are asked for after one should have ended: the agents scan two seconds after it.
const AFTER_BAR_END: [TimeDelta; 3] = [
    TimeDelta::milliseconds(300),
    TimeDelta::milliseconds(1_200),
    TimeDelta::seconds(10),
];
/// Entries read at once from what the streams hold already.
const READ_MAX: usize = 1_000;

/// A live feed.
struct Follower {
    data: MarketData,
    groups: Vec<Group>,
    symbols: Vec<Symbol>,
    has_articles: bool,
    writer: StreamWriter,
    known: Known,
    poll: TimeDelta,
    heart: Heart,
}

/// What has been delivered.
#[derive(Debug, Default)]
struct Known {
    bars: BTreeSet<(Timestamp, Symbol)>,
    articles: KnownArticles,
    /// Articles updated up to here have been asked for.
    news_through: Option<Timestamp>,
}

/// Fills in history, then follows the market until it is told to end.
pub(crate) async fn follow(
    settings: &FeedSettings,
    broker: &BrokerArgs,
    bus: Arc<dyn Bus>,
    heart: &Heart,
) -> anyhow::Result<()> {
    let symbols = live_symbols(settings);
    let run_id = settings
        .run_id
        .clone()
        .unwrap_or_else(|| run_id(&symbols, settings, broker));
    let start = history_start(wall_now(), settings.warmup_days);
    let resumed = known_of_run(&bus, &run_id, start).await?;
    let (writer, known) = match resumed {
        Some(known) => (
            StreamWriter::behind(Arc::clone(&bus), heart.clone()).await,
            known,
        ),
        None => (
            StreamWriter::fresh(bus, heart.clone()).await,
            Known::default(),
        ),
    };
    let mut follower = Follower {
        data: MarketData::new(broker, settings.symbol_map.clone(), heart.clone())?,
        groups: groups(
            symbols
                .iter()
                .map(|symbol| (symbol.clone(), settings.timeframe)),
        ),
        symbols,
        has_articles: settings.news.contains(&NewsSource::Alpaca),
        writer: writer.context("looking at the streams")?,
        known,
        poll: TimeDelta::seconds(i64::try_from(settings.poll_secs).unwrap_or(60)),
        heart: heart.clone(),
    };
    follower.catch_up(start, &run_id).await?;
    heart.set_state(
        ProcessState::Running,
        format!("LIVE, {} symbols", follower.symbols.len()),
    );
    follower.follow().await
}

/// The symbols asked for, or the default ones.
fn live_symbols(settings: &FeedSettings) -> Vec<Symbol> {
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
fn run_id(symbols: &[Symbol], settings: &FeedSettings, broker: &BrokerArgs) -> String {
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
async fn known_of_run(
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
    for_each_entry::<Bar>(bus, BARS_STREAM, |bar| {
        known.bars.insert((bar.end, bar.symbol));
    })
    .await?;
    if known.bars.last().is_none_or(|(end, _)| *end < long_ago) {
        return Ok(None);
    }
    known.bars.retain(|(end, _)| *end >= long_ago);
    for_each_entry::<NewsItem>(bus, NEWS_STREAM, |item| {
        if let (Ok(id), true) = (item.id.parse(), item.first_seen >= long_ago) {
            known.articles.add(id, item.first_seen);
            known.news_through = known.news_through.max(Some(item.first_seen));
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

impl Follower {
    /// Fills in what is missing up to now and says that the history is complete.
    async fn catch_up(&mut self, start: Timestamp, run_id: &str) -> anyhow::Result<()> {
        let until = wall_now();
        let is_resumed = !self.known.bars.is_empty();
        let (bars, news) = if is_resumed {
            // An exchange that is away now is asked again while following.
            let polled = self.poll_all(until).await;
            polled.unwrap_or_else(|error| {
                let error = format!("{error:#}");
                tracing::warn!(event = "source_failed", error, "market data is away");
                (0, 0)
            })
        } else {
            self.fill_history(start, until).await?
        };
        let (bars_through, news_through) = self.writer.ends();
        let instant = ClockInstant {
            step: 0,
            instant: until,
            mode: ClockMode::WarmedUp,
            paced: false,
            run_id: run_id.to_owned(),
            bars_through: bars_through.to_string(),
            news_through: news_through.to_string(),
        };
        self.writer
            .announce(&instant)
            .await
            .context("announcing that the history is complete")?;
        tracing::info!(
            event = "feed_warmed_up",
            run_id,
            resumed = is_resumed,
            symbols = self.symbols.len(),
            bars,
            news,
            "filled in {bars} bars and {news} news items; following the market now"
        );
        if bars == 0 && !is_resumed {
            tracing::warn!(
                event = "history_empty",
                "the data source has no bars for the last days; \
                 check the symbols, and pace a paper exchange with --paced"
            );
        }
        Ok(())
    }

    /// Fills in the whole history of a fresh run; returns how many bars and items it has.
    async fn fill_history(
        &mut self,
        start: Timestamp,
        until: Timestamp,
    ) -> anyhow::Result<(usize, usize)> {
        let mut nothing = NewsTimeline::default();
        let articles = (self.symbols.as_slice(), &mut self.known.articles);
        let mut warm_up = WarmUp {
            data: &self.data,
            groups: &self.groups,
            timeline: &mut nothing,
            articles: Some(articles).filter(|_| self.has_articles),
            heart: self.heart.clone(),
        };
        let filled = warm_up.fill(&mut self.writer, start, until).await?;
        self.known.bars = filled.recent_bars;
        self.known.news_through = Some(until);
        Ok((filled.bars, filled.news))
    }

    /// Polls for ever; failures are told and waited out.
    async fn follow(&mut self) -> anyhow::Result<()> {
        let mut backoff = Backoff::new("market data");
        loop {
            let now = wall_now();
            let wait = (self.next_poll(now) - now)
                .to_std()
                .unwrap_or(Duration::ZERO);
            tokio::time::sleep(wait).await;
            let now = wall_now();
            match self.poll_all(now).await {
                Ok((bars, news)) => {
                    backoff.worked();
                    self.heart.progress("source_polled", Some(now));
                    if bars + news > 0 {
                        tracing::debug!(event = "items_written", bars, news, "wrote to the bus");
                    }
                }
                // Not even a refusal ends the feed: keys may be restored, entitlements bought.
                Err(error) => {
                    self.heart.add("polls_failed", 1);
                    backoff.failed(&format!("{error:#}")).await;
                }
            }
        }
    }

    /// When to ask next: after the usual pause, or sooner, right after a bar ends.
    fn next_poll(&self, now: Timestamp) -> Timestamp {
        let ends = self.groups.iter().flat_map(|group| {
            let around = (now - TimeDelta::minutes(1), now + self.poll);
            spans_between(group.class, group.timeframe, around.0, around.1)
        });
        let soon = ends
            .flat_map(|span| AFTER_BAR_END.map(|after| span.end + after))
            .filter(|instant| *instant > now);
        soon.chain([now + self.poll])
            .min()
            .unwrap_or(now + self.poll)
    }

    /// Asks for bars and articles once each; writes what is new.
    async fn poll_all(&mut self, now: Timestamp) -> anyhow::Result<(usize, usize)> {
        let bars = self.new_bars(now).await;
        let news = self.new_articles(now).await;
        // What one source has is delivered although the other fails.
        let (some_bars, some_news) = (
            bars.as_deref().unwrap_or_default(),
            news.as_deref().unwrap_or_default(),
        );
        self.writer
            .write(some_bars, some_news)
            .await
            .context("writing to the bus")?;
        self.known
            .bars
            .extend(some_bars.iter().map(|bar| (bar.end, bar.symbol.clone())));
        self.known.bars.retain(|(end, _)| *end >= now - MEMORY);
        self.known.articles.forget_before(now - MEMORY);
        Ok((bars?.len(), news?.len()))
    }

    async fn new_bars(&self, now: Timestamp) -> anyhow::Result<Vec<Bar>> {
        let mut bars = Vec::new();
        for group in &self.groups {
            let overlap = match group.timeframe {
                Timeframe::Hour => HOURLY_OVERLAP,
                Timeframe::Day => DAILY_OVERLAP,
            };
            let newest = self
                .known
                .bars
                .iter()
                .rev()
                .find(|(_, symbol)| group.symbols.contains(symbol));
            let after = newest.map_or(now - MEMORY, |(end, _)| *end - overlap);
            let found = self
                .data
                .bars_once(group, after, now)
                .await
                .context("asking for bars")?;
            bars.extend(
                found
                    .into_iter()
                    .filter(|bar| !self.known.bars.contains(&(bar.end, bar.symbol.clone()))),
            );
        }
        bars.sort_by(|a, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
        for bar in &mut bars {
            bar.backfill = bar.end < now - FRESH;
        }
        Ok(bars)
    }

    async fn new_articles(&mut self, now: Timestamp) -> anyhow::Result<Vec<NewsItem>> {
        if !self.has_articles {
            return Ok(Vec::new());
        }
        let from = self.known.news_through.unwrap_or(now - MEMORY) - NEWS_OVERLAP;
        let known = &mut self.known.articles;
        let found = self
            .data
            .articles_once(&self.symbols, (from, now), known, |_| now)
            .await;
        let mut items = found.context("asking for news")?;
        self.known.news_through = Some(now);
        for item in &mut items {
            item.backfill = item.published < now - FRESH;
        }
        Ok(items)
    }
}

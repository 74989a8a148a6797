//! History before the first live or played instant: bars over REST and news from their sources,
//! window by window, so that memory holds days, not months.

use std::collections::BTreeSet;

use anyhow::Context;
use chrono::TimeDelta;
use rawe_core::{NewsItem, Symbol, Timestamp};
use rawe_feed::{Group, KnownArticles, NewsTimeline};
use rawe_runtime::Heart;

use crate::market_data::MarketData;
use crate::progress::WarmUpProgress;
use crate::writer::StreamWriter;

/// Days fetched and written at once: one page of bars of thirty assets.
const WINDOW: TimeDelta = TimeDelta::days(5);
/// How far back bars are remembered: beyond what a live feed asks for again.
pub(crate) const RECENT: TimeDelta = TimeDelta::days(7);

/// What is filled in, and from where.
pub(crate) struct WarmUp<'a> {
    pub(crate) data: &'a MarketData,
    pub(crate) groups: &'a [Group],
    /// Items of files and generated markets.
    pub(crate) timeline: &'a mut NewsTimeline,
    /// Symbols whose articles are asked for; `None` when the news API is no source.
    pub(crate) articles: Option<(&'a [Symbol], &'a mut KnownArticles)>,
    pub(crate) heart: Heart,
}

/// What was filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filled {
    pub(crate) bars: usize,
    pub(crate) news: usize,
    /// The bars of the last days, by end and symbol, so that they are not delivered again.
    pub(crate) recent_bars: BTreeSet<(Timestamp, Symbol)>,
}

impl WarmUp<'_> {
    /// Fills in what ended or was first seen in `(from, until]`, marked as backfill.
    pub(crate) async fn fill(
        &mut self,
        writer: &mut StreamWriter,
        from: Timestamp,
        until: Timestamp,
    ) -> anyhow::Result<Filled> {
        let days = u64::try_from((until - from).num_days()).unwrap_or(0);
        let mut progress = WarmUpProgress::new(self.heart.clone(), days);
        let mut filled = Filled::default();
        self.timeline.skip_through(from);
        let mut after = from;
        while after < until {
            let through = window_end(after).min(until);
            let mut bars = Vec::new();
            for group in self.groups {
                let found = self.data.bars(group, after, through).await;
                bars.extend(found.context("fetching the history of bars")?);
            }
            bars.sort_by(|a, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
            for bar in &mut bars {
                bar.backfill = true;
            }
            let mut news = self.news(after, through).await?;
            for item in &mut news {
                item.backfill = true;
            }
            writer
                .write(&bars, &news)
                .await
                .context("writing history to the bus")?;
            filled.bars += bars.len();
            filled.news += news.len();
            let recent = bars.into_iter().filter(|bar| bar.end > until - RECENT);
            filled
                .recent_bars
                .extend(recent.map(|bar| (bar.end, bar.symbol)));
            after = through;
            let reached = u64::try_from((after - from).num_days()).unwrap_or(0);
            progress.reached(reached, after);
        }
        progress.finish();
        Ok(filled)
    }

    async fn news(
        &mut self,
        after: Timestamp,
        through: Timestamp,
    ) -> anyhow::Result<Vec<NewsItem>> {
        let mut news = self.timeline.release(through, usize::MAX);
        self.heart.add("news_received", news.len() as u64);
        if let Some((symbols, known)) = &mut self.articles {
            let span = (after + TimeDelta::milliseconds(1), through);
            let found = self.data.articles(symbols, span, known).await;
            news.extend(found.context("fetching the history of news")?);
            news.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        }
        Ok(news)
    }
}

/// The end of the window that starts at `after`: on midnight UTC, so that no bar of one window
/// ends later than those of the next, whatever the bars' lengths.
pub(crate) fn window_end(after: Timestamp) -> Timestamp {
    let midnight = after
        .date_naive()
        .and_time(chrono::NaiveTime::MIN)
        .and_utc();
    midnight + WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_at_midnight_and_always_go_forward() {
        for text in [
            "2026-03-06T00:00:00Z",
            "2026-03-06T15:37:00Z",
            "2026-03-06T23:59:59Z",
        ] {
            let after: Timestamp = text.parse().unwrap();
            let end = window_end(after);
            assert_eq!(end.time(), chrono::NaiveTime::MIN);
            assert!(after < end && end - after <= WINDOW);
        }
    }
}

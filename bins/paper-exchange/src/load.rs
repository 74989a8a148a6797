//! Makes the market that the settings ask for: generated, or read from files.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::TimeDelta;
use rawe_core::{Bar, NewsItem, Timestamp};
use rawe_feed::files::{read_bars, read_news_between};
use rawe_feed::scenario::Scenario;
use rawe_feed::{SymbolMap, tell_file_read};
use rawe_market::MarketData;

use crate::args::{Settings, Source};
use crate::news_store::NewsStore;
use crate::state::World;

/// Loads the market. Blocking: up to a second for a large file.
///
/// # Errors
/// When files cannot be read, no bar is left, or the history is too short for the warm-up.
pub fn load_world(settings: &Settings) -> anyhow::Result<World> {
    let from = settings.from.unwrap_or(Timestamp::MIN_UTC);
    let to = settings.to.unwrap_or(Timestamp::MAX_UTC);
    let (mut bars, mut news) = match &settings.source {
        Source::Scenario(config) => {
            let scenario = Scenario::generate(config.clone());
            (scenario.bars, scenario.news)
        }
        Source::Files {
            bars,
            news,
            symbol_map,
        } => files(bars, news.as_deref(), symbol_map, from, to)?,
    };
    bars.retain(|bar| from <= bar.start && bar.end <= to);
    news.retain(|item| from <= item.first_seen && item.first_seen <= to);
    let data = MarketData::from_bars(bars).context("building the market")?;
    let (Some(start), Some(end)) = (data.start(), data.end()) else {
        bail!("there are no bars in the time asked for; check --from and --to");
    };
    let warmup_until = start + TimeDelta::days(i64::from(settings.warmup_days));
    if warmup_until >= end {
        bail!(
            "the bars run from {start} to {end}, no longer than the warm-up of {} days; \
             give more bars or a smaller --warmup-days",
            settings.warmup_days
        );
    }
    Ok(World {
        data: Arc::new(data),
        news: NewsStore::new(news),
        start,
        end,
        warmup_until,
    })
}

fn files(
    bars: &Path,
    news: Option<&Path>,
    symbol_map: &SymbolMap,
    from: Timestamp,
    to: Timestamp,
) -> anyhow::Result<(Vec<Bar>, Vec<NewsItem>)> {
    let bar_file = read_bars(bars, symbol_map).context("reading the bars")?;
    tell_file_read(bars, &bar_file.report);
    let Some(news) = news else {
        return Ok((bar_file.bars, Vec::new()));
    };
    let news_file = read_news_between(news, symbol_map, from, to).context("reading the news")?;
    tell_file_read(news, &news_file.report);
    Ok((bar_file.bars, news_file.items))
}

//! News of files and generated markets, loaded before a replay and released by its clock.

use anyhow::Context;
use chrono::TimeDelta;
use rawe_core::Timestamp;
use rawe_feed::files::read_news_between;
use rawe_feed::scenario::{Scenario, ScenarioConfig};
use rawe_feed::{NewsTimeline, tell_file_read};

use crate::admin::Market;
use crate::args::{FeedSettings, NewsSource};

/// The longest part of a run's name that is made from the sources, in characters.
const NAME_LENGTH_MAX: usize = 40;

/// Loads the items of all files and generated markets from `from` to the end of the market.
/// Blocking: seconds for a large file.
pub(crate) fn load(
    settings: &FeedSettings,
    market: &Market,
    from: Timestamp,
) -> anyhow::Result<NewsTimeline> {
    let mut sources = Vec::new();
    for source in &settings.news {
        match source {
            NewsSource::Alpaca | NewsSource::None | NewsSource::Rss(_) | NewsSource::Stdin => {}
            NewsSource::Scenario(seed) => {
                let scenario = Scenario::generate(scenario_config(*seed, market));
                sources.push(scenario.news);
            }
            NewsSource::File(path) => {
                let file = read_news_between(path, &settings.symbol_map, from, market.end)
                    .context("reading news")?;
                tell_file_read(path, &file.report);
                sources.push(file.items);
            }
        }
    }
    Ok(NewsTimeline::merge(sources))
}

/// The generated market of a seed, as long as the one that the exchange plays.
fn scenario_config(seed: u64, market: &Market) -> ScenarioConfig {
    let config = ScenarioConfig::with_seed(seed);
    // The first bar starts, and the last one ends, at most a few hours inside the range.
    let days = |from: Timestamp, to: Timestamp| {
        let days = (to - from + TimeDelta::hours(12)).num_days();
        u32::try_from(days).unwrap_or(0).max(1)
    };
    ScenarioConfig {
        warmup_days: days(market.start, config.play_start()),
        play_days: days(config.play_start(), market.end),
        ..config
    }
}

/// The name of a replay: from its sources and the time it plays, never from the wall clock, so
/// that two runs of one seed derive the same ids.
pub(crate) fn run_id(settings: &FeedSettings, market: &Market, start: Timestamp) -> String {
    if let Some(name) = &settings.run_id {
        return name.clone();
    }
    let names: Vec<String> = settings.news.iter().map(source_name).collect();
    let name: String = names.join("-").chars().take(NAME_LENGTH_MAX).collect();
    let day = |instant: Timestamp| instant.format("%Y%m%d").to_string();
    let (from, to, warmup) = (day(start), day(market.end), settings.warmup_days);
    format!("{name}-{from}-{to}-{warmup}d-{}s", market.symbols.len())
}

fn source_name(source: &NewsSource) -> String {
    let text = match source {
        NewsSource::Scenario(seed) => format!("scenario-{seed}"),
        NewsSource::File(path) => path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        other => other.to_string(),
    };
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    text.chars().map(plain).collect()
}

//! History of bars and articles from Alpaca, or an exchange like it, into a folder: window by
//! window, so that an interrupted download goes on where it stopped.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};
use chrono::TimeDelta;
use rawe_core::{Bar, NewsItem, Timestamp};
use rawe_execution::broker::BrokerError;
use rawe_feed::alpaca_items::item_from_alpaca;
use rawe_feed::archive::{Archive, Manifest, Order, read_manifest};
use rawe_feed::{Group, SymbolMap, groups};
use rawe_runtime::{BrokerArgs, Heart, new_boot_id};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::PROCESS;
use crate::market_data::MarketData;
use crate::retry::until_answered;
use crate::source_settings::stock_feed_named;
use crate::warmup::window_end;

/// What to download.
#[derive(Clone, Debug)]
pub struct Download {
    /// What is asked for.
    pub order: Order,
    /// Whether bars are wanted.
    pub has_bars: bool,
    /// Whether articles are wanted.
    pub has_news: bool,
}

/// How far a download is: days done, and days in all.
pub type Reached = (u64, u64);

/// Downloads into `folder`, or goes on with what lies there; tells `progress` after each window.
/// Ends early, without an error, when told by `shutdown`; what is there then is whole.
///
/// # Errors
/// When the folder holds something else, cannot be written, or the server refuses for good. A
/// server that cannot be reached is asked again until it answers.
pub async fn download(
    wanted: &Download,
    broker: &BrokerArgs,
    map: &SymbolMap,
    folder: &Path,
    shutdown: &CancellationToken,
    mut progress: impl FnMut(Reached),
) -> anyhow::Result<Manifest> {
    let order = &wanted.order;
    let mut archive = open(folder, order)?;
    let mut problems = Vec::new();
    let stock_feed = stock_feed_named(Some(&order.stock_feed), &mut problems);
    if let Some(problem) = problems.first() {
        bail!("{problem}");
    }
    let heart = Heart::new(PROCESS, None, new_boot_id());
    let data = MarketData::new(broker, &stock_feed, map.clone(), heart)?;
    let symbols = order.symbols.iter().map(|s| (s.clone(), order.timeframe));
    let groups = groups(symbols);
    let days = |from: Timestamp, to: Timestamp| u64::try_from((to - from).num_days()).unwrap_or(0);
    let all = days(order.from, order.to);
    // An article that was edited later is listed there again.
    let mut known = BTreeSet::new();
    let mut after = archive.manifest().done_through.unwrap_or(order.from);
    while after < order.to && !shutdown.is_cancelled() {
        let through = window_end(after).min(order.to);
        let window = async {
            let bars = if wanted.has_bars {
                bars(&data, &groups, after, through).await?
            } else {
                Vec::new()
            };
            let news = if wanted.has_news {
                news(&data, order, (after, through), map).await?
            } else {
                Vec::new()
            };
            anyhow::Ok((bars, news))
        };
        let (bars, news) = tokio::select! {
            window = window => window?,
            () = shutdown.cancelled() => break,
        };
        let news: Vec<NewsItem> = news
            .into_iter()
            .filter(|item| known.insert(item.id.clone()))
            .collect();
        archive.append("bars", lines(&bars)?.iter().map(Vec::as_slice))?;
        archive.append("news", lines(&news)?.iter().map(Vec::as_slice))?;
        archive.save(|manifest| {
            manifest.done_through = Some(through);
            manifest.is_complete = through >= order.to;
        })?;
        after = through;
        progress((days(order.from, after), all));
    }
    Ok(archive.manifest().clone())
}

/// A new folder, or one in which the same was begun.
fn open(folder: &Path, order: &Order) -> anyhow::Result<Archive> {
    match read_manifest(folder)? {
        None => {
            let mut archive = Archive::create(folder)?;
            archive.save(|manifest| manifest.order = Some(order.clone()))?;
            Ok(archive)
        }
        Some(manifest) if manifest.order.as_ref() == Some(order) => {
            Ok(Archive::resume(folder, manifest)?)
        }
        Some(_) => bail!(
            "{} holds a download of something else, or a recording; name another folder, or \
             remove it",
            folder.display()
        ),
    }
}

async fn bars(
    data: &MarketData,
    groups: &[Group],
    after: Timestamp,
    through: Timestamp,
) -> anyhow::Result<Vec<Bar>> {
    let mut bars = Vec::new();
    for group in groups {
        let found = data.bars(group, after, through).await;
        bars.extend(found.context("asking for bars")?);
    }
    bars.sort_by(|a, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
    Ok(bars)
}

/// The articles of a window, each seen when it was published, which is when a feed would have seen
/// it.
async fn news(
    data: &MarketData,
    order: &Order,
    (after, through): (Timestamp, Timestamp),
    map: &SymbolMap,
) -> anyhow::Result<Vec<NewsItem>> {
    let span = (after + TimeDelta::milliseconds(1), through);
    let found: Result<_, BrokerError> =
        until_answered!("news", data.raw_articles_once(&order.symbols, span).await);
    let articles = found.context("asking for news")?;
    let items = articles
        .iter()
        .filter_map(|article| item_from_alpaca(article, article.created_at, map).ok());
    Ok(items.collect())
}

fn lines<T: Serialize>(values: &[T]) -> anyhow::Result<Vec<Vec<u8>>> {
    let lines: Result<Vec<_>, _> = values.iter().map(serde_json::to_vec).collect();
    lines.context("writing a line")
}

//! Bars and articles over REST, as ours: fetched by groups of class and timeframe, checked,
//! counted, and never later than asked for.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::TimeDelta;
use rawe_alpaca::types::NewsArticle;
use rawe_alpaca::{DataClient, NewsQuery, StockFeed};
use rawe_core::{Bar, NewsItem, Symbol, Timestamp};
use rawe_execution::broker::BrokerError;
use rawe_feed::alpaca_items::{bar_from_alpaca, item_from_alpaca};
use rawe_feed::bar_times::{alpaca_start, spans_between};
use rawe_feed::{Group, KnownArticles, SymbolMap};
use rawe_runtime::{BrokerArgs, Heart};

use crate::retry::until_answered;

/// How far before its end a bar may start, at most: a daily bar of crypto, and a little.
const BAR_LENGTH_MAX: TimeDelta = TimeDelta::hours(26);

/// The market data of one exchange.
#[derive(Clone, Debug)]
pub(crate) struct MarketData {
    client: DataClient,
    map: SymbolMap,
    heart: Heart,
}

impl MarketData {
    pub(crate) fn new(
        broker: &BrokerArgs,
        stock_feed: &StockFeed,
        map: SymbolMap,
        heart: Heart,
    ) -> anyhow::Result<Self> {
        let settings = alpaca_settings(broker, stock_feed)?;
        let client = DataClient::new(&settings).context("setting up the market data client")?;
        Ok(Self { client, map, heart })
    }

    /// All bars of a group that end in `(after, through]`, oldest first. An exchange that cannot
    /// be reached is asked again until it answers.
    pub(crate) async fn bars(
        &self,
        group: &Group,
        after: Timestamp,
        through: Timestamp,
    ) -> Result<Vec<Bar>, BrokerError> {
        until_answered!("market data", self.bars_once(group, after, through).await)
    }

    /// As [`Self::bars`], asked once.
    pub(crate) async fn bars_once(
        &self,
        group: &Group,
        after: Timestamp,
        through: Timestamp,
    ) -> Result<Vec<Bar>, BrokerError> {
        let (class, timeframe) = (group.class, group.timeframe);
        // The calendar says where the bars that end in the range start. Data of days that it takes
        // for closed is found by the wider question.
        let spans = spans_between(class, timeframe, after, through);
        let (start, end) = match (spans.first(), spans.last()) {
            (Some(first), Some(last)) => (
                alpaca_start(class, timeframe, first.start),
                alpaca_start(class, timeframe, last.start),
            ),
            _ => (after - BAR_LENGTH_MAX, through),
        };
        let answer = self
            .client
            .bars(&group.symbols, timeframe, start, Some(end))
            .await?;
        let mut bars = Vec::new();
        for (symbol, data) in &answer {
            self.heart.add("bars_received", data.len() as u64);
            for data in data {
                match bar_from_alpaca(symbol, timeframe, data) {
                    Ok(bar) if after < bar.end && bar.end <= through => bars.push(bar),
                    Ok(_) => self.heart.add("bars_dropped_out_of_range", 1),
                    Err(fault) => self.heart.add(&format!("bars_dropped_{}", fault.name()), 1),
                }
            }
        }
        bars.sort_by(|a, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
        Ok(bars)
    }

    /// Articles updated in the span that are not in `known` yet, counted as seen when they were
    /// published, which is when a feed would have seen them. An exchange that cannot be reached is
    /// asked again until it answers.
    pub(crate) async fn articles(
        &self,
        symbols: &[Symbol],
        span: (Timestamp, Timestamp),
        known: &mut KnownArticles,
    ) -> Result<Vec<NewsItem>, BrokerError> {
        until_answered!(
            "news",
            self.articles_once(symbols, span, known, |created| created)
                .await
        )
    }

    /// All articles updated in the span, as they come; asked once.
    pub(crate) async fn raw_articles_once(
        &self,
        symbols: &[Symbol],
        span: (Timestamp, Timestamp),
    ) -> Result<Vec<NewsArticle>, BrokerError> {
        self.client.news(&news_query(symbols, span)).await
    }

    /// Articles updated in `[from, through]` that are not in `known` yet, oldest first; `known`
    /// gets their ids. `first_seen` says when each counts as seen.
    pub(crate) async fn articles_once(
        &self,
        symbols: &[Symbol],
        (from, through): (Timestamp, Timestamp),
        known: &mut KnownArticles,
        first_seen: impl Fn(Timestamp) -> Timestamp,
    ) -> Result<Vec<NewsItem>, BrokerError> {
        let query = news_query(symbols, (from, through));
        let mut items = Vec::new();
        // Noted only when all pages are here: a question that fails half-way is asked again.
        let mut fresh: BTreeMap<i64, Timestamp> = BTreeMap::new();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut page_token: Option<String> = None;
        loop {
            let page = self.client.news_page(&query, page_token.as_deref()).await?;
            *counts.entry("news_received".into()).or_default() += page.news.len() as u64;
            for article in &page.news {
                if known.contains(article.id) || fresh.contains_key(&article.id) {
                    // Seen already, or edited since: the same story is not told twice.
                    *counts.entry("news_dropped_known".into()).or_default() += 1;
                    continue;
                }
                match item_from_alpaca(article, first_seen(article.created_at), &self.map) {
                    Ok(item) => {
                        fresh.insert(article.id, article.updated_at);
                        items.push(item);
                    }
                    Err(fault) => {
                        let counter = format!("news_dropped_{}", fault.name());
                        *counts.entry(counter).or_default() += 1;
                    }
                }
            }
            match page.next_page_token {
                Some(token) if Some(&token) != page_token.as_ref() => page_token = Some(token),
                _ => break,
            }
        }
        for (id, updated_at) in fresh {
            known.add(id, updated_at);
        }
        for (counter, count) in &counts {
            self.heart.add(counter, *count);
        }
        items.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        Ok(items)
    }
}

/// Where market data is, as whom, and which stock prices.
///
/// # Errors
/// [`rawe_runtime::ConfigProblems`] naming each key that is missing.
pub(crate) fn alpaca_settings(
    broker: &BrokerArgs,
    stock_feed: &StockFeed,
) -> anyhow::Result<rawe_alpaca::Settings> {
    let (key_id, secret_key) = broker.keys()?;
    let mut settings = rawe_alpaca::Settings::new(
        broker.alpaca_url.clone(),
        broker.data_url(),
        key_id,
        secret_key,
    );
    // The feed only ever reads; whether orders may move real money is the engine's question.
    settings.allow_live = true;
    settings.stock_feed = stock_feed.clone();
    Ok(settings)
}

fn news_query(symbols: &[Symbol], (from, through): (Timestamp, Timestamp)) -> NewsQuery {
    NewsQuery {
        start: Some(from),
        end: Some(through),
        symbols: symbols.to_vec(),
        include_content: true,
    }
}

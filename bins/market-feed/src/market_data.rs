//! Bars and articles over REST, as ours: fetched by groups of class and timeframe, checked,
//! counted, and never later than asked for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::Context;
use chrono::TimeDelta;
use rawe_alpaca::{DataClient, NewsQuery};
use rawe_core::{AssetClass, Bar, NewsItem, Symbol, Timeframe, Timestamp};
use rawe_execution::broker::BrokerError;
use rawe_feed::SymbolMap;
use rawe_feed::alpaca_items::{bar_from_alpaca, item_from_alpaca};
use rawe_feed::bar_times::{alpaca_start, spans_between};
use rawe_runtime::{BrokerArgs, Heart};

use crate::retry::until_answered;

/// How far before its end a bar may start, at most: a daily bar of crypto, and a little.
const BAR_LENGTH_MAX: TimeDelta = TimeDelta::hours(26);

/// Symbols of one class whose bars have one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) class: AssetClass,
    pub(crate) timeframe: Timeframe,
    pub(crate) symbols: Vec<Symbol>,
}

/// Groups symbols by class and timeframe.
pub(crate) fn groups(symbols: impl IntoIterator<Item = (Symbol, Timeframe)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let sorted: BTreeMap<Symbol, Timeframe> = symbols.into_iter().collect();
    for (symbol, timeframe) in sorted {
        let class = symbol.class();
        match groups
            .iter_mut()
            .find(|g| g.class == class && g.timeframe == timeframe)
        {
            Some(group) => group.symbols.push(symbol),
            None => groups.push(Group {
                class,
                timeframe,
                symbols: vec![symbol],
            }),
        }
    }
    groups
}

/// The market data of one exchange.
#[derive(Clone, Debug)]
pub(crate) struct MarketData {
    client: DataClient,
    map: SymbolMap,
    heart: Heart,
}

impl MarketData {
    pub(crate) fn new(broker: &BrokerArgs, map: SymbolMap, heart: Heart) -> anyhow::Result<Self> {
        let (key_id, secret_key) = broker.keys()?;
        let mut settings = rawe_alpaca::Settings::new(
            broker.alpaca_url.clone(),
            broker.data_url(),
            key_id,
            secret_key,
        );
        // The feed only ever reads; whether orders may move real money is the engine's question.
        settings.allow_live = true;
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

    /// Articles updated in `[from, through]` that are not in `known` yet, oldest first; `known`
    /// gets their ids. `first_seen` says when each counts as seen.
    pub(crate) async fn articles_once(
        &self,
        symbols: &[Symbol],
        (from, through): (Timestamp, Timestamp),
        known: &mut KnownArticles,
        first_seen: impl Fn(Timestamp) -> Timestamp,
    ) -> Result<Vec<NewsItem>, BrokerError> {
        let query = NewsQuery {
            start: Some(from),
            end: Some(through),
            symbols: symbols.to_vec(),
            include_content: true,
        };
        let mut items = Vec::new();
        // Noted only when all pages are here: a question that fails half-way is asked again.
        let mut fresh: BTreeMap<i64, Timestamp> = BTreeMap::new();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut page_token: Option<String> = None;
        loop {
            let page = self.client.news_page(&query, page_token.as_deref()).await?;
            *counts.entry("news_received".into()).or_default() += page.news.len() as u64;
            for article in &page.news {
                if known.ids.contains(&article.id) || fresh.contains_key(&article.id) {
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

/// Ids of articles that were delivered, forgotten when they are too old to be listed again.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownArticles {
    ids: HashSet<i64>,
    by_update: BTreeSet<(Timestamp, i64)>,
}

impl KnownArticles {
    /// Notes an article.
    pub(crate) fn add(&mut self, id: i64, updated_at: Timestamp) {
        self.ids.insert(id);
        self.by_update.insert((updated_at, id));
    }

    /// Forgets what was updated before `instant`.
    pub(crate) fn forget_before(&mut self, instant: Timestamp) {
        let kept = self.by_update.split_off(&(instant, i64::MIN));
        for (_, id) in std::mem::replace(&mut self.by_update, kept) {
            self.ids.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_grouped_by_class_and_timeframe() {
        let symbol = |text| Symbol::new(text).unwrap();
        let groups = groups([
            (symbol("KO"), Timeframe::Day),
            (symbol("AAPL"), Timeframe::Hour),
            (symbol("BTC/USD"), Timeframe::Hour),
            (symbol("BA"), Timeframe::Hour),
        ]);
        let texts: Vec<String> = groups.iter().map(|g| format!("{:?}", g.symbols)).collect();
        assert_eq!(texts, ["[AAPL, BA]", "[BTC/USD]", "[KO]"]);
    }

    #[test]
    fn old_articles_are_forgotten() {
        let at = |minute: i64| chrono::DateTime::from_timestamp(minute * 60, 0).unwrap();
        let mut known = KnownArticles::default();
        known.add(1, at(1));
        known.add(2, at(2));
        known.forget_before(at(2));
        assert!(!known.ids.contains(&1) && known.ids.contains(&2));
    }
}

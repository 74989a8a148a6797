//! The market data client: bars, latest prices, the calendar and news, to the last page.

use std::collections::{BTreeMap, HashSet};

use chrono::{NaiveDate, SecondsFormat};
use rawe_core::{AssetClass, Symbol, Timeframe, Timestamp};
use rawe_execution::broker::BrokerError;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;

use crate::convert;
use crate::http::Http;
use crate::settings::{ClientError, Settings};
use crate::types::{
    BarData, BarsPage, CalendarDay, LatestBars, LatestTrades, NewsArticle, NewsPage,
};

/// Symbols in one request, so that its URL stays of a length every proxy takes.
const SYMBOLS_MAX: usize = 100;
/// Bars in one page, all symbols together: Alpaca's maximum.
const BARS_PAGE_LIMIT: &str = "10000";
/// Articles in one page: Alpaca's maximum.
const NEWS_PAGE_LIMIT: &str = "50";
/// The most pages followed for one question, so that a server that never ends is noticed.
const PAGES_MAX: usize = 20_000;

/// Which news to ask for. Listings are ordered by `updated_at`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewsQuery {
    /// Not older than this.
    pub start: Option<Timestamp>,
    /// Not newer than this.
    pub end: Option<Timestamp>,
    /// Only about these; empty means all.
    pub symbols: Vec<Symbol>,
    /// Whether the text of the articles is wanted too.
    pub include_content: bool,
}

/// Alpaca's market data, and the calendar of its trading API.
#[derive(Clone, Debug)]
pub struct DataClient {
    data: Http,
    trading: Http,
    stock_feed: String,
}

impl DataClient {
    /// A client for the settings' data URL.
    ///
    /// # Errors
    /// When a URL cannot be used, or means a live account that is not allowed explicitly.
    pub fn new(settings: &Settings) -> Result<Self, ClientError> {
        let [trading, data] = Http::pair(settings)?;
        Ok(Self {
            data,
            trading,
            stock_feed: settings.stock_feed.as_str().to_owned(),
        })
    }

    /// The connection to the trading API, with its share of the rate limit.
    pub(crate) fn trading(&self) -> &Http {
        &self.trading
    }

    /// All bars of the symbols from `start` to `end` (inclusive; absent means up to now), oldest
    /// first. A symbol without bars is absent. Splits are adjusted for.
    ///
    /// # Errors
    /// When the server cannot be asked, refuses, or does not come to an end.
    pub async fn bars(
        &self,
        symbols: &[Symbol],
        timeframe: Timeframe,
        start: Timestamp,
        end: Option<Timestamp>,
    ) -> Result<BTreeMap<Symbol, Vec<BarData>>, BrokerError> {
        let timeframe = match timeframe {
            Timeframe::Hour => "1Hour",
            Timeframe::Day => "1Day",
        };
        let (start, end) = (time_text(start), end.map(time_text));
        let mut all: BTreeMap<Symbol, Vec<BarData>> = BTreeMap::new();
        for (class, group) in groups(symbols) {
            let names = joined(group.iter().map(ToString::to_string));
            let mut query = vec![
                ("symbols", names.as_str()),
                ("timeframe", timeframe),
                ("start", start.as_str()),
                ("limit", BARS_PAGE_LIMIT),
                ("sort", "asc"),
            ];
            query.extend(end.as_ref().map(|end| ("end", end.as_str())));
            let path = match class {
                AssetClass::UsEquity => {
                    query.push(("feed", self.stock_feed.as_str()));
                    query.push(("adjustment", "split"));
                    "/v2/stocks/bars"
                }
                AssetClass::Crypto => "/v1beta3/crypto/us/bars",
            };
            let pages = self.pages(path, &query, |page: &BarsPage| page.next_page_token.clone());
            for page in pages.await? {
                for (name, bars) in page.bars {
                    if let Some(symbol) = named(&group, &name) {
                        all.entry(symbol.clone()).or_default().extend(bars);
                    }
                }
            }
        }
        Ok(all)
    }

    /// The newest bar (of a minute, at Alpaca) of each symbol that has one.
    ///
    /// # Errors
    /// When the server cannot be asked or refuses.
    pub async fn latest_bars(
        &self,
        symbols: &[Symbol],
    ) -> Result<BTreeMap<Symbol, BarData>, BrokerError> {
        let mut all = BTreeMap::new();
        for (class, group) in groups(symbols) {
            let latest: LatestBars = self.latest(class, &group, "bars").await?;
            all.extend(latest.bars.into_iter().filter_map(|(name, bar)| {
                named(&group, &name).map(|symbol| (symbol.clone(), bar))
            }));
        }
        Ok(all)
    }

    /// The newest trade's price, or else the newest bar's close, and its time.
    ///
    /// # Errors
    /// When the server cannot be asked or refuses both questions.
    pub async fn latest_price(
        &self,
        symbol: &Symbol,
    ) -> Result<Option<(Decimal, Timestamp)>, BrokerError> {
        let group = std::slice::from_ref(symbol);
        let trades: Result<LatestTrades, _> = self.latest(symbol.class(), group, "trades").await;
        match trades {
            Ok(latest) => {
                let trade = latest
                    .trades
                    .into_iter()
                    .find(|(name, _)| named(group, name).is_some());
                if let Some(price) = trade.and_then(|(_, trade)| convert::price(trade.p, trade.t)) {
                    return Ok(Some(price));
                }
            }
            // Not entitled to trades, or a server without them: bars may do.
            Err(BrokerError::Refused { .. } | BrokerError::Unreadable(_)) => {}
            Err(error) => return Err(error),
        }
        let bars = self.latest_bars(group).await?;
        Ok(bars
            .get(symbol)
            .and_then(|bar| convert::price(bar.c, bar.t)))
    }

    /// The sessions of the New York dates `from..=to`, from the trading API.
    ///
    /// # Errors
    /// When the server cannot be asked or refuses.
    pub async fn calendar(
        &self,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<CalendarDay>, BrokerError> {
        let (start, end) = (from.to_string(), to.to_string());
        self.trading
            .read("/v2/calendar", &[("start", &start), ("end", &end)])
            .await
    }

    /// One page of news, oldest update first; `page_token` is the previous page's.
    ///
    /// # Errors
    /// When the server cannot be asked or refuses.
    pub async fn news_page(
        &self,
        query: &NewsQuery,
        page_token: Option<&str>,
    ) -> Result<NewsPage, BrokerError> {
        let texts = NewsTexts::of(query);
        let mut query = texts.query();
        query.extend(page_token.map(|token| ("page_token", token)));
        self.data.read("/v1beta1/news", &query).await
    }

    /// All news of a span, oldest update first. An edited article comes once per listing: the same
    /// id with a later `updated_at` is the same story.
    ///
    /// # Errors
    /// When the server cannot be asked, refuses, or does not come to an end.
    pub async fn news(&self, query: &NewsQuery) -> Result<Vec<NewsArticle>, BrokerError> {
        let texts = NewsTexts::of(query);
        let pages = self
            .pages("/v1beta1/news", &texts.query(), |page: &NewsPage| {
                page.next_page_token.clone()
            })
            .await?;
        Ok(pages.into_iter().flat_map(|page| page.news).collect())
    }

    async fn latest<T: DeserializeOwned>(
        &self,
        class: AssetClass,
        group: &[Symbol],
        kind: &str,
    ) -> Result<T, BrokerError> {
        let names = joined(group.iter().map(ToString::to_string));
        let mut query = vec![("symbols", names.as_str())];
        let path = match class {
            AssetClass::UsEquity => {
                query.push(("feed", self.stock_feed.as_str()));
                format!("/v2/stocks/{kind}/latest")
            }
            AssetClass::Crypto => format!("/v1beta3/crypto/us/latest/{kind}"),
        };
        self.data.read(&path, &query).await
    }

    /// Follows the pages to the end; a short page may well be followed by another.
    async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        next: impl Fn(&T) -> Option<String>,
    ) -> Result<Vec<T>, BrokerError> {
        let mut pages = Vec::new();
        let mut seen = HashSet::new();
        let mut token: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.extend(token.as_deref().map(|token| ("page_token", token)));
            let page: T = self.data.read(path, &query).await?;
            token = next(&page);
            pages.push(page);
            let Some(token) = &token else {
                return Ok(pages);
            };
            if !seen.insert(token.clone()) || pages.len() >= PAGES_MAX {
                return Err(BrokerError::Unreadable(format!(
                    "{path} does not come to an end"
                )));
            }
        }
    }
}

/// The texts of a news query's parameters.
struct NewsTexts {
    start: Option<String>,
    end: Option<String>,
    symbols: String,
    include_content: bool,
}

impl NewsTexts {
    fn of(query: &NewsQuery) -> Self {
        Self {
            start: query.start.map(time_text),
            end: query.end.map(time_text),
            // News names pairs without their slash.
            symbols: joined(query.symbols.iter().map(Symbol::without_slash)),
            include_content: query.include_content,
        }
    }

    fn query(&self) -> Vec<(&str, &str)> {
        let mut query = vec![
            ("limit", NEWS_PAGE_LIMIT),
            ("sort", "asc"),
            (
                "include_content",
                if self.include_content {
                    "true"
                } else {
                    "false"
                },
            ),
        ];
        query.extend(self.start.as_deref().map(|start| ("start", start)));
        query.extend(self.end.as_deref().map(|end| ("end", end)));
        if !self.symbols.is_empty() {
            query.push(("symbols", &self.symbols));
        }
        query
    }
}

fn time_text(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn joined(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(",")
}

/// Symbols by class, in groups that fit one request.
fn groups(symbols: &[Symbol]) -> Vec<(AssetClass, Vec<Symbol>)> {
    let mut groups = Vec::new();
    for class in [AssetClass::UsEquity, AssetClass::Crypto] {
        let members: Vec<Symbol> = symbols
            .iter()
            .filter(|symbol| symbol.class() == class)
            .cloned()
            .collect();
        groups.extend(
            members
                .chunks(SYMBOLS_MAX)
                .map(|chunk| (class, chunk.to_vec())),
        );
    }
    groups
}

/// The symbol a server means by a name that may lack its slash.
fn named<'a>(group: &'a [Symbol], name: &str) -> Option<&'a Symbol> {
    group
        .iter()
        .find(|symbol| symbol.as_str() == name || symbol.without_slash() == name)
}

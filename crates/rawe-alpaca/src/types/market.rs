//! Bars, trades and news, as the market data API answers them: JSON numbers, not strings.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::lenient;

/// One bar. `t` is its START; for daily stock bars midnight New York of the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BarData {
    /// Start of the bar.
    pub t: DateTime<Utc>,
    /// Open, USD.
    #[serde(with = "lenient::number")]
    pub o: f64,
    /// High, USD.
    #[serde(with = "lenient::number")]
    pub h: f64,
    /// Low, USD.
    #[serde(with = "lenient::number")]
    pub l: f64,
    /// Close, USD.
    #[serde(with = "lenient::number")]
    pub c: f64,
    /// Volume: whole shares, or fractions of coins.
    #[serde(with = "lenient::number")]
    pub v: f64,
    /// Number of trades.
    #[serde(default, with = "lenient::integer_opt")]
    pub n: Option<i64>,
    /// Volume-weighted mean price, USD.
    #[serde(default, with = "lenient::number_opt")]
    pub vw: Option<f64>,
}

/// One page of bars. A symbol without bars is absent; a page may hold one symbol only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BarsPage {
    /// Bars by symbol, oldest first.
    #[serde(default, with = "lenient::null_default")]
    pub bars: BTreeMap<String, Vec<BarData>>,
    /// Where the next page starts; null at the end.
    #[serde(default, with = "lenient::text_opt")]
    pub next_page_token: Option<String>,
}

/// The newest bar of each symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatestBars {
    /// By symbol.
    #[serde(default, with = "lenient::null_default")]
    pub bars: BTreeMap<String, BarData>,
}

/// One trade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TradeData {
    /// When.
    pub t: DateTime<Utc>,
    /// Price, USD.
    #[serde(with = "lenient::number")]
    pub p: f64,
    /// Units.
    #[serde(default, with = "lenient::number_opt")]
    pub s: Option<f64>,
}

/// The newest trade of each symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatestTrades {
    /// By symbol.
    #[serde(default, with = "lenient::null_default")]
    pub trades: BTreeMap<String, TradeData>,
}

/// One article. An edited one comes again with the same id and a later `updated_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsArticle {
    /// Unique.
    pub id: i64,
    /// May be empty.
    #[serde(default, with = "lenient::null_default")]
    pub headline: String,
    /// May be empty.
    #[serde(default, with = "lenient::null_default")]
    pub author: String,
    /// When it was first published.
    pub created_at: DateTime<Utc>,
    /// When it last changed; listings are ordered by it.
    pub updated_at: DateTime<Utc>,
    /// May be empty.
    #[serde(default, with = "lenient::null_default")]
    pub summary: String,
    /// HTML; may be empty.
    #[serde(default, with = "lenient::null_default")]
    pub content: String,
    /// Pictures.
    #[serde(default, with = "lenient::null_default")]
    pub images: Vec<NewsImage>,
    /// Assets, crypto WITHOUT a slash.
    #[serde(default, with = "lenient::null_default")]
    pub symbols: Vec<String>,
    /// Who published it.
    #[serde(default, with = "lenient::null_default")]
    pub source: String,
    /// Where it can be read.
    #[serde(default, with = "lenient::text_opt")]
    pub url: Option<String>,
}

/// One picture of an article.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsImage {
    /// `thumb`, `small` or `large`.
    #[serde(default, with = "lenient::null_default")]
    pub size: String,
    /// Where it is.
    #[serde(default, with = "lenient::null_default")]
    pub url: String,
}

/// One page of news.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsPage {
    /// At most 50.
    #[serde(default, with = "lenient::null_default")]
    pub news: Vec<NewsArticle>,
    /// Where the next page starts; null at the end.
    #[serde(default, with = "lenient::text_opt")]
    pub next_page_token: Option<String>,
}

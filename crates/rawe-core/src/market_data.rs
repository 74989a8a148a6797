//! Bars and news items as they travel from the feed to the agents. Where they come from is
//! `rawe-feed`; what they mean is `rawe-narrative`.

use serde::{Deserialize, Serialize};

use crate::{Symbol, Timestamp};

/// The length of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timeframe {
    /// One clock hour, cut at the session's edges for stocks.
    Hour,
    /// One session for stocks, one UTC day for crypto.
    Day,
}

/// One bar of prices, usable at `end`: never before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// The asset.
    pub symbol: Symbol,
    /// First instant of the bar (Alpaca's `t`).
    pub start: Timestamp,
    /// The instant at which the bar is complete and may be used (our files stamp this one).
    pub end: Timestamp,
    /// Nominal length.
    pub timeframe: Timeframe,
    /// First price, USD.
    pub open: f64,
    /// Highest price, USD.
    pub high: f64,
    /// Lowest price, USD.
    pub low: f64,
    /// Last price, USD.
    pub close: f64,
    /// Shares or coins traded.
    pub volume: f64,
    /// True for history fetched to build state: it never triggers a live decision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backfill: bool,
}

impl Bar {
    /// Whether the prices are finite, positive and ordered (low ≤ open, close ≤ high), the volume
    /// finite and not negative, and the bar ends after it starts.
    pub fn is_sane(&self) -> bool {
        let prices = [self.open, self.high, self.low, self.close];
        prices.iter().all(|p| p.is_finite() && *p > 0.0)
            && prices.iter().all(|p| self.low <= *p && *p <= self.high)
            && self.volume.is_finite()
            && self.volume >= 0.0
            && self.start < self.end
    }
}

/// The register of a text: the words of a crowd and of a newsroom are scored by different tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Register {
    /// Posts and messages.
    Social,
    /// Headlines and articles.
    #[default]
    News,
}

/// One headline, post or article.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsItem {
    /// The source's own id; unique within `source`.
    pub id: String,
    /// When its author says it was published.
    pub published: Timestamp,
    /// When our feed first saw it. Nothing may use the item earlier.
    pub first_seen: Timestamp,
    /// Where it came from, such as `twitter` or `reddit/Bitcoin`.
    pub source: String,
    /// Social or news.
    #[serde(default)]
    pub register: Register,
    /// Who wrote it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The author's followers when the item was captured, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followers: Option<u64>,
    /// The id of the item this one repeats, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repost_of: Option<String>,
    /// Assets named by the source; linking may add more.
    #[serde(default)]
    pub symbols: Vec<Symbol>,
    /// Headline; may be empty for posts.
    #[serde(default)]
    pub headline: String,
    /// Body; may be empty for headlines.
    #[serde(default)]
    pub text: String,
    /// How far its source is trusted, percent of a full voice, 1..100; absent: in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_percent: Option<u8>,
    /// True for history fetched to build state: it never triggers a live decision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backfill: bool,
}

impl NewsItem {
    /// Whether the item belongs to the crypto world by its source, although it names no asset:
    /// such items count for the crypto market's own stream.
    pub fn is_crypto_source(&self) -> bool {
        let source = self.source.to_ascii_lowercase();
        ["crypto", "bitcoin", "ethereum", "coin"]
            .iter()
            .any(|word| source.contains(word))
    }
}

//! What the data streams have to tell of a stretch of market time, worked out for each client from
//! the market's data: nothing is queued, so nothing is lost, however far the clock jumps.

use std::collections::{BTreeMap, BTreeSet};

use rawe_core::{AssetClass, Timestamp};
use rawe_market::{AssetIndex, BarView, MarketData, PriceSeries};
use serde_json::{Map, Value, json};

use crate::bar_windows::{BarLength, newest, own_bar};
use crate::halts::HaltChange;
use crate::news_store::NewsStore;
use crate::ticks;

/// What one endpoint streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedKind {
    Stocks,
    Crypto,
    News,
}

impl FeedKind {
    /// The channels of this feed, in the order in which they are listed.
    pub(crate) fn channels(self) -> &'static [&'static str] {
        match self {
            Self::Stocks => &[
                "trades",
                "quotes",
                "bars",
                "updatedBars",
                "dailyBars",
                "statuses",
                "lulds",
                "corrections",
                "cancelErrors",
            ],
            Self::Crypto => &[
                "trades",
                "quotes",
                "orderbooks",
                "bars",
                "updatedBars",
                "dailyBars",
            ],
            Self::News => &["news"],
        }
    }

    fn class(self) -> Option<AssetClass> {
        match self {
            Self::Stocks => Some(AssetClass::UsEquity),
            Self::Crypto => Some(AssetClass::Crypto),
            Self::News => None,
        }
    }
}

/// What a client listens to: the symbols of each channel; `*` is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscriptions(BTreeMap<&'static str, BTreeSet<String>>);

impl Subscriptions {
    /// Adds or takes away what a message names.
    ///
    /// # Errors
    /// When it names a channel that the feed has not, or lists no texts.
    pub(crate) fn change(
        &mut self,
        kind: FeedKind,
        message: &Map<String, Value>,
        add: bool,
    ) -> Result<(), (u16, &'static str)> {
        let mut changed = self.clone();
        for (name, value) in message.iter().filter(|(name, _)| *name != "action") {
            let channel = kind.channels().iter().find(|channel| *channel == name);
            let Some(channel) = channel else {
                return Err((410, "invalid subscribe action for this feed"));
            };
            let symbols: Vec<String> =
                serde_json::from_value(value.clone()).map_err(|_| (400, "invalid syntax"))?;
            let listed = changed.0.entry(channel).or_default();
            for symbol in symbols {
                if add {
                    listed.insert(symbol);
                } else {
                    listed.remove(&symbol);
                }
            }
        }
        *self = changed;
        Ok(())
    }

    /// The whole list, as it is answered.
    pub(crate) fn listed(&self, kind: FeedKind) -> Map<String, Value> {
        let mut answer = Map::new();
        answer.insert("T".to_owned(), json!("subscription"));
        for channel in kind.channels() {
            answer.insert(
                (*channel).to_owned(),
                json!(self.0.get(channel).cloned().unwrap_or_default()),
            );
        }
        answer
    }

    fn wants(&self, channel: &str, symbol: &str) -> bool {
        self.0
            .get(channel)
            .is_some_and(|symbols| symbols.contains(symbol) || symbols.contains("*"))
    }

    fn wants_any(&self, symbol: &str) -> bool {
        self.0.keys().any(|channel| self.wants(channel, symbol))
    }
}

/// A message with what orders it among others.
struct Told {
    at: Timestamp,
    symbol: String,
    rank: u8,
    message: Map<String, Value>,
}

/// A stretch of market time `(after, through]`.
pub(crate) struct Span<'a> {
    pub(crate) after: Timestamp,
    pub(crate) through: Timestamp,
    /// What has been halted and resumed meanwhile, also where the clock stood still.
    pub(crate) halts: &'a [HaltChange],
}

/// What happened, in the order in which it happened.
pub(crate) fn told(
    kind: FeedKind,
    wanted: &Subscriptions,
    data: &MarketData,
    news: &NewsStore,
    half_spread: f64,
    span: &Span<'_>,
) -> Vec<Map<String, Value>> {
    let Some(class) = kind.class() else {
        return news_told(wanted, news, span.after, span.through);
    };
    let mut told = Vec::new();
    for (index, asset) in data.assets() {
        let symbol = asset.symbol.as_str();
        if asset.class != class || !wanted.wants_any(symbol) {
            continue;
        }
        let Some(series) = data.series(index) else {
            continue;
        };
        let listener = Listener {
            wanted,
            class,
            index,
            symbol,
            series,
            half_spread,
        };
        listener.halts(span.halts, &mut told);
        listener.ticks(span.after, span.through, &mut told);
        listener.bars(span.after, span.through, &mut told);
    }
    told.sort_by(|a, b| (a.at, &a.symbol, a.rank).cmp(&(b.at, &b.symbol, b.rank)));
    told.into_iter().map(|told| told.message).collect()
}

/// One symbol for one client.
struct Listener<'a> {
    wanted: &'a Subscriptions,
    class: AssetClass,
    index: AssetIndex,
    symbol: &'a str,
    series: &'a PriceSeries,
    half_spread: f64,
}

impl Listener<'_> {
    fn tell(&self, at: Timestamp, rank: u8, kind: &str, mut message: Map<String, Value>) -> Told {
        message.insert("T".to_owned(), json!(kind));
        message.insert("S".to_owned(), json!(self.symbol));
        Told {
            at,
            symbol: self.symbol.to_owned(),
            rank,
            message,
        }
    }

    fn halts(&self, changes: &[HaltChange], told: &mut Vec<Told>) {
        if !self.wanted.wants("statuses", self.symbol) {
            return;
        }
        for change in changes.iter().filter(|change| change.asset == self.index) {
            let status = ticks::status(change.at, change.halted);
            told.push(self.tell(change.at, 0, "s", status));
        }
    }

    fn ticks(&self, after: Timestamp, through: Timestamp, told: &mut Vec<Told>) {
        let numbers = ticks::count(self.series, after)..ticks::count(self.series, through);
        for tick in numbers.filter_map(|number| ticks::tick(self.series, number)) {
            // The close of a bar comes before the open of the next.
            let rank = if tick.number % 2 == 1 { 0 } else { 4 };
            if self.wanted.wants("quotes", self.symbol) {
                let quote = ticks::quote(self.class, &tick, self.half_spread);
                told.push(self.tell(tick.at, rank, "q", quote));
            }
            if self.wanted.wants("orderbooks", self.symbol) {
                let book = ticks::book(&tick, self.half_spread);
                let mut message = self.tell(tick.at, rank, "o", book);
                message.message.insert("r".to_owned(), json!(true));
                told.push(message);
            }
            if self.wanted.wants("lulds", self.symbol)
                && let Some(band) = ticks::band(&tick)
            {
                told.push(self.tell(tick.at, rank, "l", band));
            }
            if self.wanted.wants("trades", self.symbol) {
                let trade = ticks::trade(self.class, &tick);
                told.push(self.tell(tick.at, rank + 1, "t", trade));
            }
        }
    }

    fn bars(&self, after: Timestamp, through: Timestamp, told: &mut Vec<Told>) {
        let numbers = self.series.ended_count(after)..self.series.ended_count(through);
        for bar in numbers.filter_map(|number| self.series.bar(number)) {
            if self.wanted.wants("bars", self.symbol) {
                let own = own_bar(self.class, self.series.timeframe(), &bar);
                told.push(self.tell(bar.end, 2, "b", object(&own)));
            }
            if self.wanted.wants("dailyBars", self.symbol)
                && let Some(day) = self.day_of(&bar)
            {
                told.push(self.tell(bar.end, 3, "d", day));
            }
        }
    }

    /// The day as far as it is known when `bar` ends.
    fn day_of(&self, bar: &BarView) -> Option<Map<String, Value>> {
        let (day, _) = newest(BarLength::Day, self.class, self.series, bar.end);
        day.as_ref().map(object)
    }
}

fn news_told(
    wanted: &Subscriptions,
    news: &NewsStore,
    after: Timestamp,
    through: Timestamp,
) -> Vec<Map<String, Value>> {
    let articles = news.seen_between(after, through).filter(|article| {
        wanted.wants("news", "*")
            || article
                .symbols
                .iter()
                .any(|symbol| wanted.wants("news", symbol))
    });
    let told = articles.map(|article| {
        let mut message = object(&article);
        message.remove("images");
        message.insert("T".to_owned(), json!("n"));
        message
    });
    told.collect()
}

fn object(value: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

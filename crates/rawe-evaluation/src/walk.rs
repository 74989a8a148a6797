//! A set of items and bars played through the engine and the experts that live agents use, strictly
//! in time: at a scan only items first seen and bars ended by then have been applied.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DurationRound, TimeDelta};
use rawe_core::{AssetClass, Bar, NewsItem, Symbol, Timestamp};
use rawe_narrative::{AssetFeatures, NarrativeEffect, NarrativeEngine};

use crate::signals::{AssetSignals, SignalSet};

/// An engine with the experts of every asset, fed like an agent.
#[derive(Debug)]
pub struct Walk {
    engine: NarrativeEngine,
    signals: SignalSet,
    assets: BTreeMap<Symbol, AssetSignals>,
}

/// What is said of one asset at one scan.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The asset.
    pub symbol: Symbol,
    /// The blocks.
    pub features: AssetFeatures,
    /// The value of each signal of the set, in its order; `None` while a block is missing.
    pub scores: Vec<Option<f64>>,
}

/// All assets of a class at one scan.
#[derive(Clone, Debug)]
pub struct Scan {
    /// When.
    pub instant: Timestamp,
    /// NVX then: a gauge of the present, not a forecast.
    pub nvx: f64,
    /// The assets with a bar so far, sorted by symbol.
    pub assets: Vec<Observation>,
}

impl Walk {
    /// A walk over an engine that has seen nothing.
    pub fn new(engine: NarrativeEngine, signals: SignalSet) -> Self {
        Self {
            engine,
            signals,
            assets: BTreeMap::new(),
        }
    }

    /// Takes an item, as an agent does.
    pub fn item(&mut self, item: &NewsItem) -> Vec<NarrativeEffect> {
        self.engine.apply_item(item)
    }

    /// Takes a bar, as an agent does.
    pub fn bar(&mut self, bar: &Bar) {
        let signals = &self.signals;
        self.assets
            .entry(bar.symbol.clone())
            .or_insert_with(|| signals.start());
        self.engine.apply_bar(bar);
    }

    /// Scans a class at an instant: once per instant and class.
    pub fn scan(&mut self, instant: Timestamp, class: AssetClass) -> Scan {
        let snapshot = self.engine.scan(instant, class);
        let nvx = snapshot.nvx;
        let assets = snapshot
            .assets
            .into_iter()
            .filter_map(|(symbol, features)| {
                let scores = self
                    .assets
                    .get_mut(&symbol)?
                    .evaluate(instant, &features, nvx);
                Some(Observation {
                    symbol,
                    features,
                    scores,
                })
            })
            .collect();
        Scan {
            instant,
            nvx,
            assets,
        }
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &NarrativeEngine {
        &self.engine
    }
}

/// What comes next in a played set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// An item was first seen.
    Item(&'a NewsItem),
    /// A bar ended.
    Bar(&'a Bar),
    /// Everything until this instant has come: scan this class.
    Scan(Timestamp, AssetClass),
}

/// The events of a set in the order in which they become known: bars before items of the same
/// instant, scans after both. All three are sorted by time.
pub fn events<'a>(
    items: &'a [NewsItem],
    bars: &'a [Bar],
    scans: &'a [(Timestamp, AssetClass)],
) -> impl Iterator<Item = Event<'a>> {
    let mut items = items.iter().peekable();
    let mut bars = bars.iter().peekable();
    let mut scans = scans.iter().peekable();
    std::iter::from_fn(move || {
        let bar = bars.peek().map(|bar| (bar.end, 0));
        let item = items.peek().map(|item| (item.first_seen, 1));
        let scan = scans.peek().map(|(at, _)| (*at, 2));
        match [bar, item, scan].into_iter().flatten().min()?.1 {
            0 => bars.next().map(Event::Bar),
            1 => items.next().map(Event::Item),
            _ => scans.next().map(|(at, class)| Event::Scan(*at, *class)),
        }
    })
}

/// The scans of a table of scores per bar close: every bar's end from the first item on, and for
/// crypto every full hour between, as live agents scan.
pub fn scans_at_bar_closes(items: &[NewsItem], bars: &[Bar]) -> Vec<(Timestamp, AssetClass)> {
    let Some(first) = items.first().map(|item| item.first_seen) else {
        return Vec::new();
    };
    let mut scans = BTreeSet::new();
    let mut hours: Option<(Timestamp, Timestamp)> = None;
    for bar in bars.iter().filter(|bar| bar.end >= first) {
        let crypto = bar.symbol.class() == AssetClass::Crypto;
        scans.insert((bar.end, crypto));
        if crypto {
            hours = Some((hours.map_or(bar.end, |(from, _)| from), bar.end));
        }
    }
    if let Some((from, to)) = hours {
        let mut hour = from.duration_trunc(TimeDelta::hours(1)).unwrap_or(from);
        while hour <= to {
            if hour >= from {
                scans.insert((hour, true));
            }
            hour += TimeDelta::hours(1);
        }
    }
    let class = |crypto| {
        if crypto {
            AssetClass::Crypto
        } else {
            AssetClass::UsEquity
        }
    };
    scans
        .into_iter()
        .map(|(at, crypto)| (at, class(crypto)))
        .collect()
}

//! The market's immutable data: assets and their price series, shared by any number of exchanges.

use std::collections::{BTreeMap, HashMap};

use rawe_core::{Bar, Symbol, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::asset::Asset;
use crate::series::{PriceSeries, SeriesError, decimal};

/// An asset of the market, as a number that is cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AssetIndex(pub(crate) usize);

/// All assets and their bars.
#[derive(Clone, Debug)]
pub struct MarketData {
    assets: Vec<Asset>,
    series: Vec<PriceSeries>,
    by_name: HashMap<String, AssetIndex>,
    ends: Vec<Timestamp>,
}

impl MarketData {
    /// Sorts `bars` into series; every symbol in them becomes an asset with the usual attributes
    /// of its class.
    ///
    /// # Errors
    /// When there is no bar, a bar is not sane, or bars of one asset overlap.
    pub fn from_bars(bars: Vec<Bar>) -> Result<Self, SeriesError> {
        let mut by_symbol: BTreeMap<Symbol, Vec<Bar>> = BTreeMap::new();
        for bar in bars {
            by_symbol.entry(bar.symbol.clone()).or_default().push(bar);
        }
        if by_symbol.is_empty() {
            return Err(SeriesError::Empty);
        }
        let mut data = Self {
            assets: Vec::new(),
            series: Vec::new(),
            by_name: HashMap::new(),
            ends: vec![],
        };
        for (symbol, bars) in by_symbol {
            let series = PriceSeries::new(bars)?;
            let first = series
                .bar(0)
                .and_then(|bar| decimal(bar.open))
                .unwrap_or(Decimal::ONE);
            data.add(Asset::usual(symbol, first), series);
        }
        data.ends.sort_unstable();
        data.ends.dedup();
        Ok(data)
    }

    fn add(&mut self, asset: Asset, series: PriceSeries) {
        let index = AssetIndex(self.assets.len());
        self.by_name.insert(asset.symbol.as_str().to_owned(), index);
        self.by_name.insert(asset.symbol.without_slash(), index);
        self.by_name.insert(asset.id.to_string(), index);
        self.ends.extend(series.bars().map(|bar| bar.end));
        self.assets.push(asset);
        self.series.push(series);
    }

    /// Changes the attributes of an asset, for markets where some stock cannot be shorted or
    /// traded in fractions. Returns whether the asset exists.
    pub fn adjust_asset(&mut self, symbol: &Symbol, change: impl FnOnce(&mut Asset)) -> bool {
        let found = self.by_name.get(symbol.as_str()).copied();
        found
            .and_then(|index| self.assets.get_mut(index.0))
            .map(change)
            .is_some()
    }

    /// Finds an asset by symbol, by symbol without slash, or by id.
    pub fn find(&self, name: &str) -> Option<AssetIndex> {
        self.by_name.get(name).copied()
    }

    /// An asset's attributes.
    pub fn asset(&self, index: AssetIndex) -> Option<&Asset> {
        self.assets.get(index.0)
    }

    /// An asset's bars.
    pub fn series(&self, index: AssetIndex) -> Option<&PriceSeries> {
        self.series.get(index.0)
    }

    /// All assets, ordered by symbol.
    pub fn assets(&self) -> impl Iterator<Item = (AssetIndex, &Asset)> {
        self.assets
            .iter()
            .enumerate()
            .map(|(index, asset)| (AssetIndex(index), asset))
    }

    /// An asset's price at an instant, USD: see [`PriceSeries::price_at`].
    pub fn price_at(&self, index: AssetIndex, instant: Timestamp) -> Option<Decimal> {
        self.series(index)?.price_at(instant)
    }

    /// The first bar's start.
    pub fn start(&self) -> Option<Timestamp> {
        self.series
            .iter()
            .filter_map(|series| series.bar(0))
            .map(|bar| bar.start)
            .min()
    }

    /// The last bar's end.
    pub fn end(&self) -> Option<Timestamp> {
        self.ends.last().copied()
    }

    /// The first end of any bar after `instant`.
    pub fn next_bar_end(&self, instant: Timestamp) -> Option<Timestamp> {
        self.ends
            .get(self.ends.partition_point(|end| *end <= instant))
            .copied()
    }

    /// How many bars there are in all series.
    pub fn bar_count(&self) -> usize {
        self.series.iter().map(PriceSeries::len).sum()
    }
}

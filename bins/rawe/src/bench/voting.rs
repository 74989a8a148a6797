//! From an item to its signal: the five founding formulas over the features of a scan, as five
//! agents would evaluate them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use chrono::TimeDelta;
use rawe_agent::{Expert, Profile};
use rawe_core::{AssetClass, Bar, NewsItem, Symbol, Timeframe, Timestamp};
use rawe_narrative::NarrativeEngine;

/// The experts of every asset, and the assets' prices.
pub(super) struct Voting {
    profiles: Vec<Profile>,
    experts: BTreeMap<Symbol, Vec<Expert>>,
    symbols: Vec<Symbol>,
    hours: u32,
}

impl Voting {
    pub(super) fn new(symbols: Vec<Symbol>) -> anyhow::Result<Self> {
        let profiles = Profile::founding().context("reading the founding profiles")?;
        Ok(Self {
            profiles,
            experts: BTreeMap::new(),
            symbols,
            hours: 0,
        })
    }

    /// Gives every asset a bar that ends at `end`.
    pub(super) fn bars(&mut self, engine: &mut NarrativeEngine, end: Timestamp) {
        self.hours += 1;
        for (number, symbol) in (1_u32..).zip(&self.symbols) {
            // Restless enough to have a deviation, and never at the same place.
            let wave = self.hours.wrapping_mul(number).wrapping_mul(2_654_435_761) >> 22;
            let close = 100.0 + f64::from(wave) / 256.0;
            engine.apply_bar(&Bar {
                symbol: symbol.clone(),
                start: end - TimeDelta::hours(1),
                end,
                timeframe: Timeframe::Hour,
                open: close,
                high: close + 0.5,
                low: close - 0.5,
                close,
                volume: 1_000.0,
                backfill: false,
            });
        }
    }

    /// Scans the class of the item's asset and evaluates every formula on every asset scanned.
    /// Returns how many experts had an opinion.
    pub(super) fn vote(
        &mut self,
        engine: &mut NarrativeEngine,
        at: Timestamp,
        class: AssetClass,
    ) -> usize {
        let snapshot = engine.scan(at, class);
        let mut opinions = 0;
        for (symbol, features) in &snapshot.assets {
            if !self.experts.contains_key(symbol) {
                let experts = self.profiles.iter().map(Expert::new).collect();
                self.experts.insert(symbol.clone(), experts);
            }
            for expert in self.experts.get_mut(symbol).into_iter().flatten() {
                opinions += usize::from(expert.evaluate(at, features, snapshot.nvx).is_some());
            }
        }
        opinions
    }
}

/// The class whose scan an item is waiting for.
pub(super) fn class_of(item: &NewsItem) -> AssetClass {
    item.symbols
        .first()
        .map_or(AssetClass::UsEquity, Symbol::class)
}

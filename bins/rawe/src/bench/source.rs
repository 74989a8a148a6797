//! Where a benchmark's items come from: made up, or from a file.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use chrono::TimeDelta;
use rawe_core::{NewsItem, Symbol};
use rawe_feed::SymbolMap;
use rawe_feed::files::read_news;
use rawe_feed::flood::{Flood, FloodConfig, FloodKind};

/// Market time between two made-up items, seconds: 180 an hour.
const STEP_SECONDS: i64 = 20;
/// Pairs by which files may name crypto.
const PAIRS: [&str; 2] = ["BTC/USD", "ETH/USD"];

/// A stream of items.
pub(super) enum Source {
    /// Made up as long as anyone wants.
    MadeUp(Box<Flood>),
    /// Of a file, once.
    File(std::vec::IntoIter<NewsItem>),
}

impl Source {
    pub(super) fn made_up(seed: u64, kind: FloodKind) -> Self {
        Self::MadeUp(Box::new(Flood::new(FloodConfig {
            seed,
            kind,
            step: TimeDelta::seconds(STEP_SECONDS),
            ..FloodConfig::default()
        })))
    }

    pub(super) fn file(path: &Path) -> anyhow::Result<Self> {
        let map = SymbolMap::from_pairs(&PAIRS).context("preparing the symbols")?;
        let file = read_news(path, &map).context("reading the items to measure with")?;
        Ok(Self::File(file.items.into_iter()))
    }

    /// What it is, for the report.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::MadeUp(_) => "made up",
            Self::File(_) => "file",
        }
    }

    /// The next items, at most `count`; empty at the end.
    pub(super) fn take(&mut self, count: usize) -> Vec<NewsItem> {
        match self {
            Self::MadeUp(flood) => flood.by_ref().take(count).collect(),
            Self::File(items) => items.by_ref().take(count).collect(),
        }
    }

    /// Assets its items name, at most `count`.
    pub(super) fn symbols(&self, count: usize) -> Vec<Symbol> {
        match self {
            Self::MadeUp(_) => Flood::symbols(count),
            Self::File(items) => {
                let symbols = items.as_slice().iter().flat_map(|item| &item.symbols);
                let distinct: BTreeSet<&Symbol> = symbols.collect();
                distinct.into_iter().take(count).cloned().collect()
            }
        }
    }
}

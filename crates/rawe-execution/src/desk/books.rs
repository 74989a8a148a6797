//! The books: what is ours in each asset, what is not, and what the day has made.

use std::collections::BTreeMap;

use rawe_core::{Symbol, Timestamp};
use rust_decimal::Decimal;

/// One asset's line of the books.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Units of ours, negative when short: fills less fees in coin.
    pub quantity: Decimal,
    /// Units at the broker that are not ours; never touched.
    pub foreign_quantity: Decimal,
    /// Mean entry price, USD a unit; 0 when flat.
    pub entry_price: Decimal,
    /// The price at which it is left at the latest, fixed at entry.
    pub stop_price: Option<Decimal>,
    /// Newest price known and its market time.
    pub price: Option<(Decimal, Timestamp)>,
}

/// The books.
#[derive(Clone, Debug, Default)]
pub struct Books {
    lines: BTreeMap<Symbol, Line>,
}

impl Books {
    /// The line of an asset.
    pub fn line(&self, asset: &Symbol) -> Option<&Line> {
        self.lines.get(asset)
    }

    /// All lines, by asset.
    pub fn lines(&self) -> impl Iterator<Item = (&Symbol, &Line)> {
        self.lines.iter()
    }

    /// Sum of the absolute values of all positions and of all orders under way, USD.
    pub fn gross_notional(&self) -> Decimal {
        Decimal::ZERO
    }
}

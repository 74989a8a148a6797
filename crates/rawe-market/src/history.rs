//! What the account was worth at past instants, worked out from its fills and charges and the
//! prices of then: nothing is recorded for it.

use std::collections::BTreeMap;

use rawe_core::Timestamp;
use rust_decimal::Decimal;

use crate::data::AssetIndex;
use crate::exchange::Exchange;

impl Exchange {
    /// The equity at each of `instants`, which must not go back, USD. Before the account was
    /// opened it is its cash at the start; after the virtual now it is that of now.
    pub fn equity_history(&self, instants: &[Timestamp]) -> Vec<Decimal> {
        let mut fills = self.fills.iter().peekable();
        let mut charges = self.charges.iter().peekable();
        let mut cash = self.config.cash;
        let mut units: BTreeMap<AssetIndex, Decimal> = BTreeMap::new();
        let mut values = Vec::with_capacity(instants.len());
        for instant in instants {
            let instant = (*instant).min(self.now);
            while let Some(fill) = fills.next_if(|fill| fill.at <= instant) {
                cash += fill.cash_change;
                *units.entry(fill.asset).or_default() += fill.position_change;
            }
            while let Some(charge) = charges.next_if(|charge| charge.at <= instant) {
                cash -= charge.amount;
            }
            let held: Decimal = units
                .iter()
                .filter(|(_, units)| !units.is_zero())
                .filter_map(|(asset, units)| {
                    Some(crate::asset::money(
                        *units * self.data.price_at(*asset, instant)?,
                    ))
                })
                .sum();
            values.push((cash + held).normalize());
        }
        values
    }
}

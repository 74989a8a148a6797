//! Symbols that are asked for together: of one class, with bars of one length.

use std::collections::BTreeMap;

use rawe_core::{AssetClass, Symbol, Timeframe};

/// Symbols of one class whose bars have one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Stocks or crypto.
    pub class: AssetClass,
    /// The length of the bars.
    pub timeframe: Timeframe,
    /// The symbols, sorted.
    pub symbols: Vec<Symbol>,
}

/// Groups symbols by class and timeframe.
pub fn groups(symbols: impl IntoIterator<Item = (Symbol, Timeframe)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let sorted: BTreeMap<Symbol, Timeframe> = symbols.into_iter().collect();
    for (symbol, timeframe) in sorted {
        let class = symbol.class();
        match groups
            .iter_mut()
            .find(|g| g.class == class && g.timeframe == timeframe)
        {
            Some(group) => group.symbols.push(symbol),
            None => groups.push(Group {
                class,
                timeframe,
                symbols: vec![symbol],
            }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_grouped_by_class_and_timeframe() {
        let symbol = |text| Symbol::new(text).unwrap();
        let groups = groups([
            (symbol("KO"), Timeframe::Day),
            (symbol("AAPL"), Timeframe::Hour),
            (symbol("BTC/USD"), Timeframe::Hour),
            (symbol("BA"), Timeframe::Hour),
        ]);
        let texts: Vec<String> = groups.iter().map(|g| format!("{:?}", g.symbols)).collect();
        assert_eq!(texts, ["[AAPL, BA]", "[BTC/USD]", "[KO]"]);
    }
}

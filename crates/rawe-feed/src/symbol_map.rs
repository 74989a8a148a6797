//! How the spellings of symbols in files and at sources become Alpaca's. No universe lives here.

use std::collections::BTreeMap;

use rawe_core::Symbol;

/// Crypto tickers that name no large US stock, so that a bare one can be read as a pair against
/// the dollar. Ambiguous ones (`BCH`, `LINK`, `UNI`, `DOT`, ... are also stocks) need an override.
const BARE_CRYPTO: [&str; 14] = [
    "ADA", "AVAX", "BNB", "BTC", "DOGE", "ETH", "LTC", "SHIB", "SOL", "USDC", "USDT", "XBT", "XLM",
    "XRP",
];

/// Maps a source's spelling of a symbol to Alpaca's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SymbolMap {
    overrides: BTreeMap<String, Symbol>,
}

/// Why a `FROM=TO` pair cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' does not map a symbol; write it as FROM=TO, such as XBT=BTC/USD")]
pub struct SymbolMapError(String);

impl SymbolMap {
    /// Reads overrides written as `FROM=TO`, such as `BCH=BCH/USD` or `FB=META`. They go before
    /// the built-in reading of bare crypto tickers, so `SOL=SOL` keeps the stock.
    ///
    /// # Errors
    /// The first pair that is not of that form.
    pub fn from_pairs<S: AsRef<str>>(pairs: &[S]) -> Result<Self, SymbolMapError> {
        let mut overrides = BTreeMap::new();
        for pair in pairs {
            let pair = pair.as_ref();
            let refused = || SymbolMapError(pair.chars().take(60).collect());
            let (from, to) = pair.split_once('=').ok_or_else(refused)?;
            let from = from.trim().to_ascii_uppercase();
            let to = Symbol::new(&to.trim().to_ascii_uppercase()).map_err(|_| refused())?;
            if from.is_empty() {
                return Err(refused());
            }
            overrides.insert(from, to);
        }
        Ok(Self { overrides })
    }

    /// Alpaca's symbol for `text`: an override, `BTC` and `BTC-USD` and `BTCUSDT` as `BTC/USD`,
    /// else the upper-cased text without a leading `$`. `None` when that is no symbol.
    pub fn resolve(&self, text: &str) -> Option<Symbol> {
        let text = text.trim().trim_start_matches('$').to_ascii_uppercase();
        if let Some(symbol) = self.overrides.get(&text) {
            return Some(symbol.clone());
        }
        let base = ["USDT", "USDC", "USD"].iter().find_map(|quote| {
            let base = text.strip_suffix(quote)?;
            Some(base.strip_suffix(['-', '/', '_']).unwrap_or(base))
        });
        for candidate in [Some(text.as_str()), base].into_iter().flatten() {
            if BARE_CRYPTO.contains(&candidate) {
                let base = if candidate == "XBT" { "BTC" } else { candidate };
                return Symbol::new(&format!("{base}/USD")).ok();
            }
        }
        Symbol::new(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_become_alpacas() {
        let map = SymbolMap::from_pairs(&["BCH=BCH/USD", "fb=meta", "SOL=SOL"]).unwrap();
        for (text, wanted) in [
            ("BTC", Some("BTC/USD")),
            ("btc", Some("BTC/USD")),
            ("BTC/USD", Some("BTC/USD")),
            ("BTC-USD", Some("BTC/USD")),
            ("ETHUSDT", Some("ETH/USD")),
            ("XBT", Some("BTC/USD")),
            ("$AAPL", Some("AAPL")),
            ("BRK-A", Some("BRK-A")),
            ("FB", Some("META")),
            ("BCH", Some("BCH/USD")),
            ("SOL", Some("SOL")),
            ("PEPE/USD", Some("PEPE/USD")),
            ("", None),
            ("no symbol", None),
        ] {
            assert_eq!(
                map.resolve(text),
                wanted.map(|s| Symbol::new(s).unwrap()),
                "{text:?}"
            );
        }
        assert_eq!(
            SymbolMap::default().resolve("BCH"),
            Some(Symbol::new("BCH").unwrap())
        );
    }

    #[test]
    fn pairs_that_map_nothing_are_refused() {
        for bad in ["", "AAPL", "=AAPL", "A=", "A=b c"] {
            assert!(SymbolMap::from_pairs(&[bad]).is_err(), "{bad:?}");
        }
    }
}

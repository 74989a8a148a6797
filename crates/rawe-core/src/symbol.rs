//! Symbols as Alpaca spells them, and the two asset classes we trade. No universe lives here.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// The longest symbol we accept, in bytes. Alpaca's longest pairs stay well under it.
const SYMBOL_LENGTH_MAX: usize = 20;

/// A validated Alpaca symbol: `AAPL`, `BRK.B` or `BTC/USD`. Cheap to clone.
///
/// The text lies in the value itself: symbols are the keys of nearly every map, and a text elsewhere
/// would be fetched from memory for each comparison on the way to an entry.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "ArrayString<SYMBOL_LENGTH_MAX>")]
pub struct Symbol(ArrayString<SYMBOL_LENGTH_MAX>);

/// What Alpaca calls the asset's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetClass {
    /// US stocks and ETFs: traded in sessions, can be shorted.
    UsEquity,
    /// Crypto pairs: traded around the clock, long only at Alpaca.
    Crypto,
}

impl fmt::Display for AssetClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UsEquity => "us_equity",
            Self::Crypto => "crypto",
        })
    }
}

/// Why a text is not a symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a symbol; write it as Alpaca does, such as AAPL, BRK.B or BTC/USD")]
pub struct SymbolError(String);

impl Symbol {
    /// Checks `text` and makes it a symbol.
    ///
    /// # Errors
    /// When the text is empty, longer than 20 bytes, not upper-case letters, digits, `.` or `-`,
    /// or has more than one `/` or an empty side of it.
    pub fn new(text: &str) -> Result<Self, SymbolError> {
        let well_formed = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
        };
        let mut parts = text.split('/');
        let valid = parts.next().is_some_and(well_formed)
            && parts.next().is_none_or(well_formed)
            && parts.next().is_none();
        match ArrayString::from(text) {
            Ok(text) if valid => Ok(Self(text)),
            _ => Err(SymbolError(text.chars().take(40).collect())),
        }
    }

    /// The symbol's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A pair with a slash is crypto, everything else a US equity.
    pub fn class(&self) -> AssetClass {
        if self.0.contains('/') {
            AssetClass::Crypto
        } else {
            AssetClass::UsEquity
        }
    }

    /// The form without the slash, in which Alpaca reports crypto positions (`BTCUSD`).
    pub fn without_slash(&self) -> String {
        self.0.replace('/', "")
    }
}

impl TryFrom<String> for Symbol {
    type Error = SymbolError;
    fn try_from(text: String) -> Result<Self, SymbolError> {
        Self::new(&text)
    }
}

impl FromStr for Symbol {
    type Err = SymbolError;
    fn from_str(text: &str) -> Result<Self, SymbolError> {
        Self::new(text)
    }
}

impl From<Symbol> for ArrayString<SYMBOL_LENGTH_MAX> {
    fn from(symbol: Symbol) -> Self {
        symbol.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_alpacas_spellings_and_refuses_the_rest() {
        for good in ["AAPL", "BRK.B", "BTC/USD", "V", "BF-B"] {
            assert_eq!(Symbol::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "aapl",
            "BTC/",
            "/USD",
            "A/B/C",
            "A B",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "É",
        ] {
            assert!(Symbol::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn class_follows_the_slash() {
        assert_eq!(Symbol::new("BTC/USD").unwrap().class(), AssetClass::Crypto);
        assert_eq!(Symbol::new("AAPL").unwrap().class(), AssetClass::UsEquity);
        assert_eq!(Symbol::new("BTC/USD").unwrap().without_slash(), "BTCUSD");
    }
}

//! What a request for market data is about: stocks or crypto by its path; the symbols of its list,
//! or the one in its path; and the shape of the answer, which follows from that.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use rawe_core::{AssetClass, Symbol};
use serde_json::{Map, Value, json};

use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};

/// Where the paths of crypto begin.
const CRYPTO: &str = "/v1beta3/crypto/";

/// The class and the symbols that a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) class: AssetClass,
    /// Sorted and without repeats; at least one.
    pub(crate) symbols: Vec<Symbol>,
    /// Whether the one symbol is part of the path.
    single: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiRefusal> {
        let class = if parts.uri.path().starts_with(CRYPTO) {
            AssetClass::Crypto
        } else {
            AssetClass::UsEquity
        };
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let in_path = path.ok().and_then(|Path(mut named)| named.remove("symbol"));
        let Ok(params) = Params::from_request_parts(parts, state).await;
        let names = match &in_path {
            Some(name) => vec![name.as_str()],
            None => params.list("symbols"),
        };
        Ok(Self {
            class,
            symbols: symbols_of(class, &names)?,
            single: in_path.is_some(),
        })
    }
}

/// Crypto needs its slash, as at Alpaca.
fn symbols_of(class: AssetClass, names: &[&str]) -> Answer<Vec<Symbol>> {
    let pattern = match class {
        AssetClass::UsEquity => "^[A-Z0-9.-]+$",
        AssetClass::Crypto => "^[A-Z]+/[A-Z]+$",
    };
    let mut symbols = Vec::new();
    for name in names {
        let symbol = Symbol::new(name)
            .ok()
            .filter(|symbol| symbol.class() == class);
        symbols.push(symbol.ok_or_else(|| {
            ApiRefusal::bad_request(format!(
                "invalid symbol: {name:.40} does not match {pattern}"
            ))
        })?);
    }
    if symbols.is_empty() {
        return Err(ApiRefusal::bad_request("symbols is required"));
    }
    symbols.sort();
    symbols.dedup();
    Ok(symbols)
}

impl Asked {
    /// The symbol of the path, if there is one.
    fn one(&self) -> Option<&Symbol> {
        self.symbols.first().filter(|_| self.single)
    }

    /// A page of rows by symbol; of the one symbol, its rows and its name.
    pub(crate) fn page(
        &self,
        what: &str,
        mut rows: Map<String, Value>,
        next: Option<&str>,
    ) -> Value {
        match self.one() {
            None => json!({ what: rows, "next_page_token": next }),
            Some(symbol) => {
                let rows = rows.remove(symbol.as_str()).unwrap_or_else(|| json!([]));
                json!({ "symbol": symbol, what: rows, "next_page_token": next })
            }
        }
    }

    /// The newest of each symbol, or of the one: `what` is its plural.
    ///
    /// # Errors
    /// 404 when the one symbol has none.
    pub(crate) fn newest(&self, what: &str, mut found: Map<String, Value>) -> Answer<Value> {
        let Some(symbol) = self.one() else {
            return Ok(json!({ what: found }));
        };
        let singular = what.trim_end_matches('s');
        match found.remove(symbol.as_str()) {
            Some(newest) => Ok(json!({ "symbol": symbol, singular: newest })),
            None => Err(nothing(singular, symbol)),
        }
    }

    /// Snapshots: of stocks without an outer key, of the one symbol beside its name.
    ///
    /// # Errors
    /// 404 when the one symbol has none.
    pub(crate) fn snapshots(&self, mut found: Map<String, Value>) -> Answer<Value> {
        match (self.one(), self.class) {
            (None, AssetClass::UsEquity) => Ok(Value::Object(found)),
            (None, AssetClass::Crypto) => Ok(json!({ "snapshots": found })),
            (Some(symbol), _) => match found.remove(symbol.as_str()) {
                Some(Value::Object(mut snapshot)) => {
                    snapshot.insert("symbol".to_owned(), json!(symbol));
                    Ok(Value::Object(snapshot))
                }
                _ => Err(nothing("snapshot", symbol)),
            },
        }
    }
}

fn nothing(what: &str, symbol: &Symbol) -> ApiRefusal {
    let words = format!("no {what} found for {symbol}");
    ApiRefusal::worded(StatusCode::NOT_FOUND, words)
}

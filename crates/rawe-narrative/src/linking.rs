//! Which assets an item speaks of: symbols given by its source, cashtags, and names from a small
//! dictionary. How much it counts for each is the engine's.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use rawe_core::{NewsItem, Symbol};

use crate::hash::FastMap;
use crate::tokens::{TEXT_BYTES_MAX, TokenKind, Tokens, truncate};

/// `symbol, name, rule` by tabs; see [`Rule`] for the rules.
const TABLE: &str = include_str!("../data/names.tsv");
/// The most assets one item is linked to.
pub(crate) const LINKS_MAX: usize = 32;

/// How a name must be written to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// In any case.
    Any,
    /// With a capital first letter, because the word has a common meaning too.
    Capital,
    /// Exactly as in the table.
    Exact,
}

#[derive(Debug)]
struct Name {
    symbol: Symbol,
    text: &'static str,
    rule: Rule,
}

/// The dictionary of names and the crypto tickers that need their pair.
#[derive(Debug)]
pub(crate) struct Linker {
    names: Vec<Name>,
    finder: Option<AhoCorasick>,
    /// Lower-case crypto tickers of cashtags to pairs.
    pairs: FastMap<String, Symbol>,
}

impl Linker {
    /// The dictionary that ships with the crate.
    pub(crate) fn shipped() -> &'static Self {
        static LINKER: OnceLock<Linker> = OnceLock::new();
        LINKER.get_or_init(|| Self::parse(TABLE))
    }

    fn parse(table: &'static str) -> Self {
        let names: Vec<Name> = table.lines().filter_map(parse_name).collect();
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(names.iter().map(|name| name.text))
            .ok();
        let pairs = names
            .iter()
            .filter_map(|name| {
                let (ticker, _) = name.symbol.as_str().split_once('/')?;
                Some((ticker.to_ascii_lowercase(), name.symbol.clone()))
            })
            .collect();
        Self {
            names,
            finder,
            pairs,
        }
    }

    /// Fills `links` with the item's assets, each once: those of the source first, then found ones
    /// that `known` accepts, so that a text cannot invent assets.
    pub(crate) fn link(
        &self,
        item: &NewsItem,
        tokens: &Tokens,
        known: impl Fn(&Symbol) -> bool,
        links: &mut Vec<Symbol>,
    ) {
        links.clear();
        for symbol in &item.symbols {
            add(links, symbol);
        }
        for token in tokens
            .list()
            .iter()
            .filter(|t| t.kind == TokenKind::Cashtag)
        {
            let ticker = tokens.text(*token);
            if let Some(pair) = self.pairs.get(ticker) {
                if known(pair) {
                    add(links, pair);
                }
            } else if let Ok(symbol) = Symbol::new(&ticker.to_ascii_uppercase())
                && known(&symbol)
            {
                add(links, &symbol);
            }
        }
        let headline = truncate(&item.headline, TEXT_BYTES_MAX);
        let text = truncate(&item.text, TEXT_BYTES_MAX - headline.len());
        for part in [headline, text] {
            self.find_names(part, |symbol| {
                if known(symbol) {
                    add(links, symbol);
                }
            });
        }
    }

    fn find_names(&self, text: &str, mut found: impl FnMut(&Symbol)) {
        let Some(finder) = &self.finder else { return };
        for hit in finder.find_iter(text) {
            let Some(name) = self.names.get(hit.pattern().as_usize()) else {
                continue;
            };
            let written = text.get(hit.range()).unwrap_or("");
            let fits = match name.rule {
                Rule::Any => true,
                Rule::Capital => written.starts_with(|c: char| c.is_ascii_uppercase()),
                Rule::Exact => written == name.text,
            };
            if fits && is_whole_word(text, hit.start(), hit.end()) {
                found(&name.symbol);
            }
        }
    }
}

fn parse_name(line: &'static str) -> Option<Name> {
    let mut fields = line.split('\t');
    let (symbol, text, rule) = (fields.next()?, fields.next()?, fields.next()?);
    let rule = match rule.trim() {
        "any" => Rule::Any,
        "capital" => Rule::Capital,
        "exact" => Rule::Exact,
        _ => return None,
    };
    Some(Name {
        symbol: Symbol::new(symbol).ok()?,
        text,
        rule,
    })
}

fn add(links: &mut Vec<Symbol>, symbol: &Symbol) {
    if links.len() < LINKS_MAX && !links.contains(symbol) {
        links.push(symbol.clone());
    }
}

/// Whether no letter or digit touches the range, and it is no name (@) or address.
fn is_whole_word(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).and_then(|t| t.chars().next_back());
    let after = text.get(end..).and_then(|t| t.chars().next());
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '$');
    !before.is_some_and(|c| joins(c) || matches!(c, '.' | '/')) && !after.is_some_and(joins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn linked(text: &str, given: &[&str]) -> Vec<String> {
        let item = NewsItem {
            id: String::new(),
            published: DateTime::default(),
            first_seen: DateTime::default(),
            source: String::new(),
            register: rawe_core::Register::Social,
            author: None,
            followers: None,
            repost_of: None,
            symbols: given.iter().map(|s| Symbol::new(s).unwrap()).collect(),
            headline: String::new(),
            text: text.to_owned(),
            backfill: false,
        };
        let mut tokens = Tokens::default();
        tokens.read(&item.headline, &item.text);
        let mut links = Vec::new();
        Linker::shipped().link(&item, &tokens, |s| s.as_str() != "UNKN", &mut links);
        links.iter().map(|s| s.as_str().to_owned()).collect()
    }

    #[test]
    fn links_symbols_cashtags_and_names() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("nothing here", &[], &[]),
            ("up again", &["AAPL"], &["AAPL"]),
            ("$aapl and $BTC, $UNKN", &[], &["AAPL", "BTC/USD"]),
            ("Apple beats Microsoft", &["MSFT"], &["MSFT", "AAPL"]),
            ("an apple a day", &[], &[]),
            ("Applebee's, @apple, www.apple.com", &[], &[]),
            ("eth is a suffix, ETH is not", &[], &["ETH/USD"]),
            ("JPMorgan Chase fined", &[], &["JPM"]),
            ("Bitcoin Cash forks", &[], &["BCH/USD"]),
            ("AT&T and S&P 500", &[], &["T", "SPY"]),
        ];
        for (text, given, expected) in cases {
            assert_eq!(linked(text, given), *expected, "{text:?}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_a_name() {
        assert_eq!(Linker::shipped().names.len(), TABLE.lines().count() - 1);
        assert!(Linker::shipped().finder.is_some());
    }
}

//! News in memory, compactly: texts once, sources and symbols as small numbers. Ordered by the
//! time of first sight, because nothing may be shown earlier.

use std::collections::HashMap;

use rawe_alpaca::types::NewsArticle;
use rawe_core::{NewsItem, Symbol, Timestamp};

/// One item.
#[derive(Debug)]
struct StoredItem {
    published: Timestamp,
    first_seen: Timestamp,
    headline: Box<str>,
    text: Box<str>,
    author: Box<str>,
    source: u32,
    symbols: Box<[u32]>,
}

/// All news of the exchange.
#[derive(Debug, Default)]
pub struct NewsStore {
    items: Vec<StoredItem>,
    sources: Vec<Box<str>>,
    symbols: Vec<Symbol>,
}

/// Which items to answer.
#[derive(Clone, Debug)]
pub(crate) struct NewsQuery {
    /// First sight at or after this instant.
    pub(crate) from: Option<Timestamp>,
    /// First sight at or before this instant; the virtual now bounds it.
    pub(crate) through: Timestamp,
    /// Only items that name one of these, without slashes; empty means all.
    pub(crate) symbols: Vec<String>,
    /// Only items with a text.
    pub(crate) with_text: bool,
    /// Whether the newest come first.
    pub(crate) newest_first: bool,
    /// Where the former page ended.
    pub(crate) after: Option<usize>,
    /// At most so many.
    pub(crate) limit: usize,
}

impl NewsStore {
    /// Stores items given in any order.
    pub fn new(mut items: Vec<NewsItem>) -> Self {
        items.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        let mut store = Self::default();
        let mut sources: HashMap<String, u32> = HashMap::new();
        let mut symbols: HashMap<Symbol, u32> = HashMap::new();
        store.items.reserve_exact(items.len());
        for item in items {
            let source = number_of(&mut sources, item.source);
            let named = item
                .symbols
                .into_iter()
                .map(|s| number_of(&mut symbols, s))
                .collect();
            store.items.push(StoredItem {
                published: item.published,
                first_seen: item.first_seen,
                headline: item.headline.into(),
                text: item.text.into(),
                author: item.author.unwrap_or_default().into(),
                source,
                symbols: named,
            });
        }
        store.sources = in_order(sources).into_iter().map(Into::into).collect();
        store.symbols = in_order(symbols);
        store
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// One page of items with their numbers, and whether more follow.
    pub(crate) fn page(&self, query: &NewsQuery) -> (Vec<(usize, NewsArticle)>, bool) {
        let from = query.from.map_or(0, |from| {
            self.items.partition_point(|i| i.first_seen < from)
        });
        let through = self
            .items
            .partition_point(|item| item.first_seen <= query.through);
        let (low, high) = match (query.after, query.newest_first) {
            (Some(last), true) => (from, through.min(last)),
            (Some(last), false) => (from.max(last.saturating_add(1)), through),
            (None, _) => (from, through),
        };
        let wanted = self.wanted_symbols(&query.symbols);
        let numbers: Box<dyn Iterator<Item = usize>> = if query.newest_first {
            Box::new((low..high).rev())
        } else {
            Box::new(low..high)
        };
        let mut matching = numbers.filter(|number| {
            self.items.get(*number).is_some_and(|item| {
                let named = query.symbols.is_empty()
                    || item.symbols.iter().any(|symbol| wanted.contains(symbol));
                named && !(query.with_text && item.text.is_empty())
            })
        });
        let page = matching
            .by_ref()
            .take(query.limit)
            .filter_map(|number| Some((number, self.article(number)?)))
            .collect();
        (page, matching.next().is_some())
    }

    /// The articles first seen after one instant and no later than another, oldest first.
    pub(crate) fn seen_between(
        &self,
        after: Timestamp,
        through: Timestamp,
    ) -> impl Iterator<Item = NewsArticle> + '_ {
        let from = self.items.partition_point(|item| item.first_seen <= after);
        let to = self
            .items
            .partition_point(|item| item.first_seen <= through);
        (from..to).filter_map(|number| self.article(number))
    }

    fn wanted_symbols(&self, names: &[String]) -> Vec<u32> {
        let known = self.symbols.iter().enumerate();
        known
            .filter(|(_, symbol)| names.contains(&symbol.without_slash()))
            .filter_map(|(number, _)| u32::try_from(number).ok())
            .collect()
    }

    /// An item in Alpaca's form. The time of first sight is its `updated_at`, by which Alpaca
    /// orders; the text is its summary.
    fn article(&self, number: usize) -> Option<NewsArticle> {
        let item = self.items.get(number)?;
        let symbol = |number: &u32| self.symbols.get(usize::try_from(*number).ok()?);
        Some(NewsArticle {
            id: i64::try_from(number).ok()?.saturating_add(1),
            headline: item.headline.to_string(),
            author: item.author.to_string(),
            created_at: item.published,
            updated_at: item.first_seen,
            summary: item.text.to_string(),
            content: String::new(),
            images: Vec::new(),
            symbols: item
                .symbols
                .iter()
                .filter_map(symbol)
                .map(Symbol::without_slash)
                .collect(),
            source: self
                .sources
                .get(usize::try_from(item.source).ok()?)
                .map(ToString::to_string)
                .unwrap_or_default(),
            url: None,
        })
    }
}

/// The number of a value, a new one if it was not seen before.
fn number_of<T: std::hash::Hash + Eq>(numbers: &mut HashMap<T, u32>, value: T) -> u32 {
    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    *numbers.entry(value).or_insert(next)
}

/// The values in the order of their numbers.
fn in_order<T>(numbers: HashMap<T, u32>) -> Vec<T> {
    let mut pairs: Vec<(T, u32)> = numbers.into_iter().collect();
    pairs.sort_by_key(|(_, number)| *number);
    pairs.into_iter().map(|(value, _)| value).collect()
}

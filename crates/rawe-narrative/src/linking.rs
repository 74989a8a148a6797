//! Which assets an item speaks of, and where: symbols given by its source, cashtags, tickers
//! behind an exchange's name, and names from the dictionary of a [`Universe`]. How much an item
//! counts for each asset is the engine's.

mod reading;
mod spelling;
mod universe;

use std::ops::Range;

use rawe_core::{NewsItem, Symbol};

use crate::tokens::{TEXT_BYTES_MAX, truncate};
use reading::Standing;
use universe::{Case, Context, Meaning, Name};

pub use universe::{Universe, UniverseError};

/// The most assets one item is linked to.
pub(crate) const LINKS_MAX: usize = 32;
/// The most places kept where one item names assets.
const MENTIONS_MAX: usize = 64;
/// The most names looked at in one item.
const FOUND_MAX: usize = 512;

/// Names of a list stand this near to each other, bytes: ", and " between them.
const LIST_GAP_BYTES: usize = 6;

/// One place where an item names an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The asset.
    pub symbol: Symbol,
    /// First byte in headline and text as the engine reads them: each cut to what is read of it,
    /// the text directly after the headline. 0 with `end` 0 if only the source gave the symbol.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Mention {
    /// Where it is named; `None` for a symbol only the source gave.
    pub fn range(&self) -> Option<Range<usize>> {
        (self.end > self.start).then_some(self.start as usize..self.end as usize)
    }
}

/// A name or ticker found in the text, before it is decided whether it counts.
#[derive(Clone, Copy, Debug)]
struct Found {
    start: usize,
    end: usize,
    /// Which part of the item: 0 the headline, 1 the text.
    part: usize,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A ticker behind a mark.
    Ticker,
    /// The name at this place of the universe counts by itself.
    Certain(u32),
    /// This name counts if its surroundings say so.
    Doubtful(u32),
    /// Words that mean something else.
    Nothing,
}

/// Working memory of linking, reused from item to item.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkBuffer {
    lower: String,
    found: Vec<Found>,
    kept: Vec<Found>,
    mentions: Vec<Mention>,
    links: Vec<Symbol>,
}

impl LinkBuffer {
    /// Where the item names assets: those of its source first, then by place.
    pub(crate) fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// The item's assets, each once, in the order of first mention.
    pub(crate) fn symbols(&self) -> &[Symbol] {
        &self.links
    }

    /// Keeps only the assets that `wanted` accepts.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&Symbol) -> bool) {
        self.links.retain(&wanted);
        self.mentions.retain(|mention| wanted(&mention.symbol));
    }

    fn add(&mut self, symbol: &Symbol, start: usize, end: usize) {
        if !self.links.contains(symbol) {
            if self.links.len() >= LINKS_MAX {
                return;
            }
            self.links.push(symbol.clone());
        }
        if self.mentions.len() < MENTIONS_MAX {
            // Places are below the few thousand bytes read of an item.
            let place = |p: usize| u32::try_from(p).unwrap_or(u32::MAX);
            self.mentions.push(Mention {
                symbol: symbol.clone(),
                start: place(start),
                end: place(end),
            });
        }
    }
}

impl Universe {
    /// Where `item` names assets that `known` accepts, so that a text cannot invent assets; the
    /// source's own symbols first, whatever `known` says of them.
    pub fn mentions(&self, item: &NewsItem, known: &dyn Fn(&Symbol) -> bool) -> Vec<Mention> {
        let mut buffer = LinkBuffer::default();
        self.link(item, known, &mut buffer);
        buffer.mentions
    }

    /// As [`Self::mentions`], into reused memory.
    pub(crate) fn link(
        &self,
        item: &NewsItem,
        known: impl Fn(&Symbol) -> bool,
        buffer: &mut LinkBuffer,
    ) {
        buffer.mentions.clear();
        buffer.links.clear();
        buffer.kept.clear();
        for symbol in item.symbols.iter().take(LINKS_MAX) {
            if !buffer.links.contains(symbol) {
                buffer.add(symbol, 0, 0);
            }
        }
        let headline = truncate(&item.headline, TEXT_BYTES_MAX);
        let text = truncate(&item.text, TEXT_BYTES_MAX - headline.len());
        let parts = [headline, text];
        for (part, content) in parts.into_iter().enumerate() {
            self.find(content, part, buffer);
        }
        self.decide(parts, known, buffer);
    }

    /// Everything in `text` that may name something, longest at each place, none overlapping.
    fn find(&self, text: &str, part: usize, buffer: &mut LinkBuffer) {
        let Some(finder) = self.finder() else { return };
        if text.is_empty() {
            return;
        }
        buffer.lower.clear();
        buffer.lower.push_str(text);
        buffer.lower.make_ascii_lowercase();
        let Ok(hits) = finder.automaton.try_find_overlapping_iter(&buffer.lower) else {
            return;
        };
        buffer.found.clear();
        let mut shouting = None;
        for hit in hits {
            let place = finder.name_of.get(hit.pattern().as_usize()).copied();
            let Some((place, name)) = place.and_then(|p| Some((p, self.name(p)?))) else {
                continue;
            };
            let (start, end) = (hit.start(), hit.end());
            let shouts = || *shouting.get_or_insert_with(|| reading::is_shouting(text));
            let found = match name.meaning {
                Meaning::Ticker => self.ticker(text, &buffer.lower, start, end),
                Meaning::Nothing => {
                    reading::is_word(text, start, end).then_some((end, What::Nothing))
                }
                Meaning::Asset(_) => judge(name, place, text, (start, end), shouts),
            };
            if let Some((end, what)) = found
                && buffer.found.len() < FOUND_MAX
            {
                buffer.found.push(Found {
                    start,
                    end,
                    part,
                    what,
                });
            }
        }
        let longest_first = |f: &Found| (f.start, usize::MAX - f.end);
        buffer.found.sort_by_key(longest_first);
        let mut free_from = 0;
        for found in &buffer.found {
            if found.start >= free_from {
                free_from = found.end;
                buffer.kept.push(*found);
            }
        }
    }

    /// The ticker behind a mark, and where it ends. "$bitcoin" and "$Apple" are none but names.
    fn ticker(&self, text: &str, lower: &str, start: usize, end: usize) -> Option<(usize, What)> {
        let (from, to) = reading::ticker(text, start, end)?;
        let name = lower
            .get(from..to)
            .is_some_and(|word| self.is_long_name(word));
        (!name).then_some((to, What::Ticker))
    }

    /// Fills the mentions: first what is certain, then what that or the words around confirm.
    fn decide(&self, parts: [&str; 2], known: impl Fn(&Symbol) -> bool, buffer: &mut LinkBuffer) {
        let given = buffer.mentions.len();
        let kept = std::mem::take(&mut buffer.kept);
        let offset = |found: &Found| if found.part == 0 { 0 } else { parts[0].len() };
        for found in &kept {
            let text = if found.part == 0 { parts[0] } else { parts[1] };
            let symbol = match found.what {
                What::Ticker => self.of_ticker(text, found, &known),
                What::Certain(place) => self.of_name(place, &known, &buffer.links),
                What::Doubtful(_) | What::Nothing => None,
            };
            if let Some(symbol) = symbol {
                buffer.add(
                    &symbol,
                    offset(found) + found.start,
                    offset(found) + found.end,
                );
            }
        }
        let certain = buffer.links.len();
        for found in &kept {
            let text = if found.part == 0 { parts[0] } else { parts[1] };
            let What::Doubtful(place) = found.what else {
                continue;
            };
            let Some(name) = self.name(place) else {
                continue;
            };
            let Some(symbol) = self.of_name(place, &known, &buffer.links) else {
                continue;
            };
            let confirmed = buffer
                .links
                .iter()
                .take(certain)
                .any(|link| *link == symbol);
            let context = match &name.context {
                Context::Free => &Context::General,
                other => other,
            };
            if confirmed
                || (!matches!(context, Context::Only(_)) && stands_in_a_list(&kept, found))
                || reading::has_context(self, context, text, found.start, found.end)
            {
                buffer.add(
                    &symbol,
                    offset(found) + found.start,
                    offset(found) + found.end,
                );
            }
        }
        buffer.kept = kept;
        if let Some(named) = buffer.mentions.get_mut(given..) {
            named.sort_by_key(|mention| (mention.start, mention.end));
        }
    }

    /// The symbol by which the asset of a name is known here: the one already linked, else its
    /// own, else a twin's.
    fn of_name(
        &self,
        place: u32,
        known: &impl Fn(&Symbol) -> bool,
        links: &[Symbol],
    ) -> Option<Symbol> {
        let Meaning::Asset(number) = self.name(place)?.meaning else {
            return None;
        };
        let linked = links.iter().find(|link| self.family(link) == Some(number));
        linked
            .or_else(|| self.spellings(number).find(|symbol| known(symbol)))
            .cloned()
    }

    /// The asset of a ticker: a coin's pair, the symbol itself, or the company's other symbol.
    fn of_ticker(
        &self,
        text: &str,
        found: &Found,
        known: &impl Fn(&Symbol) -> bool,
    ) -> Option<Symbol> {
        let written = text.get(found.start..found.end)?;
        let after = written.rsplit(['$', ':', ' ']).next()?;
        let ticker = after.to_ascii_uppercase();
        let coin = ticker.strip_suffix(".X").unwrap_or(&ticker);
        let coin = coin.split_once('/').map_or(coin, |(coin, _)| coin);
        let coin = coin
            .strip_suffix("USD")
            .filter(|c| !c.is_empty())
            .unwrap_or(coin);
        let pair = self.pair(coin);
        if let Some(pair) = pair
            && let Some(symbol) = self.spellings(pair).find(|symbol| known(symbol))
        {
            return Some(symbol.clone());
        }
        let direct = Symbol::new(&ticker.replace('-', ".")).ok()?;
        if known(&direct) {
            return Some(direct);
        }
        let family = self.family(&direct);
        if let Some(number) = family {
            return self.spellings(number).find(|symbol| known(symbol)).cloned();
        }
        // "$AAPL.US" or "$BRK-x": the ticker before the mark.
        let stem = Symbol::new(ticker.split(['.', '-', '/']).next()?).ok()?;
        known(&stem).then_some(stem)
    }
}

/// Whether the name of an asset counts where it was found: by itself, or if its surroundings say so.
fn judge(
    name: &Name,
    place: u32,
    text: &str,
    (start, end): (usize, usize),
    shouts: impl FnOnce() -> bool,
) -> Option<(usize, What)> {
    let written = text.get(start..end).unwrap_or("");
    let (certain, doubtful) = (What::Certain(place), What::Doubtful(place));
    let what = match (reading::standing(text, start, end), name.case) {
        (Standing::Part, _) | (Standing::Handle, Case::Exact) => return None,
        (Standing::Handle, _) if !name.text.contains(' ') => certain,
        (_, Case::Any) if name.context == Context::Free => certain,
        (_, Case::Any) => doubtful,
        (_, case) if shouts() => {
            if case == Case::Exact && !written.eq_ignore_ascii_case(&name.text) {
                return None;
            }
            doubtful
        }
        (_, case) if !reading::is_written(case, &name.text, written) => return None,
        _ if name.context == Context::Free => certain,
        _ => doubtful,
    };
    Some((end, what))
}

/// Whether a name that counts by itself stands right before or after, as in a list of companies.
fn stands_in_a_list(all: &[Found], found: &Found) -> bool {
    all.iter().any(|other| {
        let certain = matches!(other.what, What::Certain(_));
        let gap = if other.start < found.start {
            found.start.saturating_sub(other.end)
        } else {
            other.start.saturating_sub(found.end)
        };
        certain && other.part == found.part && gap <= LIST_GAP_BYTES
    })
}

#[cfg(test)]
mod tests;

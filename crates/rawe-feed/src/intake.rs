//! The gate for what outside sources tell: each story once, cleaned, at its times, and no more of
//! them from one source than it is allowed. A copy of a story under another source's name passes:
//! that it spread is news, and the narrative engine counts it as spread, not as a new story.

use std::collections::{BTreeMap, HashSet, VecDeque};

use chrono::TimeDelta;
use rawe_core::{NewsItem, Register, Symbol, Timestamp};

use crate::SymbolMap;
use crate::allowance::Allowance;
use crate::alpaca_items::{CLOCK_SKEW_MAX, ItemFault};
use crate::drafts::Draft;
use crate::text::{HEADLINE_CHARS_MAX, NAME_CHARS_MAX, TEXT_CHARS_MAX, one_line, plain_text};

/// What was published longer ago than this, when we first see it, is history: it builds state and
/// triggers nothing.
pub const FRESH: TimeDelta = TimeDelta::minutes(30);
/// Ids remembered of one source: many times what any document lists.
const REMEMBERED: usize = 20_000;
/// Assets kept of one item.
const SYMBOLS_MAX: usize = 32;

/// What is known and allowed of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRules {
    /// The source's name on its items.
    pub name: String,
    /// Whether it is a newsroom or a crowd.
    pub register: Register,
    /// How much its items count, percent; absent: in full.
    pub trust_percent: Option<u8>,
    /// Items admitted within an hour; further ones are left out for good, and counted.
    pub items_per_hour_max: u32,
    /// Assets that every item of it is about.
    pub symbols: Vec<Symbol>,
    /// Whether an item without a time is new although it came with the first of all documents.
    pub undated_is_new: bool,
}

/// The gate.
#[derive(Clone, Debug, Default)]
pub struct Intake {
    sources: BTreeMap<String, Memory>,
}

/// What is remembered of one source.
#[derive(Clone, Debug, Default)]
struct Memory {
    known: HashSet<String>,
    order: VecDeque<String>,
    allowance: Allowance,
    /// Whether one of its documents has been read.
    met: bool,
}

impl Memory {
    fn remember(&mut self, id: &str) {
        if self.known.insert(id.to_owned()) {
            self.order.push_back(id.to_owned());
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }
}

/// What became of one document's drafts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Items, oldest first; those that are history marked as backfill.
    pub items: Vec<NewsItem>,
    /// How many were left out, by reason.
    pub faults: BTreeMap<ItemFault, u64>,
}

impl Intake {
    /// Remembers an item that was delivered before, so that a restart does not tell it again.
    pub fn remember(&mut self, source: &str, id: &str) {
        let memory = self.sources.entry(source.to_owned()).or_default();
        memory.met = true;
        memory.remember(id);
    }

    /// Admits the drafts of one document, all first seen at `now`.
    pub fn admit(
        &mut self,
        rules: &SourceRules,
        drafts: &[Draft],
        map: &SymbolMap,
        now: Timestamp,
    ) -> Admitted {
        let memory = self.sources.entry(rules.name.clone()).or_default();
        let undated_is_new = rules.undated_is_new || memory.met;
        memory.met = true;
        let mut admitted = Admitted::default();
        for draft in drafts {
            let outcome = item_of(rules, draft, map, now).and_then(|mut item| {
                if memory.known.contains(&item.id) {
                    return Err(ItemFault::Known);
                }
                // Noted although it may be one too many: it shall not come back later as new.
                memory.remember(&item.id);
                if !memory.allowance.allows(rules.items_per_hour_max, now) {
                    return Err(ItemFault::OverRate);
                }
                let undated = draft.published.is_none() && !undated_is_new;
                item.backfill = undated || item.published < now - FRESH;
                Ok(item)
            });
            match outcome {
                Ok(item) => admitted.items.push(item),
                Err(fault) => *admitted.faults.entry(fault).or_default() += 1,
            }
        }
        let order = |item: &NewsItem| (item.published, item.id.clone());
        admitted.items.sort_by_key(order);
        admitted
    }
}

fn item_of(
    rules: &SourceRules,
    draft: &Draft,
    map: &SymbolMap,
    now: Timestamp,
) -> Result<NewsItem, ItemFault> {
    if draft
        .published
        .is_some_and(|published| published > now + CLOCK_SKEW_MAX)
    {
        return Err(ItemFault::FromTheFuture);
    }
    let headline = plain_text(&draft.headline, HEADLINE_CHARS_MAX);
    let mut text = plain_text(&draft.text, TEXT_CHARS_MAX);
    if text == headline {
        text.clear();
    }
    if headline.is_empty() && text.is_empty() {
        return Err(ItemFault::NoText);
    }
    let mut symbols = rules.symbols.clone();
    for spelling in &draft.symbols {
        if let Some(symbol) = map.resolve(spelling)
            && !symbols.contains(&symbol)
        {
            symbols.push(symbol);
        }
    }
    symbols.truncate(SYMBOLS_MAX);
    let author = plain_text(&draft.author, NAME_CHARS_MAX);
    Ok(NewsItem {
        id: id_of(draft),
        published: draft.published.unwrap_or(now).min(now),
        first_seen: now,
        source: rules.name.clone(),
        register: rules.register,
        author: Some(author).filter(|author| !author.is_empty()),
        followers: None,
        repost_of: None,
        trust_percent: rules.trust_percent,
        symbols,
        headline,
        text,
        backfill: false,
    })
}

/// The source's id if it is a short line, else a number made of what the story says.
fn id_of(draft: &Draft) -> String {
    let id = one_line(&draft.id, NAME_CHARS_MAX);
    if !id.is_empty() && id == draft.id {
        return id;
    }
    let said = if draft.id.trim().is_empty() {
        [&draft.link, &draft.headline, &draft.text]
    } else {
        [&draft.id, &draft.id, &draft.id]
    };
    let mut hash = 0xcbf2_9ce4_8422_2325_u64; // FNV-1a: the same in every build.
    for byte in said.iter().flat_map(|text| text.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("made-{hash:016x}")
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;

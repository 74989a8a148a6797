//! Clustering items into narratives, one pass with merging: an item joins the nearest living
//! narrative or founds one. The cost of an item does not grow with the number of past items.
//! What is here takes items in and keeps the books; finding the nearest is in `search`, merging in
//! `merging`, copies in `copies`.

mod copies;
mod index;
mod merging;
pub(crate) mod narrative;
mod search;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use chrono::TimeDelta;
use rawe_core::{NewsItem, Timestamp};
use serde::{Deserialize, Serialize};

use crate::compact;
use crate::effects::NarrativeEffect;
use crate::hash::FastMap;
use crate::rating::Rating;
use crate::terms::{TermId, Vocabulary};
use crate::tokens::Tokens;
use crate::voices::{ActiveVoices, voice_of};
use copies::Copies;
use index::{Dots, Index, Slot};
use narrative::{Narrative, powered};
use search::Query;

/// A narrative dies after this many items of others.
const LIVE_ITEMS: u64 = 3_000;
/// And after this long without an item, days.
const LIVE_DAYS: i64 = 5;
/// A merge pass comes after this many items.
const MERGE_EVERY_ITEMS: u64 = 500;
/// Terms of one narrative: pruned to the first when above the second.
const TERMS_KEPT: usize = 256;
const TERMS_MAX: usize = 320;
/// A rise is told at this many items.
const RISEN_ITEMS: u64 = 10;
/// Far more places for narratives than items can keep alive; a snapshot with more is none.
const SLOTS_MAX: usize = 65_536;
/// Aliases of merged narratives remembered.
const ALIASES_MAX: usize = 10_000;

/// An item on its way into a narrative.
pub(crate) struct Incoming<'a> {
    pub(crate) at: Timestamp,
    pub(crate) item: &'a NewsItem,
    pub(crate) tokens: &'a Tokens,
    pub(crate) tone: f64,
    /// The engine's asset numbers and weights.
    pub(crate) links: &'a [(u32, f64)],
}

/// All living narratives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Clusterer {
    vocabulary: Vocabulary,
    index: Index,
    #[serde(deserialize_with = "crate::snapshot::at_most::deserialize::<_, _, SLOTS_MAX>")]
    slots: Vec<Option<Narrative>>,
    /// |vector|² by slot: followed from item to item, worked out again in every merge pass.
    squares: Vec<f32>,
    free: Vec<Slot>,
    items: u64,
    founded: u64,
    now: Option<Timestamp>,
    voices: ActiveVoices,
    aliases: FastMap<Box<str>, Box<str>>,
    alias_order: VecDeque<Box<str>>,
    copies: Copies,
    last: Option<Slot>,
    /// Narratives that items joined since the last merge pass, by slot.
    changed: Vec<bool>,
    #[serde(skip)]
    query: Query,
    #[serde(skip)]
    dots: Dots,
}

impl Clusterer {
    pub(crate) fn new() -> Self {
        Self {
            vocabulary: Vocabulary::new(),
            index: Index::default(),
            slots: Vec::new(),
            squares: Vec::new(),
            free: Vec::new(),
            items: 0,
            founded: 0,
            now: None,
            voices: ActiveVoices::default(),
            aliases: FastMap::default(),
            alias_order: VecDeque::new(),
            copies: Copies::new(),
            last: None,
            changed: Vec::new(),
            query: Query::default(),
            dots: Dots::default(),
        }
    }

    /// Takes an item in; items without a single term tell no story and only make a voice heard.
    pub(crate) fn add(&mut self, incoming: &Incoming<'_>, effects: &mut Vec<NarrativeEffect>) {
        let at = self.now.map_or(incoming.at, |now| now.max(incoming.at));
        self.now = Some(at);
        self.items += 1;
        let voice = voice_of(incoming.item);
        self.voices.hear(at, voice);
        let mut query = std::mem::take(&mut self.query);
        self.vocabulary.read(incoming.tokens, &mut query.terms);
        self.last = None;
        if !query.terms.is_empty() {
            let slot = self.place(incoming, at, &mut query, effects);
            self.last = Some(slot);
            if let Some(Some(narrative)) = self.slots.get_mut(slot as usize) {
                narrative.spread(at, self.items, incoming.tone, incoming.item);
                narrative.tellers.hear(at, voice);
                for (asset, weight) in incoming.links {
                    narrative.link(at, *asset, *weight, incoming.tone);
                }
                if narrative.independent >= crate::rating::RATED_ITEMS_MIN {
                    narrative.remember_state(at, &self.vocabulary);
                }
            }
            self.tell_rise(slot, at, effects);
        }
        self.query = query;
        if self.items.is_multiple_of(MERGE_EVERY_ITEMS) {
            self.tidy(at, effects);
        }
    }

    /// Finds or founds the item's narrative and adds its terms there, unless it is a copy.
    fn place(
        &mut self,
        incoming: &Incoming<'_>,
        at: Timestamp,
        query: &mut Query,
        effects: &mut Vec<NarrativeEffect>,
    ) -> Slot {
        let assets = assets_key(incoming.links);
        if let Some(slot) = self.known_copy(&query.terms, assets, at) {
            return slot;
        }
        self.vocabulary.count_item();
        query.weigh(&self.vocabulary);
        let slot = self.nearest(query, at).unwrap_or_else(|| {
            let slot = self.found(incoming.item, at);
            if let Some(Some(narrative)) = self.slots.get(slot as usize) {
                effects.push(NarrativeEffect::Born {
                    id: narrative.id.to_string(),
                    at,
                });
            }
            slot
        });
        self.join(slot, query, incoming.item);
        if let Some(Some(narrative)) = self.slots.get(slot as usize) {
            let told = (slot, narrative.sequence);
            self.copies.remember(&query.terms, assets, told);
        }
        slot
    }

    fn is_live(&self, slot: Slot, at: Timestamp) -> bool {
        let narrative = self.slots.get(slot as usize).and_then(Option::as_ref);
        narrative.is_some_and(|narrative| {
            self.items.saturating_sub(narrative.last_item) <= LIVE_ITEMS
                && at - narrative.last_at <= TimeDelta::days(LIVE_DAYS)
        })
    }

    fn found(&mut self, item: &NewsItem, at: Timestamp) -> Slot {
        self.founded += 1;
        let narrative = Some(Narrative::found(item, self.founded, at));
        if let Some(slot) = self.free.pop() {
            if let Some(place) = self.slots.get_mut(slot as usize) {
                *place = narrative;
            }
            if let Some(square) = self.squares.get_mut(slot as usize) {
                *square = 0.0;
            }
            return slot;
        }
        self.slots.push(narrative);
        self.squares.push(0.0);
        self.changed.push(false);
        Slot::try_from(self.slots.len() - 1).unwrap_or(Slot::MAX)
    }

    /// Adds an independent item's terms to a narrative.
    fn join(&mut self, slot: Slot, query: &Query, item: &NewsItem) {
        let Some(Some(narrative)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let mut grown = 0.0;
        for (term, unit) in query.terms.iter().zip(&query.units) {
            let before = narrative.add_term(*term, 1, compact(*unit));
            self.index.set(*term, slot, before + 1, before == 0);
            self.vocabulary.count_term(*term, before);
            let (old, new) = (powered(before), powered(before + 1));
            grown += f64::from(new * new - old * old) * self.vocabulary.weight(*term).powi(2);
        }
        narrative.independent += 1;
        narrative.offer_headline(item, &query.terms, &self.vocabulary);
        if let Some(changed) = self.changed.get_mut(slot as usize) {
            *changed = true;
        }
        if narrative.terms().len() > TERMS_MAX {
            self.settle(slot);
        } else if let Some(square) = self.squares.get_mut(slot as usize) {
            *square += compact(grown);
        }
    }

    /// Bounds a narrative's terms and works its length out again.
    fn settle(&mut self, slot: Slot) {
        let Some(Some(narrative)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        if narrative.terms().len() > TERMS_MAX {
            for term in narrative.prune(TERMS_KEPT, &self.vocabulary) {
                self.index.remove(term, slot);
            }
        }
        if let Some(square) = self.squares.get_mut(slot as usize) {
            *square = compact(narrative.norm_square(&self.vocabulary));
        }
    }

    fn known_copy(&self, terms: &[TermId], assets: u64, at: Timestamp) -> Option<Slot> {
        let (slot, sequence) = self.copies.find(terms, assets, &self.vocabulary)?;
        let narrative = self.slots.get(slot as usize)?.as_ref()?;
        (narrative.sequence == sequence && self.is_live(slot, at)).then_some(slot)
    }

    fn tell_rise(&mut self, slot: Slot, at: Timestamp, effects: &mut Vec<NarrativeEffect>) {
        let Some(Some(narrative)) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let rating = narrative.rating();
        if narrative.risen || narrative.items < RISEN_ITEMS || rating == Rating::NotRated {
            return;
        }
        narrative.risen = true;
        effects.push(NarrativeEffect::Risen {
            id: narrative.id.to_string(),
            name: narrative.name(&self.vocabulary),
            headline: narrative.headline().to_owned(),
            rating,
            items: narrative.items,
            // The engine knows the assets' symbols and fills them in.
            assets: Vec::new(),
            at,
        });
    }

    /// Buries the dead, merges the living, forgets unused terms.
    fn tidy(&mut self, at: Timestamp, effects: &mut Vec<NarrativeEffect>) {
        for place in 0..self.slots.len() {
            let Ok(slot) = Slot::try_from(place) else {
                break;
            };
            let dead =
                self.slots.get(place).is_some_and(Option::is_some) && !self.is_live(slot, at);
            if dead && let Some(narrative) = self.remove(slot) {
                let id = narrative.id.to_string();
                effects.push(NarrativeEffect::Died {
                    id,
                    items: narrative.items,
                    rating: narrative.rating(),
                    at,
                });
            }
        }
        for place in 0..self.slots.len() {
            if let (Some(Some(narrative)), Some(square)) =
                (self.slots.get(place), self.squares.get_mut(place))
            {
                *square = compact(narrative.norm_square(&self.vocabulary));
            }
        }
        self.merge_pass(at, effects);
        let index = &self.index;
        self.vocabulary.tidy(|term| index.uses(term));
    }

    /// Takes a narrative out of its place and off the index.
    fn remove(&mut self, slot: Slot) -> Option<Narrative> {
        let narrative = self.slots.get_mut(slot as usize)?.take()?;
        for term in narrative.terms() {
            self.index.remove(term.id, slot);
        }
        self.free.push(slot);
        Some(narrative)
    }

    fn add_alias(&mut self, from: Box<str>, to: Box<str>) {
        if self.aliases.insert(from.clone(), to).is_none() {
            self.alias_order.push_back(from);
        }
        if self.alias_order.len() > ALIASES_MAX
            && let Some(oldest) = self.alias_order.pop_front()
        {
            self.aliases.remove(&oldest);
        }
    }

    /// The id a narrative goes by now: its own, or that of the one it was merged into.
    pub(crate) fn resolve<'a>(&'a self, id: &'a str) -> &'a str {
        let mut current = id;
        // A chain of merges never forms a circle, but a bound costs nothing.
        for _ in 0..64 {
            match self.aliases.get(current) {
                Some(next) => current = next,
                None => break,
            }
        }
        current
    }

    /// The narrative of the newest item.
    pub(crate) fn last(&self) -> Option<&Narrative> {
        self.slots.get(self.last? as usize)?.as_ref()
    }

    /// The narrative with this id that is still held, though it may have gone silent.
    pub(crate) fn held(&self, id: &str) -> Option<&Narrative> {
        let mut held = self.slots.iter().flatten();
        held.find(|narrative| narrative.id.as_ref() == id)
    }

    /// The narratives alive at `now`, by their place.
    pub(crate) fn live(&self, now: Timestamp) -> impl Iterator<Item = &Narrative> {
        let at = self.now.map_or(now, |newest| newest.max(now));
        self.slots
            .iter()
            .enumerate()
            .filter_map(move |(place, narrative)| {
                let slot = Slot::try_from(place).ok()?;
                narrative.as_ref().filter(|_| self.is_live(slot, at))
            })
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// All voices of the last 72 hours.
    pub(crate) fn voices(&self) -> &ActiveVoices {
        &self.voices
    }

    /// Lets voices fall silent that did not speak in the 72 hours before `now`.
    pub(crate) fn forget_voices(&mut self, now: Timestamp) {
        self.voices.forget(now);
    }

    /// Time of the newest item.
    pub(crate) fn newest_item_at(&self) -> Option<Timestamp> {
        self.now
    }
}

/// The same for the same set of assets.
fn assets_key(links: &[(u32, f64)]) -> u64 {
    links.iter().fold(0, |key, (asset, _)| {
        let hash = (u64::from(*asset) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        key ^ hash ^ (hash >> 29)
    })
}

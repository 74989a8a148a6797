//! One narrative: its terms, its tellers, its tone, its headline.

use std::collections::VecDeque;
use std::sync::OnceLock;

use chrono::TimeDelta;
use rawe_core::{NewsItem, Timestamp};
use serde::{Deserialize, Serialize};

use crate::compact;
use crate::decay::Decayed;
use crate::hash::text_hash;
use crate::rating::{Rating, ToneCounts};
use crate::terms::{TermId, Vocabulary};
use crate::tokens::truncate;
use crate::voices::Tellers;

/// Half-life of a narrative's tone and intensity, hours.
pub(crate) const TONE_HALF_LIFE_HOURS: f64 = 12.0;
/// Half-life of its weight on an asset, hours.
pub(crate) const LINK_HALF_LIFE_HOURS: f64 = 24.0;
/// Ids of newest items kept.
const NEWEST_MAX: usize = 5;
/// The longest id of an item kept, bytes.
const ITEM_ID_BYTES_MAX: usize = 64;
/// The longest headline kept, bytes.
const HEADLINE_BYTES_MAX: usize = 200;
/// The most assets of one narrative.
const LINKS_MAX: usize = 64;
/// Terms of a past state kept to measure mutation.
const SNAPSHOT_TERMS: usize = 48;
/// Past states are this far apart, hours.
const SNAPSHOT_HOURS: i64 = 6;
/// Mutation compares with the state this long ago, hours.
const MUTATION_HOURS: i64 = 24;
/// From this many independent items on, a narrative must hold together ...
pub(crate) const LOOSE_ITEMS: u64 = 30;
/// ... with this coherence at least (the rating CC), or it is starved.
pub(crate) const LOOSE_COHERENCE: f64 = 0.07;
/// Terms in a name.
const NAME_TERMS: usize = 4;
/// Names are not made of the very rare term that only one item uses, if others can be had.
const NAME_COUNT_MIN: u32 = 2;

/// One term of a narrative.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct NarrativeTerm {
    pub(crate) id: TermId,
    /// In how many independent items it stood.
    pub(crate) count: u32,
    /// Its part of the sum of the items' unit vectors, for coherence.
    pub(crate) unit: f32,
}

impl NarrativeTerm {
    /// The term's part of the narrative's vector now.
    pub(crate) fn weight(self, vocabulary: &Vocabulary) -> f64 {
        f64::from(powered(self.count)) * vocabulary.weight(self.id)
    }
}

/// The most central headline so far, with the terms needed to compare it again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Headline {
    text: Box<str>,
    terms: Box<[TermId]>,
}

/// The heaviest terms and their weights at a past time.
type PastState = Box<[(TermId, f32)]>;

/// One living narrative.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Narrative {
    pub(crate) id: Box<str>,
    /// Rank by founding; also tells a narrative from an earlier one in the same place.
    pub(crate) sequence: u64,
    #[serde(with = "crate::snapshot::instant")]
    pub(crate) founded_at: Timestamp,
    #[serde(with = "crate::snapshot::instant")]
    pub(crate) last_at: Timestamp,
    /// Number of the newest item among all items.
    pub(crate) last_item: u64,
    /// Items, copies included.
    pub(crate) items: u64,
    /// Items that are no copy of an earlier one.
    pub(crate) independent: u64,
    pub(crate) tone: Decayed,
    pub(crate) tellers: Tellers,
    /// Weight on assets, by the engine's asset numbers.
    pub(crate) links: Vec<(u32, Decayed)>,
    /// Whether its rise has been told.
    pub(crate) risen: bool,
    /// Ascending by id.
    terms: Vec<NarrativeTerm>,
    tones: ToneCounts,
    /// |Σ unit vectors|².
    unit_square: f64,
    headline: Headline,
    newest: VecDeque<Box<str>>,
    #[serde(with = "crate::snapshot::timed")]
    snapshots: VecDeque<(Timestamp, PastState)>,
}

/// Counts up to here have their power ready.
const READY_POWERS: usize = 1_024;

/// A count's weight in a narrative's vector: count^0.7, so that a word in half of the items says
/// more than half of what a word in all of them says.
pub(crate) fn powered(count: u32) -> f32 {
    static POWERS: OnceLock<Vec<f32>> = OnceLock::new();
    let power = |count: u32| compact(f64::from(count).powf(0.7));
    let powers = POWERS.get_or_init(|| (0..).take(READY_POWERS).map(power).collect());
    powers
        .get(count as usize)
        .copied()
        .unwrap_or_else(|| power(count))
}

/// A narrative's id: of its founding item, so the same on every machine.
fn narrative_id(item: &NewsItem) -> Box<str> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut hash = text_hash(&item.source).rotate_left(17) ^ text_hash(&item.id);
    let mut id = String::with_capacity(13);
    id.push_str("nv-");
    for _ in 0..10 {
        let letter = ALPHABET.get((hash & 31) as usize).copied().unwrap_or(b'a');
        id.push(char::from(letter));
        hash >>= 5;
    }
    id.into_boxed_str()
}

impl Narrative {
    /// Founds a narrative on an item; `add` must follow.
    pub(crate) fn found(item: &NewsItem, sequence: u64, at: Timestamp) -> Self {
        Self {
            id: narrative_id(item),
            sequence,
            founded_at: at,
            last_at: at,
            last_item: 0,
            items: 0,
            independent: 0,
            tone: Decayed::default(),
            tellers: Tellers::default(),
            links: Vec::new(),
            risen: false,
            terms: Vec::new(),
            tones: ToneCounts::default(),
            unit_square: 0.0,
            headline: Headline::default(),
            newest: VecDeque::new(),
            snapshots: VecDeque::new(),
        }
    }

    /// Counts an item, copy or not: spread, tone, id.
    pub(crate) fn spread(&mut self, at: Timestamp, number: u64, tone: f64, item: &NewsItem) {
        self.items += 1;
        self.last_at = self.last_at.max(at);
        self.last_item = number;
        self.tone.add(at, TONE_HALF_LIFE_HOURS, 1.0, tone);
        self.tones.add(tone);
        if self.newest.len() >= NEWEST_MAX {
            self.newest.pop_front();
        }
        self.newest
            .push_back(truncate(&item.id, ITEM_ID_BYTES_MAX).into());
    }

    /// Adds weight on an asset.
    pub(crate) fn link(&mut self, at: Timestamp, asset: u32, weight: f64, tone: f64) {
        if let Some((_, sum)) = self.links.iter_mut().find(|(known, _)| *known == asset) {
            sum.add(at, LINK_HALF_LIFE_HOURS, weight, tone);
        } else if self.links.len() < LINKS_MAX {
            let mut sum = Decayed::default();
            sum.add(at, LINK_HALF_LIFE_HOURS, weight, tone);
            self.links.push((asset, sum));
        }
    }

    pub(crate) fn terms(&self) -> &[NarrativeTerm] {
        &self.terms
    }

    /// One of its terms.
    pub(crate) fn term(&self, id: TermId) -> Option<&NarrativeTerm> {
        self.terms.get(self.place(id).ok()?)
    }

    /// The place of a term, or where it would stand.
    fn place(&self, id: TermId) -> Result<usize, usize> {
        self.terms.binary_search_by_key(&id, |term| term.id)
    }

    /// Adds to a term and returns its count before; the caller keeps the index in step.
    pub(crate) fn add_term(&mut self, id: TermId, count: u32, unit: f32) -> u32 {
        let place = match self.place(id) {
            Ok(place) => place,
            Err(place) => {
                self.terms.insert(
                    place,
                    NarrativeTerm {
                        id,
                        count: 0,
                        unit: 0.0,
                    },
                );
                place
            }
        };
        let Some(term) = self.terms.get_mut(place) else {
            return 0;
        };
        let (before, added) = (f64::from(term.unit), f64::from(unit));
        self.unit_square += (2.0 * before + added) * added;
        term.unit += unit;
        let count_before = term.count;
        term.count = term.count.saturating_add(count);
        count_before
    }

    /// Drops the lightest terms beyond `keep` and returns them.
    pub(crate) fn prune(&mut self, keep: usize, vocabulary: &Vocabulary) -> Vec<TermId> {
        let heaviest = self.heaviest(keep, vocabulary);
        let mut kept: Vec<TermId> = heaviest.iter().map(|(id, _)| *id).collect();
        kept.sort_unstable();
        let mut dropped = Vec::new();
        self.terms.retain(|term| {
            let keeps = kept.binary_search(&term.id).is_ok();
            if !keeps {
                dropped.push(term.id);
            }
            keeps
        });
        // What is dropped stays in |Σ|²: it belongs to the items' own lengths, which stay too.
        dropped
    }

    /// The `count` heaviest terms with their weights, heaviest first.
    pub(crate) fn heaviest(&self, count: usize, vocabulary: &Vocabulary) -> Vec<(TermId, f64)> {
        let mut heaviest: Vec<(TermId, f64)> = Vec::with_capacity(count.min(self.terms.len()));
        for term in &self.terms {
            let weight = term.weight(vocabulary);
            let is_full = heaviest.len() >= count;
            // Terms come ascending by id, so among equally heavy ones the first goes before.
            if is_full && heaviest.last().is_none_or(|(_, least)| weight <= *least) {
                continue;
            }
            if is_full {
                heaviest.pop();
            }
            let place = heaviest.partition_point(|(_, heavier)| *heavier >= weight);
            heaviest.insert(place, (term.id, weight));
        }
        heaviest
    }

    /// |vector|² at the present weights of the terms.
    pub(crate) fn norm_square(&self, vocabulary: &Vocabulary) -> f64 {
        self.terms
            .iter()
            .map(|term| term.weight(vocabulary).powi(2))
            .sum()
    }

    /// Σ over the terms of powered count · weight², for a cosine with a text of these terms.
    fn closeness(&self, terms: &[TermId], vocabulary: &Vocabulary) -> f64 {
        let (mut dot, mut square) = (0.0, 0.0);
        for id in terms {
            let weight = vocabulary.weight(*id);
            square += weight * weight;
            if let Some(term) = self.term(*id) {
                dot += f64::from(powered(term.count)) * weight * weight;
            }
        }
        if square > 0.0 {
            dot / square.sqrt()
        } else {
            0.0
        }
    }

    /// Keeps the item's headline if it is nearer to the middle of the story than the present one.
    pub(crate) fn offer_headline(
        &mut self,
        item: &NewsItem,
        terms: &[TermId],
        vocabulary: &Vocabulary,
    ) {
        let nearer = self.headline.terms.is_empty()
            || self.closeness(terms, vocabulary)
                > self.closeness(&self.headline.terms, vocabulary) * (1.0 + 1e-9);
        if nearer {
            self.headline = Headline {
                text: readable(item),
                terms: terms.into(),
            };
        }
    }

    /// c = (|Σ unit vectors|² − m) / (m (m − 1)); 0 for one item.
    pub(crate) fn coherence(&self) -> f64 {
        if self.independent < 2 {
            return 0.0;
        }
        let m = self.independent as f64;
        ((self.unit_square - m) / (m * (m - 1.0))).clamp(0.0, 1.0)
    }

    /// What the coherence would be of this narrative and `other` in one.
    pub(crate) fn coherence_with(&self, other: &Self) -> f64 {
        let m = (self.independent + other.independent) as f64;
        let (fewer, more) = if self.terms.len() < other.terms.len() {
            (self, other)
        } else {
            (other, self)
        };
        let cross: f64 = fewer
            .terms
            .iter()
            .filter_map(|term| {
                let same = more.term(term.id)?;
                Some(f64::from(term.unit) * f64::from(same.unit))
            })
            .sum();
        let square = self.unit_square + other.unit_square + 2.0 * cross;
        ((square - m) / (m * (m - 1.0))).clamp(0.0, 1.0)
    }

    /// How far a large narrative is from holding together, 0..1: such small talk is starved.
    pub(crate) fn looseness(&self) -> f64 {
        if self.independent < LOOSE_ITEMS {
            return 0.0;
        }
        (1.0 - self.coherence() / LOOSE_COHERENCE).max(0.0)
    }

    /// Whether it may be named as an asset's story: it was told since, and it is young or holds
    /// together.
    pub(crate) fn is_tellable(&self, since: Timestamp) -> bool {
        let rating = self.rating();
        self.last_at >= since && (rating == Rating::NotRated || rating >= Rating::Ccc)
    }

    pub(crate) fn rating(&self) -> Rating {
        Rating::of(self.coherence(), self.independent)
    }

    pub(crate) fn entropy(&self) -> f64 {
        self.tones.entropy()
    }

    /// Its heaviest distinctive terms, numbers only if there is nothing else.
    pub(crate) fn name(&self, vocabulary: &Vocabulary) -> String {
        let heaviest = self.heaviest(NAME_TERMS * 2, vocabulary);
        let shared = |id: TermId| {
            self.term(id)
                .is_some_and(|term| term.count >= NAME_COUNT_MIN)
        };
        let tells = |id: TermId| shared(id) && !vocabulary.is_number(id);
        let (mut chosen, rest): (Vec<_>, Vec<_>) =
            heaviest.into_iter().partition(|(id, _)| tells(*id));
        chosen.extend(rest);
        let mut words: Vec<&str> = chosen
            .iter()
            .take(NAME_TERMS)
            .map(|(id, _)| vocabulary.text(*id))
            .collect();
        // In the order in which the headline has them, so that the name reads like one.
        let headline = self.headline.text.to_lowercase();
        words.sort_by_key(|word| headline.find(*word).unwrap_or(usize::MAX));
        words.join(" ")
    }

    pub(crate) fn headline(&self) -> &str {
        &self.headline.text
    }

    /// Ids of the newest items, newest last.
    pub(crate) fn newest(&self) -> impl Iterator<Item = &str> {
        self.newest.iter().map(AsRef::as_ref)
    }

    /// Keeps a past state every six hours, and of those older than a day only the newest.
    pub(crate) fn remember_state(&mut self, now: Timestamp, vocabulary: &Vocabulary) {
        let due = self
            .snapshots
            .back()
            .is_none_or(|(at, _)| hours_passed(*at, now) >= SNAPSHOT_HOURS);
        if !due {
            return;
        }
        let state = self.heaviest(SNAPSHOT_TERMS, vocabulary);
        let state = state
            .into_iter()
            .map(|(id, weight)| (id, compact(weight)))
            .collect();
        self.snapshots.push_back((now, state));
        while self
            .snapshots
            .get(1)
            .is_some_and(|(at, _)| hours_passed(*at, now) >= MUTATION_HOURS)
        {
            self.snapshots.pop_front();
        }
    }

    /// 1 − cosine of the term weights now and a day ago (or at the first state kept).
    pub(crate) fn mutation(&self, now: Timestamp, vocabulary: &Vocabulary) -> f64 {
        let past = self
            .snapshots
            .iter()
            .rev()
            .find(|(at, _)| hours_passed(*at, now) >= MUTATION_HOURS)
            .or_else(|| self.snapshots.front());
        let Some((_, past)) = past else { return 0.0 };
        let present = self.heaviest(SNAPSHOT_TERMS, vocabulary);
        let square = |weights: &mut dyn Iterator<Item = f64>| weights.map(|w| w * w).sum::<f64>();
        let lengths = square(&mut present.iter().map(|(_, w)| *w))
            * square(&mut past.iter().map(|(_, w)| f64::from(*w)));
        let dot: f64 = present
            .iter()
            .filter_map(|(id, weight)| {
                let (_, then) = past.iter().find(|(known, _)| known == id)?;
                Some(weight * f64::from(*then))
            })
            .sum();
        if lengths > 0.0 {
            (1.0 - dot / lengths.sqrt()).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Takes over everything of `other` but its terms, which the clusterer moves with the index.
    pub(crate) fn absorb(&mut self, other: &Self, vocabulary: &Vocabulary) {
        self.items += other.items;
        self.independent += other.independent;
        self.last_at = self.last_at.max(other.last_at);
        self.last_item = self.last_item.max(other.last_item);
        self.tone.merge(&other.tone, TONE_HALF_LIFE_HOURS);
        self.tones.merge(other.tones);
        self.tellers.merge(&other.tellers);
        for (asset, sum) in &other.links {
            if let Some((_, mine)) = self.links.iter_mut().find(|(known, _)| known == asset) {
                mine.merge(sum, LINK_HALF_LIFE_HOURS);
            } else if self.links.len() < LINKS_MAX {
                self.links.push((*asset, *sum));
            }
        }
        let closer = self.closeness(&other.headline.terms, vocabulary)
            > self.closeness(&self.headline.terms, vocabulary) * (1.0 + 1e-9);
        if closer {
            self.headline = other.headline.clone();
        }
        for id in &other.newest {
            if self.newest.len() >= NEWEST_MAX {
                self.newest.pop_front();
            }
            self.newest.push_back(id.clone());
        }
    }
}

fn hours_passed(from: Timestamp, to: Timestamp) -> i64 {
    (to - from).max(TimeDelta::zero()).num_hours()
}

/// A headline fit for a log line: one line, no addresses, no control characters, not too long.
fn readable(item: &NewsItem) -> Box<str> {
    let source = if item.headline.trim().is_empty() {
        &item.text
    } else {
        &item.headline
    };
    let mut line = String::new();
    for word in truncate(source, 2 * HEADLINE_BYTES_MAX).split_whitespace() {
        let word = if word.starts_with("http") { "" } else { word };
        let shown: String = word.chars().filter(|c| !c.is_control()).collect();
        if !line.is_empty() && line.len() + shown.len() >= HEADLINE_BYTES_MAX {
            break;
        }
        if !line.is_empty() && !shown.is_empty() {
            line.push(' ');
        }
        line.push_str(truncate(&shown, HEADLINE_BYTES_MAX));
    }
    line.into_boxed_str()
}

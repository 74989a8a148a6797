//! The merge pass: stories that turned out to be one are told as one. Smallest first, into the
//! best larger narrative; the id that vanishes stays as an alias.
//!
//! A pair is looked at when one of the two changed since the last pass: the others were found not
//! to be one story then.

use rawe_core::Timestamp;

use super::Clusterer;
use super::copies::Told;
use super::index::Slot;
use super::narrative::{LOOSE_COHERENCE, LOOSE_ITEMS, Narrative, powered};
use crate::compact;
use crate::effects::NarrativeEffect;
use crate::hash::FastMap;
use crate::rating::RATED_ITEMS_MIN;

/// Merged above this cosine.
const MERGE_COSINE: f64 = 0.22;
/// Pairs above this cosine are looked at: other mergers of the same pass may bring them closer.
const CANDIDATE_COSINE: f64 = 0.18;
/// Two rated narratives keep at least this part of their mean coherence when they merge.
const MERGE_COHERENCE_KEPT: f64 = 0.65;

/// A narrative that may be part of another, by slot.
type Pair = (Slot, Slot);

/// Smaller ones have fewer independent items; among equals the younger is the smaller.
type Size = (u64, u64);

fn size(narrative: &Narrative) -> Size {
    (narrative.independent, u64::MAX - narrative.sequence)
}

impl Clusterer {
    /// Merges, smallest first, every narrative into the best larger one above the cosine.
    pub(super) fn merge_pass(&mut self, at: Timestamp, effects: &mut Vec<NarrativeEffect>) {
        let mut pairs: Vec<Pair> = Vec::new();
        for place in 0..self.slots.len() {
            let changed = self.changed.get_mut(place).is_some_and(std::mem::take);
            if let (true, Ok(slot)) = (changed, Slot::try_from(place)) {
                self.collect_pairs(slot, &mut pairs);
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut order: Vec<(Size, usize, usize)> = Vec::new();
        let mut start = 0;
        for group in pairs.chunk_by(|a, b| a.0 == b.0) {
            let end = start + group.len();
            let narrative = group.first().and_then(|(small, _)| self.held_at(*small));
            order.extend(narrative.map(|narrative| (size(narrative), start, end)));
            start = end;
        }
        order.sort_unstable();
        let mut merged: FastMap<Slot, Slot> = FastMap::default();
        let mut renamed: FastMap<Told, Told> = FastMap::default();
        for (_, start, end) in order {
            let group = pairs.get(start..end).unwrap_or(&[]);
            let Some((small, _)) = group.first().copied() else {
                continue;
            };
            if let Some(large) = self.best_larger(small, group, &merged) {
                merged.insert(small, large);
                renamed.extend(self.merge(small, large, at, effects));
            }
        }
        self.copies.follow(&renamed);
    }

    fn held_at(&self, slot: Slot) -> Option<&Narrative> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Adds the pairs, smaller first, that a narrative makes with those it may be one with.
    fn collect_pairs(&mut self, slot: Slot, pairs: &mut Vec<Pair>) {
        let Some(Some(narrative)) = self.slots.get(slot as usize) else {
            return;
        };
        self.dots.clear(self.slots.len());
        for term in narrative.terms() {
            let weight = self.vocabulary.weight(term.id);
            let factor = powered(term.count) * compact(weight * weight);
            self.index.accumulate(term.id, factor, &mut self.dots);
        }
        let square = self.squares.get(slot as usize).copied().unwrap_or(0.0);
        let bound = compact(CANDIDATE_COSINE * CANDIDATE_COSINE) * square;
        self.dots.pass(bound, &self.squares);
        let mine = size(narrative);
        for other in &self.dots.passed {
            let Some(Some(candidate)) = self.slots.get(*other as usize) else {
                continue;
            };
            if *other != slot {
                pairs.push(if mine < size(candidate) {
                    (slot, *other)
                } else {
                    (*other, slot)
                });
            }
        }
    }

    /// The best of a smaller narrative's partners, or of what they were merged into.
    fn best_larger(
        &self,
        small: Slot,
        group: &[Pair],
        merged: &FastMap<Slot, Slot>,
    ) -> Option<Slot> {
        let narrative = self.held_at(small)?;
        let mut best: Option<(f64, Slot)> = None;
        for (_, partner) in group {
            let mut other = *partner;
            while let Some(next) = merged.get(&other) {
                other = *next;
            }
            let Some(candidate) = self.held_at(other) else {
                continue;
            };
            if other == small || size(candidate) < size(narrative) {
                continue;
            }
            let cosine = self.cosine(small, other);
            if cosine > MERGE_COSINE
                && best.is_none_or(|(most, _)| cosine > most)
                && holds_together(narrative, candidate)
            {
                best = Some((cosine, other));
            }
        }
        best.map(|(_, other)| other)
    }

    fn cosine(&self, one: Slot, other: Slot) -> f64 {
        let (Some(small), Some(large)) = (self.held_at(one), self.held_at(other)) else {
            return 0.0;
        };
        let (small, large) = if small.terms().len() <= large.terms().len() {
            (small, large)
        } else {
            (large, small)
        };
        let mut dot = 0.0;
        for term in small.terms() {
            if let Some(same) = large.term(term.id) {
                let weight = self.vocabulary.weight(term.id);
                dot += f64::from(powered(term.count) * powered(same.count)) * weight * weight;
            }
        }
        let square = |slot: Slot| {
            let square = self.squares.get(slot as usize).copied();
            f64::from(square.unwrap_or(0.0))
        };
        dot / (square(one) * square(other)).sqrt().max(f64::MIN_POSITIVE)
    }

    /// Merges and returns what the vanished narrative was and what it is now.
    fn merge(
        &mut self,
        from: Slot,
        into: Slot,
        at: Timestamp,
        effects: &mut Vec<NarrativeEffect>,
    ) -> Option<(Told, Told)> {
        let small = self.remove(from)?;
        let large = self.slots.get_mut(into as usize)?.as_mut()?;
        for term in small.terms() {
            let before = large.add_term(term.id, term.count, term.unit);
            self.index
                .set(term.id, into, before + term.count, before == 0);
            self.vocabulary.count_merge(term.id, before, term.count);
        }
        large.absorb(&small, &self.vocabulary);
        effects.push(NarrativeEffect::Merged {
            from: small.id.to_string(),
            into: large.id.to_string(),
            at,
        });
        let (survivor, sequence) = (large.id.clone(), large.sequence);
        let renamed = ((from, small.sequence), (into, sequence));
        self.add_alias(small.id, survivor);
        self.settle(into);
        if let Some(changed) = self.changed.get_mut(into as usize) {
            *changed = true;
        }
        if self.last == Some(from) {
            self.last = Some(into);
        }
        Some(renamed)
    }
}

/// Whether a merger would tell one thing: the two together must keep most of the coherence that
/// they have apart, and nobody merges into small talk. Templates ("$X looks good") resemble one
/// another in every second word, and without this they end as one story about every asset.
fn holds_together(one: &Narrative, other: &Narrative) -> bool {
    let union = one.coherence_with(other);
    let (few, many) = (one.independent as f64, other.independent as f64);
    let apart = (few * one.coherence() + many * other.coherence()) / (few + many);
    let small = one.independent.min(other.independent) < RATED_ITEMS_MIN;
    (small || union >= MERGE_COHERENCE_KEPT * apart)
        && (one.independent + other.independent < LOOSE_ITEMS || union >= LOOSE_COHERENCE)
}

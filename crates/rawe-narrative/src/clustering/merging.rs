//! The merge pass: stories that turned out to be one are told as one. Smallest first, into the
//! best larger narrative; the id that vanishes stays as an alias.

use rawe_core::Timestamp;

use super::Clusterer;
use super::index::Slot;
use super::narrative::{NarrativeTerm, powered};
use crate::effects::NarrativeEffect;

/// Merged above this cosine.
const MERGE_COSINE: f64 = 0.20;
/// Two narratives are compared if they share one of this many heaviest terms of the smaller.
const COMPARED_TERMS: usize = 12;

impl Clusterer {
    /// Merges, smallest first, every narrative into the best larger one above the cosine.
    pub(super) fn merge_pass(&mut self, at: Timestamp, effects: &mut Vec<NarrativeEffect>) {
        let mut order: Vec<(u64, u64, Slot)> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(place, narrative)| {
                let narrative = narrative.as_ref()?;
                // Among equals the younger goes first and the older is the larger.
                let age_rank = u64::MAX - narrative.sequence;
                Some((narrative.independent, age_rank, Slot::try_from(place).ok()?))
            })
            .collect();
        order.sort_unstable();
        for (_, _, slot) in order {
            if let Some(target) = self.best_larger(slot) {
                self.merge(slot, target, at, effects);
            }
        }
    }

    fn best_larger(&mut self, slot: Slot) -> Option<Slot> {
        let narrative = self.slots.get(slot as usize)?.as_ref()?;
        let rank = (narrative.independent, u64::MAX - narrative.sequence);
        let norm = self.norms.get(slot as usize).copied()?;
        self.dots.clear(self.slots.len());
        let heaviest = narrative.heaviest(COMPARED_TERMS, &self.vocabulary);
        let is_heavy = |id| heaviest.iter().any(|(heavy, _)| *heavy == id);
        let (first, second): (Vec<NarrativeTerm>, Vec<NarrativeTerm>) = narrative
            .terms()
            .iter()
            .copied()
            .partition(|term| is_heavy(term.id));
        for term in first {
            self.index.accumulate(
                term.id,
                powered(term.count),
                &self.vocabulary,
                &mut self.dots,
            );
        }
        let compared = self.dots.touched.len();
        for term in second {
            self.index.accumulate(
                term.id,
                powered(term.count),
                &self.vocabulary,
                &mut self.dots,
            );
        }
        let mut best: Option<(f64, Slot)> = None;
        for other in self.dots.touched.iter().take(compared) {
            let Some(Some(candidate)) = self.slots.get(*other as usize) else {
                continue;
            };
            let larger = (candidate.independent, u64::MAX - candidate.sequence) > rank;
            let other_norm = self
                .norms
                .get(*other as usize)
                .copied()
                .unwrap_or(f64::INFINITY);
            let cosine = self.dots.get(*other) / (norm * other_norm);
            if larger && cosine > MERGE_COSINE && best.is_none_or(|(most, _)| cosine > most) {
                best = Some((cosine, *other));
            }
        }
        best.map(|(_, other)| other)
    }

    fn merge(&mut self, from: Slot, into: Slot, at: Timestamp, effects: &mut Vec<NarrativeEffect>) {
        let Some(small) = self.remove(from) else {
            return;
        };
        let Some(Some(large)) = self.slots.get_mut(into as usize) else {
            return;
        };
        for term in small.terms() {
            let count = large.add_term(term.id, term.count, term.unit);
            self.index.set(term.id, into, count);
        }
        large.absorb(&small, &self.vocabulary);
        effects.push(NarrativeEffect::Merged {
            from: small.id.to_string(),
            into: large.id.to_string(),
            at,
        });
        let survivor = large.id.clone();
        self.add_alias(small.id, survivor);
        self.settle(into);
        if self.last == Some(from) {
            self.last = Some(into);
        }
    }
}

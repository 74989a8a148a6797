//! Finding the nearest living narrative of an item: the cosine of its terms, weighed down a little
//! by the narrative's silence. Among equally near ones the oldest.

use chrono::TimeDelta;
use rawe_core::Timestamp;

use super::index::Slot;
use super::{Clusterer, LIVE_DAYS, LIVE_ITEMS};
use crate::compact;
use crate::terms::{TermId, Vocabulary};

/// An item joins at this cosine or above.
const JOIN_COSINE: f64 = 0.18;
/// A narrative as silent as it can be while it lives has this part less of its cosine.
const SILENCE: f64 = 0.3;
/// The most that is asked beyond the joining cosine by a narrative that does not hold together.
const LOOSE_COSINE: f64 = 0.2;

/// An item's terms as they are searched and added; reused from item to item.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    /// Ascending.
    pub(super) terms: Vec<TermId>,
    /// Parts of the text's unit vector, by the weights between texts.
    pub(super) units: Vec<f64>,
    /// The terms' squared weights between stories.
    squares: Vec<f32>,
    /// |text|² by the weights between stories.
    square: f64,
}

impl Query {
    /// Weighs the terms.
    pub(super) fn weigh(&mut self, vocabulary: &Vocabulary) {
        self.units.clear();
        self.squares.clear();
        self.square = 0.0;
        let mut unit_square = 0.0;
        for term in &self.terms {
            let unit = vocabulary.text_weight(*term);
            unit_square += unit * unit;
            self.units.push(unit);
            let square = vocabulary.weight(*term).powi(2);
            self.square += square;
            self.squares.push(compact(square));
        }
        let length = unit_square.sqrt().max(f64::MIN_POSITIVE);
        for unit in &mut self.units {
            *unit /= length;
        }
    }
}

impl Clusterer {
    /// The best living narrative at the joining cosine or above.
    pub(super) fn nearest(&mut self, query: &Query, at: Timestamp) -> Option<Slot> {
        self.dots.clear(self.slots.len());
        for (term, square) in query.terms.iter().zip(&query.squares) {
            self.index.accumulate(*term, *square, &mut self.dots);
        }
        // A little below the joining cosine: what passes is looked at in full precision.
        let bound = 0.999 * JOIN_COSINE * JOIN_COSINE * query.square;
        self.dots.pass(compact(bound), &self.squares);
        let length = query.square.sqrt();
        let mut best: Option<(f64, u64, Slot)> = None;
        for slot in &self.dots.passed {
            let square = f64::from(self.squares.get(*slot as usize).copied().unwrap_or(0.0));
            let dot = f64::from(self.dots.get(*slot));
            let Some(Some(narrative)) = self.slots.get(*slot as usize) else {
                continue;
            };
            let silence = self.items.saturating_sub(narrative.last_item);
            let is_silent = at - narrative.last_at > TimeDelta::days(LIVE_DAYS);
            if silence > LIVE_ITEMS || is_silent {
                continue;
            }
            let heard = 1.0 - SILENCE * silence as f64 / LIVE_ITEMS as f64;
            let cosine = heard * dot / (length * square.sqrt()).max(f64::MIN_POSITIVE);
            let better = best.is_none_or(|(most, sequence, _)| {
                let order = cosine.total_cmp(&most);
                order.then(sequence.cmp(&narrative.sequence)).is_gt()
            });
            if better && cosine >= JOIN_COSINE + LOOSE_COSINE * narrative.looseness() {
                best = Some((cosine, narrative.sequence, *slot));
            }
        }
        best.map(|(_, _, slot)| slot)
    }
}

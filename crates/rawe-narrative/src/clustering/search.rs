//! Finding the nearest living narrative of an item: the cosine of its terms, weighed down a little
//! by the narrative's silence. Terms are run over heaviest first; once those that are left could
//! not bring a narrative to the threshold alone, no new candidates are taken up.

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
    /// Squared weights between stories, heaviest first.
    heaviest: Vec<(f32, TermId)>,
    /// |text|² by the weights between stories.
    square: f64,
}

impl Query {
    /// Weighs the terms.
    pub(super) fn weigh(&mut self, vocabulary: &Vocabulary) {
        self.units.clear();
        self.heaviest.clear();
        self.square = 0.0;
        let mut unit_square = 0.0;
        for term in &self.terms {
            let unit = vocabulary.text_weight(*term);
            unit_square += unit * unit;
            self.units.push(unit);
            let square = vocabulary.weight(*term).powi(2);
            self.square += square;
            self.heaviest.push((compact(square), *term));
        }
        let length = unit_square.sqrt().max(f64::MIN_POSITIVE);
        for unit in &mut self.units {
            *unit /= length;
        }
        let order = |a: &(f32, TermId), b: &(f32, TermId)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        self.heaviest.sort_unstable_by(order);
    }
}

impl Clusterer {
    /// The best living narrative at the joining cosine or above.
    pub(super) fn nearest(&mut self, query: &Query, at: Timestamp) -> Option<Slot> {
        self.dots.clear(self.slots.len());
        let mut left = query.square;
        for (square, term) in &query.heaviest {
            // By Cauchy and Schwarz the terms left bring no narrative's cosine above their share.
            if left >= JOIN_COSINE * JOIN_COSINE * query.square {
                self.index.accumulate(*term, *square, &mut self.dots);
            } else {
                self.index.accumulate_known(*term, *square, &mut self.dots);
            }
            left -= f64::from(*square);
        }
        let length = query.square.sqrt();
        let mut best: Option<(f64, Slot)> = None;
        let mut least = JOIN_COSINE;
        for slot in &self.dots.touched {
            let square = self.squares.get(*slot as usize).copied().unwrap_or(0.0);
            let dot = f64::from(self.dots.get(*slot));
            // Cosine below the least, without a root.
            if dot * dot < least * least * query.square * square || square <= 0.0 {
                continue;
            }
            let Some(Some(narrative)) = self.slots.get(*slot as usize) else {
                continue;
            };
            let silence = self.items.saturating_sub(narrative.last_item);
            let is_silent = at - narrative.last_at > TimeDelta::days(LIVE_DAYS);
            if silence > LIVE_ITEMS || is_silent {
                continue;
            }
            let heard = 1.0 - SILENCE * silence as f64 / LIVE_ITEMS as f64;
            let cosine = heard * dot / (length * square.sqrt());
            let asked = JOIN_COSINE + LOOSE_COSINE * narrative.looseness();
            if cosine >= asked && best.is_none_or(|(most, _)| cosine > most) {
                best = Some((cosine, *slot));
                least = cosine;
            }
        }
        best.map(|(_, slot)| slot)
    }
}

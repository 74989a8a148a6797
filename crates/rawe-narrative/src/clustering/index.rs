//! The inverted index: which narratives use a term, and how much. Kept in step with the narratives
//! by the clusterer.

use serde::{Deserialize, Serialize};

use super::narrative::powered;
use crate::compact;
use crate::terms::{TermId, Vocabulary};

/// A place for a narrative; used again after it died.
pub(crate) type Slot = u32;

/// Postings by term.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    postings: Vec<Vec<(Slot, f32)>>,
}

/// Dot products by slot; reused from search to search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dots {
    values: Vec<f64>,
    /// Slots with a value, in the order they were met.
    pub(crate) touched: Vec<Slot>,
}

impl Dots {
    /// Starts a new search over places below `slots`.
    pub(crate) fn clear(&mut self, slots: usize) {
        for slot in &self.touched {
            if let Some(value) = self.values.get_mut(*slot as usize) {
                *value = 0.0;
            }
        }
        self.touched.clear();
        self.values.resize(slots, 0.0);
    }

    pub(crate) fn get(&self, slot: Slot) -> f64 {
        self.values.get(slot as usize).copied().unwrap_or(0.0)
    }

    fn add(&mut self, slot: Slot, amount: f64) {
        if let Some(value) = self.values.get_mut(slot as usize) {
            if *value <= 0.0 {
                self.touched.push(slot);
            }
            *value += amount;
        }
    }
}

impl Index {
    /// Whether any narrative uses the term.
    pub(crate) fn uses(&self, term: TermId) -> bool {
        self.postings
            .get(term as usize)
            .is_some_and(|list| !list.is_empty())
    }

    /// Adds, for every narrative with the term, `factor` · count^0.9 · weight² to its dot product.
    pub(crate) fn accumulate(
        &self,
        term: TermId,
        factor: f64,
        vocabulary: &Vocabulary,
        dots: &mut Dots,
    ) {
        let Some(list) = self.postings.get(term as usize) else {
            return;
        };
        if list.is_empty() {
            return;
        }
        let weight = vocabulary.weight(term);
        let scaled = factor * weight * weight;
        if scaled <= 0.0 {
            return;
        }
        for (slot, value) in list {
            dots.add(*slot, scaled * f64::from(*value));
        }
    }

    /// Sets a narrative's count of a term.
    pub(crate) fn set(&mut self, term: TermId, slot: Slot, count: f32) {
        let place = term as usize;
        if place >= self.postings.len() {
            self.postings.resize(place + 1, Vec::new());
        }
        let value = compact(powered(count));
        if let Some(list) = self.postings.get_mut(place) {
            match list.iter_mut().find(|(known, _)| *known == slot) {
                Some((_, known)) => *known = value,
                None => list.push((slot, value)),
            }
        }
    }

    /// Takes a narrative off a term.
    pub(crate) fn remove(&mut self, term: TermId, slot: Slot) {
        if let Some(list) = self.postings.get_mut(term as usize) {
            if let Some(place) = list.iter().position(|(known, _)| *known == slot) {
                list.swap_remove(place);
            }
            if list.is_empty() {
                *list = Vec::new();
            }
        }
    }
}

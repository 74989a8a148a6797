//! The inverted index: which narratives use a term, and how much. Kept in step with the narratives
//! by the clusterer.

use serde::{Deserialize, Serialize};

use super::narrative::powered;
use crate::terms::TermId;

/// A place for a narrative; used again after it died.
pub(crate) type Slot = u32;

/// The narratives with one term, in two lists of equal length that are quick to run over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Postings {
    slots: Vec<Slot>,
    /// The term's count in the narrative, powered.
    values: Vec<f32>,
}

/// Postings by term.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    postings: Vec<Postings>,
}

/// Dot products by slot; reused from search to search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dots {
    values: Vec<f32>,
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

    pub(crate) fn get(&self, slot: Slot) -> f32 {
        self.values.get(slot as usize).copied().unwrap_or(0.0)
    }
}

impl Index {
    /// Whether any narrative uses the term.
    pub(crate) fn uses(&self, term: TermId) -> bool {
        self.postings
            .get(term as usize)
            .is_some_and(|list| !list.slots.is_empty())
    }

    /// Adds, for every narrative with the term, `factor` · powered count to its dot product.
    pub(crate) fn accumulate(&self, term: TermId, factor: f32, dots: &mut Dots) {
        let Some(list) = self.postings.get(term as usize) else {
            return;
        };
        if factor <= 0.0 {
            return;
        }
        for (slot, value) in list.slots.iter().zip(&list.values) {
            if let Some(dot) = dots.values.get_mut(*slot as usize) {
                if *dot <= 0.0 {
                    dots.touched.push(*slot);
                }
                *dot += factor * value;
            }
        }
    }

    /// The same, only for narratives that have a dot product already.
    pub(crate) fn accumulate_known(&self, term: TermId, factor: f32, dots: &mut Dots) {
        let Some(list) = self.postings.get(term as usize) else {
            return;
        };
        if dots.touched.is_empty() || factor <= 0.0 {
            return;
        }
        for (slot, value) in list.slots.iter().zip(&list.values) {
            if let Some(dot) = dots.values.get_mut(*slot as usize) {
                let known = if *dot > 0.0 { factor } else { 0.0 };
                *dot += known * value;
            }
        }
    }

    /// Sets a narrative's count of a term; `is_new` where it had none.
    pub(crate) fn set(&mut self, term: TermId, slot: Slot, count: u32, is_new: bool) {
        let place = term as usize;
        if place >= self.postings.len() {
            self.postings.resize(place + 1, Postings::default());
        }
        let value = powered(count);
        let Some(list) = self.postings.get_mut(place) else {
            return;
        };
        if is_new {
            list.slots.push(slot);
            list.values.push(value);
        } else if let Some(at) = list.slots.iter().position(|known| *known == slot)
            && let Some(known) = list.values.get_mut(at)
        {
            *known = value;
        }
    }

    /// Takes a narrative off a term.
    pub(crate) fn remove(&mut self, term: TermId, slot: Slot) {
        if let Some(list) = self.postings.get_mut(term as usize) {
            if let Some(place) = list.slots.iter().position(|known| *known == slot) {
                list.slots.swap_remove(place);
                list.values.swap_remove(place);
            }
            if list.slots.is_empty() {
                *list = Postings::default();
            }
        }
    }
}

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

/// Dot products of one text or narrative with all, by slot; reused from search to search. There is
/// a place for every narrative, shared term or not: running over all of them without a branch is
/// quicker than keeping book of those that were met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dots {
    values: Vec<f32>,
    /// Slots whose dot product passed a bound, ascending.
    pub(crate) passed: Vec<Slot>,
}

impl Dots {
    /// Starts a new search over places below `slots`.
    pub(crate) fn clear(&mut self, slots: usize) {
        self.values.clear();
        self.values.resize(slots, 0.0);
    }

    pub(crate) fn get(&self, slot: Slot) -> f32 {
        self.values.get(slot as usize).copied().unwrap_or(0.0)
    }

    /// Fills `passed` with the slots whose dot product squared is above `bound` · |vector|².
    pub(crate) fn pass(&mut self, bound: f32, squares: &[f32]) {
        self.passed.clear();
        let chunks = self.values.chunks(LANES).zip(squares.chunks(LANES));
        for (start, (dots, squares)) in (0..).step_by(LANES).zip(chunks) {
            let passes = |(dot, square): (&f32, &f32)| dot * dot > bound * square;
            // Without an early exit, so that it is done for all lanes at once.
            let pairs = || dots.iter().zip(squares);
            if pairs().filter(|pair| passes(*pair)).count() > 0 {
                let slots = (start..).zip(pairs()).filter(|(_, pair)| passes(*pair));
                self.passed.extend(slots.map(|(slot, _)| slot));
            }
        }
    }
}

/// Dot products compared at a time.
const LANES: usize = 16;

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
        for (slot, value) in list.slots.iter().zip(&list.values) {
            if let Some(dot) = dots.values.get_mut(*slot as usize) {
                *dot += factor * value;
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
        } else if let Some(at) = place_of(&list.slots, slot)
            && let Some(known) = list.values.get_mut(at)
        {
            *known = value;
        }
    }

    /// Takes a narrative off a term.
    pub(crate) fn remove(&mut self, term: TermId, slot: Slot) {
        if let Some(list) = self.postings.get_mut(term as usize) {
            if let Some(place) = place_of(&list.slots, slot) {
                list.slots.swap_remove(place);
                list.values.swap_remove(place);
            }
            if list.slots.is_empty() {
                *list = Postings::default();
            }
        }
    }
}

/// The place of a slot in a list without an order. Many are compared at a time, as no early exit
/// would allow.
fn place_of(slots: &[Slot], slot: Slot) -> Option<usize> {
    let holds = |chunk: &[Slot]| chunk.iter().filter(|known| **known == slot).count() > 0;
    let chunks = (0..).step_by(LANES).zip(slots.chunks(LANES));
    let (start, chunk) = chunks.into_iter().find(|(_, chunk)| holds(chunk))?;
    let place = chunk.iter().position(|known| *known == slot)?;
    Some(start + place)
}

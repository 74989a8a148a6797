//! Knowing a text that is told again: word for word, or nearly so, as syndication does it. A copy
//! counts as spread of its narrative, not as a new item of it.
//!
//! Nearly means: the two sets of terms overlap by four fifths, share five terms or more, speak of
//! the same assets, and differ in no number. Candidates are found by minhash: texts that agree in
//! the two least hashes of any of four pairs are compared term by term.

use serde::{Deserialize, Serialize};

use super::index::Slot;
use crate::hash::FastMap;
use crate::terms::{TermId, Vocabulary};

/// Texts remembered.
const REMEMBERED: usize = 4_096;
/// Pairs of minhashes.
const PAIRS: usize = 4;
/// Places for the newest text with a pair of minhashes; a power of two.
const PLACES: usize = 8_192;
/// Near copies share at least this many terms.
const SHARED_MIN: usize = 5;
/// Near copies share at least this part of their terms: 4 of 5.
const OVERLAP: (usize, usize) = (4, 5);

/// A narrative: its place and its rank by founding.
pub(super) type Told = (Slot, u64);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Text {
    terms: Vec<TermId>,
    assets: u64,
    told: Told,
}

/// The newest texts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Copies {
    texts: Vec<Text>,
    /// Where the next text goes.
    next: u32,
    /// Per pair and place the number of a text, plus one.
    places: Vec<u32>,
}

/// Where a text is looked up, one place for each pair.
type Keys = [usize; PAIRS];

impl Copies {
    pub(super) fn new() -> Self {
        Self {
            texts: Vec::new(),
            next: 0,
            places: vec![0; PAIRS * PLACES],
        }
    }

    /// The narrative of an earlier text that this one, with ascending terms, copies. `assets` is
    /// the same for texts that speak of the same assets.
    pub(super) fn find(
        &self,
        terms: &[TermId],
        assets: u64,
        vocabulary: &Vocabulary,
    ) -> Option<Told> {
        let mut seen = 0;
        for key in keys(terms) {
            let number = self.places.get(key).copied().unwrap_or(0);
            if number == 0 || number == seen {
                continue;
            }
            seen = number;
            let text = self.texts.get(number as usize - 1)?;
            let near = || assets == text.assets && is_near(terms, &text.terms, vocabulary);
            if terms == text.terms || near() {
                return Some(text.told);
            }
        }
        None
    }

    /// Remembers a text in place of the oldest.
    pub(super) fn remember(&mut self, terms: &[TermId], assets: u64, told: Told) {
        let place = self.next as usize;
        if place >= self.texts.len() {
            self.texts.push(Text::default());
        }
        let Some(text) = self.texts.get_mut(place) else {
            return;
        };
        text.terms.clear();
        text.terms.extend_from_slice(terms);
        (text.assets, text.told) = (assets, told);
        let number = self.next + 1;
        for key in keys(terms) {
            if let Some(newest) = self.places.get_mut(key) {
                *newest = number;
            }
        }
        self.next = if place + 1 >= REMEMBERED { 0 } else { number };
    }

    /// Follows merges: texts of a narrative that vanished belong to the one that goes on.
    pub(super) fn follow(&mut self, merged: &FastMap<Told, Told>) {
        if merged.is_empty() {
            return;
        }
        for text in &mut self.texts {
            // Bounded by the number of merges; no narrative is merged into itself.
            for _ in 0..merged.len() {
                match merged.get(&text.told) {
                    Some(told) => text.told = *told,
                    None => break,
                }
            }
        }
    }
}

/// Places of the pairs of minhashes.
fn keys(terms: &[TermId]) -> Keys {
    const MULTIPLIERS: [u64; 2 * PAIRS] = [
        0x9E37_79B9_7F4A_7C15,
        0xC2B2_AE3D_27D4_EB4F,
        0x1656_67B1_9E37_79F9,
        0xD6E8_FEB8_6659_FD93,
        0xA076_1D64_78BD_642F,
        0xE703_7ED1_A0B4_28DB,
        0x8EBC_6AF0_9C88_C6E3,
        0x5899_65CC_7537_4CC3,
    ];
    let mut least = [u64::MAX; 2 * PAIRS];
    for term in terms {
        let seed = (u64::from(*term) + 1).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        let seed = seed ^ (seed >> 33);
        for (least, multiplier) in least.iter_mut().zip(MULTIPLIERS) {
            *least = (*least).min(seed.wrapping_mul(multiplier));
        }
    }
    let mut keys = [0; PAIRS];
    for (pair, (key, hashes)) in keys.iter_mut().zip(least.chunks_exact(2)).enumerate() {
        let joined = hashes
            .iter()
            .fold(0u64, |sum, hash| (sum ^ hash).wrapping_mul(MULTIPLIERS[0]));
        *key = pair * PLACES + usize::try_from(joined >> 51).unwrap_or(0) % PLACES;
    }
    keys
}

/// Whether two ascending sets of terms are nearly the same and differ in no number.
fn is_near(one: &[TermId], other: &[TermId], vocabulary: &Vocabulary) -> bool {
    let (shorter, longer) = (one.len().min(other.len()), one.len().max(other.len()));
    if shorter < SHARED_MIN || shorter * OVERLAP.1 < longer * OVERLAP.0 {
        return false;
    }
    let shared = one
        .iter()
        .filter(|t| other.binary_search(t).is_ok())
        .count();
    let union = one.len() + other.len() - shared;
    if shared < SHARED_MIN || shared * OVERLAP.1 < union * OVERLAP.0 {
        return false;
    }
    let differs_in_number = |these: &[TermId], those: &[TermId]| {
        these
            .iter()
            .any(|t| those.binary_search(t).is_err() && vocabulary.is_number(*t))
    };
    !differs_in_number(one, other) && !differs_in_number(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Tokens;

    fn terms(vocabulary: &mut Vocabulary, text: &str) -> Vec<TermId> {
        let (mut tokens, mut terms) = (Tokens::default(), Vec::new());
        tokens.read("", text);
        vocabulary.read(&tokens, &mut terms);
        terms
    }

    #[test]
    fn copies_and_near_copies_are_known_and_news_is_not() {
        let mut vocabulary = Vocabulary::new();
        let mut copies = Copies::new();
        let first = "federal reserve raises rates quarter point 2018 inflation";
        let known = terms(&mut vocabulary, first);
        copies.remember(&known, 7, (3, 9));
        let cases = [
            (
                "inflation: Federal Reserve raises rates quarter point 2018",
                7,
                true,
            ),
            // The same words about other assets are still the same words.
            (first, 8, true),
            (
                "federal reserve raises rates quarter point 2018 inflation - reuters",
                7,
                true,
            ),
            (
                "federal reserve raises rates quarter point 2018 inflation - reuters",
                8,
                false,
            ),
            (
                "federal reserve raises rates quarter point 2019 inflation",
                7,
                false,
            ),
            (
                "federal reserve raises rates half point 2018 growth",
                7,
                false,
            ),
            ("federal reserve raises", 7, false),
        ];
        for (text, assets, copied) in cases {
            let asked = terms(&mut vocabulary, text);
            let found = copies.find(&asked, assets, &vocabulary);
            assert_eq!(found, copied.then_some((3, 9)), "{text}");
        }
    }

    #[test]
    fn the_oldest_texts_are_forgotten_and_merges_followed() {
        let mut copies = Copies::new();
        let vocabulary = Vocabulary::new();
        for n in 0..10_000u32 {
            copies.remember(&[n, n + 1, n + 20_000], 0, (n, u64::from(n)));
        }
        assert_eq!(copies.texts.len(), REMEMBERED);
        assert_eq!(copies.find(&[0, 1, 20_000], 0, &vocabulary), None);
        let newest = [9_999, 10_000, 29_999];
        assert_eq!(copies.find(&newest, 0, &vocabulary), Some((9_999, 9_999)));
        let merged = [((9_999, 9_999), (5, 5)), ((5, 5), (6, 6))]
            .into_iter()
            .collect();
        copies.follow(&merged);
        assert_eq!(copies.find(&newest, 0, &vocabulary), Some((6, 6)));
    }
}

//! The running vocabulary: terms as numbers, and how common each is. Bounded: rare terms that no
//! live narrative uses are forgotten first.
//!
//! A term has two weights. Between texts it is ln((n + 1000)/(df + 1)), df being the number of items
//! with the term. Between stories half of ln(df + 1) is replaced by half of ln(e + 1), where
//! e = df²/Σ count² over narratives is the effective number of narratives that use the term: the
//! words of one big story are common, but they tell it from all others.

use std::f32::consts::LN_2;

use serde::{Deserialize, Serialize};

use crate::hash::{FastMap, text_hash};
use crate::tokens::{TokenKind, Tokens};

/// A term's number; given again after the term was forgotten.
pub(crate) type TermId = u32;

/// The vocabulary is tidied when it has more terms than this.
const TERMS_MAX: usize = 40_000;
/// Tidying aims at this many.
const TERMS_KEPT: usize = 30_000;
/// The most different terms of one item that count.
const ITEM_TERMS_MAX: usize = 64;
/// Longer words are not terms but noise.
const TERM_BYTES_MAX: usize = 40;
/// Smoothing of the weights: ln((n + this) / ...).
const PRIOR_ITEMS: f64 = 1_000.0;

/// Words that carry no story.
const STOP_WORDS: &str = "a about after again all also am an and any are as at be because been \
before being both but by can could did do does doing don down during each few for from get got had \
has have having he her here hers him his how i if in into is it it's its i'm just let like ll me \
more most my no nor not now of off on once one only or other our out over own re really rt same \
she should so some such than that that's the their them then there these they this those through \
to too under until up us ve very via was we were what when where which while who why will with \
would you your yours s t d m don't can't amp";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Term {
    /// Empty marks a free number.
    text: Box<str>,
    /// df: in how many items it stood.
    items: u32,
    /// Σ over narratives of the squared number of their items with the term.
    squares: u64,
    /// ln(df + 1).
    log_items: f32,
    /// (ln(df + 1) + ln(e + 1)) / 2.
    log_spread: f32,
}

impl Term {
    /// A term is weighed before its first item is counted; then it is in that one.
    fn new(text: Box<str>) -> Self {
        Self {
            text,
            items: 0,
            squares: 0,
            log_items: LN_2,
            log_spread: LN_2,
        }
    }

    fn weigh(&mut self) {
        let items = self.items as f32;
        let effective = items * items / (self.squares as f32).max(1.0);
        self.log_items = (items + 1.0).ln();
        self.log_spread = 0.5 * (self.log_items + (effective + 1.0).ln());
    }
}

/// Terms, their frequencies and the number of items so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Vocabulary {
    ids: FastMap<u64, TermId>,
    terms: Vec<Term>,
    free: Vec<TermId>,
    stop_words: TermId,
    items: u64,
    log_total: f64,
}

impl Vocabulary {
    pub(crate) fn new() -> Self {
        let mut vocabulary = Self {
            ids: FastMap::default(),
            terms: Vec::new(),
            free: Vec::new(),
            stop_words: 0,
            items: 0,
            log_total: PRIOR_ITEMS.ln(),
        };
        for word in STOP_WORDS.split_ascii_whitespace() {
            vocabulary.intern(word);
        }
        vocabulary.stop_words = TermId::try_from(vocabulary.terms.len()).unwrap_or(TermId::MAX);
        vocabulary
    }

    /// The distinct terms of an item, ascending by number.
    pub(crate) fn read(&mut self, tokens: &Tokens, terms: &mut Vec<TermId>) {
        terms.clear();
        for token in tokens
            .list()
            .iter()
            .filter(|token| token.kind == TokenKind::Word)
        {
            let word = tokens.text(*token);
            if !is_term(word) {
                continue;
            }
            let id = self.intern(word);
            if id >= self.stop_words && !terms.contains(&id) {
                terms.push(id);
                if terms.len() >= ITEM_TERMS_MAX {
                    break;
                }
            }
        }
        terms.sort_unstable();
    }

    fn intern(&mut self, word: &str) -> TermId {
        let key = text_hash(word);
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let term = Term::new(word.into());
        let next = TermId::try_from(self.terms.len()).unwrap_or(TermId::MAX);
        let id = self.free.pop().unwrap_or(next);
        match self.terms.get_mut(id as usize) {
            Some(place) => *place = term,
            None => self.terms.push(term),
        }
        self.ids.insert(key, id);
        id
    }

    /// Counts one more item.
    pub(crate) fn count_item(&mut self) {
        self.items += 1;
        self.log_total = (self.items as f64 + PRIOR_ITEMS).ln();
    }

    /// Counts a term of an item that joined a narrative with `before` such items.
    pub(crate) fn count_term(&mut self, id: TermId, before: u32) {
        if let Some(term) = self.terms.get_mut(id as usize) {
            term.items = term.items.saturating_add(1);
            term.squares = term.squares.saturating_add(2 * u64::from(before) + 1);
            term.weigh();
        }
    }

    /// Two narratives with so many items with the term became one.
    pub(crate) fn count_merge(&mut self, id: TermId, one: u32, other: u32) {
        if let Some(term) = self.terms.get_mut(id as usize) {
            let more = 2 * u64::from(one) * u64::from(other);
            term.squares = term.squares.saturating_add(more);
            term.weigh();
        }
    }

    /// The weight of a term between stories.
    pub(crate) fn weight(&self, id: TermId) -> f64 {
        let spread = self.terms.get(id as usize).map_or(0.0, |t| t.log_spread);
        (self.log_total - f64::from(spread)).max(0.0)
    }

    /// The weight of a term between texts: ln((n + 1000) / (df + 1)).
    pub(crate) fn text_weight(&self, id: TermId) -> f64 {
        let items = self.terms.get(id as usize).map_or(0.0, |t| t.log_items);
        (self.log_total - f64::from(items)).max(0.0)
    }

    /// Whether the term is a number.
    pub(crate) fn is_number(&self, id: TermId) -> bool {
        self.text(id).starts_with(|c: char| c.is_ascii_digit())
    }

    /// The term's text.
    pub(crate) fn text(&self, id: TermId) -> &str {
        self.terms.get(id as usize).map_or("", |term| &term.text)
    }

    /// Forgets the rarest unused terms when there are too many.
    pub(crate) fn tidy(&mut self, in_use: impl Fn(TermId) -> bool) {
        if self.ids.len() <= TERMS_MAX {
            return;
        }
        let unused: Vec<(u32, TermId)> = (self.stop_words..)
            .zip(self.terms.iter().skip(self.stop_words as usize))
            .filter(|(id, term)| !term.text.is_empty() && !in_use(*id))
            .map(|(id, term)| (term.items, id))
            .collect();
        let mut rare_up_to = 1;
        let mut forgotten = 0;
        while self.ids.len() > TERMS_KEPT && forgotten < unused.len() && rare_up_to <= 64 {
            let rarer_kept = rare_up_to / 2;
            for (items, id) in &unused {
                let first = rare_up_to == 1 && *items == 0;
                if (*items > rarer_kept || first) && *items <= rare_up_to {
                    self.forget(*id);
                    forgotten += 1;
                }
            }
            rare_up_to *= 2;
        }
    }

    fn forget(&mut self, id: TermId) {
        if let Some(term) = self.terms.get_mut(id as usize) {
            self.ids.remove(&text_hash(&term.text));
            *term = Term::new(Box::default());
            self.free.push(id);
        }
    }
}

/// Words of two or more characters that are not too long; numbers of one digit are not terms.
fn is_term(word: &str) -> bool {
    word.len() >= 2 && word.len() <= TERM_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(vocabulary: &mut Vocabulary, terms: &[TermId], before: u32) {
        vocabulary.count_item();
        for term in terms {
            vocabulary.count_term(*term, before);
        }
    }

    #[test]
    fn weights_follow_the_formula_and_stop_words_are_no_terms() {
        let mut vocabulary = Vocabulary::new();
        let mut tokens = Tokens::default();
        let mut terms = Vec::new();
        for _ in 0..5 {
            tokens.read("", "The Fed cuts rates, the Fed");
            vocabulary.read(&tokens, &mut terms);
            count(&mut vocabulary, &terms, 0);
        }
        let texts: Vec<&str> = terms.iter().map(|id| vocabulary.text(*id)).collect();
        assert_eq!(texts, ["fed", "cuts", "rates"]);
        let expected = (1005.0_f64 / 6.0).ln();
        assert!((vocabulary.text_weight(terms[0]) - expected).abs() < 1e-6);
        // Each item in a narrative of its own: the effective number of narratives is 5.
        assert!((vocabulary.weight(terms[0]) - expected).abs() < 1e-6);
        // They become one story: it is 1.
        for before in 1..5 {
            vocabulary.count_merge(terms[0], before, 1);
        }
        let told = (1005.0_f64 / (6.0_f64 * 2.0).sqrt()).ln();
        assert!((vocabulary.weight(terms[0]) - told).abs() < 1e-6);
        assert!((vocabulary.text_weight(terms[0]) - expected).abs() < 1e-6);
    }

    #[test]
    fn the_vocabulary_is_bounded() {
        let mut vocabulary = Vocabulary::new();
        let mut tokens = Tokens::default();
        let mut terms = Vec::new();
        for i in 0..60_000 {
            tokens.read("", &format!("word{i} common"));
            vocabulary.read(&tokens, &mut terms);
            count(&mut vocabulary, &terms, 0);
            if i % 500 == 0 {
                vocabulary.tidy(|_| false);
            }
        }
        assert!(vocabulary.ids.len() <= TERMS_MAX + 500);
        assert!(vocabulary.terms.len() <= TERMS_MAX + 1_000);
        tokens.read("", "common");
        vocabulary.read(&tokens, &mut terms);
        let expected = (61_000.0_f64 / 60_001.0).ln();
        assert!((vocabulary.text_weight(terms[0]) - expected).abs() < 1e-3);
    }
}

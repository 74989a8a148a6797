//! The running vocabulary: terms as numbers, and how common each is. Bounded: rare terms that no
//! live narrative uses are forgotten first.

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
const ITEM_TERMS_MAX: usize = 96;
/// Longer words are not terms but noise.
const TERM_BYTES_MAX: usize = 40;
/// Smoothing of the weight: ln((n + this) / (df + 1)).
const PRIOR_ITEMS: f64 = 1_000.0;

/// Words that carry no story.
const STOP_WORDS: &str = "a about after again all also am an and any are as at be because been \
before being both but by can could did do does doing don down during each few for from get got had \
has have having he her here hers him his how i if in into is it it's its i'm just let like ll me \
more most my no nor not now of off on once one only or other our out over own re really rt same \
she should so some such than that that's the their them then there these they this those through \
to too under until up us ve very via was we were what when where which while who why will with \
would you your yours s t d m don't can't amp";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Term {
    text: Box<str>,
    /// In how many items it stood; 0 marks a free number.
    items: u32,
    /// ln(df + 1).
    log_items: f32,
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
        let term = Term {
            text: word.into(),
            ..Term::default()
        };
        let next = TermId::try_from(self.terms.len()).unwrap_or(TermId::MAX);
        let id = self.free.pop().unwrap_or(next);
        match self.terms.get_mut(id as usize) {
            Some(place) => *place = term,
            None => self.terms.push(term),
        }
        self.ids.insert(key, id);
        id
    }

    /// Counts one more item with these terms.
    pub(crate) fn count(&mut self, terms: &[TermId]) {
        self.items += 1;
        self.log_total = (self.items as f64 + PRIOR_ITEMS).ln();
        for id in terms {
            if let Some(term) = self.terms.get_mut(*id as usize) {
                term.items = term.items.saturating_add(1);
                term.log_items = (term.items as f32 + 1.0).ln();
            }
        }
    }

    /// ln(df + 1) of a term.
    fn log_items(&self, id: TermId) -> f64 {
        self.terms
            .get(id as usize)
            .map_or(0.0, |term| f64::from(term.log_items))
    }

    /// The weight of a term now: ln((n + 1000) / (df + 1)).
    pub(crate) fn weight(&self, id: TermId) -> f64 {
        (self.log_total - self.log_items(id)).max(0.0)
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
        let mut rare_up_to = 1;
        while self.ids.len() > TERMS_KEPT && rare_up_to <= 64 {
            for index in (self.stop_words as usize)..self.terms.len() {
                let Ok(id) = TermId::try_from(index) else {
                    break;
                };
                let Some(term) = self.terms.get_mut(index) else {
                    break;
                };
                if !term.text.is_empty() && term.items <= rare_up_to && !in_use(id) {
                    self.ids.remove(&text_hash(&term.text));
                    *term = Term::default();
                    self.free.push(id);
                }
            }
            rare_up_to *= 2;
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

    #[test]
    fn weights_follow_the_formula_and_stop_words_are_no_terms() {
        let mut vocabulary = Vocabulary::new();
        let mut tokens = Tokens::default();
        let mut terms = Vec::new();
        for _ in 0..5 {
            tokens.read("", "The Fed cuts rates, the Fed");
            vocabulary.read(&tokens, &mut terms);
            vocabulary.count(&terms);
        }
        let texts: Vec<&str> = terms.iter().map(|id| vocabulary.text(*id)).collect();
        assert_eq!(texts, ["fed", "cuts", "rates"]);
        let expected = (1005.0_f64 / 6.0).ln();
        assert!((vocabulary.weight(terms[0]) - expected).abs() < 1e-6);
    }

    #[test]
    fn the_vocabulary_is_bounded() {
        let mut vocabulary = Vocabulary::new();
        let mut tokens = Tokens::default();
        let mut terms = Vec::new();
        for i in 0..60_000 {
            tokens.read("", &format!("word{i} common"));
            vocabulary.read(&tokens, &mut terms);
            vocabulary.count(&terms);
            if i % 500 == 0 {
                vocabulary.tidy(|_| false);
            }
        }
        assert!(vocabulary.ids.len() <= TERMS_MAX + 500);
        assert!(vocabulary.terms.len() <= TERMS_MAX + 1_000);
        tokens.read("", "common");
        vocabulary.read(&tokens, &mut terms);
        assert!((vocabulary.log_items(terms[0]) - 60_001f64.ln()).abs() < 1e-3);
    }
}

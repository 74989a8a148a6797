//! The finance lexicon: what single words and phrases weigh. Read once from the table that ships
//! with the crate; how weights combine into a tone is `tone`.

use std::sync::OnceLock;

use crate::hash::FastMap;

/// `term, kind, weight` by tabs; kinds: word, phrase, up, down, good, bad, neg, boost, social.
const TABLE: &str = include_str!("../data/finance-lexicon.tsv");

/// Index of a word in the lexicon.
pub(crate) type WordId = u16;

/// What the lexicon says of one word. A word may have several roles.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    /// Polarity of the word itself.
    pub(crate) weight: Option<f64>,
    /// Polarity in posts, in place of every other rule.
    pub(crate) social: Option<f64>,
    /// +1 or -1: the word says that something rises or falls. 0: it does not.
    pub(crate) direction: f64,
    /// +1: a thing of which more is good; -1: a thing of which more is bad; 0: neither.
    pub(crate) noun: f64,
    /// Turns the next words around.
    pub(crate) negation: bool,
    /// Multiplies the next word.
    pub(crate) boost: Option<f64>,
}

/// The table, ready for look-ups.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    ids: FastMap<Box<str>, WordId>,
    entries: Vec<Entry>,
    two_words: FastMap<[WordId; 2], f64>,
    three_words: FastMap<[WordId; 3], f64>,
}

impl Lexicon {
    /// The lexicon that ships with the crate.
    pub(crate) fn shipped() -> &'static Self {
        static LEXICON: OnceLock<Lexicon> = OnceLock::new();
        LEXICON.get_or_init(|| Self::parse(TABLE))
    }

    /// Reads a table; lines that are not an entry (the heading) are passed over.
    fn parse(table: &str) -> Self {
        let mut lexicon = Self::default();
        for line in table.lines() {
            let mut fields = line.split('\t');
            let (Some(term), Some(kind), Some(weight)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if let Ok(weight) = weight.trim().parse::<f64>() {
                lexicon.add(term, kind, weight);
            }
        }
        lexicon
    }

    fn add(&mut self, term: &str, kind: &str, weight: f64) {
        let words: Vec<WordId> = term.split(' ').map(|word| self.intern(word)).collect();
        match words.as_slice() {
            [word] => {
                if let Some(entry) = self.entries.get_mut(usize::from(*word)) {
                    entry.set(kind, weight);
                }
            }
            [a, b] => {
                self.two_words.insert([*a, *b], weight);
            }
            [a, b, c] => {
                self.three_words.insert([*a, *b, *c], weight);
            }
            _ => {}
        }
    }

    fn intern(&mut self, word: &str) -> WordId {
        if let Some(id) = self.ids.get(word) {
            return *id;
        }
        let id = WordId::try_from(self.entries.len()).unwrap_or(WordId::MAX);
        self.ids.insert(word.into(), id);
        self.entries.push(Entry::default());
        id
    }

    /// The word's index, if the lexicon has it, alone or in a phrase.
    pub(crate) fn id(&self, word: &str) -> Option<WordId> {
        self.ids.get(word).copied()
    }

    /// What is said of a word.
    pub(crate) fn entry(&self, id: WordId) -> Entry {
        self.entries
            .get(usize::from(id))
            .copied()
            .unwrap_or_default()
    }

    /// The weight of a phrase of two words.
    pub(crate) fn two_words(&self, words: [WordId; 2]) -> Option<f64> {
        self.two_words.get(&words).copied()
    }

    /// The weight of a phrase of three words.
    pub(crate) fn three_words(&self, words: [WordId; 3]) -> Option<f64> {
        self.three_words.get(&words).copied()
    }
}

impl Entry {
    fn set(&mut self, kind: &str, weight: f64) {
        match kind {
            "word" | "phrase" => self.weight = Some(weight),
            "social" => self.social = Some(weight),
            "up" => self.direction = 1.0,
            "down" => self.direction = -1.0,
            "good" => self.noun = 1.0,
            "bad" => self.noun = -1.0,
            "neg" => self.negation = true,
            "boost" => self.boost = Some(weight),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_read_whole() {
        let lines = TABLE.lines().count() - 1;
        let known = [
            "word", "phrase", "up", "down", "good", "bad", "neg", "boost", "social",
        ];
        for line in TABLE.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields.len(), 3, "{line:?}");
            assert!(known.contains(&fields[1]), "{line:?}");
            assert!(fields[2].parse::<f64>().unwrap().is_finite(), "{line:?}");
            assert!(fields[0].split(' ').count() <= 3, "{line:?}");
        }
        assert_eq!(lines, 908);
        let lexicon = Lexicon::shipped();
        let entry = lexicon.entry(lexicon.id("surged").unwrap());
        assert_eq!((entry.weight, entry.direction), (Some(3.0), 1.0));
        let entry = lexicon.entry(lexicon.id("bears").unwrap());
        assert_eq!((entry.weight, entry.social), (Some(-2.0), Some(2.0)));
        assert!(lexicon.id("perfunctory").is_none());
    }
}

//! The finance lexicon: what single words and phrases weigh. Read once from the table that ships
//! with the crate; how weights combine into a tone is `tone`.

use std::sync::OnceLock;

use crate::hash::FastMap;

/// `term, kind, weight` by tabs. Kinds that weigh: word, phrase, up, down, good, bad, neg, boost,
/// social. Kinds that say what a word does in a sentence: base, from, cut, pause, colon, article,
/// partner, agent, deal, still; their weight is not used.
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
    /// The word opens what a number is compared with.
    pub(crate) comparing: Option<Comparing>,
    /// The mark ends what is compared with.
    pub(crate) ends_base: bool,
    /// A clause ends here.
    pub(crate) cuts: bool,
    /// The mark behind which headlines say who told it.
    pub(crate) colon: bool,
    /// `the` and its like.
    pub(crate) article: bool,
    /// Who is named behind the word accompanies: "a deal with Acme".
    pub(crate) partner: bool,
    /// Who is named before the word judges: "Acme upgrades".
    pub(crate) agent: bool,
    /// Who is named before the word acts on another: "Acme buys".
    pub(crate) deal: bool,
    /// The word says that nothing moves: a clause with it is not silent.
    pub(crate) still: bool,
}

/// How a word compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparing {
    /// "compared to", "versus": what follows is the base.
    Base,
    /// "from": what follows is the base, and `to` may follow with the present.
    From,
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

    /// The word's index and what is said of it, if the lexicon has it, alone or in a phrase.
    pub(crate) fn find(&self, word: &str) -> Option<(WordId, &Entry)> {
        let id = *self.ids.get(word)?;
        Some((id, self.entries.get(usize::from(id))?))
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
            "base" => self.comparing = Some(Comparing::Base),
            "from" => self.comparing = Some(Comparing::From),
            "pause" => self.ends_base = true,
            "cut" => self.cuts = true,
            "colon" => self.colon = true,
            "article" => self.article = true,
            "partner" => self.partner = true,
            "agent" => self.agent = true,
            "deal" => self.deal = true,
            "still" => self.still = true,
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
            "word", "phrase", "up", "down", "good", "bad", "neg", "boost", "social", "base",
            "from", "pause", "cut", "colon", "article", "partner", "agent", "deal", "still",
        ];
        for line in TABLE.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields.len(), 3, "{line:?}");
            assert!(known.contains(&fields[1]), "{line:?}");
            assert!(fields[2].parse::<f64>().unwrap().is_finite(), "{line:?}");
            assert!(fields[0].split(' ').count() <= 3, "{line:?}");
        }
        assert!(lines > 950, "{lines}");
        let lexicon = Lexicon::shipped();
        let (_, entry) = lexicon.find("surged").unwrap();
        assert_eq!((entry.weight, entry.direction), (Some(3.0), 1.0));
        let (_, entry) = lexicon.find("bears").unwrap();
        assert_eq!((entry.weight, entry.social), (Some(-2.0), Some(3.0)));
        assert!(lexicon.find("perfunctory").is_none());
    }
}

//! The tone of a text, -1 to 1: how good or bad its words are for the asset it speaks of.
//! Rules and constants are those of the engine's design; the words are in `lexicon`.

use rawe_core::Register;

use crate::lexicon::{Entry, Lexicon, WordId};
use crate::tokens::{TokenKind, Tokens};

mod model;

pub(crate) use model::bounded;
pub use model::{LexiconModel, SentimentModel, SentimentText};

/// A direction word looks this many tokens around for the thing that moves.
const NEIGHBOURHOOD_TOKENS: usize = 4;
/// Weight of a direction word with its noun.
const DIRECTED_WEIGHT: f64 = 1.5;
/// Weight of a direction word without a noun and without a weight of its own.
const BARE_DIRECTION_WEIGHT: f64 = 0.5;
/// What a negation does to each of the next tokens.
const NEGATION_FACTOR: f64 = -0.7;
/// How many tokens a negation reaches.
const NEGATION_TOKENS: usize = 3;
/// s = P / sqrt(P² + this).
const SOFTNESS: f64 = 6.0;

/// What a token means for the tone.
#[derive(Clone, Copy, Debug)]
enum Sense {
    Known(WordId, Entry),
    Percent(f64),
    Nothing,
}

/// The tone of headline and text together, strictly between -1 and 1; 0 is neutral.
pub fn tone(headline: &str, text: &str, register: Register) -> f64 {
    let mut tokens = Tokens::default();
    tokens.read(headline, text);
    ToneScorer::default().score(&tokens, register)
}

/// Scores tokens; keeps its buffers for the next item.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToneScorer {
    senses: Vec<Sense>,
    /// `Some(value)` on the first token of a phrase, `Some(0)` on its others.
    phrases: Vec<Option<f64>>,
}

impl ToneScorer {
    /// The tone of `tokens`.
    pub(crate) fn score(&mut self, tokens: &Tokens, register: Register) -> f64 {
        let lexicon = Lexicon::shipped();
        self.read_senses(tokens, lexicon);
        self.find_phrases(lexicon);
        let mut sum = 0.0;
        let mut boost = 1.0;
        let mut negated = 0usize;
        for (position, sense) in self.senses.iter().enumerate() {
            let phrase = self.phrases.get(position).copied().flatten();
            let mut value = phrase.unwrap_or_else(|| self.value(position, *sense, register));
            value *= boost;
            if negated > 0 {
                value *= NEGATION_FACTOR;
                negated -= 1;
            }
            sum += value;
            boost = 1.0;
            if let (Sense::Known(_, entry), None) = (sense, phrase) {
                boost = entry.boost.unwrap_or(1.0);
                if entry.negation {
                    negated = NEGATION_TOKENS;
                }
            }
        }
        sum / (sum * sum + SOFTNESS).sqrt()
    }

    fn read_senses(&mut self, tokens: &Tokens, lexicon: &Lexicon) {
        self.senses.clear();
        for token in tokens.list() {
            self.senses.push(match token.kind {
                TokenKind::Cashtag => continue,
                TokenKind::PercentUp => Sense::Percent(1.0),
                TokenKind::PercentDown => Sense::Percent(-1.0),
                TokenKind::Word | TokenKind::Mark => lexicon
                    .id(tokens.text(*token))
                    .map_or(Sense::Nothing, |id| Sense::Known(id, lexicon.entry(id))),
            });
        }
    }

    /// Three-word phrases first, then two-word ones, from the left; a word is in one at most.
    fn find_phrases(&mut self, lexicon: &Lexicon) {
        self.phrases.clear();
        self.phrases.resize(self.senses.len(), None);
        for length in [3, 2] {
            for start in 0..self.senses.len() {
                let end = start + length;
                let taken = self
                    .phrases
                    .get(start..end)
                    .is_none_or(|p| p.iter().any(Option::is_some));
                if taken {
                    continue;
                }
                let found = match self.senses.get(start..end) {
                    Some([Sense::Known(a, _), Sense::Known(b, _), Sense::Known(c, _)]) => {
                        lexicon.three_words([*a, *b, *c])
                    }
                    Some([Sense::Known(a, _), Sense::Known(b, _)]) => lexicon.two_words([*a, *b]),
                    _ => None,
                };
                if let (Some(weight), Some(slots)) = (found, self.phrases.get_mut(start..end)) {
                    slots.fill(Some(0.0));
                    if let Some(first) = slots.first_mut() {
                        *first = Some(weight);
                    }
                }
            }
        }
    }

    /// The value of one word in its place.
    fn value(&self, position: usize, sense: Sense, register: Register) -> f64 {
        let entry = match sense {
            Sense::Known(_, entry) => entry,
            Sense::Percent(sign) => return sign,
            Sense::Nothing => return 0.0,
        };
        if let (Register::Social, Some(weight)) = (register, entry.social) {
            return weight;
        }
        let own = entry.weight.unwrap_or(0.0);
        if entry.direction != 0.0 {
            return match self.nearest(position, |other| other.noun) {
                Some(noun) => entry.direction * noun * DIRECTED_WEIGHT * own.abs().max(1.0),
                None => entry
                    .weight
                    .unwrap_or(BARE_DIRECTION_WEIGHT * entry.direction),
            };
        }
        if entry.noun != 0.0
            && entry.weight.is_some()
            && self.nearest(position, |other| other.direction).is_some()
        {
            return 0.0;
        }
        own
    }

    /// The first non-zero reading within the neighbourhood, nearest first, left before right.
    fn nearest(&self, position: usize, reading: impl Fn(&Entry) -> f64) -> Option<f64> {
        (1..=NEIGHBOURHOOD_TOKENS).find_map(|distance| {
            [
                position.checked_sub(distance),
                position.checked_add(distance),
            ]
            .into_iter()
            .flatten()
            .find_map(|place| match self.senses.get(place) {
                Some(Sense::Known(_, entry)) => Some(reading(entry)).filter(|r| *r != 0.0),
                _ => None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P of a text, from s = P / sqrt(P² + 6).
    fn points(text: &str, register: Register) -> f64 {
        let s = tone("", text, register);
        (6.0 * s * s / (1.0 - s * s)).sqrt().copysign(s)
    }

    #[test]
    fn words_score_as_the_rules_say() {
        use Register::{News, Social};
        let cases = [
            // A word; nothing; a word only posts read otherwise.
            ("upgrade", News, 2.0),
            ("the table is round", News, 0.0),
            ("", News, 0.0),
            ("bears", News, -2.0),
            ("bears", Social, 2.0),
            // Directions: with a noun near, without, and of a noun of which more is bad.
            ("profit rose", News, 1.5),
            ("costs rose", News, -1.5),
            ("profit fell", News, -1.5),
            ("costs fell", News, 1.5),
            ("sales surged", News, 4.5),
            ("it rose", News, 1.0),
            ("they raised it", News, 0.5),
            ("profit of a b c d rose", News, 1.0),
            // The nearest noun counts.
            ("profit a a costs rose", News, -1.5),
            // A polar noun counts only without a direction near.
            ("growth", News, 2.0),
            ("growth falls", News, -1.5),
            // Phrases, the longest first, each word once.
            ("price target cut", News, -2.0),
            ("all time high", News, 2.0),
            ("beats estimates", News, 2.0),
            // Boosters reach one token, negations three.
            ("huge upgrade", News, 3.0),
            ("huge a upgrade", News, 2.0),
            ("not upgrade", News, -1.4),
            ("not a b upgrade", News, -1.4),
            ("not a b c upgrade", News, 2.0),
            ("don\u{2019}t upgrade", News, -1.4),
            // Percentages with a sign.
            ("+3.5%", News, 1.0),
            ("-12%", News, -1.0),
            ("12%", News, 0.0),
            // What is not read: addresses, names, tickers.
            ("http://upgrade.com @upgrade $BULL", News, 0.0),
            ("#upgrade", News, 2.0),
            ("UPGRADE \u{1F680}", News, 5.0),
        ];
        for (text, register, expected) in cases {
            let got = points(text, register);
            assert!(
                (got - expected).abs() < 1e-9,
                "{text:?}: {got}, not {expected}"
            );
        }
    }

    #[test]
    fn headline_and_text_are_read_together() {
        let joined = tone("Profit", "rose", Register::News);
        assert!((joined - tone("", "Profit rose", Register::News)).abs() < 1e-15);
        assert!(joined > 0.0 && joined < 1.0);
    }
}

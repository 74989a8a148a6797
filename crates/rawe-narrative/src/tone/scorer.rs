//! The rules that turn tokens into a tone. What words weigh is in `lexicon`; what belongs to a name
//! in the text is in `clauses`.

use std::ops::Range;

use rawe_core::Register;

use super::{clauses, comparison};
use crate::lexicon::{Comparing, Entry, Lexicon, WordId};
use crate::tokens::{TokenKind, Tokens};

/// A direction word looks this many tokens around for the thing that moves.
const NEIGHBOURHOOD_TOKENS: usize = 4;
/// Weight of a direction word with its noun.
pub(super) const DIRECTED_WEIGHT: f64 = 1.5;
/// Weight of a direction word without a noun and without a weight of its own.
const BARE_DIRECTION_WEIGHT: f64 = 0.5;
/// What a negation does to each of the next tokens.
const NEGATION_FACTOR: f64 = -0.7;
/// How many tokens a negation reaches.
const NEGATION_TOKENS: usize = 3;
/// What is compared with ("versus a loss") speaks against the present: for so many tokens.
const BASE_TOKENS: usize = 10;
/// s = P / sqrt(P² + this).
const SOFTNESS: f64 = 6.0;

/// What a token means for the tone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sense {
    Known(WordId, &'static Entry),
    Percent(f64),
    Nothing,
}

impl Sense {
    /// What the lexicon says of the word, if it has it.
    pub(super) fn entry(self) -> Option<&'static Entry> {
        match self {
            Self::Known(_, entry) => Some(entry),
            Self::Percent(_) | Self::Nothing => None,
        }
    }
}

/// Scores tokens; keeps its buffers for the next item.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToneScorer {
    senses: Vec<Sense>,
    /// For each sense the place of its token.
    places: Vec<u32>,
    /// `Some(value)` on the first token of a phrase, `Some(0)` on its others.
    phrases: Vec<Option<f64>>,
    /// What each sense adds to the tone.
    values: Vec<f64>,
}

impl ToneScorer {
    /// The tone of `tokens`.
    pub(crate) fn score(&mut self, tokens: &Tokens, register: Register) -> f64 {
        let lexicon = Lexicon::shipped();
        let compares = self.read_senses(tokens, lexicon);
        self.find_phrases(lexicon);
        self.weigh(register);
        if compares {
            self.turn_bases();
            comparison::weigh(tokens, &self.places, &self.senses, &mut self.values);
        }
        soften(self.values.iter().sum())
    }

    /// The tone of the clauses that hold `ranges`, of the tokens scored last: `None` if it is that
    /// of the whole.
    pub(crate) fn score_at(
        &self,
        tokens: &Tokens,
        register: Register,
        ranges: impl Iterator<Item = Range<usize>>,
    ) -> Option<f64> {
        if register == Register::Social {
            return None;
        }
        let at = |sense: usize| {
            let token = self.places.get(sense).map(|place| *place as usize);
            let token = token.and_then(|place| tokens.list().get(place));
            token.map_or(usize::MAX, |token| token.at as usize)
        };
        let place = |byte: usize| {
            let (mut low, mut high) = (0, self.places.len());
            while low < high {
                let middle = low.midpoint(high);
                if at(middle) < byte {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low
        };
        let names = ranges.map(|range| place(range.start)..place(range.end.max(range.start)));
        clauses::sum(&self.senses, &self.values, names).map(soften)
    }

    /// Fills the senses, and says whether a comparison is among them.
    fn read_senses(&mut self, tokens: &Tokens, lexicon: &'static Lexicon) -> bool {
        self.senses.clear();
        self.places.clear();
        let mut compares = false;
        for (place, token) in tokens.list().iter().enumerate() {
            let sense = match token.kind {
                TokenKind::Cashtag => continue,
                TokenKind::PercentUp => Sense::Percent(1.0),
                TokenKind::PercentDown => Sense::Percent(-1.0),
                TokenKind::Word | TokenKind::Mark => lexicon
                    .find(tokens.text(*token))
                    .map_or(Sense::Nothing, |(id, entry)| Sense::Known(id, entry)),
            };
            compares |= sense.entry().is_some_and(|e| e.comparing.is_some());
            self.senses.push(sense);
            self.places.push(u32::try_from(place).unwrap_or(u32::MAX));
        }
        compares
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

    /// Fills the values: each word in its place, after boosters and negations.
    fn weigh(&mut self, register: Register) {
        self.values.clear();
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
            self.values.push(value);
            boost = 1.0;
            if let (Some(entry), None) = (sense.entry(), phrase) {
                boost = entry.boost.unwrap_or(1.0);
                if entry.negation {
                    negated = NEGATION_TOKENS;
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
            .find_map(|place| {
                let entry = self.senses.get(place)?.entry()?;
                Some(reading(entry)).filter(|r| *r != 0.0)
            })
        })
    }

    /// What words say of the base of a comparison is turned around: better than a loss is good.
    fn turn_bases(&mut self) {
        let mut left = 0;
        for (sense, value) in self.senses.iter().zip(&mut self.values) {
            let Some(entry) = sense.entry() else {
                left = usize::saturating_sub(left, 1);
                continue;
            };
            if entry.comparing == Some(Comparing::Base) {
                left = BASE_TOKENS;
                continue;
            }
            if entry.ends_base {
                left = 0;
            }
            if left > 0 {
                left -= 1;
                if entry.direction == 0.0 {
                    *value = -*value;
                }
            }
        }
    }
}

/// From the sum of what words weigh to a tone.
fn soften(sum: f64) -> f64 {
    sum / (sum * sum + SOFTNESS).sqrt()
}

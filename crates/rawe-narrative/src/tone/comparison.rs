//! Comparisons of numbers: "operating profit was EUR 8.1 mn, compared to EUR 6.5 mn". Where no word
//! says that the thing rose or fell, the numbers do.

use super::scorer::{DIRECTED_WEIGHT, Sense};
use crate::lexicon::Comparing;
use crate::tokens::Tokens;

/// The base's number stands at most so many tokens behind the mark.
const BASE_REACH: usize = 7;
/// The present's number stands at most so many tokens before the mark.
const PRESENT_REACH: usize = 8;
/// "from 5 to 8": the second number's `to` stands this near.
const TO_REACH: usize = 6;
/// The number after `to` stands this near.
const AFTER_TO_REACH: usize = 4;
/// The thing that is counted stands at most so many tokens before the numbers.
const NOUN_REACH: usize = 12;
/// A direction word so near says already where it goes.
const DIRECTION_REACH: usize = 4;
/// At most so many comparisons of one text count.
const COMPARISONS_MAX: usize = 3;
/// Currencies written in one word with their number.
const CURRENCIES: [&str; 5] = ["eur", "usd", "gbp", "sek", "rs"];
/// Words of magnitude.
const MAGNITUDES: [(&str, f64); 12] = [
    ("k", 1e3),
    ("thousand", 1e3),
    ("lakh", 1e5),
    ("mn", 1e6),
    ("m", 1e6),
    ("mln", 1e6),
    ("million", 1e6),
    ("crore", 1e7),
    ("cr", 1e7),
    ("bn", 1e9),
    ("billion", 1e9),
    ("trillion", 1e12),
];

/// A text's tokens with their places among the senses.
struct Words<'a> {
    tokens: &'a Tokens,
    places: &'a [u32],
    senses: &'a [Sense],
}

/// A number: its size, and whether it is a percentage.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number {
    size: f64,
    percent: bool,
}

/// Adds what comparisons say to the values of the things compared.
pub(super) fn weigh(tokens: &Tokens, places: &[u32], senses: &[Sense], values: &mut [f64]) {
    let words = Words {
        tokens,
        places,
        senses,
    };
    let found = (0..senses.len()).filter_map(|mark| words.comparison(mark));
    for (noun, weight) in found.take(COMPARISONS_MAX) {
        if let Some(value) = values.get_mut(noun) {
            *value += weight;
        }
    }
}

impl Words<'_> {
    /// The comparison whose mark ("compared", "versus", "from") is at `mark`: where the thing
    /// compared stands, and what it adds.
    fn comparison(&self, mark: usize) -> Option<(usize, f64)> {
        let kind = self.senses.get(mark)?.entry()?.comparing?;
        let (base_at, base) = self.base(mark)?;
        let to = match kind {
            Comparing::From => self.behind_to(base_at),
            Comparing::Base => None,
        };
        let (present_at, present) = to.or_else(|| {
            let before = mark.saturating_sub(PRESENT_REACH)..mark;
            before
                .rev()
                .find_map(|place| Some((place, self.number(place)?)))
        })?;
        if present.percent != base.percent {
            return None;
        }
        let direction = present.size.partial_cmp(&base.size)? as i8;
        let from = mark.min(present_at);
        let noun_at = (from.saturating_sub(NOUN_REACH)..from)
            .rev()
            .find(|place| self.noun(*place) != 0.0)?;
        let noun = self.noun(noun_at);
        let near = noun_at.saturating_sub(DIRECTION_REACH)..=base_at;
        let told = |place: usize| {
            let entry = self.senses.get(place).and_then(|sense| sense.entry());
            entry.is_some_and(|e| e.direction != 0.0)
        };
        if direction == 0 || near.into_iter().any(told) {
            return None;
        }
        // A profit after a loss is good whatever their sizes.
        let mut between = (mark + 1..base_at).map(|place| self.noun(place));
        let base_noun = between.rfind(|noun| *noun != 0.0);
        let sign = if base_noun.is_some_and(|base| base * noun < 0.0) {
            noun
        } else {
            noun * f64::from(direction)
        };
        Some((noun_at, sign * DIRECTED_WEIGHT))
    }

    /// The number compared with; none if another comparison begins before it.
    fn base(&self, mark: usize) -> Option<(usize, Number)> {
        for place in mark + 1..=mark + BASE_REACH {
            if let Some(number) = self.number(place) {
                return Some((place, number));
            }
            if self
                .senses
                .get(place)?
                .entry()
                .is_some_and(|e| e.comparing.is_some())
            {
                return None;
            }
        }
        None
    }

    /// The number behind the next `to`.
    fn behind_to(&self, base_at: usize) -> Option<(usize, Number)> {
        let to = (base_at + 1..=base_at + TO_REACH).find(|place| self.text(*place) == "to")?;
        (to + 1..=to + AFTER_TO_REACH).find_map(|place| Some((place, self.number(place)?)))
    }

    fn noun(&self, place: usize) -> f64 {
        let entry = self.senses.get(place).and_then(|sense| sense.entry());
        entry.map_or(0.0, |e| e.noun)
    }

    fn text(&self, place: usize) -> &str {
        let token = self.places.get(place).map(|place| *place as usize);
        let token = token.and_then(|place| self.tokens.list().get(place));
        token.map_or("", |token| self.tokens.text(*token))
    }

    fn number(&self, place: usize) -> Option<Number> {
        number(self.text(place), self.text(place + 1))
    }
}

/// The number that `word` is, with its magnitude in the word or in the `next` one. Years are none.
fn number(word: &str, next: &str) -> Option<Number> {
    let currency = CURRENCIES.iter().find_map(|c| word.strip_prefix(c));
    let word = currency.unwrap_or(word);
    let length = word
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','))
        .unwrap_or(word.len());
    let (digits, unit) = word.split_at_checked(length)?;
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if currency.is_none() && digits.len() == 4 && ["19", "20"].iter().any(|c| digits.starts_with(c))
    {
        return None;
    }
    let magnitude = |word: &str| MAGNITUDES.iter().find(|(unit, _)| *unit == word);
    let factor = if unit.is_empty() {
        magnitude(next).map_or(1.0, |(_, factor)| *factor)
    } else {
        magnitude(unit)?.1
    };
    Some(Number {
        size: plain(digits)? * factor,
        percent: matches!(next, "%" | "percent" | "pct"),
    })
}

/// Digits with thousands cut by commas, or with a decimal point or comma.
fn plain(digits: &str) -> Option<f64> {
    let grouped = digits
        .split('.')
        .next()
        .is_some_and(|whole| whole.contains(',') && whole.split(',').skip(1).all(|g| g.len() == 3));
    let text = if grouped {
        digits.replace(',', "")
    } else {
        digits.replace(',', ".")
    };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers() {
        let cases = [
            ("8.1", "mn", Some((8.1e6, false))),
            ("1,234.5", "", Some((1234.5, false))),
            ("8,5", "", Some((8.5, false))),
            ("eur179mn", "", Some((179e6, false))),
            ("eur2007", "", Some((2007.0, false))),
            ("12", "%", Some((12.0, true))),
            ("2007", "", None),
            ("q3", "", None),
            ("3rd", "", None),
            ("1.2.3", "", None),
            ("profit", "5", None),
            ("", "", None),
        ];
        for (word, next, expected) in cases {
            let expected = expected.map(|(size, percent)| Number { size, percent });
            assert_eq!(number(word, next), expected, "{word} {next}");
        }
    }
}

//! The seam for other models of tone than the lexicon: the trait, what a model is shown, and the
//! lexicon in the form of a model. No other model lives here.

use std::fmt::Debug;
use std::ops::Range;

use rawe_core::Register;

use super::{tone, tone_of};

/// What a model of tone is shown: an item's words and how they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentimentText<'a> {
    /// The headline; empty where the item has none.
    pub headline: &'a str,
    /// The body, or a post's whole text; empty where the item has none.
    pub text: &'a str,
    /// Posts and headlines use words differently.
    pub register: Register,
}

/// A model of tone. It must be deterministic: the same text, the same score, on every machine.
pub trait SentimentModel: Debug + Send + Sync {
    /// What people call the model, such as `lexicon`; for logs and reports.
    fn name(&self) -> &str;

    /// How good or bad the words are for what they speak of: -1 to 1, 0 is neutral.
    fn score(&self, text: &SentimentText<'_>) -> f64;

    /// The same for what is named at `range`, in bytes of what is read of the headline (its first
    /// 4,000) with the text directly after it. A model that does not tell names apart says what it
    /// says of the whole.
    fn score_at(&self, text: &SentimentText<'_>, _range: Range<usize>) -> f64 {
        self.score(text)
    }
}

/// The lexicon that ships with the crate, as a model: the default, and what trades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LexiconModel;

impl SentimentModel for LexiconModel {
    fn name(&self) -> &'static str {
        "lexicon"
    }

    fn score(&self, text: &SentimentText<'_>) -> f64 {
        tone(text.headline, text.text, text.register)
    }

    fn score_at(&self, text: &SentimentText<'_>, range: Range<usize>) -> f64 {
        tone_of(text, range)
    }
}

/// A score as the engine takes it: within -1 to 1, and 0 in place of what is no number.
pub(crate) fn bounded(score: f64) -> f64 {
    if score.is_nan() {
        0.0
    } else {
        score.clamp(-1.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lexicon_as_a_model_is_the_lexicon() {
        let text = SentimentText {
            headline: "Profit",
            text: "rose",
            register: Register::News,
        };
        let score = LexiconModel.score(&text);
        assert!((score - tone("Profit", "rose", Register::News)).abs() < 1e-15);
        assert_eq!(LexiconModel.name(), "lexicon");
    }

    #[test]
    fn scores_out_of_range_are_bounded() {
        let cases = [
            (0.5, 0.5),
            (7.0, 1.0),
            (f64::NEG_INFINITY, -1.0),
            (f64::NAN, 0.0),
        ];
        for (score, expected) in cases {
            assert!((bounded(score) - expected).abs() < 1e-15, "{score}");
        }
    }
}

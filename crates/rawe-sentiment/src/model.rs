//! The learned layer as a model of tone: its weights, what is known of where they come from, and
//! how a text is scored. The file is `format`'s, the training `training`'s.

use std::ops::Range;

use rawe_core::Register;
use rawe_narrative::tone::LexiconModel;
use rawe_narrative::{SentimentModel, SentimentText};
use serde::{Deserialize, Serialize};

use crate::features::{self, DIMENSIONS, Features, compact};
use crate::labels::{Classes, Fit, NEUTRAL_BAND};
use crate::solver::sigmoid;

/// Where a model comes from and how good it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// What people call the model.
    pub name: String,
    /// The labelled files it was trained on.
    pub sources: Vec<String>,
    /// The licence of these files, as the user gave it.
    pub licence: String,
    /// When it was trained, as the user gave it; a model knows no clock.
    pub trained_on: String,
    /// What it was trained to read.
    pub register: Register,
    /// Whether its texts were labelled neutral too.
    pub classes: Classes,
    /// Labelled texts it was trained on.
    pub rows: usize,
    /// How it was trained.
    pub settings: TrainingSettings,
    /// How good models trained the same way on a part of the texts were on the others.
    pub cross_validated: Option<Fit>,
    /// How good the lexicon is on all of them.
    pub lexicon: Option<Fit>,
}

/// How a model is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSettings {
    /// Strength of the pull of every weight to 0.
    pub l2: f64,
    /// p(+) - p(-) up to this is neutral where texts are labelled neutral.
    pub neutral: f64,
    /// Parts of the cross-validation, at least 2.
    pub folds: usize,
}

impl Default for TrainingSettings {
    /// The settings that were measured best over all labelled sets together.
    fn default() -> Self {
        Self {
            l2: 0.3,
            neutral: 0.25,
            folds: 5,
        }
    }
}

/// Weights of one of the two questions: is it good, is it bad.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    /// What one step of the kept weights is worth.
    pub(crate) step: f32,
    /// Hashed words and pairs, in steps.
    pub(crate) hashed: Vec<i8>,
    /// The constant and the lexicon's, exactly.
    pub(crate) extra: Vec<f32>,
}

impl Head {
    /// The weights, the many rounded to 255 steps.
    pub(crate) fn rounded(weights: &[f64]) -> Self {
        let (hashed, extra) = weights
            .split_at_checked(features::HASHED)
            .unwrap_or_default();
        let largest = hashed.iter().fold(0.0f64, |most, w| most.max(w.abs()));
        let step = largest / f64::from(i8::MAX);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the largest weight is 127 steps"
        )]
        let steps = |weight: &f64| (weight / step.max(f64::MIN_POSITIVE)).round() as i8;
        Self {
            step: compact(step),
            hashed: hashed.iter().map(steps).collect(),
            extra: extra.iter().map(|weight| compact(*weight)).collect(),
        }
    }

    fn chance(&self, features: &Features) -> f64 {
        let weight = |place: usize| match place.checked_sub(features::HASHED) {
            None => {
                let steps = self.hashed.get(place).copied().unwrap_or(0);
                f64::from(steps) * f64::from(self.step)
            }
            Some(extra) => self.extra.get(extra).copied().map_or(0.0, f64::from),
        };
        let sum = features
            .iter()
            .map(|(place, value)| weight(*place as usize) * f64::from(*value))
            .sum();
        sigmoid(sum)
    }
}

/// A trained model of tone.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedModel {
    /// The name with the beginning of the file's checksum: two models are never taken for one.
    pub(crate) identity: String,
    pub(crate) provenance: Provenance,
    pub(crate) good: Head,
    pub(crate) bad: Head,
}

impl LearnedModel {
    /// Where the model comes from and how good it is.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The score of a text's features, -1 to 1.
    pub(crate) fn score_features(&self, features: &Features) -> f64 {
        debug_assert!(
            features
                .iter()
                .all(|(place, _)| (*place as usize) < DIMENSIONS)
        );
        let score = self.good.chance(features) - self.bad.chance(features);
        match self.provenance.classes {
            Classes::Two => score,
            Classes::Three => banded(score, self.provenance.settings.neutral),
        }
    }
}

impl SentimentModel for LearnedModel {
    fn name(&self) -> &str {
        &self.identity
    }

    /// Texts of the other register are left to the lexicon.
    fn score(&self, text: &SentimentText<'_>) -> f64 {
        if text.register != self.provenance.register {
            return LexiconModel.score(text);
        }
        self.score_features(&features::read(text, None))
    }

    fn score_at(&self, text: &SentimentText<'_>, range: Range<usize>) -> f64 {
        if text.register != self.provenance.register {
            return LexiconModel.score_at(text, range);
        }
        self.score_features(&features::read(text, Some(&range)))
    }
}

/// Moves the scores so that `neutral` becomes [`NEUTRAL_BAND`]: what a reader of scores takes for
/// neutral is then what the model does.
fn banded(score: f64, neutral: f64) -> f64 {
    let size = score.abs();
    let moved = if size <= neutral {
        size / neutral.max(f64::MIN_POSITIVE) * NEUTRAL_BAND
    } else {
        let above = (size - neutral) / (1.0 - neutral).max(f64::MIN_POSITIVE);
        NEUTRAL_BAND + above * (1.0 - NEUTRAL_BAND)
    };
    moved.min(1.0).copysign(score)
}

//! Labelled texts, what counts as right, and how well a list of scores does. Reading files is the
//! caller's.

use std::ops::Range;

use rawe_core::Register;
use rawe_narrative::{SentimentModel, SentimentText};
use serde::{Deserialize, Serialize};

/// Scores of this size and smaller are neutral where a set has neutral texts.
pub const NEUTRAL_BAND: f64 = 0.1;

/// One labelled text: a line of a `labels.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelledText {
    /// The set's own id.
    #[serde(default)]
    pub id: String,
    /// The text.
    pub text: String,
    /// -1 bad, 0 neutral, +1 good.
    pub label: i8,
    /// What the label speaks of, as it is written in the text, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
}

impl LabelledText {
    /// Where the text names the entity: the first place, in any case; `None` if it does not.
    pub fn entity_range(&self) -> Option<Range<usize>> {
        let entity = self.entity.as_deref().filter(|entity| !entity.is_empty())?;
        // ASCII case folding keeps every byte in its place.
        let start = self
            .text
            .to_ascii_lowercase()
            .find(&entity.to_ascii_lowercase())?;
        Some(start..start + entity.len())
    }

    /// The text as a model is shown it.
    pub fn shown(&self, register: Register) -> SentimentText<'_> {
        SentimentText {
            headline: "",
            text: &self.text,
            register,
        }
    }
}

/// Which classes a labelled set has, and so when a score is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Classes {
    /// Good and bad only: a score of 0 and more is good.
    Two,
    /// Good, neutral, bad: scores up to [`NEUTRAL_BAND`] are neutral.
    Three,
}

impl Classes {
    /// Two classes if no text is labelled neutral, else three.
    pub fn of(rows: &[LabelledText]) -> Self {
        if rows.iter().any(|row| row.label == 0) {
            Self::Three
        } else {
            Self::Two
        }
    }

    /// The label that a score stands for.
    pub fn label(self, score: f64) -> i8 {
        match self {
            Self::Two if score >= 0.0 => 1,
            Self::Two => -1,
            Self::Three if score > NEUTRAL_BAND => 1,
            Self::Three if score < -NEUTRAL_BAND => -1,
            Self::Three => 0,
        }
    }
}

/// How well scores fit labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Texts scored.
    pub rows: usize,
    /// Share of texts whose score stands for their label, 0..=1.
    pub accuracy: f64,
    /// Mean over the labels that occur of the harmonic mean of precision and recall, 0..=1.
    pub macro_f1: f64,
}

/// The scores of a model, one per row: for the entity where the row names one, else for the whole.
pub fn score_rows(
    model: &dyn SentimentModel,
    rows: &[LabelledText],
    register: Register,
) -> Vec<f64> {
    rows.iter()
        .map(|row| score_row(model, row, register))
        .collect()
}

/// The score of one row; see [`score_rows`].
pub fn score_row(model: &dyn SentimentModel, row: &LabelledText, register: Register) -> f64 {
    let shown = row.shown(register);
    match row.entity_range() {
        Some(range) => model.score_at(&shown, range),
        None => model.score(&shown),
    }
}

/// Compares scores with the labels of the same rows, in order.
pub fn measure(rows: &[LabelledText], scores: &[f64], classes: Classes) -> Fit {
    let pairs = || {
        let said = scores.iter().map(|score| classes.label(*score));
        rows.iter().map(|row| row.label).zip(said)
    };
    let count = pairs().count();
    let right = pairs().filter(|(label, said)| label == said).count();
    let f1s: Vec<f64> = [-1, 0, 1]
        .into_iter()
        .filter(|class| pairs().any(|(label, _)| label == *class))
        .map(|class| {
            let both = pairs().filter(|p| *p == (class, class)).count() as f64;
            let labelled = pairs().filter(|(label, _)| *label == class).count() as f64;
            let said = pairs().filter(|(_, said)| *said == class).count() as f64;
            2.0 * both / (labelled + said).max(1.0)
        })
        .collect();
    Fit {
        rows: count,
        accuracy: right as f64 / count.max(1) as f64,
        macro_f1: f1s.iter().sum::<f64>() / f1s.len().max(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(labels: &[i8]) -> Vec<LabelledText> {
        labels
            .iter()
            .map(|label| LabelledText {
                label: *label,
                ..LabelledText::default()
            })
            .collect()
    }

    #[test]
    fn classes_follow_from_the_labels() {
        assert_eq!(Classes::of(&rows(&[1, -1])), Classes::Two);
        assert_eq!(Classes::of(&rows(&[1, 0])), Classes::Three);
        let cases = [
            (0.0, 1, 0),
            (0.1, 1, 0),
            (0.11, 1, 1),
            (-0.1, -1, 0),
            (-0.2, -1, -1),
        ];
        for (score, two, three) in cases {
            assert_eq!(Classes::Two.label(score), two, "{score}");
            assert_eq!(Classes::Three.label(score), three, "{score}");
        }
    }

    #[test]
    fn measures_accuracy_and_f1() {
        let fit = measure(
            &rows(&[1, 1, 0, -1]),
            &[0.5, 0.0, 0.0, -0.5],
            Classes::Three,
        );
        assert_eq!(fit.rows, 4);
        assert!((fit.accuracy - 0.75).abs() < 1e-12);
        // Good: 2/3, neutral: 2/3, bad: 1.
        assert!((fit.macro_f1 - 7.0 / 9.0).abs() < 1e-12);
        assert!(measure(&[], &[], Classes::Two).accuracy.abs() < 1e-12);
    }

    #[test]
    fn finds_the_entity_in_any_case() {
        let row = |text: &str, entity: &str| LabelledText {
            text: text.to_owned(),
            entity: Some(entity.to_owned()),
            ..LabelledText::default()
        };
        assert_eq!(row("Über ACME rises", "acme").entity_range(), Some(6..10));
        assert_eq!(row("nothing", "acme").entity_range(), None);
        assert_eq!(row("nothing", "").entity_range(), None);
    }
}

//! The section of a labelled set: the tone of texts against the labels people gave them.

use rawe_sentiment::Classes;

use crate::metrics::Confusion;
use crate::report::{Row, Section};

/// Predicted and true classes of one model.
#[derive(Clone, Debug, Default)]
pub struct ToneResult {
    /// The model: `lexicon`, `learned layer`, ...
    pub model: String,
    /// Accuracy, 0..1.
    pub accuracy: f64,
    /// Macro F1, 0..1.
    pub macro_f1: f64,
    /// Rows scored.
    pub rows: u64,
}

/// Accuracy, macro F1 and confusion of scores against labels, and other models beside.
pub fn tone_section(
    set: &str,
    classes: Classes,
    rows: &[(f64, i8)],
    others: &[ToneResult],
) -> Section {
    let mut section = Section::new("tone", set, "Tone against the labels of people");
    let mut confusion = Confusion::default();
    for (score, label) in rows {
        confusion.add(*label, classes.label(*score));
    }
    let count = confusion.total();
    let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let accuracy = Row::new("accuracy, lexicon", known(confusion.accuracy()));
    section.row(accuracy.digits(3).count(count));
    section.row(Row::new("macro F1, lexicon", known(confusion.macro_f1())).digits(3));
    section.row(
        Row::new(
            "accuracy, always the most frequent",
            known(confusion.majority()),
        )
        .digits(3),
    );
    for other in others {
        let accuracy = Row::new(format!("accuracy, {}", other.model), other.accuracy);
        section.row(accuracy.digits(3).count(other.rows));
        section.row(Row::new(format!("macro F1, {}", other.model), other.macro_f1).digits(3));
    }
    let cells: Vec<String> = confusion
        .cells()
        .iter()
        .map(|cell| format!("{:+}→{:+} {}", cell.truth, cell.predicted, cell.count))
        .collect();
    section.note(format!("Confusion, label→lexicon: {}.", cells.join(", ")));
    section.note(
        "The lexicon was corrected on the development rows, so its figures there flatter it; the \
         learned layer is cross-validated.",
    );
    section
}

//! Training the learned layer on labelled texts, and saying honestly how good it is. Same texts,
//! same settings: same model, byte for byte.

use rawe_core::Register;
use rawe_narrative::tone::LexiconModel;
use thiserror::Error;

use crate::emphasis;
use crate::features::{self, Features};
use crate::labels::{Classes, Fit, LabelledText, measure, score_rows};
use crate::model::{Head, LearnedModel, Provenance, TrainingSettings};
use crate::solver;

/// Fewer labelled texts than this teach nothing.
pub const ROWS_MIN: usize = 50;

/// Why a model cannot be trained.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TrainingError {
    /// Too few texts.
    #[error(
        "training a model of tone: {found} labelled texts are too few, give at least {ROWS_MIN}"
    )]
    TooFew {
        /// How many there were.
        found: usize,
    },
    /// A label that is none.
    #[error("training a model of tone: text {id:?} is labelled {label}; labels are -1, 0 and 1")]
    Label {
        /// The text's id.
        id: String,
        /// Its label.
        label: i8,
    },
    /// Good or bad texts are missing.
    #[error("training a model of tone: texts labelled 1 and texts labelled -1 are both needed")]
    OneSided,
    /// Settings that cannot be.
    #[error("training a model of tone: l2 must be above 0, neutral in 0..1, folds at least 2")]
    Settings,
}

/// What cross-validation found.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossValidation {
    /// Which classes the texts have.
    pub classes: Classes,
    /// The learned layer, on texts that it was not trained on.
    pub learned: Fit,
    /// The lexicon on the same texts.
    pub lexicon: Fit,
    /// The learned layer's score of every text, in order.
    pub scores: Vec<f64>,
    /// The lexicon's.
    pub lexicon_scores: Vec<f64>,
}

/// The fold of a text, below `folds`: by its words alone, so that copies of a headline are never
/// on both sides.
pub fn fold_of(text: &str, folds: usize) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for c in text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
    {
        hash = (hash ^ u64::from(u32::from(c))).wrapping_mul(0x0100_0000_01b3);
    }
    usize::try_from((hash ^ (hash >> 29)) % folds.max(1) as u64).unwrap_or(0)
}

/// Trains on all folds but one and scores that one, for each.
pub fn cross_validate(
    rows: &[LabelledText],
    register: Register,
    settings: &TrainingSettings,
) -> Result<CrossValidation, TrainingError> {
    cross_validate_with(rows, register, settings, |_| ())
}

/// [`cross_validate`] that tells `progress` after each fold how many are done.
pub fn cross_validate_with(
    rows: &[LabelledText],
    register: Register,
    settings: &TrainingSettings,
    mut progress: impl FnMut(usize),
) -> Result<CrossValidation, TrainingError> {
    check(rows, settings)?;
    let classes = Classes::of(rows);
    let read = read_all(rows, register);
    let folds: Vec<usize> = rows
        .iter()
        .map(|row| fold_of(&row.text, settings.folds))
        .collect();
    let mut scores = vec![0.0; rows.len()];
    for fold in 0..settings.folds {
        let kept: Vec<usize> = (0..rows.len())
            .filter(|place| folds.get(*place) != Some(&fold))
            .collect();
        let model = fit(rows, &read, &kept, provenance(register, classes, settings));
        for ((score, features), _) in scores
            .iter_mut()
            .zip(&read)
            .zip(&folds)
            .filter(|(_, of)| **of == fold)
        {
            *score = model.score_features(features);
        }
        progress(fold + 1);
    }
    let lexicon_scores = score_rows(&LexiconModel, rows, register);
    Ok(CrossValidation {
        classes,
        learned: measure(rows, &scores, classes),
        lexicon: measure(rows, &lexicon_scores, classes),
        scores,
        lexicon_scores,
    })
}

/// Trains on all texts. What `about` says of rows, classes, register and settings is filled in.
pub fn train(
    rows: &[LabelledText],
    register: Register,
    settings: &TrainingSettings,
    about: Provenance,
) -> Result<LearnedModel, TrainingError> {
    check(rows, settings)?;
    let about = Provenance {
        rows: rows.len(),
        register,
        classes: Classes::of(rows),
        settings: *settings,
        ..about
    };
    let read = read_all(rows, register);
    let all: Vec<usize> = (0..rows.len()).collect();
    Ok(fit(rows, &read, &all, about))
}

fn check(rows: &[LabelledText], settings: &TrainingSettings) -> Result<(), TrainingError> {
    if rows.len() < ROWS_MIN {
        return Err(TrainingError::TooFew { found: rows.len() });
    }
    if let Some(row) = rows.iter().find(|row| !(-1..=1).contains(&row.label)) {
        return Err(TrainingError::Label {
            id: row.id.clone(),
            label: row.label,
        });
    }
    if [-1, 1]
        .iter()
        .any(|label| rows.iter().all(|row| row.label != *label))
    {
        return Err(TrainingError::OneSided);
    }
    let sane = settings.l2.is_finite() && settings.l2 > 0.0 && settings.folds >= 2;
    if !sane || !(0.0..1.0).contains(&settings.neutral) {
        return Err(TrainingError::Settings);
    }
    Ok(())
}

fn read_all(rows: &[LabelledText], register: Register) -> Vec<Features> {
    rows.iter()
        .map(|row| features::read(&row.shown(register), row.entity_range().as_ref()))
        .collect()
}

fn fit(
    rows: &[LabelledText],
    read: &[Features],
    kept: &[usize],
    provenance: Provenance,
) -> LearnedModel {
    let features: Vec<&Features> = kept.iter().filter_map(|place| read.get(*place)).collect();
    let head = |label: i8| {
        let is: Vec<bool> = kept
            .iter()
            .filter_map(|place| rows.get(*place))
            .map(|row| row.label == label)
            .collect();
        let factors = emphasis::factors(&features, &is);
        let stretched = emphasis::apply(&features, &factors);
        let stretched: Vec<&Features> = stretched.iter().collect();
        let mut weights = solver::fit(&stretched, &is, provenance.settings.l2);
        // The weights of the words as they are read.
        for (weight, factor) in weights.iter_mut().zip(&factors) {
            *weight *= f64::from(*factor);
        }
        Head::rounded(&weights)
    };
    let (good, bad) = (head(1), head(-1));
    LearnedModel::identified(provenance, good, bad)
}

fn provenance(register: Register, classes: Classes, settings: &TrainingSettings) -> Provenance {
    Provenance {
        name: String::new(),
        sources: Vec::new(),
        licence: String::new(),
        trained_on: String::new(),
        register,
        classes,
        rows: 0,
        settings: *settings,
        cross_validated: None,
        lexicon: None,
    }
}

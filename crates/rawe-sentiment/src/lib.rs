//! Models of tone beyond the lexicon that `rawe-narrative` carries.
//!
//! Pure: a model is made of bytes that somebody else read. The lexicon itself, and the trait that
//! every model of tone implements, live in `rawe-narrative`.

mod emphasis;
mod features;
mod format;
mod model;
mod solver;

#[cfg(feature = "finbert")]
pub mod finbert;
pub mod labels;
pub mod training;

pub use format::ModelError;
pub use labels::{Classes, Fit, LabelledText, measure, score_row, score_rows};
pub use model::{LearnedModel, Provenance, TrainingSettings};
pub use training::{CrossValidation, TrainingError, cross_validate, cross_validate_with, train};

#[cfg(test)]
mod tests;

//! The narrative volatility engine: text and bars in, narratives, indices and features out.
//!
//! Pure and deterministic: same events, same bytes. It does no I/O, reads no clock and uses no
//! randomness. What an agent makes of the features is `rawe-agent`'s.

mod asset;
mod clustering;
mod decay;
mod delivery;
mod hash;
mod lexicon;
mod plan;
mod price;
mod seasonal;
mod terms;
mod tokens;
mod voices;

pub mod demand;
pub mod effects;
pub mod engine;
pub mod features;
pub mod linking;
pub mod rating;
pub mod snapshot;
pub mod stages;
pub mod tone;
pub mod volatility;

pub use demand::{Feature, FeatureDemand, Measure, StreamChoice};
pub use effects::{NarrativeEffect, NarrativeState};
pub use engine::{EngineConfig, NarrativeEngine};
pub use features::{AssetFeatures, FeatureSnapshot, NarrativeBrief};
pub use rating::Rating;
pub use tone::{SentimentModel, SentimentText, tone, tone_of};
pub use volatility::VolatilityScore;

/// Hours from `from` to `to`, negative if `to` is earlier.
fn hours_between(from: rawe_core::Timestamp, to: rawe_core::Timestamp) -> f64 {
    (to - from).num_milliseconds() as f64 / 3_600_000.0
}

/// A value kept in half the space where its last digits do not matter.
#[allow(
    clippy::cast_possible_truncation,
    reason = "only weights are kept so, never money"
)]
fn compact(value: f64) -> f32 {
    value as f32
}

//! The narrative volatility engine: text and bars in, narratives, indices and features out.
//!
//! Pure and deterministic: same events, same bytes. It does no I/O, reads no clock and uses no
//! randomness. What an agent makes of the features is `rawe-agent`'s.

pub mod features;

pub use features::{AssetFeatures, FeatureSnapshot, NarrativeBrief};

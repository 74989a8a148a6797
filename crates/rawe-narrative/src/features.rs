//! What the engine says at one grid instant: the measured blocks of which every lens is made.
//!
//! Everything is causal: only items first seen and bars ended at or before the instant count.

use rawe_core::{Symbol, Timestamp};

/// The blocks of one asset at one grid instant. `None` means "not yet": history is too short.
/// z-values are clipped to ±4. "market" is the market-wide stream for crypto, the asset's own
/// stream for stocks. `price` blocks use trading time for stocks, as `personalities.md` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssetFeatures {
    /// Last close, USD.
    pub close: Option<f64>,
    /// Standard deviation of the log returns of one bar, over 168 hours (crypto) or 20 sessions.
    pub sigma: Option<f64>,
    /// Annualised volatility, by `sigma`.
    pub sigma_annual: Option<f64>,
    /// Return of the last bar in units of `sigma` (the unit in which signals earn).
    pub return_in_sigmas: Option<f64>,
    /// m_h = r_h / (sigma sqrt h) for h = 6, 24, 48, 120, 168 hours (stocks: 1, 3, 3, 5, 7 sessions).
    pub m6: Option<f64>,
    /// See `m6`.
    pub m24: Option<f64>,
    /// See `m6`.
    pub m48: Option<f64>,
    /// See `m6`.
    pub m120: Option<f64>,
    /// See `m6`.
    pub m168: Option<f64>,
    /// z of the tone with half-life 6 h of the market stream.
    pub z_tone_6: Option<f64>,
    /// z of the tone with half-life 12 h of the market stream.
    pub z_tone_12: Option<f64>,
    /// z of the tone with half-life 48 h of the market stream.
    pub z_tone_48: Option<f64>,
    /// z of the intensity with half-life 12 h of the market stream.
    pub z_intensity_12: Option<f64>,
    /// z of the intensity with half-life 48 h of the market stream.
    pub z_intensity_48: Option<f64>,
    /// z of the intensity with half-life 48 h of the asset's own stream.
    pub z_intensity_48_own: Option<f64>,
    /// z of the velocity (12 h against 72 h) of the market stream.
    pub z_velocity: Option<f64>,
    /// z of the dispersion with half-life 48 h of the market stream.
    pub z_dispersion_48: Option<f64>,
    /// Raw intensity, tone, velocity and dispersion (12 h), for evidence on the wire.
    pub intensity: f64,
    /// See `intensity`.
    pub tone: f64,
    /// See `intensity`.
    pub velocity: f64,
    /// See `intensity`.
    pub dispersion: f64,
    /// Tone with half-life 4 h of the market stream: the nowcast, raw.
    pub tone_nowcast: f64,
    /// Narrative volatility: exponentially weighted deviation of the change of intensity,
    /// half-life 24 h, annualised.
    pub narrative_volatility: f64,
    /// Percentile 0..1 of the present volatility in its own past, for the risk score.
    pub volatility_percentile: f64,
    /// The live narrative that weighs most on the asset now, if any.
    pub narrative: Option<NarrativeBrief>,
}

/// A narrative as an agent names it in a proposal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NarrativeBrief {
    /// Stable id, derived from the founding item.
    pub id: String,
    /// Its heaviest distinctive terms, a readable name.
    pub name: String,
    /// The most central headline.
    pub headline: String,
    /// Coherence rating, AAA..D, or `NR` (not rated, under 4 items).
    pub rating: String,
    /// Coherence c.
    pub coherence: f64,
    /// Entropy of its tone, 0..1.
    pub entropy: f64,
    /// Decayed tone, -1..1.
    pub tone: f64,
    /// Items so far.
    pub items: u64,
    /// Share of the authors active in 72 h who told it.
    pub belief_penetration: f64,
    /// Ids of the newest items, at most 5.
    pub item_ids: Vec<String>,
}

/// All assets at one grid instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeatureSnapshot {
    /// The grid instant.
    pub instant: Timestamp,
    /// NVX, 0..100; 50 is normal. A gauge of the present, not a forecast.
    pub nvx: f64,
    /// Assets with a bar so far, sorted by symbol.
    pub assets: Vec<(Symbol, AssetFeatures)>,
}

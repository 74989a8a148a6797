//! What the engine says at one grid instant: the measured blocks of which every lens is made.
//!
//! Everything is causal: only items first seen and bars ended at or before the instant count.

use std::sync::Arc;

use rawe_core::{Symbol, Timestamp};

use crate::demand::{Feature, FeatureDemand};

/// The blocks of one asset at one grid instant. `None` means "not yet": history is too short.
/// z-values are clipped to ±4. "market" is the market-wide stream for crypto, the asset's own
/// stream for stocks. Price blocks count trading time for stocks: up to a day eight hours are a
/// session, beyond it a day is one, at least three.
///
/// What every proposal tells is in fields; what formulas name is read by [`AssetFeatures::get`].
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
    /// Expected ln(high/low − 1) of the coming (or running) session by prices alone: the HAR model.
    pub range_har: Option<f64>,
    /// The same with what is being told of the asset. A gauge: sizing does not use it.
    pub range_forecast: Option<f64>,
    /// Annualised volatility of the coming session by the HAR model, nights included, as a share.
    pub sigma_har_annual: Option<f64>,
    /// Percentile 0..1 of the present volatility in its own past, for the risk score.
    pub volatility_percentile: f64,
    /// The live narrative that weighs most on the asset now, if any.
    pub narrative: Option<NarrativeBrief>,
    /// Which features were asked for.
    pub demand: Arc<FeatureDemand>,
    /// Their values, in the demand's order.
    pub values: Vec<Option<f64>>,
}

impl AssetFeatures {
    /// A feature that was asked for; `None` also while its history is too short.
    pub fn get(&self, feature: Feature) -> Option<f64> {
        let place = self.demand.place(feature)?;
        self.values.get(place).copied().flatten()
    }

    /// Every feature that was asked for, with its value.
    pub fn asked(&self) -> impl Iterator<Item = (Feature, Option<f64>)> {
        let values = self.values.iter().copied();
        self.demand.features().iter().copied().zip(values)
    }

    /// As [`AssetFeatures::get`], for who asks often: `hint` remembers where the feature was, so
    /// that nothing is searched while the demand stays the same.
    pub fn get_at(&self, feature: Feature, hint: &mut usize) -> Option<f64> {
        if self.demand.features().get(*hint) != Some(&feature) {
            *hint = self.demand.place(feature)?;
        }
        self.values.get(*hint).copied().flatten()
    }

    /// The same with one feature more, or another value of it: for what is not from an engine.
    #[must_use]
    pub fn with(mut self, feature: Feature, value: Option<f64>) -> Self {
        let known = (Arc::clone(&self.demand), std::mem::take(&mut self.values));
        let (demand, values) = known;
        let features = demand.features().iter().copied();
        self.demand = Arc::new(FeatureDemand::new(features.chain([feature])));
        let value_of = |asked: &Feature| {
            if *asked == feature {
                return value;
            }
            let place = demand.place(*asked)?;
            values.get(place).copied().flatten()
        };
        self.values = self.demand.features().iter().map(value_of).collect();
        self
    }
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

//! What the engine keeps of one asset, and the reading of its features at a grid instant.

use std::collections::VecDeque;
use std::sync::Arc;

use rawe_core::calendar::{new_york_date, new_york_midnight};
use rawe_core::{AssetClass, Bar, Symbol, Timeframe, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decay::{OWN, Said, Stream};
use crate::features::AssetFeatures;
use crate::plan::{FIXED, Origin, Plan, StreamPlan};
use crate::price::{PriceHistory, PriceReading};
use crate::seasonal::{Cadence, Seasonal};
use crate::{compact, hours_between};

/// Scans over which the percentile of volatility is taken.
const PERCENTILE_SCANS: usize = 720;
/// Below this many the percentile is one half.
const PERCENTILE_SCANS_MIN: usize = 20;
/// Half-life of narrative volatility, hours.
const FLUX_HALF_LIFE_HOURS: f64 = 24.0;
/// Hours of a year: news never sleep.
const HOURS_PER_YEAR: f64 = 8_760.0;

/// A stream scanned: the values of its plan and, if the past is long enough, their z.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamScan {
    pub(crate) values: Vec<f64>,
    pub(crate) scores: Vec<f64>,
    scored: Vec<f64>,
}

impl StreamScan {
    /// Reads `stream` at `instant` and keeps the observation. One scan serves many streams.
    pub(crate) fn take(
        &mut self,
        plan: &StreamPlan,
        stream: &Stream,
        seasonal: &mut Seasonal,
        (instant, cadence): (Timestamp, Cadence),
    ) {
        stream.read(plan, instant, &mut self.values);
        let value = |place: &usize| self.values.get(*place).copied().unwrap_or(0.0);
        self.scored.clear();
        self.scored.extend(plan.scored.iter().map(value));
        seasonal.score(instant, cadence, &self.scored, &mut self.scores);
    }

    /// Puts the plan's features where the demand wants them.
    fn fill(&self, plan: &StreamPlan, features: &mut [Option<f64>]) {
        for (place, origin) in &plan.places {
            if let Some(feature) = features.get_mut(*place) {
                *feature = match *origin {
                    Origin::Raw(value) => self.values.get(value).copied(),
                    Origin::Abnormal(score) => self.scores.get(score).copied(),
                };
            }
        }
    }

    /// The fixed values of a market stream, in the order of [`crate::plan::FIXED`].
    fn fixed(&self) -> [f64; FIXED.len()] {
        std::array::from_fn(|place| self.values.get(place).copied().unwrap_or(0.0))
    }
}

/// One asset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AssetState {
    pub(crate) symbol: Symbol,
    own: Stream,
    price: Option<PriceHistory>,
    seasonal: Seasonal,
    sigmas: VecDeque<f32>,
    flux: Flux,
    /// z(I) of the last scan, for NVX.
    pub(crate) z_intensity: Option<f64>,
}

impl AssetState {
    pub(crate) fn new(symbol: Symbol, plan: &Plan) -> Self {
        Self {
            own: Stream::new(OWN, own_plan(&symbol, plan)),
            symbol,
            price: None,
            seasonal: Seasonal::default(),
            sigmas: VecDeque::new(),
            flux: Flux::default(),
            z_intensity: None,
        }
    }

    pub(crate) fn has_bar(&self) -> bool {
        self.price.is_some()
    }

    /// Takes in a sane bar. Hourly bars replace daily ones for good.
    pub(crate) fn apply_bar(&mut self, bar: &Bar) {
        let known = self.price.as_ref().map(PriceHistory::timeframe);
        match (known, bar.timeframe) {
            (Some(Timeframe::Hour), Timeframe::Day) => return,
            (None, _) | (Some(Timeframe::Day), Timeframe::Hour) => {
                self.price = Some(PriceHistory::new(self.symbol.class(), bar.timeframe));
            }
            _ => {}
        }
        if let Some(price) = &mut self.price {
            price.apply(bar);
        }
    }

    /// Takes in an item about the asset.
    pub(crate) fn add(&mut self, plan: &Plan, at: Timestamp, weight: f64, said: Said) {
        self.own
            .add_part(own_plan(&self.symbol, plan), at, weight, said);
    }

    /// The features at `instant`, and the observation kept. `market` is the crypto market's scan;
    /// a stock is its own market. `own` is room for the asset's own scan.
    pub(crate) fn scan(
        &mut self,
        instant: Timestamp,
        plan: &Plan,
        market: Option<&StreamScan>,
        own: &mut StreamScan,
    ) -> AssetFeatures {
        let mut values = vec![None; plan.demand.features().len()];
        let own_plan = own_plan(&self.symbol, plan);
        let when = (instant, self.cadence(instant));
        own.take(own_plan, &self.own, &mut self.seasonal, when);
        if let Some(market) = market {
            market.fill(&plan.crypto_market, &mut values);
        }
        own.fill(own_plan, &mut values);
        let mut price = PriceReading::default();
        if let Some(history) = &mut self.price {
            price = history.read(instant);
            for horizon in &plan.horizons {
                if let Some(value) = values.get_mut(horizon.place) {
                    *value = history.moved(horizon.hours, horizon.in_sigmas);
                }
            }
        }
        self.z_intensity = values.get(plan.attention).copied().flatten();
        let [tone_nowcast, tone, intensity, velocity, dispersion] = market.unwrap_or(own).fixed();
        AssetFeatures {
            close: price.close,
            sigma: price.sigma,
            sigma_annual: price.sigma_annual,
            return_in_sigmas: price.return_in_sigmas,
            intensity,
            tone,
            velocity,
            dispersion,
            tone_nowcast,
            narrative_volatility: self.flux.observe(instant, intensity),
            range_har: None,
            range_forecast: None,
            sigma_har_annual: None,
            volatility_percentile: self.percentile(price.sigma),
            narrative: None,
            demand: Arc::clone(&plan.demand),
            values,
        }
    }

    fn cadence(&self, instant: Timestamp) -> Cadence {
        let daily = self
            .price
            .as_ref()
            .is_none_or(|p| p.timeframe() == Timeframe::Day);
        match self.symbol.class() {
            AssetClass::Crypto => Cadence::Intraday(utc_minute(instant)),
            AssetClass::UsEquity if daily => Cadence::Daily,
            AssetClass::UsEquity => Cadence::Intraday(new_york_minute(instant)),
        }
    }

    /// Where `sigma` stands among those of the past scans, ties counted half.
    fn percentile(&mut self, sigma: Option<f64>) -> f64 {
        let Some(sigma) = sigma.map(compact) else {
            return 0.5;
        };
        let mut percentile = 0.5;
        if self.sigmas.len() >= PERCENTILE_SCANS_MIN {
            let (mut below, mut above) = (0_u32, 0_u32);
            let (older, newer) = self.sigmas.as_slices();
            for part in [older, newer] {
                for past in part {
                    below += u32::from(*past < sigma);
                    above += u32::from(*past > sigma);
                }
            }
            let (below, above) = (f64::from(below), f64::from(above));
            let total = self.sigmas.len() as f64;
            percentile = (below + (total - below - above) / 2.0) / total;
        }
        self.sigmas.push_back(sigma);
        while self.sigmas.len() > PERCENTILE_SCANS {
            self.sigmas.pop_front();
        }
        percentile
    }
}

/// What is kept of an asset's own stream.
fn own_plan<'a>(symbol: &Symbol, plan: &'a Plan) -> &'a StreamPlan {
    match symbol.class() {
        AssetClass::Crypto => &plan.crypto_own,
        AssetClass::UsEquity => &plan.stock,
    }
}

/// Narrative volatility: exponentially weighted deviation of the change of I, annualised.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Flux {
    last: Option<(Timestamp, f64)>,
    squares: f64,
    hours: f64,
}

impl Flux {
    fn observe(&mut self, instant: Timestamp, intensity: f64) -> f64 {
        if let Some((at, before)) = self.last {
            let hours = hours_between(at, instant);
            if hours <= 0.0 {
                return self.annual();
            }
            let factor = (-hours / FLUX_HALF_LIFE_HOURS).exp2();
            self.squares = self.squares * factor + (intensity - before).powi(2);
            self.hours = self.hours * factor + hours;
        }
        self.last = Some((instant, intensity));
        self.annual()
    }

    fn annual(&self) -> f64 {
        if self.hours > 0.0 {
            (self.squares / self.hours * HOURS_PER_YEAR).sqrt()
        } else {
            0.0
        }
    }
}

/// Minute of the UTC day.
pub(crate) fn utc_minute(instant: Timestamp) -> u16 {
    u16::try_from(instant.timestamp().rem_euclid(86_400) / 60).unwrap_or(0)
}

/// Minute of the New York day.
fn new_york_minute(instant: Timestamp) -> u16 {
    let midnight = new_york_midnight(new_york_date(instant)).unwrap_or(instant);
    u16::try_from((instant - midnight).num_minutes()).unwrap_or(0)
}

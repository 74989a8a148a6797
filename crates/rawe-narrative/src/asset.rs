//! What the engine keeps of one asset, and the reading of its features at a grid instant.

use std::collections::VecDeque;

use rawe_core::calendar::{new_york_date, new_york_midnight};
use rawe_core::{AssetClass, Bar, Symbol, Timeframe, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decay::{OWN, Reading, Stream};
use crate::features::AssetFeatures;
use crate::price::PriceHistory;
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

/// The values of a stream that get a z, in the order of [`z_values`].
pub(crate) const Z_COUNT: usize = 7;

/// The values of a reading that get a z.
pub(crate) fn z_values(reading: &Reading) -> [f64; Z_COUNT] {
    [
        reading.tone_6,
        reading.tone_12,
        reading.tone_48,
        reading.intensity_12,
        reading.intensity_48,
        reading.velocity,
        reading.dispersion_48,
    ]
}

/// A market stream's reading and its z-values at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamScan {
    pub(crate) reading: Reading,
    pub(crate) z: Option<[f64; Z_COUNT]>,
}

/// One asset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AssetState {
    pub(crate) symbol: Symbol,
    pub(crate) own: Stream,
    price: Option<PriceHistory>,
    seasonal: Seasonal<Z_COUNT>,
    seasonal_own: Seasonal<1>,
    sigmas: VecDeque<f32>,
    flux: Flux,
    /// z(I) of the last scan, for NVX.
    pub(crate) z_intensity: Option<f64>,
}

impl AssetState {
    pub(crate) fn new(symbol: Symbol) -> Self {
        Self {
            symbol,
            own: Stream::new(OWN),
            price: None,
            seasonal: Seasonal::default(),
            seasonal_own: Seasonal::default(),
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

    /// The features at `instant`, and the observation kept. `market` is the crypto market's
    /// stream; a stock is its own market.
    pub(crate) fn scan(
        &mut self,
        instant: Timestamp,
        market: Option<&StreamScan>,
    ) -> AssetFeatures {
        let own = self.own.read(instant);
        let cadence = self.cadence(instant);
        let (market, z_own) = if let Some(market) = market {
            let z = self
                .seasonal_own
                .score(instant, cadence, [own.intensity_48]);
            (*market, z.map(|[z]| z))
        } else {
            let z = self.seasonal.score(instant, cadence, z_values(&own));
            (StreamScan { reading: own, z }, z.map(|z| z[4]))
        };
        let price = self
            .price
            .as_mut()
            .map(|price| price.read(instant))
            .unwrap_or_default();
        let z = |place: usize| market.z.and_then(|z| z.get(place).copied());
        self.z_intensity = z(3);
        AssetFeatures {
            close: price.close,
            sigma: price.sigma,
            sigma_annual: price.sigma_annual,
            return_in_sigmas: price.return_in_sigmas,
            m6: price.m[0],
            m24: price.m[1],
            m48: price.m[2],
            m120: price.m[3],
            m168: price.m[4],
            z_tone_6: z(0),
            z_tone_12: z(1),
            z_tone_48: z(2),
            z_intensity_12: z(3),
            z_intensity_48: z(4),
            z_intensity_48_own: z_own,
            z_velocity: z(5),
            z_dispersion_48: z(6),
            intensity: market.reading.intensity_12,
            tone: market.reading.tone_12,
            velocity: market.reading.velocity,
            dispersion: market.reading.dispersion_12,
            tone_nowcast: market.reading.tone_4,
            narrative_volatility: self.flux.observe(instant, market.reading.intensity_12),
            volatility_percentile: self.percentile(price.sigma),
            narrative: None,
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
            let below = self.sigmas.iter().filter(|past| **past < sigma).count() as f64;
            let above = self.sigmas.iter().filter(|past| **past > sigma).count() as f64;
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

//! The five measured experts, as state machines per asset: features at a grid instant in, one
//! number e in -1..1 out. The formulas are those of the personalities' specification.
//!
//! A state is advanced at every scan, also while the agent abstains. A block that is missing now
//! (history too short) gives `None`, which counts as e = 0; the parts that are known still learn.

mod state;

use rawe_core::Timestamp;
use rawe_narrative::{AssetFeatures, Feature, Measure, StreamChoice};

use crate::lens::{Lens, abnormal_tone, price_move};
use crate::profile::Profile;
use crate::smoothing::{ExponentialMean, LearnedSign, clip, clip_to, sign};
pub(crate) use state::ExpertState;

/// Half-life of crowd and silence wherever the lens does not set it, hours.
const CROWD_HALF_LIFE_HOURS: f64 = 24.0;
/// Half-life of the dispute behind the risk damper kappa, hours.
const DAMPER_HALF_LIFE_HOURS: f64 = 24.0;
/// z-values are clipped here, as the engine does.
const Z_LIMIT: f64 = 4.0;

/// One expert's state for one asset.
#[derive(Clone, Debug)]
pub struct Expert {
    lens: Lens,
    flux_sensitivity: f64,
    stress_sensitivity: f64,
    main: ExponentialMean,
    second: ExponentialMean,
    dispute: ExponentialMean,
    learned: LearnedSign,
}

impl Expert {
    /// A fresh expert of a profile.
    pub fn new(profile: &Profile) -> Self {
        let half_life = profile.lens.half_life_hours();
        let (second_half_life, learned) = match &profile.lens {
            Lens::TrendAndSurprise {
                sign_half_life_days,
                sign_silent_days,
                ..
            } => (
                CROWD_HALF_LIFE_HOURS,
                LearnedSign::new(*sign_half_life_days, *sign_silent_days),
            ),
            Lens::SlowBuildUp {
                sign_half_life_days,
                sign_silent_days,
                ..
            } => (
                half_life,
                LearnedSign::new(*sign_half_life_days, *sign_silent_days),
            ),
            _ => (half_life, LearnedSign::new(60.0, 60)),
        };
        Self {
            lens: profile.lens.clone(),
            flux_sensitivity: profile.flux_sensitivity_multiplier,
            stress_sensitivity: profile.topological_stress_sensitivity_multiplier,
            main: ExponentialMean::new(half_life),
            second: ExponentialMean::new(second_half_life),
            dispute: ExponentialMean::new(DAMPER_HALF_LIFE_HOURS),
            learned,
        }
    }

    /// Advances to `at` and returns e, or `None` while a block it needs is missing.
    pub fn evaluate(&mut self, at: Timestamp, features: &AssetFeatures) -> Option<f64> {
        let value = match self.lens.clone() {
            Lens::StoryRuns {
                tone_hours,
                move_hours,
                tone_limit,
                scale,
                ..
            } => {
                let moved = price_move(features, move_hours);
                let discounted = abnormal_tone(features, tone_hours)
                    .zip(moved)
                    .map(|(tone, moved)| discounted(clip_to(tone, tone_limit), moved));
                self.main
                    .push_known(at, discounted)
                    .map(|mean| clip(mean / scale))
            }
            Lens::TrendAndSurprise {
                move_hours,
                weight,
                shock,
                scale,
                ..
            } => {
                let raw = self.surprise(at, features, shock, scale);
                let learned = self.learned.step(at, raw, features.return_in_sigmas);
                let damper = self.damper(at, features);
                let trend = price_move(features, move_hours).map(clip);
                raw.zip(trend)
                    .zip(damper)
                    .map(|((raw, trend), damper)| damper * clip(weight * (trend + learned * raw)))
            }
            Lens::Attention { scale, .. } => self.attention(at, features, scale),
            Lens::SlowBuildUp {
                dispute_weight,
                attention_weight,
                limit,
                scale,
                ..
            } => {
                let raw = self.gap(at, features, limit, scale);
                let learned = self.learned.step(at, raw, features.return_in_sigmas);
                let own = self.second.push_known(
                    at,
                    features.get(Feature::Abnormal(Measure::intensity(48), StreamChoice::Own)),
                );
                let own = own.map(|mean| clip(mean / scale));
                let damper = self.damper(at, features);
                raw.zip(own).zip(damper).map(|((raw, own), damper)| {
                    damper * clip(dispute_weight * learned * raw + attention_weight * own)
                })
            }
            Lens::EvenBlend {
                move_hours,
                scale,
                divisor,
                ..
            } => {
                let crowd = self.main.push_known(at, crowd_block(features));
                let mood = self
                    .second
                    .push_known(at, features.get(Feature::abnormal(Measure::tone(12))));
                let trend = price_move(features, move_hours).map(clip);
                crowd.zip(mood).zip(trend).map(|((crowd, mood), trend)| {
                    clip((clip(crowd / scale) + clip(mood / scale) + trend) / divisor)
                })
            }
        };
        value.filter(|value| value.is_finite())
    }

    fn attention(&mut self, at: Timestamp, features: &AssetFeatures, scale: f64) -> Option<f64> {
        let flux = self.flux_sensitivity;
        let attention = features
            .get(Feature::abnormal(Measure::intensity(12)))
            .zip(features.get(Feature::abnormal(Measure::Velocity)))
            .map(|(intensity, v)| f64::midpoint(intensity, clip_to(flux * v, Z_LIMIT)));
        self.main
            .push_known(at, attention)
            .map(|mean| clip(mean / scale))
    }

    /// The gap between tone and price: Dv before its learned sign.
    fn gap(
        &mut self,
        at: Timestamp,
        features: &AssetFeatures,
        limit: f64,
        scale: f64,
    ) -> Option<f64> {
        let gap = features
            .get(Feature::abnormal(Measure::tone(48)))
            .zip(features.get(Feature::Move(48)))
            .map(|(tone, moved)| clip_to(tone, limit) - clip_to(moved, limit));
        self.main.push_known(at, gap).map(|mean| clip(mean / scale))
    }

    /// A large move of a day without a story, before its learned sign.
    fn surprise(
        &mut self,
        at: Timestamp,
        features: &AssetFeatures,
        shock: f64,
        scale: f64,
    ) -> Option<f64> {
        let crowd = self.second.push_known(at, crowd_block(features));
        let surprise = features
            .get(Feature::Move(24))
            .zip(crowd)
            .map(|(moved, crowd)| {
                if moved.abs() > shock {
                    sign(moved) * silence(crowd)
                } else {
                    0.0
                }
            });
        self.main
            .push_known(at, surprise)
            .map(|mean| clip(mean / scale))
    }

    /// kappa = 1 / (1 + stress sensitivity max(0, E_24 z(D_48h))), in 0..1.
    fn damper(&mut self, at: Timestamp, features: &AssetFeatures) -> Option<f64> {
        self.dispute
            .push_known(at, features.get(Feature::abnormal(Measure::dispersion(48))))
            .map(|dispute| 1.0 / (1.0 + self.stress_sensitivity * dispute.max(0.0)))
    }
}

/// Tone, discounted by a price that already went its way: s exp(-max(0, sgn(s) m)).
fn discounted(s: f64, moved: f64) -> f64 {
    s * (-(sign(s) * moved).max(0.0)).exp()
}

/// (z(I_48h) + z(I_12h)) / 2 of the market stream.
fn crowd_block(features: &AssetFeatures) -> Option<f64> {
    features
        .get(Feature::abnormal(Measure::intensity(48)))
        .zip(features.get(Feature::abnormal(Measure::intensity(12))))
        .map(|(slow, fast)| f64::midpoint(slow, fast))
}

/// clip(1 - max(0, crowd before scaling), 0, 1): 1 when nobody talks more than usual.
pub fn silence(crowd_before_scaling: f64) -> f64 {
    (1.0 - crowd_before_scaling.max(0.0)).clamp(0.0, 1.0)
}

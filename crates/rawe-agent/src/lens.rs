//! The lens of a personality: which of the five measured experts it is, with which parameters.
//!
//! A sixth personality chooses one of these kinds and its own numbers; it needs no code. Defaults
//! are the measured ones. How an expert computes is in [`crate::expert`].

use rawe_narrative::{AssetFeatures, Feature, Measure};
use serde::{Deserialize, Serialize};

use crate::smoothing::{SIGN_HALF_LIFE_DAYS, SIGN_SILENT_DAYS};

/// Horizons, in hours, for which the engine gives the price move m_h.
pub const MOVE_HOURS: [u32; 5] = [6, 24, 48, 120, 168];
/// Half-lives, in hours, for which the engine gives the abnormal tone z(S_h).
pub const TONE_HOURS: [u32; 3] = [6, 12, 48];

/// An expert's kind and parameters. Half-lives are in hours of market time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Lens {
    /// The story runs and the price has not answered:
    /// clip(E_h(s exp(-max(0, sgn(s) m))) / scale), s = clip(z(S), ±tone_limit).
    StoryRuns {
        /// h.
        half_life_hours: f64,
        /// The tone's own half-life: 6, 12 or 48.
        #[serde(default = "six")]
        tone_hours: u32,
        /// The price move's horizon: 6, 24, 48, 120 or 168.
        #[serde(default = "six")]
        move_hours: u32,
        /// Limit of s.
        #[serde(default = "two")]
        tone_limit: f64,
        /// Scale of the result.
        #[serde(default = "half")]
        scale: f64,
    },
    /// Steady trend, or a price move without a story with a learned sign, damped by dispute:
    /// kappa clip(weight (clip(m) + clip(q E_h(sgn(m24) [|m24| > shock] silence) / scale))).
    TrendAndSurprise {
        /// h.
        half_life_hours: f64,
        /// The trend's horizon: 6, 24, 48, 120 or 168.
        #[serde(default = "hundred_twenty")]
        move_hours: u32,
        /// Weight of the sum.
        #[serde(default = "three_quarters")]
        weight: f64,
        /// From how many sigmas on a day's move is a surprise.
        #[serde(default = "one_and_half")]
        shock: f64,
        /// Scale of the surprise.
        #[serde(default = "three_tenths")]
        scale: f64,
        /// Half-life of the learned sign's record, in days.
        #[serde(default = "sign_half_life")]
        sign_half_life_days: f64,
        /// For so many days the learned sign is 0.
        #[serde(default = "sign_silent")]
        sign_silent_days: i64,
    },
    /// Attention itself: clip(E_h((z(I_12h) + z(V)) / 2) / scale).
    Attention {
        /// h.
        half_life_hours: f64,
        /// Scale of the result.
        #[serde(default = "half")]
        scale: f64,
    },
    /// Dispute and the slow build-up of a story of its own:
    /// kappa clip(dispute_weight Dv + attention_weight clip(E_h z(I_48h own) / scale)),
    /// Dv = clip(q' E_h(clip(z(S_48h), ±limit) - clip(m_48, ±limit)) / scale).
    SlowBuildUp {
        /// h.
        half_life_hours: f64,
        /// Weight of Dv.
        #[serde(default = "half")]
        dispute_weight: f64,
        /// Weight of the attention of its own.
        #[serde(default = "three_quarters")]
        attention_weight: f64,
        /// Limit of tone and move inside Dv.
        #[serde(default = "two")]
        limit: f64,
        /// Scale of both parts.
        #[serde(default = "half")]
        scale: f64,
        /// Half-life of the learned sign's record, in days.
        #[serde(default = "sign_half_life")]
        sign_half_life_days: f64,
        /// For so many days the learned sign is 0.
        #[serde(default = "sign_silent")]
        sign_silent_days: i64,
    },
    /// An even blend: clip((crowd_h + mood_h + clip(m)) / divisor).
    EvenBlend {
        /// h.
        half_life_hours: f64,
        /// The trend's horizon: 6, 24, 48, 120 or 168.
        #[serde(default = "hundred_sixty_eight")]
        move_hours: u32,
        /// Scale of crowd and mood.
        #[serde(default = "half")]
        scale: f64,
        /// Divisor of the sum.
        #[serde(default = "two")]
        divisor: f64,
    },
}

impl Lens {
    /// The main half-life, hours: also the horizon of a proposal.
    pub fn half_life_hours(&self) -> f64 {
        match self {
            Self::StoryRuns {
                half_life_hours, ..
            }
            | Self::TrendAndSurprise {
                half_life_hours, ..
            }
            | Self::Attention {
                half_life_hours, ..
            }
            | Self::SlowBuildUp {
                half_life_hours, ..
            }
            | Self::EvenBlend {
                half_life_hours, ..
            } => *half_life_hours,
        }
    }

    /// The strategy's name on the wire.
    pub fn strategy(&self) -> &'static str {
        match self {
            Self::StoryRuns { .. } => "story_runs",
            Self::TrendAndSurprise { .. } => "trend_and_surprise",
            Self::Attention { .. } => "attention",
            Self::SlowBuildUp { .. } => "slow_build_up",
            Self::EvenBlend { .. } => "even_blend",
        }
    }

    /// Adds every parameter that cannot be used to `problems`.
    pub(crate) fn validate(&self, problems: &mut Vec<String>) {
        let mut positive = |key: &str, value: f64| {
            if !(value.is_finite() && value > 0.0) {
                problems.push(format!("lens.{key} is {value}; it must be above 0"));
            }
        };
        positive("half_life_hours", self.half_life_hours());
        match self {
            Self::StoryRuns {
                tone_limit, scale, ..
            } => {
                positive("tone_limit", *tone_limit);
                positive("scale", *scale);
            }
            Self::TrendAndSurprise {
                weight,
                shock,
                scale,
                sign_half_life_days,
                ..
            } => {
                positive("weight", *weight);
                positive("shock", *shock);
                positive("scale", *scale);
                positive("sign_half_life_days", *sign_half_life_days);
            }
            Self::Attention { scale, .. } => positive("scale", *scale),
            Self::SlowBuildUp {
                limit,
                scale,
                sign_half_life_days,
                ..
            } => {
                positive("limit", *limit);
                positive("scale", *scale);
                positive("sign_half_life_days", *sign_half_life_days);
            }
            Self::EvenBlend { scale, divisor, .. } => {
                positive("scale", *scale);
                positive("divisor", *divisor);
            }
        }
        self.validate_choices(problems);
    }

    fn validate_choices(&self, problems: &mut Vec<String>) {
        let mut one_of = |key: &str, value: u32, allowed: &[u32]| {
            if !allowed.contains(&value) {
                problems.push(format!(
                    "lens.{key} is {value}; it must be one of {allowed:?}"
                ));
            }
        };
        match self {
            Self::StoryRuns {
                tone_hours,
                move_hours,
                ..
            } => {
                one_of("tone_hours", *tone_hours, &TONE_HOURS);
                one_of("move_hours", *move_hours, &MOVE_HOURS);
            }
            Self::TrendAndSurprise { move_hours, .. } | Self::EvenBlend { move_hours, .. } => {
                one_of("move_hours", *move_hours, &MOVE_HOURS);
            }
            Self::Attention { .. } | Self::SlowBuildUp { .. } => {}
        }
        let weights: &[(&str, f64)] = match self {
            Self::SlowBuildUp {
                dispute_weight,
                attention_weight,
                ..
            } => &[
                ("dispute_weight", *dispute_weight),
                ("attention_weight", *attention_weight),
            ],
            _ => &[],
        };
        for (key, value) in weights {
            if !(value.is_finite() && *value >= 0.0) {
                problems.push(format!("lens.{key} is {value}; it must be 0 or more"));
            }
        }
        if let Self::TrendAndSurprise {
            sign_silent_days, ..
        }
        | Self::SlowBuildUp {
            sign_silent_days, ..
        } = self
            && !(0..=3_650).contains(sign_silent_days)
        {
            problems.push(format!(
                "lens.sign_silent_days is {sign_silent_days}; it must be between 0 and 3650"
            ));
        }
    }
}

/// m_h of the features, by its horizon in hours.
pub(crate) fn price_move(features: &AssetFeatures, hours: u32) -> Option<f64> {
    features.get(Feature::Move(hours))
}

/// z(S_h) of the features, by its half-life in hours.
pub(crate) fn abnormal_tone(features: &AssetFeatures, hours: u32) -> Option<f64> {
    features.get(Feature::abnormal(Measure::tone(hours)))
}

// Defaults of serde must be functions.
fn half() -> f64 {
    0.5
}
fn two() -> f64 {
    2.0
}
fn three_quarters() -> f64 {
    0.75
}
fn one_and_half() -> f64 {
    1.5
}
fn three_tenths() -> f64 {
    0.3
}
fn six() -> u32 {
    6
}
fn hundred_twenty() -> u32 {
    120
}
fn hundred_sixty_eight() -> u32 {
    168
}
fn sign_half_life() -> f64 {
    SIGN_HALF_LIFE_DAYS
}
fn sign_silent() -> i64 {
    SIGN_SILENT_DAYS
}

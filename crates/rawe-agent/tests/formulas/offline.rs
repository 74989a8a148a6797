//! The five experts by arrays over the whole history: every exponential mean is a plain weighted
//! sum over all hours so far, and nothing is kept from one hour to the next.

use rawe_narrative::{AssetFeatures, Feature, Measure, StreamChoice};

/// Half-life of a learned sign and its silence, hours.
const SIXTY_DAYS: usize = 60 * 24;

type Series = Vec<Option<f64>>;

/// `value` within ±`limit`.
pub(crate) fn clip(value: f64, limit: f64) -> f64 {
    value.max(-limit).min(limit)
}

fn sgn(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// E_h of a series of hours at every hour that has a value: the plain weighted mean.
fn exponential_mean(series: &Series, half_life: f64) -> Series {
    let weights: Vec<f64> = (0..series.len())
        .map(|age| 0.5_f64.powf(age as f64 / half_life))
        .collect();
    (0..series.len())
        .map(|now| {
            series[now]?;
            let (mut sum, mut total) = (0.0, 0.0);
            for (value, weight) in series[..=now].iter().zip(weights[..=now].iter().rev()) {
                if let Some(value) = value {
                    sum += weight * value;
                    total += weight;
                }
            }
            Some(sum / total)
        })
        .collect()
}

fn column(features: &[AssetFeatures], get: impl Fn(&AssetFeatures) -> Option<f64>) -> Series {
    features.iter().map(get).collect()
}

/// q: the sign of the mean of (raw signal, one hour ago) x (return, in sigmas).
fn learned_sign(raw: &Series, features: &[AssetFeatures]) -> Vec<f64> {
    let earned: Series = (0..raw.len())
        .map(|now| {
            let previous = now.checked_sub(1).and_then(|before| raw[before])?;
            Some(previous * features[now].return_in_sigmas?)
        })
        .collect();
    let means = exponential_mean(&earned, SIXTY_DAYS as f64);
    let first = raw.iter().position(Option::is_some).unwrap_or(usize::MAX);
    (0..raw.len())
        .map(|now| {
            let last_known = means[..=now]
                .iter()
                .rev()
                .find_map(|mean| *mean)
                .unwrap_or(0.0);
            if now.saturating_sub(first) < SIXTY_DAYS {
                0.0
            } else {
                sgn(last_known)
            }
        })
        .collect()
}

/// The five formulas over the whole history of one asset: `[hour][agent]`.
fn slow_means(features: &[AssetFeatures]) -> (Series, Series, Series) {
    let crowd_mean = exponential_mean(
        &column(features, |f| {
            Some(
                0.5 * (f.get(Feature::abnormal(Measure::intensity(48)))?
                    + f.get(Feature::abnormal(Measure::intensity(12)))?),
            )
        }),
        24.0,
    );
    let mood_mean = exponential_mean(
        &column(features, |f| f.get(Feature::abnormal(Measure::tone(12)))),
        24.0,
    );
    let dispute = exponential_mean(
        &column(features, |f| {
            f.get(Feature::abnormal(Measure::dispersion(48)))
        }),
        24.0,
    );
    (crowd_mean, mood_mean, dispute)
}

fn surprises(features: &[AssetFeatures], crowd_mean: &Series) -> (Series, Vec<f64>) {
    let shock: Series = features
        .iter()
        .zip(crowd_mean)
        .map(|(f, crowd)| {
            let silence = clip(1.0 - (*crowd)?.max(0.0), 1.0).max(0.0);
            let moved = f.get(Feature::Move(24))?;
            Some(if moved.abs() > 1.5 {
                sgn(moved) * silence
            } else {
                0.0
            })
        })
        .collect();
    let surprise: Series = exponential_mean(&shock, 120.0)
        .iter()
        .map(|m| Some(clip((*m)? / 0.3, 1.0)))
        .collect();
    let q = learned_sign(&surprise, features);
    (surprise, q)
}

fn divergences(features: &[AssetFeatures]) -> (Series, Vec<f64>) {
    let gap = exponential_mean(
        &column(features, |f| {
            Some(
                clip(f.get(Feature::abnormal(Measure::tone(48)))?, 2.0)
                    - clip(f.get(Feature::Move(48))?, 2.0),
            )
        }),
        48.0,
    );
    let divergence: Series = gap.iter().map(|m| Some(clip((*m)? / 0.5, 1.0))).collect();
    let q_prime = learned_sign(&divergence, features);
    (divergence, q_prime)
}

/// The parts of which the five experts are made, each over all hours.
struct Parts {
    crowd_mean: Series,
    mood_mean: Series,
    dispute: Series,
    story: Series,
    surprise: Series,
    q: Vec<f64>,
    attention: Series,
    divergence: Series,
    q_prime: Vec<f64>,
    own: Series,
}

impl Parts {
    fn of(features: &[AssetFeatures]) -> Self {
        let (crowd_mean, mood_mean, dispute) = slow_means(features);
        let (surprise, q) = surprises(features, &crowd_mean);
        let (divergence, q_prime) = divergences(features);
        let story = exponential_mean(
            &column(features, |f| {
                let s = clip(f.get(Feature::abnormal(Measure::tone(6)))?, 2.0);
                let moved = (sgn(s) * f.get(Feature::Move(6))?).max(0.0);
                Some(s * (-moved).exp())
            }),
            6.0,
        );
        let attention = exponential_mean(
            &column(features, |f| {
                Some(
                    0.5 * (f.get(Feature::abnormal(Measure::intensity(12)))?
                        + f.get(Feature::abnormal(Measure::Velocity))?),
                )
            }),
            12.0,
        );
        let own = exponential_mean(
            &column(features, |f| {
                f.get(Feature::Abnormal(Measure::intensity(48), StreamChoice::Own))
            }),
            48.0,
        );
        Self {
            crowd_mean,
            mood_mean,
            dispute,
            story,
            surprise,
            q,
            attention,
            divergence,
            q_prime,
            own,
        }
    }
}

/// The five experts at every hour, in the order of the roster.
pub(crate) fn offline(features: &[AssetFeatures]) -> Vec<[Option<f64>; 5]> {
    let Parts {
        crowd_mean,
        mood_mean,
        dispute,
        story,
        surprise,
        q,
        attention,
        divergence,
        q_prime,
        own,
    } = Parts::of(features);
    (0..features.len())
        .map(|t| {
            let f = &features[t];
            let kappa = dispute[t].map(|d| 1.0 / (1.0 + d.max(0.0)));
            let aggressor = || Some(clip(story[t]? / 0.5, 1.0));
            let guardian = || {
                let trend = clip(f.get(Feature::Move(120))?, 1.0);
                Some(kappa? * clip(0.75 * (trend + q[t] * surprise[t]?), 1.0))
            };
            let flux = || Some(clip(attention[t]? / 0.5, 1.0));
            let observer = || {
                let slow = clip(own[t]? / 0.5, 1.0);
                Some(kappa? * clip(0.5 * q_prime[t] * divergence[t]? + 0.75 * slow, 1.0))
            };
            let arbitrator = || {
                let crowd = clip(crowd_mean[t]? / 0.5, 1.0);
                let mood = clip(mood_mean[t]? / 0.5, 1.0);
                Some(clip(
                    (crowd + mood + clip(f.get(Feature::Move(168))?, 1.0)) / 2.0,
                    1.0,
                ))
            };
            [aggressor(), guardian(), flux(), observer(), arbitrator()]
        })
        .collect()
}

//! Exact exponentially decayed sums in continuous time, and the state read from them: intensity,
//! tone, velocity, dispersion. Updating costs the same however long the past is.

use rawe_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hours_between;
use crate::plan::{StreamPlan, StreamValue};

/// Decayed sums of one half-life: Σw, Σws and Σws² of items of weight w and tone s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sums {
    /// N = Σw.
    pub(crate) n: f64,
    /// A = Σws.
    pub(crate) a: f64,
    /// Q = Σws².
    pub(crate) q: f64,
}

impl Sums {
    fn decay(&mut self, factor: f64) {
        self.n *= factor;
        self.a *= factor;
        self.q *= factor;
    }

    fn add(&mut self, weight: f64, tone: f64) {
        self.add_part(weight, tone, 1.0);
    }

    /// Adds an item of which only a share of the tone counts: the rest of it speaks as all did
    /// before, so that it is volume that moves no mean.
    fn add_part(&mut self, weight: f64, tone: f64, share: f64) {
        let before = |sum: f64| if self.n > 0.0 { sum / self.n } else { 0.0 };
        let (mean, square) = (before(self.a), before(self.q));
        self.n += weight;
        self.a += weight * (share * tone + (1.0 - share) * mean);
        self.q += weight * (share * tone * tone + (1.0 - share) * square);
    }

    /// S = A / (N + k).
    pub(crate) fn tone(&self, k: f64) -> f64 {
        self.a / (self.n + k)
    }

    /// D = sqrt(max(0, Q/(N+.5) − (A/(N+.5))²)).
    pub(crate) fn dispersion(&self) -> f64 {
        let mean = self.a / (self.n + 0.5);
        (self.q / (self.n + 0.5) - mean * mean).max(0.0).sqrt()
    }
}

/// What distinguishes a market-wide stream from one asset's own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamKind {
    /// Added to N inside the logarithm of intensity.
    intensity_floor: f64,
    /// k of the tone.
    tone_shrinkage: f64,
}

/// One asset's items.
pub(crate) const OWN: StreamKind = StreamKind {
    intensity_floor: 0.2,
    tone_shrinkage: 0.5,
};
/// All items of a market.
pub(crate) const MARKET_WIDE: StreamKind = StreamKind {
    intensity_floor: 0.5,
    tone_shrinkage: 2.0,
};

/// An item's tone, -1..1, and the share of it that counts, 0..1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) tone: f64,
    pub(crate) share: f64,
}

/// The decayed state of one stream of items: sums of each of its plan's half-lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stream {
    kind: StreamKind,
    #[serde(with = "crate::snapshot::instant_if_any")]
    at: Option<Timestamp>,
    sums: Box<[Sums]>,
}

impl Stream {
    pub(crate) fn new(kind: StreamKind, plan: &StreamPlan) -> Self {
        Self {
            kind,
            at: None,
            sums: vec![Sums::default(); plan.half_lives_hours.len()].into(),
        }
    }

    /// Adds an item. An item older than the newest counts as if it came with the newest.
    #[cfg(test)]
    pub(crate) fn add(&mut self, plan: &StreamPlan, at: Timestamp, weight: f64, tone: f64) {
        self.add_part(plan, at, weight, Said { tone, share: 1.0 });
    }

    /// Adds an item of which a share of the tone counts.
    pub(crate) fn add_part(&mut self, plan: &StreamPlan, at: Timestamp, weight: f64, said: Said) {
        let hours = self.hours_since(at);
        for (sums, half_life) in self.sums.iter_mut().zip(&plan.half_lives_hours) {
            if hours > 0.0 {
                sums.decay((-hours / half_life).exp2());
            }
            sums.add_part(weight, said.tone, said.share);
        }
        self.at = Some(self.at.map_or(at, |last| last.max(at)));
    }

    fn hours_since(&self, at: Timestamp) -> f64 {
        self.at.map_or(0.0, |last| hours_between(last, at).max(0.0))
    }

    /// The plan's values at `at`, which is not before the newest item, into `values`.
    pub(crate) fn read(&self, plan: &StreamPlan, at: Timestamp, values: &mut Vec<f64>) {
        let hours = self.hours_since(at);
        let sums = |place: usize| {
            let mut sums = self.sums.get(place).copied().unwrap_or_default();
            if hours > 0.0
                && let Some(half_life) = plan.half_lives_hours.get(place)
            {
                sums.decay((-hours / half_life).exp2());
            }
            sums
        };
        values.clear();
        values.extend(plan.values.iter().map(|value| match *value {
            StreamValue::Tone(place) => sums(place).tone(self.kind.tone_shrinkage),
            StreamValue::Intensity(place) => (sums(place).n + self.kind.intensity_floor).ln(),
            StreamValue::Velocity { fast, slow } => {
                (sums(fast).n + 0.2).ln() - (sums(slow).n / 6.0 + 0.2).ln()
            }
            StreamValue::Dispersion(place) => sums(place).dispersion(),
        }));
    }
}

/// One decayed sum of one half-life, for the state of a narrative.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Decayed {
    #[serde(with = "crate::snapshot::instant_if_any")]
    at: Option<Timestamp>,
    sums: Sums,
}

impl Decayed {
    pub(crate) fn add(&mut self, at: Timestamp, half_life_hours: f64, weight: f64, tone: f64) {
        self.sums = self.read(at, half_life_hours);
        self.at = Some(self.at.map_or(at, |last| last.max(at)));
        self.sums.add(weight, tone);
    }

    pub(crate) fn read(&self, at: Timestamp, half_life_hours: f64) -> Sums {
        let mut sums = self.sums;
        let hours = self.at.map_or(0.0, |last| hours_between(last, at).max(0.0));
        sums.decay((-hours / half_life_hours).exp2());
        sums
    }

    /// Both together, at the later of the two times.
    pub(crate) fn merge(&mut self, other: &Self, half_life_hours: f64) {
        let Some(at) = self.at.max(other.at) else {
            return;
        };
        let (mine, theirs) = (
            self.read(at, half_life_hours),
            other.read(at, half_life_hours),
        );
        self.at = Some(at);
        self.sums = Sums {
            n: mine.n + theirs.n,
            a: mine.a + theirs.a,
            q: mine.q + theirs.q,
        };
    }

    /// Time of the newest item.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demand::FeatureDemand;
    use crate::plan::Plan;
    use chrono::{TimeDelta, TimeZone, Utc};

    #[test]
    fn decayed_state_equals_the_sums_written_out() {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let items = [
            (0, 1.0, 0.5),
            (90, 0.7, -0.3),
            (91, 1.0, 0.9),
            (4000, 0.5, 0.0),
        ];
        let now = start + TimeDelta::minutes(4321);
        let plan = Plan::from(FeatureDemand::measured()).stock;
        for kind in [OWN, MARKET_WIDE] {
            let mut stream = Stream::new(kind, &plan);
            for (minute, weight, tone) in items {
                stream.add(
                    &plan,
                    start + TimeDelta::minutes(minute.into()),
                    weight,
                    tone,
                );
            }
            let sums = |half_life: f64, power: i32| -> f64 {
                items
                    .iter()
                    .map(|(minute, w, s)| {
                        let age = f64::from(4321 - minute) / 60.0;
                        w * s.powi(power) * 2f64.powf(-age / half_life)
                    })
                    .sum()
            };
            let n = |h| sums(h, 0);
            let s = |h| sums(h, 1) / (sums(h, 0) + kind.tone_shrinkage);
            let d = |h: f64| {
                let m = n(h) + 0.5;
                (sums(h, 2) / m - (sums(h, 1) / m).powi(2)).max(0.0).sqrt()
            };
            let mut got = Vec::new();
            stream.read(&plan, now, &mut got);
            assert_eq!(got.len(), plan.values.len());
            for (got, value) in got.into_iter().zip(&plan.values) {
                let h = |place: usize| plan.half_lives_hours[place];
                let expected = match *value {
                    StreamValue::Tone(place) => s(h(place)),
                    StreamValue::Intensity(place) => (n(h(place)) + kind.intensity_floor).ln(),
                    StreamValue::Velocity { fast, slow } => {
                        assert!((h(fast), h(slow)) == (12.0, 72.0));
                        (n(12.0) + 0.2).ln() - (n(72.0) / 6.0 + 0.2).ln()
                    }
                    StreamValue::Dispersion(place) => d(h(place)),
                };
                assert!(
                    (got - expected).abs() < 1e-12,
                    "{value:?}: {got} {expected}"
                );
            }
        }
    }

    #[test]
    fn a_late_item_counts_as_if_it_came_now() {
        let now = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let plan = Plan::from(FeatureDemand::measured()).stock;
        let mut read = [0, 3].map(|hours_late| {
            let mut stream = Stream::new(OWN, &plan);
            stream.add(&plan, now, 1.0, 0.5);
            stream.add(&plan, now - TimeDelta::hours(hours_late), 1.0, 0.2);
            let mut values = Vec::new();
            stream.read(&plan, now + TimeDelta::hours(1), &mut values);
            values
        });
        assert!(read[0].iter().any(|value| *value > 0.1));
        let [punctual, late] = &mut read;
        assert_eq!(late, punctual);
    }
}

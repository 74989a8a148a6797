//! Exact exponentially decayed sums in continuous time, and the state read from them: intensity,
//! tone, velocity, dispersion. Updating costs the same however long the past is.

use crate::hours_between;
use rawe_core::Timestamp;
use serde::{Deserialize, Serialize};

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
        self.n += weight;
        self.a += weight * tone;
        self.q += weight * tone * tone;
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

/// The half-lives kept for a stream, hours.
const HALF_LIVES_HOURS: [f64; 5] = [4.0, 6.0, 12.0, 48.0, 72.0];

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

/// The decayed state of one stream of items.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Stream {
    kind: StreamKind,
    at: Option<Timestamp>,
    sums: [Sums; HALF_LIVES_HOURS.len()],
}

/// A stream's state at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Tone with half-life 4 h: the nowcast.
    pub(crate) tone_4: f64,
    pub(crate) tone_6: f64,
    pub(crate) tone_12: f64,
    pub(crate) tone_48: f64,
    pub(crate) intensity_12: f64,
    pub(crate) intensity_48: f64,
    /// ln(N_12 + 0.2) − ln(N_72/6 + 0.2).
    pub(crate) velocity: f64,
    pub(crate) dispersion_12: f64,
    pub(crate) dispersion_48: f64,
}

impl Stream {
    pub(crate) fn new(kind: StreamKind) -> Self {
        Self {
            kind,
            at: None,
            sums: [Sums::default(); HALF_LIVES_HOURS.len()],
        }
    }

    /// Adds an item. An item older than the newest counts as if it came with the newest.
    pub(crate) fn add(&mut self, at: Timestamp, weight: f64, tone: f64) {
        self.sums = self.sums_at(at);
        self.at = Some(self.at.map_or(at, |last| last.max(at)));
        for sums in &mut self.sums {
            sums.add(weight, tone);
        }
    }

    fn sums_at(&self, at: Timestamp) -> [Sums; HALF_LIVES_HOURS.len()] {
        let mut sums = self.sums;
        let hours = self.at.map_or(0.0, |last| hours_between(last, at).max(0.0));
        if hours > 0.0 {
            for (sum, half_life) in sums.iter_mut().zip(HALF_LIVES_HOURS) {
                sum.decay((-hours / half_life).exp2());
            }
        }
        sums
    }

    /// The state at `at`, which is not before the newest item.
    pub(crate) fn read(&self, at: Timestamp) -> Reading {
        let [four, six, twelve, two_days, three_days] = self.sums_at(at);
        let k = self.kind.tone_shrinkage;
        let intensity = |sums: Sums| (sums.n + self.kind.intensity_floor).ln();
        Reading {
            tone_4: four.tone(k),
            tone_6: six.tone(k),
            tone_12: twelve.tone(k),
            tone_48: two_days.tone(k),
            intensity_12: intensity(twelve),
            intensity_48: intensity(two_days),
            velocity: (twelve.n + 0.2).ln() - (three_days.n / 6.0 + 0.2).ln(),
            dispersion_12: twelve.dispersion(),
            dispersion_48: two_days.dispersion(),
        }
    }
}

/// One decayed sum of one half-life, for the state of a narrative.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Decayed {
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
        for kind in [OWN, MARKET_WIDE] {
            let mut stream = Stream::new(kind);
            for (minute, weight, tone) in items {
                stream.add(start + TimeDelta::minutes(minute.into()), weight, tone);
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
            let got = stream.read(now);
            let n = |h| sums(h, 0);
            let s = |h| sums(h, 1) / (sums(h, 0) + kind.tone_shrinkage);
            let d = |h: f64| {
                let m = n(h) + 0.5;
                (sums(h, 2) / m - (sums(h, 1) / m).powi(2)).max(0.0).sqrt()
            };
            let expected = Reading {
                tone_4: s(4.0),
                tone_6: s(6.0),
                tone_12: s(12.0),
                tone_48: s(48.0),
                intensity_12: (n(12.0) + kind.intensity_floor).ln(),
                intensity_48: (n(48.0) + kind.intensity_floor).ln(),
                velocity: (n(12.0) + 0.2).ln() - (n(72.0) / 6.0 + 0.2).ln(),
                dispersion_12: d(12.0),
                dispersion_48: d(48.0),
            };
            for (got, expected) in pairs(got, expected) {
                assert!((got - expected).abs() < 1e-12, "{got} {expected}");
            }
        }
    }

    fn pairs(a: Reading, b: Reading) -> [(f64, f64); 9] {
        [
            (a.tone_4, b.tone_4),
            (a.tone_6, b.tone_6),
            (a.tone_12, b.tone_12),
            (a.tone_48, b.tone_48),
            (a.intensity_12, b.intensity_12),
            (a.intensity_48, b.intensity_48),
            (a.velocity, b.velocity),
            (a.dispersion_12, b.dispersion_12),
            (a.dispersion_48, b.dispersion_48),
        ]
    }

    #[test]
    fn a_late_item_counts_as_if_it_came_now() {
        let now = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let (mut late, mut punctual) = (Stream::new(OWN), Stream::new(OWN));
        for stream in [&mut late, &mut punctual] {
            stream.add(now, 1.0, 0.5);
        }
        late.add(now - TimeDelta::hours(3), 1.0, 0.2);
        punctual.add(now, 1.0, 0.2);
        let later = now + TimeDelta::hours(1);
        assert_eq!(late.read(later), punctual.read(later));
    }
}

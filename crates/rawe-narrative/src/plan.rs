//! What the engine keeps because of a demand: half-lives per stream, the values read from them,
//! and where each lands among the features. Worked out once, so that a scan looks nothing up.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::demand::{ABNORMAL_INTENSITY, Feature, FeatureDemand, Measure, StreamChoice};

/// One value read from a stream's sums, which are named by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamValue {
    Tone(usize),
    Intensity(usize),
    /// ln(N_12 + 0.2) − ln(N_72/6 + 0.2).
    Velocity {
        fast: usize,
        slow: usize,
    },
    Dispersion(usize),
}

/// Where a feature comes from within a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The value at a place.
    Raw(usize),
    /// The z at a place among the scored ones.
    Abnormal(usize),
}

/// The first values of every market stream, for the fixed fields of the features.
pub(crate) const FIXED: [Measure; 5] = [
    Measure::tone(4),
    Measure::tone(12),
    Measure::intensity(12),
    Measure::Velocity,
    Measure::dispersion(12),
];

/// What is kept of one kind of stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamPlan {
    pub(crate) half_lives_hours: Vec<f64>,
    pub(crate) values: Vec<StreamValue>,
    /// Places of the values that get a z.
    pub(crate) scored: Vec<usize>,
    /// Place in the demand, and what comes there.
    pub(crate) places: Vec<(usize, Origin)>,
}

impl StreamPlan {
    /// The part of the demand that streams of `choices` answer.
    fn new(demand: &FeatureDemand, choices: &[StreamChoice]) -> Self {
        let mut plan = Self::default();
        if choices.contains(&StreamChoice::Market) {
            for measure in FIXED {
                plan.value(measure);
            }
        }
        for (place, feature) in demand.features().iter().enumerate() {
            match *feature {
                Feature::Raw(measure, choice) if choices.contains(&choice) => {
                    let value = plan.value(measure);
                    plan.places.push((place, Origin::Raw(value)));
                }
                Feature::Abnormal(measure, choice) if choices.contains(&choice) => {
                    let value = plan.value(measure);
                    let known = plan.scored.iter().position(|scored| *scored == value);
                    let score = known.unwrap_or_else(|| {
                        plan.scored.push(value);
                        plan.scored.len() - 1
                    });
                    plan.places.push((place, Origin::Abnormal(score)));
                }
                _ => {}
            }
        }
        plan
    }

    /// The place of a measure among the values.
    fn value(&mut self, measure: Measure) -> usize {
        let value = match measure {
            Measure::Tone(minutes) => StreamValue::Tone(self.half_life(minutes)),
            Measure::Intensity(minutes) => StreamValue::Intensity(self.half_life(minutes)),
            Measure::Dispersion(minutes) => StreamValue::Dispersion(self.half_life(minutes)),
            Measure::Velocity => StreamValue::Velocity {
                fast: self.half_life(12 * 60),
                slow: self.half_life(72 * 60),
            },
        };
        let known = self.values.iter().position(|known| *known == value);
        known.unwrap_or_else(|| {
            self.values.push(value);
            self.values.len() - 1
        })
    }

    fn half_life(&mut self, minutes: u32) -> usize {
        let hours = f64::from(minutes) / 60.0;
        let same = |known: &f64| (known - hours).abs() < 1e-9;
        let known = self.half_lives_hours.iter().position(same);
        known.unwrap_or_else(|| {
            self.half_lives_hours.push(hours);
            self.half_lives_hours.len() - 1
        })
    }
}

/// A horizon asked for: place in the demand, hours, and whether in units of sigma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Horizon {
    pub(crate) place: usize,
    pub(crate) hours: u32,
    pub(crate) in_sigmas: bool,
}

/// All that follows from a demand. In a snapshot it is the demand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "FeatureDemand", into = "FeatureDemand")]
pub(crate) struct Plan {
    pub(crate) demand: Arc<FeatureDemand>,
    /// The stream of all crypto items.
    pub(crate) crypto_market: StreamPlan,
    /// A coin's own stream.
    pub(crate) crypto_own: StreamPlan,
    /// A stock's stream, which is its own and its market's.
    pub(crate) stock: StreamPlan,
    pub(crate) horizons: Vec<Horizon>,
    /// Place of the z of intensity of which NVX is made.
    pub(crate) attention: usize,
}

impl From<FeatureDemand> for Plan {
    fn from(demand: FeatureDemand) -> Self {
        use StreamChoice::{Market, Own};
        let horizon = |(place, feature): (usize, &Feature)| {
            let (hours, in_sigmas) = match *feature {
                Feature::Move(hours) => (hours, true),
                Feature::Return(hours) => (hours, false),
                Feature::Raw(..) | Feature::Abnormal(..) => return None,
            };
            Some(Horizon {
                place,
                hours,
                in_sigmas,
            })
        };
        Self {
            crypto_market: StreamPlan::new(&demand, &[Market]),
            crypto_own: StreamPlan::new(&demand, &[Own]),
            stock: StreamPlan::new(&demand, &[Market, Own]),
            horizons: demand
                .features()
                .iter()
                .enumerate()
                .filter_map(horizon)
                .collect(),
            attention: demand.place(ABNORMAL_INTENSITY).unwrap_or(usize::MAX),
            demand: Arc::new(demand),
        }
    }
}

impl From<Plan> for FeatureDemand {
    fn from(plan: Plan) -> Self {
        Arc::unwrap_or_clone(plan.demand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_keeps_each_half_life_and_value_once() {
        let own = Feature::Abnormal(Measure::tone(6), StreamChoice::Own);
        let market = Feature::abnormal(Measure::tone(6));
        let raw = Feature::Raw(Measure::tone(6), StreamChoice::Market);
        let plan = Plan::from(FeatureDemand::new([own, market, raw]));
        assert_eq!(plan.crypto_own.half_lives_hours.len(), 1);
        assert_eq!(plan.crypto_own.scored, [0]);
        // 4, 12 and 72 h of the fixed fields, 6 of the demand, 48 of every proposal.
        assert_eq!(plan.stock.half_lives_hours.len(), 5);
        let of = |feature: Feature| {
            let place = plan.demand.place(feature).unwrap();
            let found = plan.stock.places.iter().find(|(at, _)| *at == place);
            found.unwrap().1
        };
        assert_eq!(of(own), of(market), "a stock is its own market");
        let Origin::Abnormal(score) = of(market) else {
            panic!("z")
        };
        assert_eq!(Origin::Raw(plan.stock.scored[score]), of(raw));
        assert!(
            plan.crypto_market
                .places
                .iter()
                .all(|(at, _)| plan.demand.features()[*at] != own)
        );
    }
}

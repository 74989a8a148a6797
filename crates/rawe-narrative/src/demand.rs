//! What is asked of the engine: the features that somebody's formulas name. Only for these are
//! seasonal pasts kept. How they are computed is in `asset`, `decay`, `price` and `seasonal`.

use serde::{Deserialize, Serialize};

/// Shortest half-life of a stream's measure, minutes.
pub const HALF_LIFE_MINUTES_MIN: u32 = 15;
/// Longest half-life of a stream's measure, minutes: 60 days.
pub const HALF_LIFE_MINUTES_MAX: u32 = 60 * 24 * 60;
/// Longest horizon of a move or return, hours: 20 days, or 20 sessions.
pub const MOVE_HOURS_MAX: u32 = 480;

/// Whose items a measure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamChoice {
    /// All items of the crypto market; for a stock its own.
    Market,
    /// The asset's own items.
    Own,
}

/// What is measured of a stream of items. Half-lives are in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// S = A / (N + k).
    Tone(u32),
    /// I = ln(N + floor).
    Intensity(u32),
    /// V = ln(N_12h + 0.2) − ln(N_72h / 6 + 0.2).
    Velocity,
    /// D: deviation of the tones.
    Dispersion(u32),
}

impl Measure {
    /// Tone with a half-life in hours.
    pub const fn tone(hours: u32) -> Self {
        Self::Tone(hours * 60)
    }

    /// Intensity with a half-life in hours.
    pub const fn intensity(hours: u32) -> Self {
        Self::Intensity(hours * 60)
    }

    /// Dispersion with a half-life in hours.
    pub const fn dispersion(hours: u32) -> Self {
        Self::Dispersion(hours * 60)
    }
}

/// One number the engine can give for an asset at a grid instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// A measure of a stream as it is.
    Raw(Measure, StreamChoice),
    /// Its abnormal value z against the same time of day, clipped to ±4.
    Abnormal(Measure, StreamChoice),
    /// m_h = r_h / (sigma √h), h in hours of trading time.
    Move(u32),
    /// r_h: log return over h hours of trading time.
    Return(u32),
}

impl Feature {
    /// z of a measure of the market stream.
    pub const fn abnormal(measure: Measure) -> Self {
        Self::Abnormal(measure, StreamChoice::Market)
    }
}

/// z(S_12h) of the market stream: the narrative score.
pub const ABNORMAL_TONE: Feature = Feature::abnormal(Measure::tone(12));
/// z(I_12h) of the market stream: the present attention, of which NVX is made.
pub const ABNORMAL_INTENSITY: Feature = Feature::abnormal(Measure::intensity(12));
/// z(I_48h) of the market stream: the lasting attention.
pub const LASTING_INTENSITY: Feature = Feature::abnormal(Measure::intensity(48));
/// m_24: the price score.
pub const MOVE_OF_A_DAY: Feature = Feature::Move(24);

/// A set of features, in a fixed order. It always holds those of which NVX and every proposal's
/// evidence are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Feature>", into = "Vec<Feature>")]
pub struct FeatureDemand(Vec<Feature>);

impl FeatureDemand {
    /// The given features and those that are always needed, each once.
    pub fn new(features: impl IntoIterator<Item = Feature>) -> Self {
        let mut demanded: Vec<Feature> = features.into_iter().filter_map(bounded).collect();
        demanded.extend([
            ABNORMAL_TONE,
            ABNORMAL_INTENSITY,
            LASTING_INTENSITY,
            MOVE_OF_A_DAY,
        ]);
        demanded.sort_unstable();
        demanded.dedup();
        Self(demanded)
    }

    /// The blocks whose lead was measured, of which the founding personalities are made.
    pub fn measured() -> Self {
        let tones = [6, 12, 48].map(Measure::tone).map(Feature::abnormal);
        let moves = [6, 24, 48, 120, 168].map(Feature::Move);
        let others = [
            ABNORMAL_INTENSITY,
            LASTING_INTENSITY,
            Feature::Abnormal(Measure::intensity(48), StreamChoice::Own),
            Feature::abnormal(Measure::Velocity),
            Feature::abnormal(Measure::dispersion(48)),
        ];
        Self::new(tones.into_iter().chain(moves).chain(others))
    }

    /// The features, sorted.
    pub fn features(&self) -> &[Feature] {
        &self.0
    }

    /// The place of a feature in the order; `None` if it is not asked for.
    pub fn place(&self, feature: Feature) -> Option<usize> {
        self.0.binary_search(&feature).ok()
    }
}

impl Default for FeatureDemand {
    fn default() -> Self {
        Self::measured()
    }
}

impl From<Vec<Feature>> for FeatureDemand {
    fn from(features: Vec<Feature>) -> Self {
        Self::new(features)
    }
}

impl From<FeatureDemand> for Vec<Feature> {
    fn from(demand: FeatureDemand) -> Self {
        demand.0
    }
}

/// A feature the engine can keep; `None` where its half-life or horizon is out of bounds.
fn bounded(feature: Feature) -> Option<Feature> {
    let fits = match feature {
        Feature::Raw(measure, _) | Feature::Abnormal(measure, _) => match measure {
            Measure::Tone(minutes) | Measure::Intensity(minutes) | Measure::Dispersion(minutes) => {
                (HALF_LIFE_MINUTES_MIN..=HALF_LIFE_MINUTES_MAX).contains(&minutes)
            }
            Measure::Velocity => true,
        },
        Feature::Move(hours) | Feature::Return(hours) => (1..=MOVE_HOURS_MAX).contains(&hours),
    };
    fits.then_some(feature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_is_sorted_bounded_and_never_without_the_essentials() {
        let odd = Feature::Raw(Measure::Tone(37), StreamChoice::Own);
        let demand = FeatureDemand::new([
            odd,
            odd,
            Feature::Move(481),
            Feature::Return(0),
            Feature::abnormal(Measure::Tone(1)),
        ]);
        assert_eq!(demand.features().len(), 5);
        assert_eq!(demand.place(odd), Some(0));
        assert_eq!(demand.place(Feature::Move(481)), None);
        for essential in [
            ABNORMAL_TONE,
            ABNORMAL_INTENSITY,
            LASTING_INTENSITY,
            MOVE_OF_A_DAY,
        ] {
            let place = demand.place(essential).unwrap();
            assert_eq!(demand.features()[place], essential);
        }
        let text = serde_json::to_string(&demand).unwrap();
        assert_eq!(
            serde_json::from_str::<FeatureDemand>(&text).unwrap(),
            demand
        );
    }
}

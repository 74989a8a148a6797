//! Who an agent is: a profile, read from TOML and checked with all its problems at once.
//!
//! The five founding personalities are embedded; a file may replace them or add a sixth. What the
//! numbers do to a proposal is in [`crate::sizing`], the expert behind the votes in
//! [`crate::lens`].

use rawe_core::{AgentId, Direction, SignalType};
use rawe_narrative::Rating;
use serde::{Deserialize, Serialize};

use crate::lens::Lens;

/// The founding personalities' files, in the roster's order.
const FOUNDING: [&str; 5] = [
    include_str!("../../../config/personalities/alpha-aggressor.toml"),
    include_str!("../../../config/personalities/conservative-guardian.toml"),
    include_str!("../../../config/personalities/flux-follower.toml"),
    include_str!("../../../config/personalities/topological-observer.toml"),
    include_str!("../../../config/personalities/balanced-arbitrator.toml"),
];

/// All ratings, best first.
const RATINGS: [Rating; 11] = [
    Rating::Aaa,
    Rating::Aa,
    Rating::A,
    Rating::Bbb,
    Rating::Bb,
    Rating::B,
    Rating::Ccc,
    Rating::Cc,
    Rating::C,
    Rating::D,
    Rating::NotRated,
];

/// The lowest coherence rating an agent wishes for, written as the engine writes ratings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RatingFloor(pub Rating);

impl TryFrom<String> for RatingFloor {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        parse_rating(&text)
            .map(Self)
            .ok_or_else(|| format!("'{text}' is not a rating; write AAA, AA, A, BBB .. D or NR"))
    }
}

impl From<RatingFloor> for String {
    fn from(floor: RatingFloor) -> Self {
        floor.0.to_string()
    }
}

/// Reads a rating as the engine writes it.
pub(crate) fn parse_rating(text: &str) -> Option<Rating> {
    RATINGS
        .into_iter()
        .find(|rating| rating.to_string() == text)
}

/// How a proposal's size is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizingMode {
    /// Equity times budget, scaled down to the target volatility.
    #[default]
    Volatility,
    /// Equity times the Kelly fraction of the agent's own calibrated record.
    Kelly,
}

/// The knobs of a proposal's size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sizing {
    /// `volatility` or `kelly`.
    pub mode: SizingMode,
    /// Equity the proposals are made for, USD. The consensus engine caps by the real account.
    pub equity_usd: f64,
    /// Largest share of the equity in one asset, 0..1.
    pub per_asset_budget: f64,
    /// Annualised volatility up to which the whole budget is used.
    pub volatility_target: f64,
    /// No proposal is smaller, USD.
    pub min_notional_usd: f64,
    /// Factor for every preference that is not met.
    pub unmet_factor: f64,
    /// Lower limit of the product of all factors.
    pub factor_min: f64,
    /// Upper limit of the product of all factors.
    pub factor_max: f64,
    /// Largest Kelly fraction.
    pub kelly_fraction_max: f64,
}

impl Default for Sizing {
    fn default() -> Self {
        Self {
            mode: SizingMode::Volatility,
            equity_usd: 100_000.0,
            per_asset_budget: 0.25,
            volatility_target: 0.10,
            min_notional_usd: 25.0,
            unmet_factor: 0.5,
            factor_min: 0.5,
            factor_max: 1.25,
            kelly_fraction_max: 0.25,
        }
    }
}

/// One personality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Roster id, such as `alpha-aggressor`.
    pub id: AgentId,
    /// Display name, as on the roster.
    pub name: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// How much a risky narrative shrinks a size, 0..1.
    pub risk_aversion: f64,
    /// How many round-trip costs a trade should promise, above 0.
    pub min_expected_profit_multiplier: f64,
    /// Kinds of gap it prefers; at least one.
    pub signal_type_preference: Vec<SignalType>,
    /// Size factor, above 0.
    pub position_size_multiplier: f64,
    /// b of the Kelly fraction: average win over average loss, above 0.
    pub kelly_win_loss_ratio: f64,
    /// `flux_sensitivity` of formulas, 0 or more.
    #[serde(default = "one")]
    pub flux_sensitivity_multiplier: f64,
    /// `stress_sensitivity` of formulas, 0 or more: multiplies the dispute behind `calm`.
    #[serde(default = "one")]
    pub topological_stress_sensitivity_multiplier: f64,
    /// Lowest coherence rating it trades where a story is the reason.
    pub rating_floor: RatingFloor,
    /// It votes when |e| is above this, between 0 and 1 exclusive.
    pub vote_threshold: f64,
    /// Abstain, instead of half the size, where the kind of gap is not preferred.
    #[serde(default)]
    pub strict_signal_types: bool,
    /// Abstain, instead of half the size, where the rating is below the floor.
    #[serde(default)]
    pub strict_rating_floor: bool,
    /// Abstain, instead of half the size, where the expected profit is too small.
    #[serde(default)]
    pub strict_expected_profit: bool,
    /// How long a signal is good for, milliseconds.
    #[serde(default = "thirty_seconds")]
    pub signal_ttl_ms: u64,
    /// Its expert.
    pub lens: Lens,
    /// The knobs of its sizes.
    #[serde(default)]
    pub sizing: Sizing,
}

fn one() -> f64 {
    1.0
}

fn thirty_seconds() -> u64 {
    30_000
}

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, or not of the profile's form.
    #[error("reading the profile: {0}")]
    Form(String),
    /// Well-formed, with values that cannot be used.
    #[error("the profile has {} problem(s): {}", .0.len(), .0.join("; "))]
    Values(Vec<String>),
}

impl ProfileError {
    /// One line per problem.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Form(problem) => vec![problem.clone()],
            Self::Values(problems) => problems.clone(),
        }
    }
}

impl Profile {
    /// Reads and checks a profile.
    ///
    /// # Errors
    /// When the text is not a profile, or with every value that cannot be used.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let profile: Self =
            toml::from_str(text).map_err(|error| ProfileError::Form(error.to_string()))?;
        let problems = profile.problems();
        if problems.is_empty() {
            Ok(profile)
        } else {
            Err(ProfileError::Values(problems))
        }
    }

    /// The five founding personalities, in the roster's order.
    ///
    /// # Errors
    /// Never, as long as the embedded files are the tested ones.
    pub fn founding() -> Result<Vec<Self>, ProfileError> {
        FOUNDING.iter().map(|text| Self::from_toml(text)).collect()
    }

    /// A founding personality by its id.
    pub fn founding_by_id(id: &str) -> Option<Self> {
        let profiles = Self::founding().ok()?;
        profiles
            .into_iter()
            .find(|profile| profile.id.as_str() == id)
    }

    /// Whether a strict flag forbids votes of this kind, whatever else holds.
    pub fn forbids(&self, signal_type: SignalType) -> bool {
        self.strict_signal_types && !self.signal_type_preference.contains(&signal_type)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.name.trim().is_empty() || self.name.len() > 200 {
            problems.push("name must be 1 to 200 bytes".to_owned());
        }
        if self.signal_type_preference.is_empty() {
            problems.push("signal_type_preference is empty; name at least one type".to_owned());
        }
        let ttl = self.signal_ttl_ms;
        if !(1_000..=3_600_000).contains(&ttl) {
            problems.push(format!(
                "signal_ttl_ms is {ttl}; it must be between 1000 and 3600000"
            ));
        }
        let stress = self.topological_stress_sensitivity_multiplier;
        for (key, value, most) in [
            ("risk_aversion", self.risk_aversion, 1.0),
            (
                "flux_sensitivity_multiplier",
                self.flux_sensitivity_multiplier,
                100.0,
            ),
            ("topological_stress_sensitivity_multiplier", stress, 100.0),
        ] {
            if !(0.0..=most).contains(&value) {
                problems.push(format!("{key} is {value}; it must be between 0 and {most}"));
            }
        }
        for (key, value, most) in [
            (
                "min_expected_profit_multiplier",
                self.min_expected_profit_multiplier,
                1e3,
            ),
            (
                "position_size_multiplier",
                self.position_size_multiplier,
                10.0,
            ),
            ("kelly_win_loss_ratio", self.kelly_win_loss_ratio, 100.0),
            ("vote_threshold", self.vote_threshold, 0.999),
        ] {
            problems.extend(above_zero(key, value, most));
        }
        self.sizing.add_problems(&mut problems);
        problems.extend_from_slice(self.lens.problems());
        problems
    }
}

impl Sizing {
    fn add_problems(&self, problems: &mut Vec<String>) {
        for (key, value, most) in [
            ("sizing.equity_usd", self.equity_usd, 1e12),
            ("sizing.per_asset_budget", self.per_asset_budget, 1.0),
            ("sizing.volatility_target", self.volatility_target, 10.0),
            ("sizing.unmet_factor", self.unmet_factor, 1.0),
            ("sizing.factor_min", self.factor_min, 10.0),
            ("sizing.factor_max", self.factor_max, 10.0),
            ("sizing.kelly_fraction_max", self.kelly_fraction_max, 1.0),
        ] {
            problems.extend(above_zero(key, value, most));
        }
        let smallest = self.min_notional_usd;
        if !(1.0..=1e9).contains(&smallest) {
            let allowed = "it must be between 1 and 1000000000";
            problems.push(format!("sizing.min_notional_usd is {smallest}; {allowed}"));
        }
        if self.factor_min > self.factor_max {
            let (low, high) = (self.factor_min, self.factor_max);
            problems.push(format!(
                "sizing.factor_min {low} is above sizing.factor_max {high}"
            ));
        }
    }
}

/// The problem of a value that must be above 0 and at most `most`.
fn above_zero(key: &str, value: f64, most: f64) -> Option<String> {
    let fits = value > 0.0 && value <= most;
    (!fits).then(|| format!("{key} is {value}; it must be above 0, at most {most}"))
}

/// For every kind of gap and direction: how many of the profiles could vote, given their strict
/// flags. Below the quorum, such a vote can never pass; `rawe doctor` says so.
pub fn possible_voters(profiles: &[Profile]) -> Vec<(SignalType, Direction, usize)> {
    let mut table = Vec::with_capacity(6);
    for signal_type in [
        SignalType::NarrativeLeads,
        SignalType::CapitalLeads,
        SignalType::Divergence,
    ] {
        let able = profiles
            .iter()
            .filter(|profile| !profile.forbids(signal_type))
            .count();
        // Direction is the sign of e; nothing in a profile forbids one.
        table.extend([Direction::Long, Direction::Short].map(|way| (signal_type, way, able)));
    }
    table
}

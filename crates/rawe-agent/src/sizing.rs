//! What a proposal is worth and how large it is. Character changes sizes, never votes: every
//! preference that is not met halves a size, and no size falls below the smallest notional.

use rawe_core::{AssetClass, SignalType};
use rawe_narrative::{AssetFeatures, Rating};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use crate::profile::{Profile, SizingMode};

/// Annualised volatility assumed while none is known: that of a wild coin.
const VOLATILITY_UNKNOWN: f64 = 1.0;

/// How far an asset is expected to move for the agent, before costs.
#[derive(Clone, Copy, Debug)]
pub struct MoveForecast {
    /// |e|, 0..1.
    pub strength: f64,
    /// The agent's own realised slope: sigmas earned per bar and unit of e.
    pub slope: f64,
    /// Standard deviation of one bar's log return.
    pub sigma: f64,
    /// Bars in the lens's half-life.
    pub bars: f64,
}

impl MoveForecast {
    /// |e| · slope · sigma · bars, limited to three sigmas of the whole horizon; as a share.
    pub fn expected_move(&self) -> f64 {
        let limit = 3.0 * self.sigma * self.bars.sqrt();
        let expected = self.strength * self.slope * self.sigma * self.bars;
        if expected.is_finite() && limit.is_finite() {
            expected.clamp(-limit, limit)
        } else {
            0.0
        }
    }
}

/// Which of a profile's wishes a proposal does not meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmet {
    /// The kind of gap is not preferred.
    pub signal_type: bool,
    /// A story is the reason, and its rating is below the floor.
    pub rating: bool,
    /// The expected move is under the wished multiple of the round-trip cost.
    pub profit: bool,
}

impl Unmet {
    /// Compares a proposal with the profile's wishes.
    pub fn of(
        profile: &Profile,
        signal_type: SignalType,
        rating: Rating,
        expected_move: f64,
        cost: f64,
    ) -> Self {
        let story = signal_type != SignalType::CapitalLeads;
        Self {
            signal_type: !profile.signal_type_preference.contains(&signal_type),
            rating: story && rating < profile.rating_floor.0,
            profit: expected_move < profile.min_expected_profit_multiplier * cost,
        }
    }

    /// Whether a strict flag of the profile turns this into an abstention.
    pub fn forbids(self, profile: &Profile) -> bool {
        (self.signal_type && profile.strict_signal_types)
            || (self.rating && profile.strict_rating_floor)
            || (self.profit && profile.strict_expected_profit)
    }

    fn count(self) -> i32 {
        i32::from(self.signal_type) + i32::from(self.rating) + i32::from(self.profit)
    }
}

/// The product of all factors of a size, within the profile's limits.
pub fn size_factor(profile: &Profile, unmet: Unmet, risk_score: f64) -> f64 {
    let sizing = &profile.sizing;
    let character = profile.position_size_multiplier * (1.0 - profile.risk_aversion * risk_score);
    let wishes = sizing.unmet_factor.powi(unmet.count());
    (character * wishes).clamp(sizing.factor_min, sizing.factor_max)
}

/// The Kelly fraction f = (p b - (1 - p)) / b, between 0 and `limit`.
pub fn kelly_fraction(win_probability: f64, win_loss_ratio: f64, limit: f64) -> f64 {
    let fraction = (win_probability * win_loss_ratio - (1.0 - win_probability)) / win_loss_ratio;
    if fraction.is_finite() {
        fraction.clamp(0.0, limit)
    } else {
        0.0
    }
}

/// The annualised volatility by which a position is sized: HAR's for stocks, that of 168 hourly
/// returns for crypto, with which its books were measured. While HAR has no forecast, the deviation
/// of past returns speaks for stocks too. The narrative forecast sizes nothing: it gained nothing.
pub fn sizing_volatility(class: AssetClass, features: &AssetFeatures) -> Option<f64> {
    match class {
        AssetClass::UsEquity => features.sigma_har_annual.or(features.sigma_annual),
        AssetClass::Crypto => features.sigma_annual,
    }
}

/// The proposal's size, USD, rounded to cents and never below the smallest notional.
pub fn proposal_size(
    profile: &Profile,
    sigma_annual: Option<f64>,
    win_probability: f64,
    factor: f64,
) -> Decimal {
    let sizing = &profile.sizing;
    let share = match sizing.mode {
        SizingMode::Volatility => {
            let volatility = sigma_annual.filter(|sigma| *sigma > 0.0);
            let scale = sizing.volatility_target / volatility.unwrap_or(VOLATILITY_UNKNOWN);
            sizing.per_asset_budget * scale.min(1.0)
        }
        SizingMode::Kelly => kelly_fraction(
            win_probability,
            profile.kelly_win_loss_ratio,
            sizing.kelly_fraction_max,
        ),
    };
    let size = (sizing.equity_usd * share * factor).max(sizing.min_notional_usd);
    // The validated knobs keep the product finite and far below the limit of a decimal.
    Decimal::from_f64(size)
        .unwrap_or(Decimal::ONE_HUNDRED)
        .round_dp(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::RatingFloor;
    use proptest::prelude::*;

    fn aggressor() -> Profile {
        Profile::founding_by_id("alpha-aggressor").unwrap()
    }

    #[test]
    fn size_is_budget_scaled_by_volatility_and_factors() {
        let profile = aggressor();
        let cases = [
            ("calm asset, whole budget", Some(0.05), 1.0, "25000"),
            (
                "twice the target, half the budget",
                Some(0.20),
                1.0,
                "12500",
            ),
            ("unknown volatility counts as wild", None, 1.0, "2500"),
            ("factors shrink", Some(0.10), 0.5, "12500"),
            ("never below the smallest notional", Some(1e6), 0.5, "25"),
        ];
        for (case, sigma, factor, expected) in cases {
            let size = proposal_size(&profile, sigma, 0.5, factor);
            assert_eq!(size, expected.parse::<Decimal>().unwrap(), "{case}");
        }
    }

    #[test]
    fn stocks_are_sized_by_har_and_crypto_by_its_hours() {
        let features = |har| AssetFeatures {
            sigma_annual: Some(0.5),
            sigma_har_annual: har,
            range_forecast: Some(9.0),
            ..AssetFeatures::default()
        };
        for (case, class, har, expected) in [
            ("stock by HAR", AssetClass::UsEquity, Some(0.3), 0.3),
            ("stock before HAR", AssetClass::UsEquity, None, 0.5),
            ("crypto", AssetClass::Crypto, Some(0.3), 0.5),
        ] {
            let volatility = sizing_volatility(class, &features(har)).unwrap();
            assert!((volatility - expected).abs() < 1e-15, "{case}");
        }
    }

    #[test]
    fn kelly_uses_the_calibrated_probability_and_is_capped() {
        assert!((kelly_fraction(0.5, 2.5, 1.0) - 0.3).abs() < 1e-12);
        assert!((kelly_fraction(0.5, 2.5, 0.25) - 0.25).abs() < 1e-12);
        assert!(kelly_fraction(0.2, 1.5, 0.25).abs() < 1e-12);
        let mut profile = aggressor();
        profile.sizing.mode = SizingMode::Kelly;
        assert_eq!(
            proposal_size(&profile, Some(9.0), 0.5, 1.0),
            Decimal::from(25_000)
        );
        assert_eq!(
            proposal_size(&profile, Some(9.0), 0.1, 1.0),
            Decimal::from(25)
        );
    }

    #[test]
    fn an_unmet_wish_halves_the_size_and_a_strict_flag_abstains() {
        let mut profile = aggressor();
        profile.rating_floor = RatingFloor(Rating::Bbb);
        let met = Unmet::of(&profile, SignalType::NarrativeLeads, Rating::A, 0.1, 0.005);
        assert_eq!(met, Unmet::default());
        let unmet = Unmet::of(
            &profile,
            SignalType::CapitalLeads,
            Rating::NotRated,
            0.1,
            0.005,
        );
        assert_eq!(
            unmet,
            Unmet {
                signal_type: true,
                ..Unmet::default()
            }
        );
        assert!((size_factor(&profile, met, 0.0) - 1.2).abs() < 1e-12);
        assert!((size_factor(&profile, unmet, 0.0) - 0.6).abs() < 1e-12);
        assert!(!unmet.forbids(&profile));
        profile.strict_signal_types = true;
        assert!(unmet.forbids(&profile));
    }

    proptest! {
        #[test]
        fn sizes_stay_within_their_limits(
            sigma in proptest::option::of(0.0_f64..5.0),
            risk in 0.0_f64..=1.0,
            flags in proptest::array::uniform3(proptest::bool::ANY),
        ) {
            for profile in Profile::founding().unwrap() {
                let unmet = Unmet { signal_type: flags[0], rating: flags[1], profit: flags[2] };
                let factor = size_factor(&profile, unmet, risk);
                prop_assert!((0.5..=1.25).contains(&factor));
                let size = proposal_size(&profile, sigma, 0.5, factor);
                prop_assert!(size >= Decimal::from(25));
                prop_assert!(size <= Decimal::from(31_250));
            }
        }
    }
}

//! From an expert's number to the words of a proposal: who leads, how sure, how risky, and the
//! evidence that travels with it. Sizes are in [`crate::sizing`].

use rawe_core::SignalType;
use rawe_narrative::demand::{ABNORMAL_INTENSITY, ABNORMAL_TONE, LASTING_INTENSITY, MOVE_OF_A_DAY};
use rawe_narrative::{AssetFeatures, NarrativeBrief, Rating};
use serde_json::{Map, Value, json};

use crate::expert::silence;
use crate::profile::parse_rating;

/// The confidence that is exactly the threshold of a vote: the gate of the original design.
const CONFIDENCE_AT_THRESHOLD: f64 = 0.7;
/// Both scores beyond this and opposed: a divergence.
const CONTESTED_FROM: f64 = 1.0;
/// A day's move beyond so many sigmas is large.
const LARGE_MOVE: f64 = 1.5;
/// From this silence on a large move has no story.
const SILENT_FROM: f64 = 0.5;
/// Texts of outside sources are cut to so many characters in the evidence.
const TEXT_LENGTH_MAX: usize = 200;

/// Narrative and price at the moment, in comparable units (deviations from normal).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// Abnormal tone, half-life 12 h, -4..4.
    pub narrative: f64,
    /// Move of 24 h in sigmas.
    pub price: f64,
    /// Abnormal attention, -4..4.
    pub attention: f64,
}

impl Scores {
    /// Reads the scores; what is missing counts as normal.
    pub fn of(features: &AssetFeatures) -> Self {
        let slow = features.get(LASTING_INTENSITY);
        let attention = slow.zip(features.get(ABNORMAL_INTENSITY));
        Self {
            narrative: features.get(ABNORMAL_TONE).unwrap_or(0.0),
            price: features.get(MOVE_OF_A_DAY).unwrap_or(0.0),
            attention: attention.map_or(0.0, |(slow, fast)| f64::midpoint(slow, fast)),
        }
    }

    /// Who leads. A total rule, in this order:
    /// 1. tone and price opposed, both beyond 1: `divergence`;
    /// 2. a large move (beyond 1.5) in silence (0.5 or more): `capital_leads`;
    /// 3. the price further from normal than both tone and attention: `capital_leads`;
    /// 4. otherwise the story moved more than the price: `narrative_leads`.
    pub fn signal_type(self) -> SignalType {
        let opposed = self.narrative * self.price < 0.0;
        let moved = self.price.abs();
        if opposed && self.narrative.abs() > CONTESTED_FROM && moved > CONTESTED_FROM {
            SignalType::Divergence
        } else if (moved > LARGE_MOVE && silence(self.attention) >= SILENT_FROM)
            || moved > self.narrative.abs().max(self.attention)
        {
            SignalType::CapitalLeads
        } else {
            SignalType::NarrativeLeads
        }
    }
}

/// Confidence in 0..1: 0.7 |e| / theta up to the threshold theta, then up to 1 at |e| = 1.
pub fn confidence(expert: f64, threshold: f64) -> f64 {
    let strength = expert.abs().min(1.0);
    let confidence = if strength <= threshold {
        CONFIDENCE_AT_THRESHOLD * strength / threshold
    } else {
        let beyond = (strength - threshold) / (1.0 - threshold);
        (1.0 - CONFIDENCE_AT_THRESHOLD).mul_add(beyond, CONFIDENCE_AT_THRESHOLD)
    };
    confidence.clamp(0.0, 1.0)
}

/// Risk in 0..1: the even mean of the narrative's entropy, the dispersion of tone, 1 - coherence
/// and the volatility's percentile. Without a narrative, of dispersion and volatility alone.
pub fn risk_score(features: &AssetFeatures) -> f64 {
    let unit = |value: f64| {
        if value.is_finite() {
            value.clamp(0.0, 1.0)
        } else {
            1.0
        }
    };
    let dispersion = unit(features.dispersion);
    let volatility = unit(features.volatility_percentile);
    match &features.narrative {
        Some(narrative) => {
            let entropy = unit(narrative.entropy);
            (entropy + dispersion + (1.0 - unit(narrative.coherence)) + volatility) / 4.0
        }
        None => f64::midpoint(dispersion, volatility),
    }
}

/// The rating of the narrative behind a proposal; not rated without one.
pub fn rating(features: &AssetFeatures) -> Rating {
    features
        .narrative
        .as_ref()
        .and_then(|narrative| parse_rating(&narrative.rating))
        .unwrap_or(Rating::NotRated)
}

/// Cuts an outside text to a length that fits every log line and message.
pub fn shortened(text: &str) -> String {
    text.chars().take(TEXT_LENGTH_MAX).collect()
}

/// The evidence of a proposal: `metadata.metadata` on the wire. JSON has no NaN; it would be null.
pub fn evidence(
    nvx: f64,
    features: &AssetFeatures,
    scores: Scores,
    expert: f64,
    threshold: f64,
) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    put("nvx", json!(nvx));
    put("narrative_score", json!(scores.narrative));
    put("price_score", json!(scores.price));
    put("attention_score", json!(scores.attention));
    put("expert", json!(expert));
    put("vote_threshold", json!(threshold));
    put("tone", json!(features.tone));
    put("intensity", json!(features.intensity));
    put("velocity", json!(features.velocity));
    put("dispersion", json!(features.dispersion));
    put("annual_volatility", json!(features.sigma_annual));
    put("coherence_rating", json!(rating(features).to_string()));
    if let Some(NarrativeBrief {
        name,
        headline,
        entropy,
        coherence,
        item_ids,
        ..
    }) = &features.narrative
    {
        put("narrative_name", json!(shortened(name)));
        put("headline", json!(shortened(headline)));
        put("entropy", json!(entropy));
        put("coherence", json!(coherence));
        put(
            "item_ids",
            json!(item_ids.iter().map(|id| shortened(id)).collect::<Vec<_>>()),
        );
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_leads() {
        let cases = [
            (
                "a story the price has not heard",
                (2.0, 0.2, 0.5),
                SignalType::NarrativeLeads,
            ),
            (
                "bad news, price still up a little",
                (-2.0, 0.9, 0.5),
                SignalType::NarrativeLeads,
            ),
            (
                "bad news, price running up",
                (-2.0, 1.8, 0.0),
                SignalType::Divergence,
            ),
            (
                "a jump nobody talks about",
                (0.3, 2.0, -0.5),
                SignalType::CapitalLeads,
            ),
            (
                "a jump everybody talks about",
                (0.3, 2.0, 2.5),
                SignalType::NarrativeLeads,
            ),
            (
                "a jump more than its talk",
                (0.3, 2.0, 1.0),
                SignalType::CapitalLeads,
            ),
            (
                "nothing at all",
                (0.0, 0.0, 0.0),
                SignalType::NarrativeLeads,
            ),
        ];
        for (case, (narrative, price, attention), expected) in cases {
            assert_eq!(
                Scores {
                    narrative,
                    price,
                    attention
                }
                .signal_type(),
                expected,
                "{case}"
            );
        }
    }

    #[test]
    fn confidence_passes_seven_tenths_at_the_threshold() {
        for (expert, expected) in [
            (0.0, 0.0),
            (0.15, 0.35),
            (-0.3, 0.7),
            (0.65, 0.85),
            (1.0, 1.0),
        ] {
            assert!(
                (confidence(expert, 0.3) - expected).abs() < 1e-12,
                "e = {expert}"
            );
        }
    }

    proptest! {
        #[test]
        fn risk_stays_in_its_range(
            numbers in proptest::array::uniform4(proptest::num::f64::ANY),
            told in proptest::bool::ANY,
        ) {
            let [entropy, dispersion, coherence, volatility_percentile] = numbers;
            let narrative =
                told.then(|| NarrativeBrief { entropy, coherence, ..NarrativeBrief::default() });
            let features = AssetFeatures {
                dispersion, volatility_percentile, narrative, ..AssetFeatures::default()
            };
            prop_assert!((0.0..=1.0).contains(&risk_score(&features)));
        }
    }
}

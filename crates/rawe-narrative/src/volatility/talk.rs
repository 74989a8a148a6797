//! How much is said of a company's results beyond its custom. Such talk before the open is what a
//! range forecast gains most from; all talk together adds little to it (both were measured).

use rawe_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hours_between;
use crate::tokens::{TokenKind, Tokens};

/// Narrative terms of a forecast.
pub(super) const TALK_TERMS: usize = 2;
/// Half-life of talk now, hours.
const NOW_HOURS: f64 = 12.0;
/// Half-life of its custom, hours.
const CUSTOM_HOURS: f64 = 480.0;
/// Added to sums inside logarithms, as for intensity.
const FLOOR: f64 = 0.2;
/// Terms are clipped to this, before and after the mean of the class is taken off.
const TERM_MAX: f64 = 6.0;

/// Whether an item speaks of a company's results.
pub(crate) fn speaks_of_results(tokens: &Tokens) -> bool {
    tokens
        .list()
        .iter()
        .any(|token| token.kind == TokenKind::Word && is_of_results(tokens.text(*token)))
}

/// Words of the results season. Written down once from how such news is worded, not fitted.
fn is_of_results(word: &str) -> bool {
    matches!(
        word,
        "earnings"
            | "eps"
            | "guidance"
            | "q1"
            | "q2"
            | "q3"
            | "q4"
            | "quarter"
            | "quarterly"
            | "revenue"
            | "revenues"
            | "results"
            | "beat"
            | "beats"
            | "miss"
            | "misses"
            | "missed"
            | "profit"
            | "profits"
            | "report"
            | "reports"
            | "reported"
            | "reporting"
            | "forecast"
            | "forecasts"
            | "outlook"
            | "sales"
    )
}

/// Decayed weights of the items about one asset that speak of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Talk {
    at: Option<Timestamp>,
    now: f64,
    custom: f64,
}

impl Talk {
    /// Adds an item; one older than the newest counts as if it came with the newest.
    pub(super) fn add(&mut self, at: Timestamp, weight: f64) {
        *self = self.at(at);
        self.now += weight;
        self.custom += weight;
    }

    fn at(&self, at: Timestamp) -> Self {
        let hours = self.at.map_or(0.0, |last| hours_between(last, at).max(0.0));
        Self {
            at: Some(self.at.map_or(at, |last| last.max(at))),
            now: self.now * (-hours / NOW_HOURS).exp2(),
            custom: self.custom * (-hours / CUSTOM_HOURS).exp2(),
        }
    }

    /// Velocity: ln of what is said now over what is custom.
    pub(super) fn velocity(&self, at: Timestamp) -> f64 {
        let read = self.at(at);
        let usual = read.custom * NOW_HOURS / CUSTOM_HOURS;
        ((read.now + FLOOR).ln() - (usual + FLOOR).ln()).clamp(-TERM_MAX, TERM_MAX)
    }
}

/// The terms of a forecast: the velocity over the mean of the class, and what of it is beyond 1,
/// for the rare burst counts more than in proportion.
pub(super) fn terms(velocity: f64, mean: f64) -> [f64; TALK_TERMS] {
    let above = (velocity - mean).clamp(-TERM_MAX, TERM_MAX);
    [above, (above - 1.0).max(0.0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, TimeZone, Utc};

    #[test]
    fn results_are_recognised_by_whole_words() {
        let mut tokens = Tokens::default();
        for (text, expected) in [
            ("$AAPL Q4 EPS tops estimates", true),
            ("#earnings tonight", true),
            ("A beaten path, reporter says", false),
            ("", false),
        ] {
            tokens.read(text, "");
            assert_eq!(speaks_of_results(&tokens), expected, "{text}");
        }
    }

    #[test]
    fn a_burst_raises_velocity_and_custom_follows() {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let mut talk = Talk::default();
        assert!(talk.velocity(start).abs() < 1e-12);
        for hour in 0..2_000 {
            talk.add(start + TimeDelta::hours(hour), 1.0);
        }
        let steady = start + TimeDelta::hours(2_000);
        let quiet = talk.velocity(steady);
        assert!(quiet.abs() < 0.2, "{quiet}");
        for _ in 0..200 {
            talk.add(steady, 1.0);
        }
        let loud = talk.velocity(steady);
        let [above, burst] = terms(loud, quiet);
        assert!(
            loud > 1.0 && (burst - (above - 1.0)).abs() < 1e-12,
            "{loud}"
        );
        let hushed = talk.velocity(steady + TimeDelta::hours(240));
        assert!(hushed < 0.0, "{hushed}");
    }
}

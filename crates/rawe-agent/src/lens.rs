//! The lens of a personality: its expert as a formula, and what that is called on the wire. What a
//! formula may say is in [`crate::formula`].

use std::collections::BTreeMap;

use rawe_narrative::Feature;
use serde::{Deserialize, Serialize};

use crate::formula::{Compiler, Formula, duration_minutes};

/// Bounds of a proposal's horizon, hours: an hour, a year.
const HORIZON_HOURS: (f64, f64) = (1.0, 8_760.0);
/// Longest name of a strategy, bytes.
const STRATEGY_BYTES_MAX: usize = 64;

/// A lens, read. One with problems never has a value; a profile with such a lens is refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "LensText", into = "LensText")]
pub struct Lens {
    text: LensText,
    horizon_hours: f64,
    formula: Formula,
    problems: Vec<String>,
}

/// The keys of `[lens]` in a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LensText {
    /// What the strategy is called on the wire.
    strategy: String,
    /// How far a proposal looks ahead, such as `6h`.
    horizon: String,
    /// The formula of e.
    expert: String,
    /// Formulas that others may name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    define: BTreeMap<String, String>,
}

impl From<LensText> for Lens {
    fn from(text: LensText) -> Self {
        let mut problems = Vec::new();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        let strategy = &text.strategy;
        if strategy.is_empty() || strategy.len() > STRATEGY_BYTES_MAX || !strategy.chars().all(fits)
        {
            problems.push(format!(
                "strategy must be 1 to {STRATEGY_BYTES_MAX} of a-z, 0-9, _ and -"
            ));
        }
        let (least, most) = HORIZON_HOURS;
        let hours = duration_minutes(&text.horizon).map(|minutes| minutes / 60.0);
        let horizon_hours = hours.filter(|hours| (least..=most).contains(hours));
        if horizon_hours.is_none() {
            problems.push("horizon must be a duration such as 6h or 5d, 1h to 365d".to_owned());
        }
        let compiler = Compiler::new(&text.define, crate::signal::shipped_texts());
        let formula = match compiler.compile("expert", &text.expert) {
            Ok(formula) => formula,
            Err(more) => {
                problems.extend(more);
                Formula::default()
            }
        };
        for problem in &mut problems {
            problem.insert_str(0, "lens.");
        }
        Self {
            horizon_hours: horizon_hours.unwrap_or(least),
            formula,
            problems,
            text,
        }
    }
}

impl From<Lens> for LensText {
    fn from(lens: Lens) -> Self {
        lens.text
    }
}

impl PartialEq for Lens {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Lens {
    /// How far a proposal looks ahead, hours of market time.
    pub fn horizon_hours(&self) -> f64 {
        self.horizon_hours
    }

    /// The strategy's name on the wire.
    pub fn strategy(&self) -> &str {
        &self.text.strategy
    }

    /// The formula of e.
    pub fn formula(&self) -> &Formula {
        &self.formula
    }

    /// The features it asks of the engine.
    pub fn needs(&self) -> &[Feature] {
        self.formula.needs()
    }

    /// Everything wrong with it, each with its place.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }
}

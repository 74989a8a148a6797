//! The signals the engine's specification names, as formulas that ship with the program. Any
//! formula may use them by name.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

#[cfg(test)]
use crate::formula::Compiler;
use crate::formula::Formula;

const SHIPPED: &str = include_str!("../data/signals.toml");

/// A named formula that ships.
#[derive(Clone, Debug)]
pub struct Signal {
    name: String,
    says: String,
    text: String,
    formula: Formula,
}

/// How the file writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    says: String,
    /// Only a part of others, no signal to be scored by itself.
    #[serde(default)]
    part: bool,
    formula: String,
}

impl Signal {
    /// The shipped signals: crowd, mood, trend, narrative_leads, capital_leads, divergence.
    pub fn shipped() -> &'static [Self] {
        static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
        SIGNALS.get_or_init(|| {
            let read = |(name, written): (String, Written)| {
                let formula = Formula::parse(&written.formula).ok()?;
                Some(Self {
                    name,
                    says: written.says,
                    text: written.formula,
                    formula,
                })
            };
            let mut signals: Vec<Self> = written()
                .into_iter()
                .filter(|(_, written)| !written.part)
                .filter_map(read)
                .collect();
            signals.sort_by_key(|signal| ORDER.iter().position(|name| *name == signal.name));
            signals
        })
    }

    /// A shipped signal by its name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::shipped().iter().find(|signal| signal.name == name)
    }

    /// Its name in formulas.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says, one line for people.
    pub fn says(&self) -> &str {
        &self.says
    }

    /// Its formula as it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its formula, checked.
    pub fn formula(&self) -> &Formula {
        &self.formula
    }
}

/// The order in which the specification names them.
const ORDER: [&str; 6] = [
    "crowd",
    "mood",
    "trend",
    "narrative_leads",
    "capital_leads",
    "divergence",
];

/// The equal mix of the three measured signals.
pub const EQUAL_MIX: &str = "(crowd + mood + trend) / 3";

fn written() -> BTreeMap<String, Written> {
    // A test proves that the embedded file is well-formed.
    toml::from_str(SHIPPED).unwrap_or_default()
}

/// The shipped formulas' texts by name, parts of others included.
pub(crate) fn shipped_texts() -> &'static BTreeMap<String, String> {
    static TEXTS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        written()
            .into_iter()
            .map(|(name, written)| (name, written.formula))
            .collect()
    })
}

/// Every problem of the shipped file; none, as a test proves.
#[cfg(test)]
fn problems() -> Vec<String> {
    let written: BTreeMap<String, Written> = match toml::from_str(SHIPPED) {
        Ok(written) => written,
        Err(error) => return vec![error.to_string()],
    };
    let none = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, Written { formula, .. }) in &written {
        let compiled = Compiler::new(&none, shipped_texts()).compile(name, formula);
        problems.extend(compiled.err().into_iter().flatten());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_signals_are_the_specified_ones() {
        assert_eq!(problems(), Vec::<String>::new());
        let names: Vec<&str> = Signal::shipped().iter().map(Signal::name).collect();
        assert_eq!(names, ORDER);
        for signal in Signal::shipped() {
            assert!(!signal.says().is_empty() && signal.formula().size() > 1);
            assert!(!signal.formula().needs().is_empty(), "{}", signal.name());
        }
        assert!(Formula::parse(EQUAL_MIX).is_ok());
    }
}

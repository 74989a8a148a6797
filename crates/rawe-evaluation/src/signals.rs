//! The signals that are scored: the equal mix of the measured three, the named signals, and the
//! personalities. The formulas and the experts are those of live agents; nothing is worked out here.

use rawe_agent::signal::EQUAL_MIX;
use rawe_agent::{Expert, Formula, Profile, Signal};
use rawe_core::Timestamp;
use rawe_narrative::{AssetFeatures, EngineConfig, FeatureDemand};

/// The name of the equal mix.
pub const MIX: &str = "mix";

/// Why there are no signals to score.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading the shipped formulas and personalities failed: {0}; this is a fault of the build")]
pub struct SignalError(String);

/// Which signals are scored, and how one starts.
#[derive(Clone, Debug)]
pub struct SignalSet {
    names: Vec<String>,
    experts: Vec<Expert>,
    needs: FeatureDemand,
    personalities: Vec<Profile>,
}

/// The running signals of one asset.
#[derive(Clone, Debug)]
pub struct AssetSignals {
    experts: Vec<Expert>,
}

impl SignalSet {
    /// The mix, the named signals and the founding personalities.
    ///
    /// # Errors
    /// When what ships with the program cannot be read.
    pub fn shipped() -> Result<Self, SignalError> {
        let mix = Formula::parse(EQUAL_MIX).map_err(|problems| SignalError(problems.join("; ")))?;
        let personalities = Profile::founding().map_err(|error| SignalError(error.to_string()))?;
        let mut names = vec![MIX.to_owned()];
        let mut formulas = vec![&mix];
        for signal in Signal::shipped() {
            names.push(signal.name().replace('_', "-"));
            formulas.push(signal.formula());
        }
        let mut experts: Vec<Expert> = formulas.iter().map(|f| Expert::from_formula(f)).collect();
        for profile in &personalities {
            names.push(profile.id.to_string());
            formulas.push(profile.lens.formula());
            experts.push(Expert::new(profile));
        }
        let needs = formulas.iter().flat_map(|formula| formula.needs());
        Ok(Self {
            needs: FeatureDemand::new(needs.copied()),
            names,
            experts,
            personalities,
        })
    }

    /// The names, in the order of the scores: the mix first, the personalities last.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The personalities, in their order.
    pub fn personalities(&self) -> &[Profile] {
        &self.personalities
    }

    /// An engine's configuration that gives the features these signals need.
    pub fn engine_config(&self) -> EngineConfig {
        EngineConfig {
            features: self.needs.clone(),
            ..EngineConfig::default()
        }
    }

    /// The signals of an asset without history.
    pub fn start(&self) -> AssetSignals {
        AssetSignals {
            experts: self.experts.clone(),
        }
    }
}

impl AssetSignals {
    /// Advances every signal to a scan; `None` where a block is missing.
    pub fn evaluate(
        &mut self,
        at: Timestamp,
        features: &AssetFeatures,
        nvx: f64,
    ) -> Vec<Option<f64>> {
        self.experts
            .iter_mut()
            .map(|expert| expert.evaluate(at, features, nvx))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_comes_first_and_the_personalities_last() {
        let set = SignalSet::shipped().unwrap();
        let names: Vec<&str> = set.names().iter().map(String::as_str).collect();
        assert_eq!(
            names.get(..7).unwrap(),
            [
                "mix",
                "crowd",
                "mood",
                "trend",
                "narrative-leads",
                "capital-leads",
                "divergence"
            ]
        );
        assert_eq!(names.len(), 7 + set.personalities().len());
        assert!(!set.engine_config().features.features().is_empty());
        let mut signals = set.start();
        let unknown = signals.evaluate(Timestamp::default(), &AssetFeatures::default(), 50.0);
        assert_eq!(unknown, vec![None; names.len()]);
    }
}

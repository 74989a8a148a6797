//! An expert: a formula at work on one asset. Features at a grid instant in, one number e in
//! -1..1 out.
//!
//! It is advanced at every scan, also while the agent abstains. A part that is missing now
//! (history too short) gives `None`, which counts as e = 0; the parts that are known still learn.

mod state;

use rawe_core::Timestamp;
use rawe_narrative::AssetFeatures;

use crate::formula::{Constants, Formula, Memory, Moment, Node, Value};
use crate::profile::Profile;
use crate::smoothing::clip;

pub(crate) use state::ExpertState;

/// One expert's state for one asset.
#[derive(Clone, Debug, Default)]
pub struct Expert {
    formula: Formula,
    constants: Constants,
    /// Of the nodes that have one, in their order.
    memories: Vec<Memory>,
    /// Values of the nodes: room for one evaluation.
    values: Vec<Value>,
    /// Where the engine had each source the last time.
    hints: Vec<usize>,
}

impl Expert {
    /// A fresh expert of a profile.
    pub fn new(profile: &Profile) -> Self {
        Self {
            constants: Constants {
                flux_sensitivity: profile.flux_sensitivity_multiplier,
                stress_sensitivity: profile.topological_stress_sensitivity_multiplier,
            },
            ..Self::from_formula(profile.lens.formula())
        }
    }

    /// A fresh expert of a formula alone, with both sensitivities at 1.
    pub fn from_formula(formula: &Formula) -> Self {
        let nodes = formula.nodes();
        Self {
            formula: formula.clone(),
            constants: Constants::default(),
            memories: nodes.iter().filter_map(Node::memory).collect(),
            values: Vec::with_capacity(nodes.len()),
            hints: vec![0; nodes.iter().filter(|node| node.is_source()).count()],
        }
    }

    /// Advances to `at` and returns e, or `None` while a part it needs is missing. `nvx` is that of
    /// the snapshot the features are from.
    pub fn evaluate(&mut self, at: Timestamp, features: &AssetFeatures, nvx: f64) -> Option<f64> {
        let moment = Moment {
            at,
            features,
            nvx,
            constants: self.constants,
        };
        let mut memories = self.memories.iter_mut();
        let mut hints = self.hints.iter_mut();
        self.values.clear();
        for node in self.formula.nodes() {
            let value = node.evaluate(&moment, &self.values, &mut memories, &mut hints);
            self.values.push(value);
        }
        self.values.last().copied().flatten().map(clip)
    }
}

/// clip(1 - max(0, crowd before scaling), 0, 1): 1 when nobody talks more than usual.
pub fn silence(crowd_before_scaling: f64) -> f64 {
    (1.0 - crowd_before_scaling.max(0.0)).clamp(0.0, 1.0)
}

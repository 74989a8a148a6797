//! A formula as nodes, and what each computes. A missing operand makes a result missing, and so
//! does a result that is no finite number; memories learn from what is there.

use rawe_core::Timestamp;
use rawe_narrative::{AssetFeatures, Feature};
use serde::{Deserialize, Serialize};

use super::lexer::Comparison;
use crate::smoothing::{ExponentialMean, LearnedSign, clip_to, sign};

/// Numbers of a profile that its formula may name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// `flux_sensitivity`.
    pub flux_sensitivity: f64,
    /// `stress_sensitivity`.
    pub stress_sensitivity: f64,
}

impl Default for Constants {
    fn default() -> Self {
        Self {
            flux_sensitivity: 1.0,
            stress_sensitivity: 1.0,
        }
    }
}

/// Which of a profile's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constant {
    FluxSensitivity,
    StressSensitivity,
}

/// Where a number of the present comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Asked of the engine.
    Measured(Feature),
    Sigma,
    VolatilityPercentile,
    NarrativeVolatility,
    Coherence,
    Entropy,
    BeliefPenetration,
    NarrativeTone,
    Nvx,
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Negate,
    Abs,
    Sign,
    Exp,
    Ln,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Min,
    Max,
    /// 1 if it holds, else 0.
    Compare(Comparison),
}

/// A node's place in its formula.
pub(crate) type Place = usize;

/// One step of a formula. Operands are earlier nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Node {
    Number(f64),
    Constant(Constant),
    Source(Source),
    Unary(Unary, Place),
    Binary(Binary, Place, Place),
    Clip {
        of: Place,
        limit: f64,
    },
    /// E_h.
    Mean {
        half_life_hours: f64,
        of: Place,
    },
    /// q: the sign the operand's own record has earned.
    Learned {
        half_life_days: f64,
        silent_days: i64,
        of: Place,
    },
    /// The operand, held until it has moved by more than the width.
    Band {
        of: Place,
        width: f64,
    },
}

/// A value, or nothing yet.
pub(crate) type Value = Option<f64>;

/// The memory of a node of one asset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Memory {
    Mean(ExponentialMean),
    Learned(LearnedSign),
    Band(Option<f64>),
}

impl Memory {
    /// Whether both are of the same kind.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// What a node may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) at: Timestamp,
    pub(crate) features: &'a AssetFeatures,
    pub(crate) nvx: f64,
    pub(crate) constants: Constants,
}

impl Source {
    /// The present value; `hint` is where the engine had it the last time.
    fn read(self, moment: &Moment<'_>, hint: &mut usize) -> Value {
        let features = moment.features;
        let narrative = features.narrative.as_ref();
        match self {
            Self::Measured(feature) => features.get_at(feature, hint),
            Self::Sigma => features.sigma_annual,
            Self::VolatilityPercentile => Some(features.volatility_percentile),
            Self::NarrativeVolatility => Some(features.narrative_volatility),
            Self::Coherence => narrative.map(|narrative| narrative.coherence),
            Self::Entropy => narrative.map(|narrative| narrative.entropy),
            Self::BeliefPenetration => narrative.map(|narrative| narrative.belief_penetration),
            Self::NarrativeTone => narrative.map(|narrative| narrative.tone),
            Self::Nvx => Some(moment.nvx),
        }
    }
}

impl Node {
    /// The feature it asks of the engine.
    pub(crate) fn measured(&self) -> Option<Feature> {
        match self {
            Self::Source(Source::Measured(feature)) => Some(*feature),
            _ => None,
        }
    }

    /// Whether it reads a source, and so has a hint.
    pub(crate) fn is_source(&self) -> bool {
        matches!(self, Self::Source(_))
    }

    /// A fresh memory, if it has one.
    pub(crate) fn memory(&self) -> Option<Memory> {
        match *self {
            Self::Mean {
                half_life_hours, ..
            } => Some(Memory::Mean(ExponentialMean::new(half_life_hours))),
            Self::Learned {
                half_life_days,
                silent_days,
                ..
            } => Some(Memory::Learned(LearnedSign::new(
                half_life_days,
                silent_days,
            ))),
            Self::Band { .. } => Some(Memory::Band(None)),
            _ => None,
        }
    }

    /// The nodes it looks at.
    pub(crate) fn operands(&self) -> [Option<Place>; 2] {
        match *self {
            Self::Number(_) | Self::Constant(_) | Self::Source(_) => [None, None],
            Self::Unary(_, of)
            | Self::Clip { of, .. }
            | Self::Mean { of, .. }
            | Self::Learned { of, .. }
            | Self::Band { of, .. } => [Some(of), None],
            Self::Binary(_, left, right) => [Some(left), Some(right)],
        }
    }

    /// The same with its operands at other places.
    pub(crate) fn moved(mut self, place: impl Fn(Place) -> Place) -> Self {
        match &mut self {
            Self::Number(_) | Self::Constant(_) | Self::Source(_) => {}
            Self::Unary(_, of)
            | Self::Clip { of, .. }
            | Self::Mean { of, .. }
            | Self::Learned { of, .. }
            | Self::Band { of, .. } => *of = place(*of),
            Self::Binary(_, left, right) => (*left, *right) = (place(*left), place(*right)),
        }
        self
    }

    /// Its value, from those of the nodes before it. `memories` and `hints` are at its own, if it
    /// has one, and then go on to the next.
    pub(crate) fn evaluate<'m>(
        &self,
        moment: &Moment<'_>,
        values: &[Value],
        memories: &mut impl Iterator<Item = &'m mut Memory>,
        hints: &mut impl Iterator<Item = &'m mut usize>,
    ) -> Value {
        let value = |place: Place| values.get(place).copied().flatten();
        let result = match *self {
            Self::Number(number) => Some(number),
            Self::Constant(Constant::FluxSensitivity) => Some(moment.constants.flux_sensitivity),
            Self::Constant(Constant::StressSensitivity) => {
                Some(moment.constants.stress_sensitivity)
            }
            Self::Source(source) => source.read(moment, hints.next()?),
            Self::Unary(unary, of) => value(of).map(|x| unary.of(x)),
            Self::Binary(binary, left, right) => {
                value(left).zip(value(right)).map(|(x, y)| binary.of(x, y))
            }
            Self::Clip { of, limit } => value(of).map(|x| clip_to(x, limit)),
            Self::Mean { of, .. } | Self::Learned { of, .. } | Self::Band { of, .. } => {
                self.remember(moment, value(of), memories.next()?)
            }
        };
        result.filter(|result| result.is_finite())
    }

    fn remember(&self, moment: &Moment<'_>, value: Value, memory: &mut Memory) -> Value {
        match memory {
            Memory::Mean(mean) => mean.push_known(moment.at, value),
            Memory::Learned(learned) => {
                let earned = moment.features.return_in_sigmas;
                let learned = learned.step(moment.at, value, earned);
                value.map(|_| learned)
            }
            Memory::Band(held) => {
                let Self::Band { width, .. } = self else {
                    return None;
                };
                let value = value?;
                if held.is_none_or(|held| (value - held).abs() > *width) {
                    *held = Some(value);
                }
                *held
            }
        }
    }
}

impl Unary {
    fn of(self, x: f64) -> f64 {
        match self {
            Self::Negate => -x,
            Self::Abs => x.abs(),
            Self::Sign => sign(x),
            Self::Exp => x.exp(),
            Self::Ln => x.ln(),
        }
    }
}

impl Binary {
    fn of(self, x: f64, y: f64) -> f64 {
        match self {
            Self::Add => x + y,
            Self::Subtract => x - y,
            Self::Multiply => x * y,
            Self::Divide => x / y,
            Self::Min => x.min(y),
            Self::Max => x.max(y),
            Self::Compare(comparison) => f64::from(u8::from(match comparison {
                Comparison::Above => x > y,
                Comparison::Below => x < y,
                Comparison::AtLeast => x >= y,
                Comparison::AtMost => x <= y,
            })),
        }
    }
}

//! Faults on demand: what this exchange can be told to get wrong, how often, and for whom.
//!
//! A plan is a seed and rules; it comes from a file, from `[exchange.faults]` or from
//! `POST /rawe/v1/faults`. Whether a rule strikes at its nth match is a pure function of seed, rule
//! and n (`faults/draw.rs`), whatever else goes on. Requests meet faults in one layer
//! (`faults/layer.rs`), orders that were taken in `faults/fate.rs`, the order updates' socket in
//! `stream.rs`; a connection is cut below HTTP (`faults/line.rs`). The rules of the market are
//! never touched: what the book says stays true.

mod draw;
mod fate;
mod layer;
mod line;
mod routes;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use rawe_core::AssetClass;
use serde::{Deserialize, Serialize};

use crate::halts::MINUTES_MAX;
pub(crate) use draw::{Faults, Subject};
pub(crate) use fate::OrderFate;
pub(crate) use layer::inject;
pub(crate) use line::{FaultyListener, Line};
pub use routes::{FaultReport, RuleReport};
pub(crate) use routes::{clear, report, set};

/// The longest wait a rule may ask for, milliseconds.
const MS_MAX: u64 = 600_000;
/// The most rules of a plan.
const RULES_MAX: usize = 256;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The request waits `ms` before it takes effect.
    DelayRequest,
    /// The answer waits `ms` after the effect.
    DelayAnswer,
    /// The connection is cut before the request takes effect.
    DropRequest,
    /// The connection is cut after the effect, before the answer.
    DropAnswer,
    /// `status` (500, 502, 503, 504) instead of the effect.
    FailRequest,
    /// The effect, and then `status`.
    FailAnswer,
    /// 429 with the headers of a rate limit that lasts `ms`, without effect.
    RateLimit,
    /// The effect, and then 200 with half of the answer's body.
    GarbleAnswer,
    /// An order fills `fraction` now; after `ms` the rest fills or is cancelled (`then`).
    PartialFill,
    /// An order is taken, and refused after `ms`.
    LateReject,
    /// Look-ups do not show an order before `ms` after it was taken.
    Lag,
    /// The order's asset is halted for `ms`, or `minutes` of the market's time, before it is taken.
    Halt,
    /// An order update is sent twice.
    DuplicateUpdate,
    /// An order update is sent `ms` late, others overtake it.
    DelayUpdate,
    /// The socket of the order updates is cut instead of an update.
    CutStream,
    /// The socket of the order updates neither reads nor writes for `ms`.
    MuteStream,
}

impl FaultKind {
    /// The name in plans, logs and counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::DelayRequest => "delay_request",
            Self::DelayAnswer => "delay_answer",
            Self::DropRequest => "drop_request",
            Self::DropAnswer => "drop_answer",
            Self::FailRequest => "fail_request",
            Self::FailAnswer => "fail_answer",
            Self::RateLimit => "rate_limit",
            Self::GarbleAnswer => "garble_answer",
            Self::PartialFill => "partial_fill",
            Self::LateReject => "late_reject",
            Self::Lag => "lag",
            Self::Halt => "halt",
            Self::DuplicateUpdate => "duplicate_update",
            Self::DelayUpdate => "delay_update",
            Self::CutStream => "cut_stream",
            Self::MuteStream => "mute_stream",
        }
    }

    /// Where it can strike.
    pub(crate) fn stage(self) -> Stage {
        match self {
            Self::DelayRequest
            | Self::DelayAnswer
            | Self::DropRequest
            | Self::DropAnswer
            | Self::FailRequest
            | Self::FailAnswer
            | Self::RateLimit
            | Self::GarbleAnswer => Stage::Request,
            Self::PartialFill | Self::LateReject | Self::Lag | Self::Halt => Stage::Order,
            Self::DuplicateUpdate | Self::DelayUpdate | Self::CutStream | Self::MuteStream => {
                Stage::Update
            }
        }
    }

    fn needs_ms(self) -> bool {
        matches!(
            self,
            Self::DelayRequest
                | Self::DelayAnswer
                | Self::RateLimit
                | Self::PartialFill
                | Self::LateReject
                | Self::Lag
                | Self::Halt
                | Self::DelayUpdate
                | Self::MuteStream
        )
    }
}

/// Where faults strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Any request of the trading or data API, and the upgrade of the stream.
    Request,
    /// `POST /v2/orders`.
    Order,
    /// An order update that is about to be sent.
    Update,
}

/// Milliseconds: a number, or a range `[from, to]` out of which each strike draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Milliseconds {
    /// Always as many.
    Fixed(u64),
    /// From the first to the second, both included.
    Between([u64; 2]),
}

/// What happens to the rest of an order that filled in part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// It fills.
    #[default]
    Fills,
    /// It is cancelled.
    Cancelled,
}

/// One way in which things go wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: FaultKind,
    /// How likely at each match, 0 to 1.
    #[serde(default)]
    pub probability: f64,
    /// A script: strikes at these matches for sure, counted from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<u64>,
    /// Strikes at most so often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Only requests of this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only paths that begin so, such as `/v2/orders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Only what concerns this asset, with or without its slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Only what concerns assets of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_class: Option<AssetClass>,
    /// How long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<Milliseconds>,
    /// How long a halt lasts by the market's clock, in the place of `ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// HTTP status of a failure; 500 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Part of an order that fills at once, 0 to below 1; 0.5 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// What becomes of its rest.
    #[serde(default)]
    pub then: Rest,
}

impl FaultRule {
    /// A rule that strikes with a probability, everywhere.
    pub fn new(fault: FaultKind, probability: f64) -> Self {
        Self {
            fault,
            probability,
            at: Vec::new(),
            times: None,
            method: None,
            route: None,
            symbol: None,
            asset_class: None,
            ms: None,
            minutes: None,
            status: None,
            fraction: None,
            then: Rest::default(),
        }
    }

    fn problem(&self) -> Option<String> {
        let problem = if !(0.0..=1.0).contains(&self.probability) {
            "its probability must be between 0 and 1"
        } else if self.probability <= 0.0 && self.at.is_empty() {
            "it never strikes; give probability or at"
        } else if self.minutes.is_some() && self.fault != FaultKind::Halt {
            "only a halt takes minutes; give ms"
        } else if self
            .minutes
            .is_some_and(|minutes| !(1..=MINUTES_MAX).contains(&minutes))
        {
            "its minutes must be between 1 and a month's"
        } else if self.fault.needs_ms() && self.ms.is_none() && self.minutes.is_none() {
            "it needs ms: a number, or [from, to]"
        } else if self
            .ms
            .is_some_and(|ms| ms.bounds().1 > MS_MAX || ms.bounds().0 > ms.bounds().1)
        {
            "its ms must be ordered and at most 600000"
        } else if self
            .status
            .is_some_and(|status| !(500..=599).contains(&status))
        {
            "its status must be between 500 and 599"
        } else if self
            .fraction
            .is_some_and(|part| !(0.0..1.0).contains(&part))
        {
            "its fraction must be at least 0 and below 1"
        } else {
            return None;
        };
        Some(problem.to_owned())
    }
}

impl Milliseconds {
    pub(crate) fn bounds(self) -> (u64, u64) {
        match self {
            Self::Fixed(ms) => (ms, ms),
            Self::Between([from, to]) => (from, to),
        }
    }
}

/// Everything that is to go wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultPlan {
    /// Decides every draw.
    pub seed: u64,
    /// The rules; all that match apply, each for itself.
    pub rules: Vec<FaultRule>,
}

impl FaultPlan {
    /// What is wrong with the plan itself.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = (1_usize..)
            .zip(&self.rules)
            .filter_map(|(number, rule)| {
                let name = rule.fault.name();
                let problem = rule.problem()?;
                Some(format!("fault rule {number} ({name}): {problem}"))
            })
            .collect();
        if self.rules.len() > RULES_MAX {
            problems.push(format!("there are more than {RULES_MAX} fault rules"));
        }
        problems
    }

    /// Reads a plan from a file: TOML, or JSON by its ending.
    ///
    /// # Errors
    /// When it cannot be read or is no plan.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("reading the fault plan {}", path.display());
        let text = std::fs::read_to_string(path).with_context(doing)?;
        if path.extension().is_some_and(|ending| ending == "json") {
            serde_json::from_str(&text).with_context(doing)
        } else {
            toml::from_str(&text).with_context(doing)
        }
    }
}

/// How often each kind has struck since the start.
pub type FaultCounts = BTreeMap<FaultKind, u64>;

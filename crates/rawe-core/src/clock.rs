//! Messages of market time: what the pacer announces and what participants acknowledge.
//!
//! Live there is no pacing: the feed announces once that the warm-up is complete and every process
//! reads UTC wall time. In a replay the feed announces every instant and waits for each participant.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What an announced instant means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockMode {
    /// All history up to `instant` is in the streams; state may be built, nothing decided.
    WarmedUp,
    /// A paced instant of a replay: handle everything up to it, then acknowledge.
    Paced,
    /// The replay is over: acknowledge, report, and stop trading.
    Ended,
}

/// One entry of `rawe:clock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockInstant {
    /// Counts up from 0 in one run of the feed.
    pub step: u64,
    /// Market time.
    pub instant: Timestamp,
    /// What it means.
    pub mode: ClockMode,
    /// True while a replay paces market time; false when the feed runs live.
    pub paced: bool,
    /// Names the run; ids of a replay are derived from it, so two runs of one seed write the same.
    pub run_id: String,
    /// Id of the last entry of `rawe:bars` that belongs to this instant (`0-0` if none).
    pub bars_through: String,
    /// Id of the last entry of `rawe:news` that belongs to this instant (`0-0` if none).
    pub news_through: String,
}

/// One entry of `rawe:acks`: a participant has handled a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Process name, such as `alpha-aggressor` or `consensus-engine`.
    pub participant: String,
    /// The step handled; a restarted participant acknowledges the newest step it has caught up to.
    pub step: u64,
    /// Agents: how many signals this boot has published so far, so that the engine knows when it
    /// has received all of them. The engine: 0.
    #[serde(default)]
    pub published: u64,
    /// The participant's boot, so that a restart is seen.
    pub boot_id: String,
    /// The next instant of market time at which the participant wants to be woken, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_timer: Option<Timestamp>,
}

//! Heartbeats in `rawe:status`: not only that a process lives, but that it makes progress.

use serde::{Deserialize, Serialize};

use crate::{AgentId, Timestamp};

/// How often a process writes its heartbeat, in milliseconds.
pub const HEARTBEAT_INTERVAL_MS: u64 = 1_000;
/// A heartbeat older than this is a dead process, in milliseconds: five missed beats.
pub const HEARTBEAT_EXPIRY_MS: u64 = 5_000;

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// Connecting, loading, reconciling.
    Starting,
    /// Building state from history; abstains.
    Warming,
    /// Doing its work.
    Running,
    /// Alive, but told not to trade, or unable to.
    Halted,
    /// A replay has ended.
    Ended,
}

/// One field of the hash `rawe:status`, keyed by `process`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Process name.
    pub process: String,
    /// The voter this process is, for agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Operating-system process id.
    pub pid: u32,
    /// Changes with every start.
    pub boot_id: String,
    /// Wall time of this beat.
    pub at: Timestamp,
    /// What it is doing.
    pub state: ProcessState,
    /// One short line for people, such as `WARMING 37/120 d`.
    pub detail: String,
    /// Name of the last event handled, such as `scan` or `signal`.
    pub last_event: String,
    /// Wall time at which it was handled; progress is judged by its age.
    pub last_event_at: Timestamp,
    /// Market time the process has reached, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market_time: Option<Timestamp>,
    /// Counters by name: received, applied, dropped by reason, and so on.
    #[serde(default)]
    pub counters: std::collections::BTreeMap<String, u64>,
}

impl Heartbeat {
    /// Whether the beat is recent enough at wall time `now` to call its process alive.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        (now - self.at).num_milliseconds() <= i64::try_from(HEARTBEAT_EXPIRY_MS).unwrap_or(i64::MAX)
    }
}

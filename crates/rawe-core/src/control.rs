//! Messages of `rawe:control`: what an operator tells the consensus engine.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlCommand {
    /// Send no further order until resumed.
    Halt,
    /// Trade again.
    Resume,
    /// Only orders that shrink a position.
    Reduce,
    /// Cancel our orders, close our positions, and open none until resumed.
    Flatten,
}

/// One entry of `rawe:control`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlMessage {
    /// What to do.
    pub command: ControlCommand,
    /// Wall time at which it was said.
    pub at: Timestamp,
    /// Who said it and why, for the audit.
    pub reason: String,
}

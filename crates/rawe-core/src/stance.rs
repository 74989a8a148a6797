//! Stances: after every scan each agent says for every eligible asset long, short or abstain.
//! They stand until the agent's next message and decide exits; entries are decided by signals.

use serde::{Deserialize, Serialize};

use crate::{AgentRef, Direction, Symbol, Timestamp};

/// An agent's view of one asset after a scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stance {
    /// The asset.
    pub asset: Symbol,
    /// Long, short, or `None` for abstain.
    pub direction: Option<Direction>,
    /// The expert's value e, -1..1, 0 while warming up.
    pub expert: f64,
}

/// One entry of `rawe:stances`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StanceMessage {
    /// The grid instant of the scan, market time.
    pub timestamp: Timestamp,
    /// Who says it.
    pub agent: AgentRef,
    /// The length of one scan step of open market, in seconds, by which staleness is judged.
    pub scan_secs: u32,
    /// One entry for every eligible asset the agent scanned.
    pub stances: Vec<Stance>,
}

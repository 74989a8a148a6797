//! When the collective may trade: admission of votes, quorums, rounds, stances, near misses.
//!
//! Everything is synchronous and deterministic: [`Admission`] decides which messages are votes and
//! [`Consensus::apply`] turns events into effects. Time is an argument. No I/O, no order building
//! and no identity of orders lives here; the shell (`consensus-engine`) does those.

mod admission;
mod assets;
mod config;
mod consensus;
mod event;
mod exit_watch;
mod exits;
mod forgetting;
mod hindsight;
mod holdings;
mod judging;
mod ledger;
mod obstacles;
mod quorum;
mod records;
mod rounds;
mod standing;
mod voices;
mod weights;
mod weights_rules;
mod weights_scale;

pub use admission::{Admission, AdmissionCounts, CheckedSignal, Reception, Universe};
pub use config::{CloseMode, ConsensusConfig, Rules, TieBreak};
pub use consensus::{Consensus, ConsensusCounts};
pub use event::{
    AssetFacts, Effect, Event, MarketHours, ObservedPosition, OrderProposal, Trading, Vote,
};
pub use hindsight::HindsightTracker;
pub use quorum::quorum_directions;
pub use standing::StanceBook;
pub use weights::Weights;
pub use weights_rules::{Voting, WeightsConfig};

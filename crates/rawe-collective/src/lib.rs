//! The collective as one synchronous whole: bytes of votes in, orders and records out.
//!
//! Admission and quorums are `rawe-consensus`'s, money is the desk's in `rawe-execution`; here is
//! what lies between them: which assets must be asked about and which votes wait for the answer,
//! the fixed order in which the votes of a paced instant count, what a decision, a refusal and a
//! fill mean to the other side, prices and volatilities from bars, records and counts. No clock,
//! no I/O, no waiting: the engine and the simulator perform what it asks for.

mod collective;
mod counts;
mod event;
mod history;
mod instants;
mod intake;
mod news;
mod volatility;

pub use collective::{Collective, CollectiveSettings};
pub use counts::Counts;
pub use event::{Input, Output};

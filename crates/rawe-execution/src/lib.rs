//! Orders: how a decision becomes one, what it is called, how its outcome is known.
//!
//! The traits of the broker and the journal live here; Alpaca and SQLite do not. Everything but
//! the traits is pure: events in, actions out, time passed as an argument. The way of an order is
//! [`chain`] (its id), [`gate`] (may it be sent, and how big), [`submission`] (sent exactly once,
//! its outcome known), [`tracker`] (what became of it); [`desk`] performs the actions.

pub mod broker;
pub mod build;
pub mod chain;
pub mod desk;
pub mod gate;
pub mod journal;
pub mod limits;
pub mod refusal;
pub mod submission;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tracker;

pub use build::{OrderIntentInput, build_order, is_dust};
pub use chain::latest_of_purpose;
pub use desk::{Books, Desk, DeskSettings, ExitRules, Line};
pub use gate::{ApprovedOrder, Gate, GateInput, TradingState};
pub use limits::{PriceRule, RiskLimits, SkewRule};
pub use refusal::OrderRefusal;
pub use submission::{Action, End, Event, Phase, Submission};
pub use tracker::{Change, OrderTracker, ReportMismatch};

#[cfg(test)]
mod tests;

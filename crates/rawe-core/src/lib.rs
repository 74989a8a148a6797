//! The domain's words and the wire format v1.
//!
//! Here lives what every other room of the house speaks of: symbols, directions, bars, news items,
//! the [`ArbitrageSignal`] and the other messages on the bus, identities, and the market calendar.
//! Nothing here does I/O, reads a clock or draws a random number: time is always an argument.

pub mod calendar;
pub mod channels;
pub mod clock;
pub mod control;
pub mod decision;
pub mod heartbeat;
pub mod identity;
pub mod market_data;
pub mod new_york;
pub mod refusal;
pub mod roster;
pub mod signal;
mod signal_fields;
pub mod signal_parse;
pub mod signing;
pub mod stance;
pub mod symbol;
pub mod time_text;
pub mod trade;

pub use clock::{Acknowledgement, ClockInstant, ClockMode};
pub use decision::{Purpose, RoundOutcome, RoundRecord, RoundVote};
pub use heartbeat::{Heartbeat, ProcessState};
pub use identity::{AgentId, BootId, ClientOrderId, DecisionId, IdentitySource};
pub use market_data::{Bar, NewsItem, Register, Timeframe};
pub use refusal::{Refusal, RefusalCode};
pub use roster::{Roster, RosterAgent};
pub use signal::{AgentRef, ArbitrageSignal, Direction, ProposedTrade, SignalType};
pub use signal_parse::{parse_signal, parse_vote};
pub use stance::{Stance, StanceMessage};
pub use symbol::{AssetClass, Symbol};
pub use trade::{ClosedTrade, ExitReason, Fill, Hindsight, TradeVote, WeightChange};

/// An instant of market time or wall time, always UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

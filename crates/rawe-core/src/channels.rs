//! Names of the channels, streams and hashes on the bus. Their contents are typed in the sibling
//! modules; how they are carried is `rawe-bus`.

/// Pub/sub channel of [`crate::ArbitrageSignal`]s; configurable, this is the default.
pub const SIGNAL_CHANNEL: &str = "rawe_collective_signals";
/// Stream of [`crate::Bar`]s, by the market feed.
pub const BARS_STREAM: &str = "rawe:bars";
/// Stream of [`crate::NewsItem`]s, by the market feed.
pub const NEWS_STREAM: &str = "rawe:news";
/// Stream of [`crate::ClockInstant`]s: warm-up done, each paced instant, the end of a replay.
pub const CLOCK_STREAM: &str = "rawe:clock";
/// Stream of [`crate::Acknowledgement`]s of paced instants.
pub const ACKS_STREAM: &str = "rawe:acks";
/// Stream of accepted signals, the audit copy by the consensus engine.
pub const SIGNALS_STREAM: &str = "rawe:signals";
/// Stream of [`crate::StanceMessage`]s, one per agent and scan.
pub const STANCES_STREAM: &str = "rawe:stances";
/// Stream of [`crate::RoundRecord`]s: every closed round, decision or near miss.
pub const DECISIONS_STREAM: &str = "rawe:decisions";
/// Stream of [`crate::control::ControlMessage`]s: halt, resume, reduce.
pub const CONTROL_STREAM: &str = "rawe:control";
/// Hash of [`crate::Heartbeat`]s by process name.
pub const STATUS_HASH: &str = "rawe:status";

/// The hash that holds the snapshot of one agent's state, by its id.
pub fn snapshot_hash(agent: &str) -> String {
    format!("rawe:snapshot:{agent}")
}

/// How many entries a stream of small messages keeps. At one message a second, more than a day.
pub const STREAM_LENGTH_MAX: usize = 100_000;
/// How many bars or news items a stream keeps: 130 days of 600 assets' hourly bars fit.
pub const MARKET_STREAM_LENGTH_MAX: usize = 1_000_000;

//! What the collective is told and what it asks for: two closed sets. A shell, or the simulator,
//! turns bytes, answers and timers into inputs and performs the outputs; it decides nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use rawe_core::{AgentId, Bar, ClientOrderId, StanceMessage, Timestamp};
use rawe_execution::broker::OrderRequest;
use rawe_execution::desk::{Control, DeskEvent, Notice, Question, Ticket};
use rawe_execution::journal::JournalEntry;

/// Everything that can happen to the collective. All times are market time.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The engine has started; these are the journal's entries, oldest first. Nothing is traded
    /// before the account is understood.
    Started(Vec<JournalEntry>),
    /// The bytes of a message of the signal channel.
    Message(Vec<u8>),
    /// Messages may have been lost between these two instants.
    BusGap {
        /// Last instant known to be whole.
        from: Timestamp,
        /// First instant known to be whole again.
        through: Timestamp,
    },
    /// An agent's stances after a scan.
    Stances(StanceMessage),
    /// Which roster agents have a live heartbeat.
    Alive(BTreeSet<AgentId>),
    /// Somebody's word on trading.
    Control(Control),
    /// A bar that has ended.
    Bar(Bar),
    /// What the broker, or the journal about a batch, has answered.
    Desk(DeskEvent),
    /// Whether a replay paces market time.
    Paced(bool),
    /// A replay begins another run: all is forgotten, and the account is read anew.
    RunBegins {
        /// The deployment of this run: part of every order's id.
        deployment: String,
    },
    /// In a replay: every message of the instant `now` has been given.
    InstantComplete,
    /// Time passed.
    Tick,
}

/// Everything the collective can ask for, to be performed in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Append the entries to the journal as one transaction, after all earlier batches (several
    /// batches may share one); answer [`DeskEvent::Committed`] or [`DeskEvent::NotCommitted`].
    Commit {
        /// Names the batch.
        ticket: Ticket,
        /// At least one.
        entries: Vec<JournalEntry>,
    },
    /// Wait, then ask the broker; answer [`DeskEvent::Answered`].
    Ask {
        /// What.
        question: Question,
        /// Monotonic time to wait first.
        after: Duration,
    },
    /// Send the order once; answer [`DeskEvent::Submitted`]. Its intent has been committed.
    Submit(Box<OrderRequest>),
    /// Ask to cancel an order of ours; answer [`DeskEvent::CancelAnswered`].
    Cancel {
        /// Our id.
        id: ClientOrderId,
        /// The broker's id.
        broker_order_id: String,
    },
    /// Append to a stream of the bus. Nothing waits for it.
    Publish {
        /// The stream.
        stream: &'static str,
        /// One JSON object.
        payload: Vec<u8>,
    },
    /// For the log.
    Notice(Notice),
}

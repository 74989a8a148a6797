//! What the desk is told and what it asks for: two closed sets.
//!
//! All times are market time; a shell whose broker has another clock converts at its edge.

use std::collections::BTreeSet;
use std::time::Duration;

use rawe_core::{
    AgentId, ClientOrderId, ClosedTrade, Direction, Purpose, RoundRecord, Symbol, Timestamp,
};
use rust_decimal::Decimal;

use crate::broker::{
    Account, AssetInfo, BrokerClock, BrokerError, OrderReport, OrderRequest, PastOrders,
    PositionReport, SubmitOutcome,
};
use crate::gate::TradingState;
use crate::journal::JournalEntry;

/// Numbers a batch of journal entries within one start.
pub type Ticket = u64;

/// An order the collective wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The round's record: votes, reason, size. The desk adds the ids and journals it.
    pub record: RoundRecord,
    /// Open or close.
    pub purpose: Purpose,
    /// For an opening the direction to take, for a closing the direction held.
    pub direction: Direction,
    /// Market time after which the order must not be sent any more.
    pub void_after: Timestamp,
    /// For a closing, why.
    pub exit: Option<rawe_core::ExitReason>,
}

/// A question to the broker that only reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// The account.
    Account,
    /// The clock.
    Clock,
    /// All positions.
    Positions,
    /// All open orders, ours and foreign.
    OpenOrders,
    /// One asset.
    Asset(Symbol),
    /// The newest terminal orders of an asset.
    ClosedOrders(Symbol),
    /// The newest terminal orders of all assets.
    PastOrders,
    /// The newest price of an asset.
    LatestPrice(Symbol),
    /// The order with our id.
    Order(ClientOrderId),
}

/// What the broker answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Question::Account`].
    Account(Account),
    /// To [`Question::Clock`].
    Clock(BrokerClock),
    /// To [`Question::Positions`].
    Positions(Vec<PositionReport>),
    /// To [`Question::OpenOrders`] and [`Question::ClosedOrders`].
    Orders(Vec<OrderReport>),
    /// To [`Question::PastOrders`].
    PastOrders(PastOrders),
    /// To [`Question::Asset`]; `None` if the broker does not know it.
    Asset(Option<AssetInfo>),
    /// To [`Question::LatestPrice`], USD and its time; `None` if the broker has none.
    Price(Option<(Decimal, Timestamp)>),
    /// To [`Question::Order`]; `None` if the broker confirms that there is none.
    Order(Option<OrderReport>),
}

/// Where the operator's word came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ControlSource {
    /// `rawe:control`.
    Bus,
    /// The `HALT` file beside the journal: its own memory, so not kept over a restart either.
    File,
    /// SIGUSR1. Only a resume from the bus takes it back.
    Signal,
    /// The engine itself: it lost the lease, or a replay has ended. Not kept over a restart.
    Engine,
}

/// What is said about trading. Each source has its own say, and the strictest rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Who says it.
    pub source: ControlSource,
    /// What trading may be, by this source.
    pub state: TradingState,
    /// Cancel our orders and close our positions besides.
    pub flatten: bool,
    /// Why.
    pub reason: String,
}

/// Everything that can happen to the desk.
#[derive(Clone, Debug, PartialEq)]
pub enum DeskEvent {
    /// The engine has started, or a replay begins: read the account, resolve what is open. The
    /// entries are the journal's history.
    Started(Vec<JournalEntry>),
    /// Somebody votes on this asset: find out what may be done with it and when we last traded it,
    /// and tell [`OrderNews::Asset`] and [`OrderNews::Holding`].
    AssetWanted(Symbol),
    /// The collective decided.
    Decided(Box<Decision>),
    /// The journal has committed a batch.
    Committed(Ticket),
    /// It could not.
    NotCommitted(Ticket, String),
    /// The broker answered a question.
    Answered {
        /// What was asked.
        question: Question,
        /// Its answer.
        answer: Result<Answer, BrokerError>,
    },
    /// An order was sent, and this came of it.
    Submitted {
        /// Our id.
        id: ClientOrderId,
        /// The outcome.
        outcome: SubmitOutcome,
    },
    /// A cancellation was asked for.
    CancelAnswered {
        /// Our id of the order.
        id: ClientOrderId,
        /// Whether the broker took the request.
        result: Result<(), BrokerError>,
    },
    /// The broker pushed news of an order, ours or foreign; polls go on beside it.
    OrderUpdate(Box<OrderReport>),
    /// Whether news of orders, those of others among them, are pushed from now on. What happened
    /// while they were not is read; a shell that never says it has them all the time.
    OrderNewsFlow(bool),
    /// A price, from a bar or a quote.
    Price {
        /// The asset.
        asset: Symbol,
        /// USD a unit.
        price: Decimal,
        /// Market time.
        at: Timestamp,
    },
    /// How far an asset moves in an hour: the standard deviation of hourly log returns.
    Volatility {
        /// The asset.
        asset: Symbol,
        /// Above 0.
        hourly: f64,
    },
    /// Somebody's word on trading.
    Control(Control),
    /// Whether a replay paces market time. Then decisions are taken to their end one by one.
    Paced(bool),
    /// Time passed.
    Tick,
}

/// What became of a decision or a position, for the consensus.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderNews {
    /// There is no order at the broker and there will be none.
    Refused {
        /// The asset.
        asset: Symbol,
        /// What it was for.
        purpose: Purpose,
        /// The round's record with the refusal as its outcome, if the round is of this start.
        record: Option<Box<RoundRecord>>,
    },
    /// The broker has the order.
    Accepted {
        /// The round's record with its ids, if the round is of this start.
        record: Option<Box<RoundRecord>>,
    },
    /// An order of an earlier start is still working.
    Resumed {
        /// The asset.
        asset: Symbol,
        /// What it is for.
        purpose: Purpose,
        /// The direction opened, or left.
        direction: Direction,
        /// Who voted for it.
        agreeing: BTreeSet<AgentId>,
    },
    /// The order has reached its end at the broker.
    Ended {
        /// The asset.
        asset: Symbol,
        /// What it was for.
        purpose: Purpose,
        /// Units filled, 0 or more.
        filled: Decimal,
        /// When it last filled.
        filled_at: Option<Timestamp>,
        /// Whether a position worth trading is left.
        position_left: bool,
    },
    /// What is held in an asset, after a start or a reconciliation that changed it.
    Holding {
        /// The asset.
        asset: Symbol,
        /// Direction, when opened, who agreed, whether it is ours; `None` when flat.
        position: Option<HeldPosition>,
        /// The last fill of ours.
        last_fill: Option<Timestamp>,
    },
    /// A position of ours is closed, and this is what it made.
    TradeClosed(Box<ClosedTrade>),
    /// What the broker's clock says of the stock session; `None` when it cannot be asked.
    Hours(Option<BrokerClock>),
    /// What the broker says of an asset.
    Asset {
        /// The asset.
        asset: Symbol,
        /// `None` if the broker does not know it.
        info: Option<AssetInfo>,
    },
    /// What may be traded has changed.
    State(TradingState),
}

/// A position as the consensus has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPosition {
    /// Long or short.
    pub direction: Direction,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Who voted for it, as far as the journal knows.
    pub agreeing: BTreeSet<AgentId>,
    /// Whether we opened it.
    pub ours: bool,
}

/// Something a person should be able to read in the log: a stable event name, ids as fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// How much it matters.
    pub level: NoticeLevel,
    /// Noun, past verb, such as `order_filled`.
    pub event: &'static str,
    /// Ids and amounts, by name.
    pub fields: Vec<(&'static str, String)>,
    /// One sentence.
    pub message: String,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeLevel {
    /// Of use when something is looked for.
    Debug,
    /// Part of the story.
    Info,
    /// Not as it should be.
    Warn,
    /// Trading stands still, or money may be at stake.
    Error,
}

/// Everything the desk can ask for, to be performed in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum DeskEffect {
    /// Append these entries to the journal as one transaction, after all earlier batches; answer
    /// `Committed` or `NotCommitted`.
    Commit {
        /// Names the batch.
        ticket: Ticket,
        /// At least one.
        entries: Vec<JournalEntry>,
    },
    /// Wait, then ask the broker; answer `Answered`.
    Ask {
        /// What.
        question: Question,
        /// Monotonic time to wait first.
        after: Duration,
    },
    /// Send the order once; answer `Submitted`. Its intent has been committed.
    Submit(Box<OrderRequest>),
    /// Ask to cancel an order of ours; answer `CancelAnswered`.
    Cancel {
        /// Our id.
        id: ClientOrderId,
        /// The broker's id.
        broker_order_id: String,
    },
    /// For the consensus.
    Tell(OrderNews),
    /// For the log.
    Notice(Notice),
}

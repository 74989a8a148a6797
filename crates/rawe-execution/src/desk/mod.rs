//! The order desk: one synchronous owner of everything about money.
//!
//! Decisions, the broker's answers, the journal's acknowledgements and the operator's word go in
//! as [`DeskEvent`]s; questions, orders, journal entries and news come out as [`DeskEffect`]s. No
//! clock, no I/O, no waiting: a shell (or the simulator) performs the effects and answers.

mod adopting;
mod answers;
mod books;
mod cancelling;
mod control;
mod deciding;
mod ends;
pub mod event;
mod exits;
mod explaining;
mod fills;
mod folding;
mod given_up;
mod legs;
mod orders;
mod outstanding;
mod past;
mod polls;
mod rates;
mod reconciling;
mod settings;
mod starting;
mod view;
mod waiting;

pub use books::{Books, Line, OpenTrade};
pub use event::{
    Answer, Control, ControlSource, Decision, DeskEffect, DeskEvent, HeldPosition, Notice,
    NoticeLevel, OrderNews, Question, Ticket,
};
pub use settings::{DeskSettings, ExitRules};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use chrono::TimeDelta;
use rawe_core::{ClientOrderId, DecisionId, Purpose, Symbol, Timestamp};

use crate::broker::OrderReport;
use crate::gate::{Gate, TradingState};
use crate::journal::JournalEntry;
use crate::submission::{Event as SubmissionEvent, Phase};
use control::ControlBoard;
use deciding::Pending;
use exits::ExitState;
use explaining::{Doubt, NewsFlow};
use orders::{EndedOrder, LiveOrder};
use past::Past;
use polls::Polls;
use rates::Rates;
use reconciling::Reconciliation;
use starting::Starting;
use view::View;

/// How long to wait before the broker is asked again after it could not be.
const ASK_WAIT: Duration = Duration::from_millis(500);

/// Our latest terminal order for each purpose of an asset: predecessors of the next ones.
type Chains = BTreeMap<Symbol, [Option<ClientOrderId>; 3]>;

/// The order desk.
#[derive(Debug)]
pub struct Desk {
    settings: DeskSettings,
    gate: Gate,
    paced: bool,
    /// The instant of a replay that was begun last.
    instant: Option<Timestamp>,
    /// Counts events: what was asked before what.
    sequence: u64,
    books: Books,
    view: View,
    control: ControlBoard,
    starting: Option<Starting>,
    fault: Option<String>,
    chains: Chains,
    past: Past,
    polls: Polls,
    decisions: BTreeMap<u64, Pending>,
    /// The numbers of the decisions for each asset.
    deciding: BTreeMap<Symbol, BTreeSet<u64>>,
    decided: u64,
    awake: BTreeSet<u64>,
    waiters: BTreeMap<Question, Vec<u64>>,
    void_after: BTreeSet<(Timestamp, u64)>,
    /// Boxed, as are the lines of the books: a node of a tree has room for eleven, half of them free.
    orders: BTreeMap<ClientOrderId, Box<LiveOrder>>,
    by_asset: BTreeMap<Symbol, Vec<ClientOrderId>>,
    ended: VecDeque<EndedOrder>,
    given_up: VecDeque<LiveOrder>,
    /// News of exits that have come before those of their opening.
    early_news: Vec<OrderReport>,
    /// Differences to the broker's positions that an order of ours may explain.
    doubts: BTreeMap<Symbol, Doubt>,
    news_flow: NewsFlow,
    /// Assets in which something of ours is held that is not dust.
    held: BTreeSet<Symbol>,
    /// The event of the last fill or end of an order of ours, by asset, and its market time.
    touched: BTreeMap<Symbol, (u64, Timestamp)>,
    /// Assets in which others have traded since positions were compared: the event that told it,
    /// and its market time.
    disturbed: BTreeMap<Symbol, (u64, Timestamp)>,
    rates: Rates,
    wanted: BTreeSet<Symbol>,
    exits: ExitState,
    reconciliation: Reconciliation,
    tickets: BTreeMap<Ticket, Vec<ClientOrderId>>,
    ticket: Ticket,
    committing: Vec<ClientOrderId>,
    entries: Vec<JournalEntry>,
    out: Vec<DeskEffect>,
}

impl Desk {
    /// A desk that is halted until it has been started and has resolved everything.
    pub fn new(settings: DeskSettings) -> Self {
        let gate = Gate::new(settings.limits.clone(), settings.new_positions_per_hour);
        Self {
            settings,
            gate,
            paced: false,
            instant: None,
            sequence: 0,
            books: Books::default(),
            view: View::default(),
            control: ControlBoard::default(),
            starting: Some(Starting::default()),
            fault: None,
            chains: BTreeMap::new(),
            past: Past::default(),
            polls: Polls::default(),
            decisions: BTreeMap::new(),
            deciding: BTreeMap::new(),
            decided: 0,
            awake: BTreeSet::new(),
            waiters: BTreeMap::new(),
            void_after: BTreeSet::new(),
            orders: BTreeMap::new(),
            by_asset: BTreeMap::new(),
            ended: VecDeque::new(),
            given_up: VecDeque::new(),
            early_news: Vec::new(),
            doubts: BTreeMap::new(),
            news_flow: NewsFlow::default(),
            held: BTreeSet::new(),
            touched: BTreeMap::new(),
            disturbed: BTreeMap::new(),
            rates: Rates::default(),
            wanted: BTreeSet::new(),
            exits: ExitState::default(),
            reconciliation: Reconciliation::default(),
            tickets: BTreeMap::new(),
            ticket: 0,
            committing: Vec::new(),
            entries: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Takes one event and gives back what follows from it, to be performed in this order. `now`
    /// is market time.
    pub fn apply(&mut self, event: DeskEvent, now: Timestamp) -> Vec<DeskEffect> {
        self.sequence += 1;
        self.books.turn_day(now);
        if self.paced && self.instant != Some(now) {
            self.instant = Some(now);
            self.look_at_working(now);
        }
        match event {
            DeskEvent::Started(history) => self.start(history, now),
            DeskEvent::AssetWanted(asset) => self.on_asset_wanted(&asset, now),
            DeskEvent::Decided(decision) => self.take_decision(*decision, false),
            DeskEvent::Committed(ticket) => self.on_committed(ticket, now),
            DeskEvent::NotCommitted(ticket, reason) => self.on_not_committed(ticket, &reason, now),
            DeskEvent::Answered { question, answer } => self.on_answered(&question, answer, now),
            DeskEvent::Submitted { id, outcome } => self.on_submitted(&id, outcome, now),
            DeskEvent::CancelAnswered { id, result } => self.on_cancel_answered(&id, &result, now),
            DeskEvent::OrderUpdate(report) => self.on_pushed(*report, now),
            DeskEvent::OrderNewsFlow(flows) => self.on_news_flow(flows, now),
            DeskEvent::Price { asset, price, at } => self.on_price(&asset, price, at, now),
            DeskEvent::Volatility { asset, hourly } => {
                let known = (hourly.is_finite() && hourly > 0.0).then_some(hourly);
                self.books
                    .change(&asset, |line| line.hourly_volatility = known);
            }
            DeskEvent::Control(control) => self.on_control(control, now),
            DeskEvent::Paced(paced) => self.paced = paced,
            DeskEvent::Tick => self.on_tick(now),
        }
        self.proceed(now);
        self.flush();
        std::mem::take(&mut self.out)
    }

    /// Market time of the next [`DeskEvent::Tick`] that would change something. A replay ticks at
    /// each instant besides.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.paced {
            return None;
        }
        let voids = self.void_after.first();
        // A decision is valid at its last moment.
        let voids = voids.map(|(at, _)| *at + TimeDelta::milliseconds(1));
        let exits = self.next_exit_deadline();
        [voids, self.reconciliation.due(), exits, self.polls.due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether nothing is under way that has to be waited for: by a replay before market time
    /// moves on, by a live engine before it ends. Live, an order that the broker is known to have
    /// does not count; in a replay only one that lingers does not.
    pub fn is_settled(&self) -> bool {
        let starting = self.starting.as_ref();
        let reconciling = self.reconciliation.is_under_way() || self.is_doubting();
        let reconciling = self.paced && reconciling;
        starting.is_none_or(|starting| !starting.has_begun())
            && self.decisions.is_empty()
            && self.wanted.is_empty()
            && !reconciling
            && !(self.paced && self.view.is_asked(&Question::Clock))
            && self.orders.values().all(|order| self.is_at_rest(order))
    }

    fn is_at_rest(&self, order: &LiveOrder) -> bool {
        if self.paced {
            order.lingers()
        } else {
            order.phase() == Phase::Working && !order.is_cancelling()
        }
    }

    /// What trading may be, and why not more.
    pub fn state(&self) -> (TradingState, String) {
        self.trading_and_reason()
    }

    /// The books.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// The orders under way, by id: what each is for and where it stands.
    pub fn orders(&self) -> impl Iterator<Item = (&ClientOrderId, Purpose, Phase)> {
        let orders = self.orders.iter();
        orders.map(|(id, order)| (id, order.purpose(), order.phase()))
    }

    /// What makes a start impossible, in one sentence: keys refused, account blocked. A shell ends
    /// with it; an unreachable broker is not among it, it is asked again for ever.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    fn on_tick(&mut self, now: Timestamp) {
        while let Some((at, number)) = self.void_after.first().copied() {
            if at >= now {
                break;
            }
            self.void_after.pop_first();
            self.awake.insert(number);
        }
        self.exits.awake = true;
        self.weigh_given_up(now);
        self.tick_exits(now);
        self.tick_reconciliation(now);
        self.tick_polls(now);
    }

    /// Does what has become possible.
    fn proceed(&mut self, now: Timestamp) {
        self.take_early_news(now);
        self.proceed_starting(now);
        self.flatten(now);
        self.proceed_decisions(now);
        self.proceed_reconciliation(now);
        self.tell_state();
    }

    /// Everything to be put on record by this event becomes one batch, ahead of the rest.
    fn flush(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        self.ticket += 1;
        let ticket = self.ticket;
        let entries = std::mem::take(&mut self.entries);
        let waiting = std::mem::take(&mut self.committing);
        if !waiting.is_empty() {
            self.tickets.insert(ticket, waiting);
        }
        self.out.insert(0, DeskEffect::Commit { ticket, entries });
    }

    fn on_committed(&mut self, ticket: Ticket, now: Timestamp) {
        for id in self.tickets.remove(&ticket).unwrap_or_default() {
            self.step(&id, SubmissionEvent::Recorded, now);
        }
    }

    fn on_not_committed(&mut self, ticket: Ticket, reason: &str, now: Timestamp) {
        self.broke(reason.to_owned());
        for id in self.tickets.remove(&ticket).unwrap_or_default() {
            self.step(&id, SubmissionEvent::NotRecorded(reason.to_owned()), now);
        }
    }

    /// Asks the broker unless the question is under way; `again` asks in any case.
    fn ask(&mut self, question: Question, after: Duration, again: bool, now: Timestamp) {
        if self.view.note_asked(&question, again, self.sequence, now) {
            self.out.push(DeskEffect::Ask { question, after });
        }
    }

    fn ask_now(&mut self, question: Question, now: Timestamp) {
        self.ask(question, Duration::ZERO, false, now);
    }

    fn tell(&mut self, news: OrderNews) {
        self.out.push(DeskEffect::Tell(news));
    }

    fn notice(
        &mut self,
        level: NoticeLevel,
        event: &'static str,
        fields: Vec<(&'static str, String)>,
        message: String,
    ) {
        self.out.push(DeskEffect::Notice(Notice {
            level,
            event,
            fields,
            message,
        }));
    }

    /// The id of the next order for an asset and purpose, if our last one is known.
    fn next_id(&self, asset: &Symbol, purpose: Purpose) -> Option<DecisionId> {
        if !self.knows_past_of(asset) {
            return None;
        }
        let latest = self.latest_of(asset, purpose);
        let deployment = &self.settings.deployment;
        Some(DecisionId::derive(deployment, asset, purpose, latest))
    }

    /// An order or a position of ours in the asset has changed.
    fn touch(&mut self, asset: &Symbol, now: Timestamp) {
        self.touched.insert(asset.clone(), (self.sequence, now));
    }
}

/// Where a purpose stands in [`Chains`].
fn chain_index(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Open => 0,
        Purpose::Close => 1,
        Purpose::Stop => 2,
    }
}

//! The witness: what an outsider who sees everything knows, from which the invariants are judged.
//! It records; the judging is in `invariants`.

use std::collections::{BTreeMap, BTreeSet};

use rawe_collective::{CollectiveSettings, Input};
use rawe_core::{ClientOrderId, Purpose, RoundRecord, RoundVote, Symbol, Timestamp};
use rawe_execution::TradingState;
use rawe_execution::broker::{OrderReport, SubmitOutcome};
use rawe_execution::desk::{Answer, Control, ControlSource, DeskEvent, Question};
use rawe_execution::journal::{ControlRecord, Intent, JournalEntry, PositionRecord, Resolution};
use rust_decimal::Decimal;

use crate::broker::BrokerModel;
use crate::coverage::Coverage;
use crate::plan::Plan;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

/// What became of an order that was sent, as the engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Sent, and nothing heard.
    Nothing,
    /// The broker has refused it.
    Refused,
    /// The broker has said that it does not have it.
    NotFound,
    /// The broker has it, or had it.
    Taken,
}

/// All sendings of one id.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) at: Timestamp,
    pub(crate) known: Known,
    /// Sendings since the intent was last committed, within one boot.
    pub(crate) attempts: u32,
    pub(crate) boot: u32,
}

/// What the broker has told the engine since it started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) account: bool,
    pub(crate) clock: Option<i64>,
    pub(crate) positions: Option<Timestamp>,
    pub(crate) open_orders: bool,
    /// Intents that were open when it started and about which nothing is known yet.
    pub(crate) open_intents: BTreeSet<ClientOrderId>,
    pub(crate) messages: u64,
    pub(crate) journal_broken: bool,
}

/// Everything an outsider knows.
#[derive(Clone, Debug)]
pub struct Witness {
    pub(crate) settings: CollectiveSettings,
    pub(crate) window: chrono::TimeDelta,
    pub(crate) violation: Option<Violation>,
    pub(crate) boot: u32,
    pub(crate) heard: Heard,
    pub(crate) posts: BTreeMap<ClientOrderId, Post>,
    pub(crate) intents: BTreeMap<ClientOrderId, Intent>,
    pub(crate) resolved: BTreeMap<ClientOrderId, Resolution>,
    pub(crate) rounds: BTreeMap<String, RoundRecord>,
    pub(crate) positions: BTreeMap<Symbol, PositionRecord>,
    /// What each source last said to the running engine.
    pub(crate) controls: BTreeMap<&'static str, (TradingState, bool)>,
    /// Words that are not on record yet.
    pub(crate) unrecorded: Vec<(Timestamp, &'static str, TradingState)>,
    pub(crate) openings: Vec<(Timestamp, ClientOrderId)>,
    pub(crate) sent: Vec<Timestamp>,
    pub(crate) foreign: BTreeMap<Symbol, Timestamp>,
    /// Units that have filled of each order, as far as the engine was told.
    pub(crate) filled_told: BTreeMap<ClientOrderId, Decimal>,
    pub(crate) journal_failed: Option<Timestamp>,
    pub(crate) journal_was_lost: bool,
    pub(crate) calm_since: Option<Timestamp>,
    pub(crate) looks: u64,
    pub(crate) flaws_seen: usize,
    pub(crate) coverage: Coverage,
}

pub(crate) fn source_name(source: ControlSource) -> &'static str {
    match source {
        ControlSource::Bus => "bus",
        ControlSource::File => "file",
        ControlSource::Signal => "signal",
        ControlSource::Engine => "engine",
    }
}

impl Witness {
    /// A witness of a run under these settings.
    pub fn new(plan: &Plan, settings: &CollectiveSettings) -> Self {
        Self {
            window: chrono::TimeDelta::milliseconds(
                i64::try_from(plan.window_ms).unwrap_or(i64::MAX / 1_000_000),
            ),
            settings: settings.clone(),
            violation: None,
            boot: 0,
            heard: Heard::default(),
            posts: BTreeMap::new(),
            intents: BTreeMap::new(),
            resolved: BTreeMap::new(),
            rounds: BTreeMap::new(),
            positions: BTreeMap::new(),
            controls: BTreeMap::new(),
            unrecorded: Vec::new(),
            openings: Vec::new(),
            sent: Vec::new(),
            foreign: BTreeMap::new(),
            filled_told: BTreeMap::new(),
            journal_failed: None,
            journal_was_lost: false,
            calm_since: None,
            looks: 0,
            flaws_seen: 0,
            coverage: Coverage::default(),
        }
    }

    /// The first invariant that did not hold.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Notes that an invariant did not hold; the first one counts.
    pub fn fail(&mut self, invariant: &'static str, detail: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, detail });
        }
    }

    pub(crate) fn cover(&self, coverage: &mut Coverage) {
        coverage.absorb(&self.coverage);
    }

    /// The engine has started with this history.
    pub(crate) fn started(&mut self, history: &[JournalEntry], broker: &BrokerModel) {
        self.check_on_record(history, broker);
        self.boot += 1;
        self.heard = Heard::default();
        self.controls.clear();
        let mut open = BTreeSet::new();
        for entry in history {
            match entry {
                JournalEntry::Intent(intent) => {
                    open.insert(intent.order.client_order_id.clone());
                }
                JournalEntry::Resolved {
                    client_order_id, ..
                } => {
                    open.remove(client_order_id);
                }
                JournalEntry::Control(record) => {
                    // What the file says, the file says again at every start.
                    if let Some(source) = operator_source(record).filter(|s| *s != "file") {
                        self.controls.insert(source, (record.state, record.flatten));
                        if source == "bus" && record.state == TradingState::Active {
                            self.controls.remove("signal");
                        }
                    }
                }
                _ => {}
            }
        }
        self.heard.open_intents = open;
        self.unrecorded.clear();
    }

    /// Something has reached the running engine.
    pub(crate) fn told(&mut self, input: &Input, now: Timestamp) {
        match input {
            Input::Message(_) => self.heard.messages += 1,
            Input::Control(control) => self.on_control(control, now),
            Input::Desk(event) => self.on_event(event, now),
            _ => {}
        }
    }

    fn on_control(&mut self, control: &Control, now: Timestamp) {
        let source = source_name(control.source);
        let word = (control.state, control.flatten);
        let before = self.controls.insert(source, word);
        if control.source == ControlSource::Bus && control.state == TradingState::Active {
            // The operator's word to resume takes back a halt by signal.
            self.controls.remove("signal");
        }
        let known = before.is_some_and(|(state, _)| state == control.state);
        if !known && control.state != TradingState::Active {
            self.unrecorded.push((now, source, control.state));
        }
        let name = match (control.state, control.flatten) {
            (TradingState::Halted, _) => "halts",
            (TradingState::Reducing, false) => "reductions",
            (TradingState::Reducing, true) => "flattenings",
            (TradingState::Active, _) => "resumptions",
        };
        self.coverage.add(name, 1);
    }

    fn on_event(&mut self, event: &DeskEvent, now: Timestamp) {
        match event {
            DeskEvent::Submitted { id, outcome } => {
                if let SubmitOutcome::Accepted(report) = outcome {
                    self.know_report(report);
                }
                let known = match outcome {
                    SubmitOutcome::Accepted(_) | SubmitOutcome::Duplicate(_) => Known::Taken,
                    SubmitOutcome::Rejected(_) => Known::Refused,
                    SubmitOutcome::Unknown(_) => {
                        self.coverage.add("orders_unknown", 1);
                        return;
                    }
                };
                self.know(id, known);
            }
            DeskEvent::OrderUpdate(report) => {
                self.know_report(report);
            }
            DeskEvent::NotCommitted(..) => self.heard.journal_broken = true,
            DeskEvent::Answered {
                question,
                answer: Ok(answer),
            } => {
                self.on_answer(question, answer, now);
            }
            _ => {}
        }
    }

    fn know(&mut self, id: &ClientOrderId, known: Known) {
        self.heard.open_intents.remove(id);
        if let Some(post) = self.posts.get_mut(id) {
            post.known = known;
        }
    }

    fn on_answer(&mut self, question: &Question, answer: &Answer, now: Timestamp) {
        match answer {
            Answer::Account(_) => self.heard.account = true,
            Answer::Clock(clock) => {
                let skew = (clock.timestamp - now).num_milliseconds();
                self.heard.clock = Some(skew);
            }
            Answer::Positions(_) => self.heard.positions = Some(now),
            Answer::Orders(orders) => {
                for order in orders {
                    self.know_report(order);
                }
                if *question == Question::OpenOrders {
                    self.heard.open_orders = true;
                }
            }
            Answer::Order(found) => {
                if let Question::Order(id) = question {
                    let known = if found.is_some() {
                        Known::Taken
                    } else {
                        Known::NotFound
                    };
                    self.know(id, known);
                }
                if let Some(report) = found {
                    self.know_report(report);
                }
            }
            _ => {}
        }
    }

    /// The broker has told an order, and maybe its exits.
    fn know_report(&mut self, report: &OrderReport) {
        let legs = report.legs.iter().map(|leg| &leg.report);
        for report in [report].into_iter().chain(legs) {
            let id = ClientOrderId::of_leg(&report.client_order_id);
            self.know(&id, Known::Taken);
            let told = self.filled_told.entry(id).or_default();
            *told = report.filled_quantity.max(*told);
        }
    }

    /// Entries are on disk.
    pub(crate) fn committed(
        &mut self,
        entries: &[JournalEntry],
        voted: &BTreeMap<Symbol, Vec<RoundVote>>,
    ) {
        for entry in entries {
            match entry {
                JournalEntry::Round(round) => {
                    self.coverage.add(&format!("outcome.{}", round.outcome), 1);
                    self.check_round(round, voted);
                    if round.outcome.is_decision() {
                        self.rounds
                            .insert(round.round_id.clone(), (**round).clone());
                    }
                }
                JournalEntry::Intent(intent) => {
                    let id = intent.order.client_order_id.clone();
                    self.coverage.add(&format!("intents.{}", intent.purpose), 1);
                    if let Some(post) = self.posts.get_mut(&id) {
                        post.attempts = 0;
                    }
                    self.resolved.remove(&id);
                    self.intents.insert(id, intent.clone());
                }
                JournalEntry::Resolved {
                    client_order_id,
                    resolution,
                    ..
                } => {
                    let name = match resolution {
                        Resolution::Terminal(_) => "resolved.terminal",
                        Resolution::Rejected { .. } => "resolved.rejected",
                        Resolution::NeverSent { .. } => "resolved.never_sent",
                    };
                    self.coverage.add(name, 1);
                    self.heard.open_intents.remove(client_order_id);
                    self.resolved
                        .insert(client_order_id.clone(), resolution.clone());
                }
                JournalEntry::Position(record) => {
                    self.positions.insert(record.asset.clone(), record.clone());
                }
                JournalEntry::Control(record) => self.on_record(record),
                JournalEntry::Trade(trade) => {
                    self.coverage.add(&format!("trades.{}", trade.reason), 1);
                }
                _ => {}
            }
        }
    }

    fn on_record(&mut self, record: &ControlRecord) {
        let done = self
            .unrecorded
            .iter()
            .position(|(_, source, state)| *source == record.source && *state == record.state);
        if let Some(done) = done {
            self.unrecorded.drain(..=done);
        }
    }

    /// Words that were not on record at a kill are lost with it.
    pub(crate) fn killed(&mut self) {
        self.unrecorded.clear();
    }

    pub(crate) fn journal_failed(&mut self, now: Timestamp) {
        self.journal_failed = Some(now);
        self.unrecorded.clear();
    }

    pub(crate) fn journal_lost(&mut self) {
        self.journal_was_lost = true;
        self.positions.clear();
        self.unrecorded.clear();
        // How often something was done is known from the journal only.
        self.openings.clear();
        self.sent.clear();
        // An id that was lost with the journal may be sent again: the broker refuses a second one.
        self.posts.clear();
    }

    pub(crate) fn foreign_acts(&mut self, symbol: &Symbol, now: Timestamp) {
        self.foreign.insert(symbol.clone(), now);
    }

    pub(crate) fn calm(&mut self, now: Timestamp) {
        self.calm_since = Some(now);
    }

    /// What the order of an id is for, as far as the journal says.
    pub(crate) fn purpose(&self, id: &ClientOrderId) -> Option<Purpose> {
        self.intents.get(id).map(|intent| intent.purpose)
    }
}

fn operator_source(record: &ControlRecord) -> Option<&'static str> {
    ["bus", "file", "signal"]
        .into_iter()
        .find(|source| *source == record.source)
}

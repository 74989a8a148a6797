//! The collective itself: one owner of all state, one synchronous `apply`. What happens to each
//! kind of input is in the siblings; here is the order in which consequences are worked off.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;
use rawe_consensus::{Admission, Consensus, Effect, Event, HindsightTracker, MarketHours, Rules};
use rawe_core::signing::Binding;
use rawe_core::{AgentId, Bar, Refusal, Roster, StanceMessage, Timestamp};
use rawe_execution::TradingState;
use rawe_execution::desk::{
    Answer, Control, ControlSource, Desk, DeskEffect, DeskEvent, DeskSettings, Notice, NoticeLevel,
    OrderNews, Question, Ticket,
};
use rawe_execution::journal::JournalEntry;
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use crate::counts::Counts;
use crate::event::{Input, Output};
use crate::history;
use crate::instants::Weighing;
use crate::intake::{Known, RefusalLog};
use crate::volatility::Volatilities;

/// Batches of our own are numbered from here, those of the desk from the other end.
const OWN_TICKETS: Ticket = 1 << 62;
/// Older prices than this are history: they tell how far an asset moves, not what it costs.
const PRICE_AGE_MAX: TimeDelta = TimeDelta::hours(2);

/// What the collective is made of.
#[derive(Clone, Debug)]
pub struct CollectiveSettings {
    /// The collective's rules.
    pub rules: Rules,
    /// Who may vote.
    pub roster: Roster,
    /// Limits, exits, and the deployment's name.
    pub desk: DeskSettings,
}

/// One input's consequences, while they are worked out.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) now: Timestamp,
    pub(crate) outputs: Vec<Output>,
    /// Near misses and the like, journalled as one batch at the end of the turn.
    pub(crate) entries: Vec<JournalEntry>,
    work: VecDeque<Work>,
}

#[derive(Debug)]
enum Work {
    News(OrderNews),
    Effect(Effect),
}

impl Turn {
    pub(crate) fn notice(
        &mut self,
        level: NoticeLevel,
        event: &'static str,
        fields: Vec<(&'static str, String)>,
        message: String,
    ) {
        self.outputs.push(Output::Notice(Notice {
            level,
            event,
            fields,
            message,
        }));
    }

    pub(crate) fn info(
        &mut self,
        event: &'static str,
        fields: Vec<(&'static str, String)>,
        message: String,
    ) {
        self.notice(NoticeLevel::Info, event, fields, message);
    }

    pub(crate) fn warn(
        &mut self,
        event: &'static str,
        fields: Vec<(&'static str, String)>,
        message: String,
    ) {
        self.notice(NoticeLevel::Warn, event, fields, message);
    }
}

/// The collective.
#[derive(Debug)]
pub struct Collective {
    pub(crate) settings: CollectiveSettings,
    pub(crate) admission: Admission,
    pub(crate) consensus: Consensus,
    pub(crate) desk: Desk,
    pub(crate) known: Known,
    pub(crate) held_stances: Vec<StanceMessage>,
    pub(crate) weighing: Option<Weighing>,
    pub(crate) alive: BTreeSet<AgentId>,
    pub(crate) hours: Option<MarketHours>,
    pub(crate) paced: bool,
    pub(crate) started: Option<Timestamp>,
    /// Too few voices, not yet said aloud.
    pub(crate) unsaid: Option<(usize, usize)>,
    pub(crate) refusals: RefusalLog,
    pub(crate) counts: Counts,
    /// When a vote last counted.
    pub(crate) heard: Option<Timestamp>,
    /// Where this engine listens: what signatures are checked against.
    binding: Option<Binding>,
    volatilities: Volatilities,
    pub(crate) hindsight: HindsightTracker,
    /// What each source last said of trading, for the desk of the next run.
    controls: BTreeMap<u8, Control>,
    /// Operators' words in the journal, for the same.
    control_entries: Vec<JournalEntry>,
    /// Why nothing is traded until a restart.
    broken: Option<String>,
    next_ticket: Ticket,
    /// Batches of our own that are not committed yet.
    pending: BTreeSet<Ticket>,
}

impl Collective {
    /// A collective without memory. It trades nothing before [`Input::Started`] and the broker's
    /// answers to what it then asks.
    pub fn new(settings: CollectiveSettings) -> Self {
        let (rules, roster) = (settings.rules.clone(), settings.roster.clone());
        Self {
            admission: Admission::new(rules.clone(), roster.clone()),
            consensus: Consensus::new(rules, roster),
            desk: Desk::new(settings.desk.clone()),
            known: Known::default(),
            held_stances: Vec::new(),
            weighing: None,
            alive: BTreeSet::new(),
            hours: None,
            paced: false,
            started: None,
            unsaid: None,
            refusals: RefusalLog::default(),
            counts: Counts::default(),
            heard: None,
            binding: None,
            volatilities: Volatilities::default(),
            hindsight: HindsightTracker::new(HindsightTracker::HORIZON_DEFAULT),
            controls: BTreeMap::new(),
            control_entries: Vec::new(),
            broken: None,
            next_ticket: OWN_TICKETS,
            pending: BTreeSet::new(),
            settings,
        }
    }

    /// Says on which channel, and for which deployment by its configured name, votes are heard.
    /// Where votes are signed, none counts before this is known.
    #[must_use]
    pub fn listening_on(mut self, binding: Binding) -> Self {
        self.binding = Some(binding);
        self
    }

    /// Reads an entry of the stances' stream for [`Input::Stances`].
    ///
    /// # Errors
    /// When it is none, or is not signed as it must be.
    pub fn read_stances(&self, payload: &[u8]) -> Result<StanceMessage, Refusal> {
        self.admission.read_stances(payload)
    }

    /// Signed votes from before now are refused: they may be captured ones.
    fn listen_from(&mut self, now: Timestamp) {
        if let Some(binding) = &self.binding {
            self.counts.absorb(self.admission.counts());
            let (rules, roster) = (self.settings.rules.clone(), self.settings.roster.clone());
            self.admission = Admission::new(rules, roster).bound_to(binding.clone(), now);
        }
    }

    /// Takes in one input at market time `now` and says what to do.
    pub fn apply(&mut self, input: Input, now: Timestamp) -> Vec<Output> {
        let mut turn = Turn {
            now,
            outputs: Vec::new(),
            entries: Vec::new(),
            work: VecDeque::new(),
        };
        self.on_input(input, &mut turn);
        self.work_off(&mut turn);
        while self.weighing.is_some() {
            self.weigh(&mut turn);
            if turn.work.is_empty() {
                break;
            }
            self.work_off(&mut turn);
        }
        if !turn.entries.is_empty() {
            let ticket = self.next_ticket;
            self.next_ticket += 1;
            self.pending.insert(ticket);
            turn.outputs.push(Output::Commit {
                ticket,
                entries: turn.entries,
            });
        }
        turn.outputs
    }

    /// The next instant of market time at which [`Input::Tick`] would change something, if any.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let own = if self.paced {
            None
        } else {
            self.next_instant()
        };
        [own, self.desk.next_deadline()].into_iter().flatten().min()
    }

    /// The next instant of market time at which a round or a hold ends: where a replay must stop.
    pub fn next_instant(&self) -> Option<Timestamp> {
        self.consensus.next_deadline()
    }

    /// Whether nothing is on its way: no instant being weighed, no order, no batch uncommitted.
    pub fn is_settled(&self) -> bool {
        self.weighing.is_none() && self.pending.is_empty() && self.desk.is_settled()
    }

    /// What may be traded, and why not more.
    pub fn state(&self) -> (TradingState, String) {
        self.desk.state()
    }

    /// What has been counted since the start.
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts.clone();
        counts.absorb(self.admission.counts());
        counts
    }

    /// The desk, to look at its books.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The consensus, to look at.
    pub fn consensus(&self) -> &Consensus {
        &self.consensus
    }

    /// How many signals wait: for the broker's word on their asset, or for their instant.
    pub fn signals_waiting(&self) -> usize {
        self.known.waiting_count + self.known.held.len()
    }

    /// Market time at which a vote last counted.
    pub fn last_vote(&self) -> Option<Timestamp> {
        self.heard
    }

    fn on_input(&mut self, input: Input, turn: &mut Turn) {
        match input {
            Input::Started(history) => self.on_started(history, turn),
            Input::Message(payload) => self.on_message(payload, turn),
            Input::BusGap { from, through } => {
                self.counts.bus_gaps += 1;
                self.tell_consensus(Event::BusGap { from, through }, turn);
            }
            Input::Stances(message) => {
                self.counts.stances += 1;
                if self.paced {
                    self.held_stances.push(message);
                } else {
                    self.tell_consensus(Event::Stances(message), turn);
                }
            }
            Input::Alive(alive) => {
                self.alive.clone_from(&alive);
                self.tell_consensus(Event::Liveness(alive), turn);
            }
            Input::Control(control) => self.on_control(control, turn),
            Input::Bar(bar) => self.on_bar(&bar, turn),
            Input::Desk(event) => self.on_desk(event, turn),
            Input::Paced(paced) => {
                self.paced = paced;
                self.hours = None;
                self.tell_desk(DeskEvent::Paced(paced), turn);
                self.tell_consensus(Event::Paced(paced), turn);
            }
            Input::RunBegins { deployment } => self.on_run(&deployment, turn),
            Input::InstantComplete => self.on_instant_complete(turn),
            Input::Tick => {
                self.say_unsaid(turn);
                if !self.paced {
                    self.tell_consensus(Event::Tick, turn);
                }
                self.tell_desk(DeskEvent::Tick, turn);
            }
        }
    }

    fn on_started(&mut self, journalled: Vec<JournalEntry>, turn: &mut Turn) {
        self.started = Some(turn.now);
        self.listen_from(turn.now);
        let deployment = self.settings.desk.deployment.clone();
        let own = history::own(journalled, &deployment);
        if own.mark_needed {
            turn.entries.push(history::mark(&deployment, turn.now));
        }
        let controls = own.entries.iter();
        let controls = controls.filter(|entry| matches!(entry, JournalEntry::Control(_)));
        self.control_entries = controls.cloned().collect();
        for near_miss in history::unjudged(&own.entries) {
            self.hindsight.resume(near_miss, turn.now);
        }
        for entry in &own.entries {
            if let JournalEntry::Weights(change) = entry {
                self.tell_consensus(Event::Weights(change.clone()), turn);
            }
        }
        // A trade whose credit did not reach the journal any more is credited now.
        for entry in &own.entries {
            if let JournalEntry::Trade(trade) = entry {
                self.tell_consensus(Event::TradeClosed(trade.clone()), turn);
            }
        }
        self.tell_desk(DeskEvent::Started(own.entries), turn);
    }

    /// Another run of a replay: nothing of an earlier one counts but what operators said.
    fn on_run(&mut self, deployment: &str, turn: &mut Turn) {
        self.counts.absorb(self.admission.counts());
        let mut settings = self.settings.clone();
        deployment.clone_into(&mut settings.desk.deployment);
        let before = std::mem::replace(self, Self::new(settings));
        self.counts = before.counts;
        self.alive = before.alive;
        self.controls = before.controls;
        self.control_entries = before.control_entries;
        self.broken = before.broken;
        self.next_ticket = before.next_ticket;
        self.pending = before.pending;
        self.paced = before.paced;
        self.binding = before.binding;
        self.started = Some(turn.now);
        self.listen_from(turn.now);
        turn.entries.push(history::mark(deployment, turn.now));
        self.tell_desk(DeskEvent::Paced(self.paced), turn);
        self.tell_consensus(Event::Paced(self.paced), turn);
        let alive = self.alive.clone();
        self.tell_consensus(Event::Liveness(alive), turn);
        let entries = self.control_entries.clone();
        self.tell_desk(DeskEvent::Started(entries), turn);
        for control in self.controls.values().cloned().collect::<Vec<_>>() {
            self.tell_desk(DeskEvent::Control(control), turn);
        }
    }

    fn on_control(&mut self, mut control: Control, turn: &mut Turn) {
        if control.source == ControlSource::Engine
            && let Some(broken) = &self.broken
        {
            control.state = TradingState::Halted;
            control.reason.clone_from(broken);
        }
        self.controls
            .insert(source_number(control.source), control.clone());
        self.tell_desk(DeskEvent::Control(control), turn);
    }

    fn on_bar(&mut self, bar: &Bar, turn: &mut Turn) {
        if !bar.is_sane() {
            return;
        }
        let judged = self.hindsight.on_bar(bar);
        turn.entries
            .extend(judged.into_iter().map(JournalEntry::Hindsight));
        if let Some(hourly) = self.volatilities.on_bar(bar) {
            let asset = bar.symbol.clone();
            self.tell_desk(DeskEvent::Volatility { asset, hourly }, turn);
        }
        if turn.now - bar.end > PRICE_AGE_MAX {
            return;
        }
        if let Some(price) = Decimal::from_f64(bar.close) {
            let price = DeskEvent::Price {
                asset: bar.symbol.clone(),
                price,
                at: bar.end,
            };
            self.tell_desk(price, turn);
        }
    }

    fn on_desk(&mut self, event: DeskEvent, turn: &mut Turn) {
        match &event {
            DeskEvent::Committed(ticket) if *ticket >= OWN_TICKETS => {
                self.pending.remove(ticket);
                return;
            }
            DeskEvent::NotCommitted(ticket, reason) if *ticket >= OWN_TICKETS => {
                self.pending.remove(ticket);
                self.broke(reason.clone(), turn);
                return;
            }
            DeskEvent::Answered {
                question: Question::Clock,
                answer,
            } if self.weighing.as_ref().is_some_and(|w| w.hours_asked) => {
                let clock = match answer {
                    Ok(Answer::Clock(clock)) => Some(*clock),
                    _ => None,
                };
                self.note_hours(clock.as_ref(), turn);
            }
            _ => {}
        }
        self.tell_desk(event, turn);
    }

    /// Something that trading depends on broke: nothing is sent any more, until a restart.
    fn broke(&mut self, reason: String, turn: &mut Turn) {
        if self.broken.is_some() {
            return;
        }
        turn.notice(
            NoticeLevel::Error,
            "trading_halted",
            Vec::new(),
            format!("{reason}; no order is sent any more"),
        );
        self.broken = Some(reason.clone());
        let control = Control {
            source: ControlSource::Engine,
            state: TradingState::Halted,
            flatten: false,
            reason,
        };
        self.on_control(control, turn);
    }

    /// Tells the desk; what it tells in turn waits for its place.
    pub(crate) fn tell_desk(&mut self, event: DeskEvent, turn: &mut Turn) {
        for effect in self.desk.apply(event, turn.now) {
            match effect {
                DeskEffect::Commit { ticket, entries } => {
                    let words = entries.iter();
                    self.control_entries.extend(
                        words
                            .filter(|entry| matches!(entry, JournalEntry::Control(_)))
                            .cloned(),
                    );
                    turn.outputs.push(Output::Commit { ticket, entries });
                }
                DeskEffect::Ask { question, after } => {
                    turn.outputs.push(Output::Ask { question, after });
                }
                DeskEffect::Submit(order) => turn.outputs.push(Output::Submit(order)),
                DeskEffect::Cancel {
                    id,
                    broker_order_id,
                } => turn.outputs.push(Output::Cancel {
                    id,
                    broker_order_id,
                }),
                DeskEffect::Tell(news) => turn.work.push_back(Work::News(news)),
                DeskEffect::Notice(notice) => turn.outputs.push(Output::Notice(notice)),
            }
        }
    }

    /// Tells the consensus; what follows waits for its place.
    pub(crate) fn tell_consensus(&mut self, event: Event, turn: &mut Turn) {
        let effects = self.consensus.apply(event, turn.now);
        turn.work.extend(effects.into_iter().map(Work::Effect));
    }

    fn work_off(&mut self, turn: &mut Turn) {
        while let Some(work) = turn.work.pop_front() {
            match work {
                Work::News(news) => self.on_news(news, turn),
                Work::Effect(effect) => self.on_effect(effect, turn),
            }
        }
    }
}

fn source_number(source: ControlSource) -> u8 {
    match source {
        ControlSource::Bus => 0,
        ControlSource::File => 1,
        ControlSource::Signal => 2,
        ControlSource::Engine => 3,
    }
}

//! Signals on their way in: parsed, looked up, admitted or refused; each counted once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rawe_consensus::{CheckedSignal, Event, Reception, Universe, Vote};
use rawe_core::channels::SIGNALS_STREAM;
use rawe_core::{AgentId, Refusal, RefusalCode, Symbol, Timestamp};
use rawe_execution::desk::{DeskEvent, Notice, NoticeLevel};

use crate::collective::{Collective, Turn};
use crate::event::Output;

/// How many signals wait for an instant or for the broker's word on their symbol. More than a
/// roster sends in an instant by far.
pub(crate) const WAITING_MAX: usize = 20_000;
/// How many assets the broker's word is remembered of.
const ASSETS_MAX: usize = 200_000;
/// How often a refusal of one code is told to the log, market time.
const REFUSAL_LOG_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// A signal that is one, with its bytes for the audit copy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Received {
    pub(crate) signal: CheckedSignal,
    pub(crate) payload: Vec<u8>,
}

impl Received {
    /// The order in which the signals of an instant are applied: the same in every run.
    pub(crate) fn order(&self) -> (Timestamp, String, u64, Symbol) {
        let (agent, sequence) = match &self.signal.agent {
            Some(agent) => (agent.id.as_str().to_owned(), agent.sequence),
            None => (self.signal.metadata.agent_name.clone(), 0),
        };
        (
            self.signal.timestamp,
            agent,
            sequence,
            self.signal.financial_asset.clone(),
        )
    }
}

/// What the broker has said of symbols, and the signals that wait until it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) assets: BTreeMap<Symbol, Universe>,
    pub(crate) waiting: BTreeMap<Symbol, Vec<Received>>,
    pub(crate) waiting_count: usize,
    /// Signals of a paced instant that is not complete yet.
    pub(crate) held: Vec<Received>,
}

/// Tells the first refusal of each code, then at most one a minute with the number in between.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusalLog {
    last: BTreeMap<RefusalCode, (Timestamp, u64)>,
}

impl RefusalLog {
    fn tell(&mut self, refusal: &Refusal, now: Timestamp) -> Option<Notice> {
        let untold = match self.last.get_mut(&refusal.code) {
            Some((at, untold)) if now >= *at && now - *at < REFUSAL_LOG_INTERVAL => {
                *untold += 1;
                return None;
            }
            Some((_, untold)) => *untold,
            None => 0,
        };
        self.last.insert(refusal.code, (now, 0));
        Some(Notice {
            level: NoticeLevel::Warn,
            event: "signal_refused",
            fields: vec![
                ("code", refusal.code.to_string()),
                ("untold", untold.to_string()),
            ],
            message: format!("a message is no vote: {}", refusal.detail),
        })
    }
}

impl Collective {
    /// A message of the signal channel.
    pub(crate) fn on_message(&mut self, payload: Vec<u8>, turn: &mut Turn) {
        let signal = match self.admission.read(&payload) {
            Ok(signal) => signal,
            Err(refusal) => {
                self.tell_refusal(&refusal, turn);
                return;
            }
        };
        let received = Received { signal, payload };
        if !self.admission.knows(&received.signal) {
            // Known to be refused: never worth a question to the broker, nor a place in a queue.
            self.admit(received, Universe::Outside, turn);
        } else if self.paced {
            self.hold(received);
        } else {
            self.offer(received, turn);
        }
    }

    /// Keeps a signal until its instant is complete.
    fn hold(&mut self, received: Received) {
        if self.known.held.len() < WAITING_MAX {
            self.known.held.push(received);
        } else {
            self.counts.overflowed += 1;
        }
    }

    /// Admits a signal whose symbol is known, or asks the broker about it first.
    fn offer(&mut self, received: Received, turn: &mut Turn) {
        if let Some(universe) = self.known.assets.get(&received.signal.financial_asset) {
            let universe = *universe;
            self.admit(received, universe, turn);
            return;
        }
        let full = self.known.assets.len() + self.known.waiting.len() >= ASSETS_MAX;
        if self.known.waiting_count >= WAITING_MAX || full {
            self.counts.overflowed += 1;
            return;
        }
        let reception = received_at(turn.now, self.paced, &self.alive, Universe::Inside);
        if let Err(refusal) = self.admission.expect(&received.signal, reception) {
            self.tell_refusal(&refusal, turn);
            return;
        }
        let symbol = received.signal.financial_asset.clone();
        self.known.waiting_count += 1;
        let queue = self.known.waiting.entry(symbol.clone()).or_default();
        queue.push(received);
        if queue.len() == 1 {
            self.tell_desk(DeskEvent::AssetWanted(symbol), turn);
        }
    }

    /// The broker has said what it knows of a symbol: signals that waited for it go on.
    pub(crate) fn release(&mut self, symbol: &Symbol, universe: Universe, turn: &mut Turn) {
        let waiting = self.known.waiting.remove(symbol).unwrap_or_default();
        self.known.waiting_count = self.known.waiting_count.saturating_sub(waiting.len());
        for received in waiting {
            let reception = received_at(turn.now, self.paced, &self.alive, universe);
            let vote = self.admission.admit_expected(&received.signal, reception);
            self.take_vote(vote, received, turn);
        }
    }

    /// The second edge, and what follows from passing it.
    pub(crate) fn admit(&mut self, received: Received, universe: Universe, turn: &mut Turn) {
        let reception = received_at(turn.now, self.paced, &self.alive, universe);
        let vote = self.admission.admit(&received.signal, reception);
        self.take_vote(vote, received, turn);
    }

    fn take_vote(&mut self, vote: Result<Vote, Refusal>, received: Received, turn: &mut Turn) {
        match vote {
            Ok(vote) => {
                self.heard = Some(turn.now);
                turn.outputs.push(Output::Publish {
                    stream: SIGNALS_STREAM,
                    payload: received.payload,
                });
                self.tell_consensus(Event::Vote(vote), turn);
            }
            Err(refusal) => self.tell_refusal(&refusal, turn),
        }
    }

    fn tell_refusal(&mut self, refusal: &Refusal, turn: &mut Turn) {
        if let Some(notice) = self.refusals.tell(refusal, turn.now) {
            turn.outputs.push(Output::Notice(notice));
        }
    }
}

fn received_at(
    now: Timestamp,
    virtual_clock: bool,
    alive: &BTreeSet<AgentId>,
    universe: Universe,
) -> Reception<'_> {
    Reception {
        now,
        virtual_clock,
        alive,
        universe,
    }
}

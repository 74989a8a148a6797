//! Signals on their way in: parsed, looked up, admitted or refused; each counted once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rawe_consensus::{Admission, CheckedSignal, Effect, Event, Reception, Universe, Vote};
use rawe_core::channels::SIGNALS_STREAM;
use rawe_core::signing::Binding;
use rawe_core::{Refusal, RefusalCode, Symbol, Timestamp};

use crate::engine::Engine;
use crate::settings::Settings;

/// How many signals wait for an instant or for the broker's word on their symbol. More than a
/// roster sends in an instant by far.
const WAITING_MAX: usize = 20_000;
/// How often a refusal of one code is told to the log.
const REFUSAL_LOG_INTERVAL: Duration = Duration::from_mins(1);

/// A signal that is one, with its bytes for the audit copy.
#[derive(Clone, Debug)]
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

/// Tells the first refusal of each code, then at most one a minute with the number in between.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog {
    last: BTreeMap<RefusalCode, (Instant, u64)>,
}

impl RefusalLog {
    fn tell(&mut self, refusal: &Refusal, now: Instant) {
        let entry = self.last.get_mut(&refusal.code);
        let untold = match entry {
            Some((at, untold)) if now.saturating_duration_since(*at) < REFUSAL_LOG_INTERVAL => {
                *untold += 1;
                return;
            }
            Some((_, untold)) => *untold,
            None => 0,
        };
        self.last.insert(refusal.code, (now, 0));
        tracing::warn!(
            event = "signal_refused",
            code = %refusal.code,
            untold,
            "a message is no vote: {}",
            refusal.detail
        );
    }
}

impl Engine {
    /// A message of the signal channel.
    pub(crate) fn on_message(&mut self, payload: Vec<u8>) -> Vec<Effect> {
        let signal = match self.admission.read(&payload) {
            Ok(signal) => signal,
            Err(refusal) => {
                self.count_refusal(&refusal);
                return Vec::new();
            }
        };
        if let Some(agent) = signal
            .agent
            .as_ref()
            .filter(|_| self.admission.knows(&signal))
        {
            self.pace.receive(&agent.boot_id, agent.sequence);
        }
        let received = Received { signal, payload };
        if !self.admission.knows(&received.signal) {
            // Known to be refused: never worth a question to the broker, nor a place in a queue.
            return self.admit(&received, Universe::Outside);
        }
        if self.time.is_paced() {
            self.hold(received);
            return Vec::new();
        }
        self.offer(received)
    }

    /// Keeps a signal until its instant is complete.
    fn hold(&mut self, received: Received) {
        if self.held_signals.len() < WAITING_MAX {
            self.held_signals.push(received);
        } else {
            self.overflow();
        }
    }

    fn overflow(&mut self) {
        self.heart.add("received", 1);
        self.heart.add("refused.OVERFLOW", 1);
    }

    /// Admits a signal whose symbol is known, or asks the broker about it first.
    pub(crate) fn offer(&mut self, received: Received) -> Vec<Effect> {
        let symbol = received.signal.financial_asset.clone();
        if let Some(universe) = self.universe_of(&symbol) {
            return self.admit(&received, universe);
        }
        if self.waiting.values().map(Vec::len).sum::<usize>() >= WAITING_MAX {
            self.overflow();
            return Vec::new();
        }
        let queue = self.waiting.entry(symbol.clone()).or_default();
        queue.push(received);
        if queue.len() == 1 {
            self.look_up(symbol);
        }
        Vec::new()
    }

    /// The broker has said what it knows of a symbol: signals that waited for it go on.
    pub(crate) fn release(&mut self, symbol: &Symbol) -> Vec<Effect> {
        let universe = self.universe_of(symbol).unwrap_or(Universe::Outside);
        let waiting = self.waiting.remove(symbol).unwrap_or_default();
        waiting
            .iter()
            .flat_map(|received| self.admit(received, universe))
            .collect()
    }

    pub(crate) fn universe_of(&self, symbol: &Symbol) -> Option<Universe> {
        let info = self.assets.get(symbol)?;
        let tradable = info.as_ref().is_some_and(|info| info.tradable);
        Some(if tradable {
            Universe::Inside
        } else {
            Universe::Outside
        })
    }

    /// The second edge, and what follows from passing it.
    pub(crate) fn admit(&mut self, received: &Received, universe: Universe) -> Vec<Effect> {
        let now = self.time.now();
        let reception = Reception {
            now,
            virtual_clock: self.time.is_paced(),
            alive: &self.alive,
            universe,
        };
        let stamped = received.signal.is_original_format() && reception.virtual_clock;
        match self.admission.admit(&received.signal, reception) {
            Ok(vote) => {
                self.heart.add("received", 1);
                self.heart.add("applied", 1);
                self.heart.add("stamped", u64::from(stamped));
                self.heart.progress("signal", Some(now));
                tell_vote(&vote);
                self.publisher
                    .publish(SIGNALS_STREAM, received.payload.clone());
                self.consensus.apply(Event::Vote(vote), now)
            }
            Err(refusal) => {
                self.count_refusal(&refusal);
                Vec::new()
            }
        }
    }

    fn count_refusal(&mut self, refusal: &Refusal) {
        self.heart.add("received", 1);
        self.heart.add(&format!("refused.{}", refusal.code), 1);
        self.refusals.tell(refusal, Instant::now());
    }

    /// Forgets all signals on their way, when a new run begins.
    pub(crate) fn forget_signals(&mut self) {
        self.held_signals.clear();
        self.waiting.clear();
        self.admission = admission_of(&self.settings, self.time.now());
    }
}

/// The second edge as it is at the start and at the beginning of a run.
pub(crate) fn admission_of(settings: &Settings, now: Timestamp) -> Admission {
    let binding = Binding::new(settings.deployment.clone(), settings.channel.clone());
    Admission::new(settings.rules.clone(), settings.roster.clone()).bound_to(binding, now)
}

fn tell_vote(vote: &Vote) {
    tracing::debug!(
        event = "vote_counted",
        asset = %vote.asset,
        agent = %vote.vote.agent,
        direction = %vote.vote.direction,
        "a vote is in"
    );
}

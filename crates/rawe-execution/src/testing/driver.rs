//! A synchronous shell around the desk: performs its effects against a scripted broker and a
//! journal in memory, with a clock of its own that only moves when told or when all else waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use rawe_core::{Symbol, Timestamp};
use rust_decimal::Decimal;

use super::{MemoryJournal, ScriptedBroker};
use crate::desk::{
    Decision, Desk, DeskEffect, DeskEvent, DeskSettings, Notice, OrderNews, Question,
};
use crate::journal::Journal;

/// How many effects one call performs before it is taken to go round in circles.
const STEPS_MAX: usize = 100_000;

/// The driver. Everything that happened is there to be looked at.
#[derive(Debug)]
pub struct DeskDriver {
    /// The desk.
    pub desk: Desk,
    /// The broker.
    pub broker: Arc<ScriptedBroker>,
    /// The journal.
    pub journal: MemoryJournal,
    /// Market time.
    pub now: Timestamp,
    /// Whether market time stands still while effects wait.
    pub paced: bool,
    /// Whether batches are left unanswered in `held_back`.
    pub hold_commits: bool,
    /// Batches not answered yet.
    pub held_back: Vec<DeskEffect>,
    /// Whether orders and their answers are left in `held_back` too.
    pub hold_submits: bool,
    /// Questions asked since the last look.
    pub asked: Vec<Question>,
    /// News since the last look.
    pub news: Vec<OrderNews>,
    /// Notices since the last look.
    pub notices: Vec<Notice>,
    /// Every effect in its order.
    pub log: Vec<DeskEffect>,
    waiting: BTreeMap<(Timestamp, u64), DeskEffect>,
    clock: Timestamp,
    count: u64,
}

impl DeskDriver {
    /// A desk that has not been started, and a broker that lists nothing.
    pub fn new(settings: DeskSettings, now: Timestamp) -> Self {
        let broker = Arc::new(ScriptedBroker::new(now));
        Self::with(settings, broker, MemoryJournal::default(), now)
    }

    /// Another process over the same broker and journal, as after kill -9.
    pub fn with(
        settings: DeskSettings,
        broker: Arc<ScriptedBroker>,
        journal: MemoryJournal,
        now: Timestamp,
    ) -> Self {
        Self {
            desk: Desk::new(settings),
            broker,
            journal,
            now,
            paced: false,
            hold_commits: false,
            held_back: Vec::new(),
            hold_submits: false,
            asked: Vec::new(),
            news: Vec::new(),
            notices: Vec::new(),
            log: Vec::new(),
            waiting: BTreeMap::new(),
            clock: now,
            count: 0,
        }
    }

    /// Starts the desk from the journal and lets it come to rest.
    pub fn start(&mut self) {
        let history = self.journal.history().unwrap_or_default();
        self.give(DeskEvent::Started(history));
    }

    /// Gives an event and lets the desk come to rest.
    pub fn give(&mut self, event: DeskEvent) {
        self.give_only(event);
        self.settle();
    }

    /// Gives an event and performs nothing that follows from it.
    pub fn give_only(&mut self, event: DeskEvent) {
        let effects = self.desk.apply(event, self.now);
        for effect in effects {
            self.log.push(effect.clone());
            self.count += 1;
            let due = match &effect {
                DeskEffect::Ask { after, .. } => {
                    self.clock + TimeDelta::from_std(*after).unwrap_or_default()
                }
                _ => self.clock,
            };
            self.waiting.insert((due, self.count), effect);
        }
    }

    /// Gives a decision and lets the desk come to rest.
    pub fn decide(&mut self, decision: Decision) {
        self.give(DeskEvent::Decided(Box::new(decision)));
    }

    /// Sets a price at the broker and tells the desk.
    pub fn price(&mut self, asset: &Symbol, price: Decimal) {
        self.broker.set_price(asset, price);
        let at = self.now;
        let asset = asset.clone();
        self.give(DeskEvent::Price { asset, price, at });
    }

    /// Performs what follows, waiting where the desk waits, until it is settled or nothing more
    /// happens by itself.
    pub fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            let Some(next) = self.waiting.first_entry() else {
                return;
            };
            let (due, _) = *next.key();
            if due > self.clock {
                if self.desk.is_settled() {
                    return;
                }
                self.clock = due;
                if !self.paced {
                    self.now = self.now.max(due);
                    self.broker.set_time(self.now);
                }
            }
            let effect = next.remove();
            self.perform(effect);
        }
    }

    /// Lets time pass: everything that becomes due happens, with ticks at the desk's deadlines.
    pub fn pass(&mut self, seconds: i64) {
        let until = self.now + TimeDelta::seconds(seconds);
        for _ in 0..STEPS_MAX {
            let effect = self.waiting.first_key_value().map(|((due, _), _)| *due);
            let deadline = self.desk.next_deadline();
            let next = [effect, deadline].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(next);
            self.clock = self.clock.max(self.now);
            self.broker.set_time(self.now);
            if deadline.is_some_and(|at| at <= self.now) {
                self.give_only(DeskEvent::Tick);
            }
            let now = self.now;
            let entry = self.waiting.first_entry();
            if let Some(entry) = entry.filter(|entry| entry.key().0 <= now) {
                let effect = entry.remove();
                self.perform(effect);
            }
        }
        self.now = self.now.max(until);
        self.clock = self.clock.max(self.now);
        self.broker.set_time(self.now);
        self.give_only(DeskEvent::Tick);
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > self.now {
                return;
            }
            let effect = entry.remove();
            self.perform(effect);
        }
    }

    /// Forgets what was asked, told and noticed.
    pub fn clear(&mut self) {
        self.asked.clear();
        self.news.clear();
        self.notices.clear();
        self.log.clear();
    }

    /// Performs what was held back.
    pub fn release(&mut self) {
        let held = std::mem::take(&mut self.held_back);
        (self.hold_commits, self.hold_submits) = (false, false);
        for effect in held {
            self.perform(effect);
        }
        self.settle();
    }

    fn perform(&mut self, effect: DeskEffect) {
        match effect {
            DeskEffect::Commit { .. } if self.hold_commits => self.held_back.push(effect),
            DeskEffect::Submit(_) if self.hold_submits => self.held_back.push(effect),
            DeskEffect::Commit { ticket, entries } => {
                let event = match self.journal.commit(&entries) {
                    Ok(()) => DeskEvent::Committed(ticket),
                    Err(error) => DeskEvent::NotCommitted(ticket, error.to_string()),
                };
                self.give_only(event);
            }
            DeskEffect::Ask { question, .. } => {
                self.asked.push(question.clone());
                let answer = self.broker.ask(&question);
                self.give_only(DeskEvent::Answered { question, answer });
            }
            DeskEffect::Submit(order) => {
                let outcome = self.broker.submit_now(&order);
                let id = order.client_order_id;
                self.give_only(DeskEvent::Submitted { id, outcome });
            }
            DeskEffect::Cancel {
                id,
                broker_order_id,
            } => {
                let result = self.broker.cancel_now(&broker_order_id);
                self.give_only(DeskEvent::CancelAnswered { id, result });
            }
            DeskEffect::Tell(news) => self.news.push(news),
            DeskEffect::Notice(notice) => self.notices.push(notice),
        }
    }
}

//! Who says what about trading: each source has its say, the strictest rules, and what cannot be
//! trusted counts as a halt.

use std::collections::BTreeMap;

use rawe_core::Timestamp;

use crate::desk::{Control, ControlSource, Desk, DeskEffect, NoticeLevel, OrderNews};
use crate::gate::TradingState;
use crate::journal::{ControlRecord, JournalEntry};

/// What one source says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    state: TradingState,
    flatten: bool,
    reason: String,
}

/// Everybody's word.
#[derive(Clone, Debug, Default)]
pub(crate) struct ControlBoard {
    words: BTreeMap<ControlSource, Word>,
    /// What broke; only a restart mends it.
    pub(crate) broken: Option<String>,
    /// What was last told.
    told: Option<TradingState>,
}

impl ControlSource {
    /// The source's name in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::File => "file",
            Self::Signal => "signal",
            Self::Engine => "engine",
        }
    }
}

fn strictness(state: TradingState) -> u8 {
    match state {
        TradingState::Active => 0,
        TradingState::Reducing => 1,
        TradingState::Halted => 2,
    }
}

impl ControlBoard {
    /// Takes a word; says whether it changed anything.
    fn say(&mut self, source: ControlSource, word: Word) -> bool {
        let resumes = word.state == TradingState::Active && source == ControlSource::Bus;
        let took_back = resumes && self.words.remove(&ControlSource::Signal).is_some();
        let same = self
            .words
            .get(&source)
            .is_some_and(|before| (before.state, before.flatten) == (word.state, word.flatten));
        self.words.insert(source, word);
        took_back || !same
    }

    /// Takes a line of an earlier start's journal.
    pub(crate) fn recall(&mut self, record: &ControlRecord) {
        let source = match record.source.as_str() {
            "bus" => ControlSource::Bus,
            "signal" => ControlSource::Signal,
            _ => return,
        };
        let word = Word {
            state: record.state,
            flatten: record.flatten,
            reason: record.reason.clone(),
        };
        self.say(source, word);
    }

    /// Forgets what was said before a start; what broke stays broken, and what the file and the
    /// engine say is theirs to take back.
    pub(crate) fn forget(&mut self) {
        self.words
            .retain(|source, _| matches!(source, ControlSource::File | ControlSource::Engine));
        self.told = None;
    }

    /// Whether somebody wants everything closed.
    pub(crate) fn flattens(&self) -> bool {
        self.words.values().any(|word| word.flatten)
    }

    /// The strictest word. A flatten that is not done yet only reduces: its closings must go out.
    fn strictest(&self) -> (TradingState, &str) {
        if let Some(broken) = &self.broken {
            return (TradingState::Halted, broken);
        }
        let mut found = (TradingState::Active, "");
        for word in self.words.values() {
            let state = if word.flatten {
                TradingState::Reducing
            } else {
                word.state
            };
            if strictness(state) > strictness(found.0) {
                found = (state, &word.reason);
            }
        }
        found
    }

    /// Everything is closed: the words stand without their flatten.
    fn flattened(&mut self, now: Timestamp) -> Vec<ControlRecord> {
        let mut records = Vec::new();
        for (source, word) in &mut self.words {
            if !word.flatten {
                continue;
            }
            word.flatten = false;
            records.push(ControlRecord {
                at: now,
                state: word.state,
                flatten: false,
                source: source.as_str().to_owned(),
                reason: format!("flattened: {}", word.reason),
            });
        }
        records
    }
}

impl Desk {
    /// What trading may be now, without words.
    pub(crate) fn trading(&self) -> TradingState {
        if self.starting.is_some() {
            return TradingState::Halted;
        }
        self.control.strictest().0
    }

    /// What trading may be, and why not more.
    pub(crate) fn trading_and_reason(&self) -> (TradingState, String) {
        let (state, reason) = self.control.strictest();
        match &self.starting {
            Some(starting) if self.control.broken.is_none() => {
                (TradingState::Halted, starting.reason())
            }
            _ => (state, reason.to_owned()),
        }
    }

    pub(crate) fn on_control(&mut self, control: Control, now: Timestamp) {
        let source = control.source;
        let word = Word {
            state: control.state,
            flatten: control.flatten,
            reason: control.reason,
        };
        let record = ControlRecord {
            at: now,
            state: word.state,
            flatten: word.flatten,
            source: source.as_str().to_owned(),
            reason: word.reason.clone(),
        };
        let first_active = word.state == TradingState::Active
            && !self.control.words.contains_key(&source)
            && !(source == ControlSource::Bus
                && self.control.words.contains_key(&ControlSource::Signal));
        if !self.control.say(source, word) || first_active {
            return;
        }
        self.entries.push(JournalEntry::Control(record));
        self.exits.awake = true;
        self.wake_all();
    }

    /// Something trading depends on broke: halted until the next start.
    pub(crate) fn broke(&mut self, what: String) {
        if self.control.broken.is_some() {
            return;
        }
        let message = format!("{what}; no order is sent any more");
        self.notice(NoticeLevel::Error, "trading_halted", Vec::new(), message);
        self.control.broken = Some(what);
        self.wake_all();
    }

    /// Tells the consensus and the log when what may be traded has changed.
    pub(crate) fn tell_state(&mut self) {
        let state = self.trading();
        if self.control.told == Some(state) {
            return;
        }
        self.control.told = Some(state);
        let (_, reason) = self.trading_and_reason();
        self.out.push(DeskEffect::Tell(OrderNews::State(state)));
        let fields = vec![("state", format!("{state:?}")), ("reason", reason)];
        let message = format!("trading is {state:?}");
        self.notice(NoticeLevel::Info, "trading_state_changed", fields, message);
    }

    /// While everything is to be closed: cancels what opens, closes what is held, and says when
    /// all of it has ended.
    pub(crate) fn flatten(&mut self, now: Timestamp) {
        if !self.control.flattens() || self.starting.is_some() || !self.exits.awake {
            return;
        }
        self.exits.awake = false;
        let opening: Vec<_> = self.orders_that_open();
        let held: Vec<_> = self.held.iter().cloned().collect();
        if opening.is_empty() && held.is_empty() && self.orders.is_empty() {
            for record in self.control.flattened(now) {
                self.entries.push(JournalEntry::Control(record));
            }
            let message = "everything of ours is closed".to_owned();
            self.notice(NoticeLevel::Info, "flattened", Vec::new(), message);
            return;
        }
        for id in opening {
            self.want_cancel(&id);
        }
        for asset in held {
            self.begin_exit(&asset, rawe_core::ExitReason::Flatten, now);
        }
    }
}

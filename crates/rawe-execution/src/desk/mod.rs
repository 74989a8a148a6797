//! The order desk: one synchronous owner of everything about money.
//!
//! Decisions, the broker's answers, the journal's acknowledgements and the operator's word go in
//! as [`DeskEvent`]s; questions, orders, journal entries and news come out as [`DeskEffect`]s. No
//! clock, no I/O, no waiting: a shell (or the simulator) performs the effects and answers.

mod books;
pub mod event;
mod settings;

pub use books::{Books, Line};
pub use event::{
    Answer, Control, ControlSource, Decision, DeskEffect, DeskEvent, HeldPosition, Notice,
    NoticeLevel, OrderNews, Question, Ticket,
};
pub use settings::{DeskSettings, ExitRules};

use rawe_core::Timestamp;

use crate::gate::TradingState;

/// The order desk.
#[derive(Debug)]
pub struct Desk {
    settings: DeskSettings,
    books: Books,
    out: Vec<DeskEffect>,
}

impl Desk {
    /// A desk that is halted until it has been started and has resolved everything.
    pub fn new(settings: DeskSettings) -> Self {
        Self {
            settings,
            books: Books::default(),
            out: Vec::new(),
        }
    }

    /// Takes one event and gives back what follows from it, to be performed in this order. `now`
    /// is market time.
    pub fn apply(&mut self, event: DeskEvent, now: Timestamp) -> Vec<DeskEffect> {
        let _ = (event, now);
        std::mem::take(&mut self.out)
    }

    /// Market time of the next [`DeskEvent::Tick`] that would change something.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    /// Whether nothing is under way that a replay has to wait for before market time moves on: no
    /// start, no decision or asset looked into, no order sent or being committed, no
    /// reconciliation. Orders that rest at the broker do not count.
    pub fn is_settled(&self) -> bool {
        true
    }

    /// What trading may be, and why not more.
    pub fn state(&self) -> (TradingState, String) {
        (TradingState::Halted, "starting".to_owned())
    }

    /// The books.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Names the deployment from the next [`DeskEvent::Started`] on: a replay's runs have names of
    /// their own.
    pub fn set_deployment(&mut self, name: String) {
        self.settings.deployment = name;
    }

    /// What makes a start impossible, in one sentence: keys refused, account blocked. A shell ends
    /// with it; an unreachable broker is not among it, it is asked again for ever.
    pub fn fault(&self) -> Option<&str> {
        None
    }
}

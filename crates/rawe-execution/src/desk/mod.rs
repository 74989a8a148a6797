//! The order desk: one synchronous owner of everything about money.
//!
//! Decisions, the broker's answers, the journal's acknowledgements and the operator's word go in
//! as [`DeskEvent`]s; questions, orders, journal entries and news come out as [`DeskEffect`]s. No
//! clock, no I/O, no waiting: a shell (or the simulator) performs the effects and answers.

pub mod event;

pub use event::{
    Answer, Control, ControlSource, Decision, DeskEffect, DeskEvent, HeldPosition, Notice,
    NoticeLevel, OrderNews, Question, Ticket,
};

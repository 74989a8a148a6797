//! Deliberate bugs, each a mistake that real systems of this kind have made. A simulator that does
//! not find them proves nothing. They sit between the collective and the world, so that the code
//! that trades is always the shipped one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;
use rawe_collective::{Collective, CollectiveSettings, Input, Output};
use rawe_core::{ClientOrderId, Timestamp};
use rawe_execution::TradingState;
use rawe_execution::broker::{
    BrokerClock, OrderReport, OrderRequest, OrderStatus, PositionReport, Rejection, SubmitOutcome,
};
use rawe_execution::desk::{Answer, Control, DeskEvent, Question};
use rawe_execution::journal::JournalEntry;
use rust_decimal::Decimal;

macro_rules! bugs {
    ($($variant:ident, $name:literal, $what:literal;)*) => {
        /// A deliberate bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $what] $variant,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it does wrong.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

bugs! {
    RepostOnTimeout, "repost-on-timeout", "An order without an answer is sent again at once.";
    NewIdOnRetry, "new-id-on-retry", "An order without an answer is sent again under a new id.";
    SubmitTwice, "submit-twice", "Every order is sent twice.";
    SubmitBeforeCommit, "submit-before-commit", "Orders are sent while their intent is on its way.";
    UnknownIsRejected, "unknown-is-rejected", "No answer counts as a refusal.";
    LookupSkipped, "lookup-skipped", "An order without an answer is taken as not found.";
    AnswerDropped, "answer-dropped", "Some answers to orders are lost inside the engine.";
    PartialFillForgotten, "partial-fill-forgotten", "Cancelled orders count as not filled.";
    LateReportRevives, "late-report-revives", "An ended order counts as working again.";
    StopNotCancelled, "stop-not-cancelled", "Orders are never cancelled, but believed so.";
    HaltIgnored, "halt-ignored", "The operator's halt is not heard.";
    HaltSlow, "halt-slow", "The operator's halt is heard half a minute late.";
    HaltForgotten, "halt-forgotten", "A restart forgets that trading was halted.";
    IntentsForgotten, "intents-forgotten", "A restart forgets the orders under way.";
    JournalLosesLast, "journal-loses-last", "The journal confirms batches that a kill loses.";
    FailedQueryIsFlat, "failed-query-is-flat", "Positions that cannot be asked count as none.";
    PositionsCached, "positions-cached", "The first positions read are believed for ever.";
    AgentCountedTwice, "agent-counted-twice", "A vote of one agent counts for another one too.";
    MinorityQuorum, "minority-quorum", "Two agents of five decide.";
    WindowStretched, "window-stretched", "Votes minutes apart make a quorum.";
    CapsIgnored, "caps-ignored", "Limits on money are not applied.";
    HourlyCapIgnored, "hourly-cap-ignored", "Any number of positions is opened an hour.";
    AlwaysOpen, "always-open", "The market counts as open at night.";
    SkewIgnored, "skew-ignored", "A broker's clock far from ours is not noticed.";
    LegsForgotten, "legs-forgotten", "A restart forgets the exits that rest at the broker.";
    LegFillDropped, "leg-fill-dropped", "What an exit at the broker fills is not booked.";
    ForeignIsOurs, "foreign-is-ours", "Closings sell what somebody else holds.";
}

impl Bug {
    /// The bug of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bug| bug.name() == name)
    }

    /// What the bug does to the settings.
    pub fn twist_settings(self, settings: &mut CollectiveSettings, wrong: &WrongSettings) {
        match self {
            Self::CapsIgnored => settings.desk.limits = wrong.limits.clone(),
            Self::HourlyCapIgnored => {
                settings.desk.new_positions_per_hour = 1_000_000;
                settings.rules = wrong.any_number_an_hour.clone();
            }
            Self::MinorityQuorum => settings.rules = wrong.minority.clone(),
            Self::WindowStretched => settings.rules = wrong.stretched.clone(),
            _ => {}
        }
    }
}

/// Settings that bugs use instead of the right ones.
#[derive(Clone, Debug)]
pub struct WrongSettings {
    /// Limits that limit nothing.
    pub limits: rawe_execution::RiskLimits,
    /// A quorum of two.
    pub minority: rawe_consensus::Rules,
    /// A window of minutes.
    pub stretched: rawe_consensus::Rules,
    /// No limit on openings.
    pub any_number_an_hour: rawe_consensus::Rules,
}

/// The collective, or the collective with a bug.
#[derive(Debug)]
pub struct Engine {
    collective: Collective,
    bug: Option<Bug>,
    orders: BTreeMap<ClientOrderId, OrderRequest>,
    early: BTreeSet<ClientOrderId>,
    unknown: BTreeSet<ClientOrderId>,
    positions: Option<Vec<PositionReport>>,
    held_controls: VecDeque<(Timestamp, Control)>,
    answers: u64,
}

impl Engine {
    /// A fresh start.
    pub fn new(settings: CollectiveSettings, bug: Option<Bug>) -> Self {
        Self {
            collective: Collective::new(settings),
            bug,
            orders: BTreeMap::new(),
            early: BTreeSet::new(),
            unknown: BTreeSet::new(),
            positions: None,
            held_controls: VecDeque::new(),
            answers: 0,
        }
    }

    /// The collective itself.
    pub fn collective(&self) -> &Collective {
        &self.collective
    }

    /// Takes one input.
    pub fn apply(&mut self, input: Input, now: Timestamp) -> Vec<Output> {
        let Some(bug) = self.bug else {
            return self.collective.apply(input, now);
        };
        let mut outputs = Vec::new();
        let mut inputs = VecDeque::new();
        while self
            .held_controls
            .front()
            .is_some_and(|(due, _)| *due <= now)
        {
            let held = self.held_controls.pop_front();
            inputs.extend(held.map(|(_, control)| Input::Control(control)));
        }
        self.twist_input(bug, input, now, &mut inputs, &mut outputs);
        // A bug that answers questions itself may be asked again and again.
        for _ in 0..1_000 {
            let Some(input) = inputs.pop_front() else {
                break;
            };
            for output in self.collective.apply(input, now) {
                self.twist_output(bug, output, &mut inputs, &mut outputs);
            }
        }
        outputs
    }

    fn twist_input(
        &mut self,
        bug: Bug,
        input: Input,
        now: Timestamp,
        inputs: &mut VecDeque<Input>,
        outputs: &mut Vec<Output>,
    ) {
        match input {
            Input::Started(history) => {
                inputs.push_back(Input::Started(twist_history(bug, history)));
            }
            Input::Message(payload) => {
                if bug == Bug::AgentCountedTwice {
                    inputs.extend(as_another(&payload).map(Input::Message));
                }
                inputs.push_back(Input::Message(payload));
            }
            Input::Control(control) if control.state != TradingState::Active => match bug {
                Bug::HaltIgnored => {}
                Bug::HaltSlow => {
                    let due = now + TimeDelta::seconds(30);
                    self.held_controls.push_back((due, control));
                }
                _ => inputs.push_back(Input::Control(control)),
            },
            Input::Desk(event) => self.twist_event(bug, event, now, inputs, outputs),
            other => inputs.push_back(other),
        }
    }

    fn twist_event(
        &mut self,
        bug: Bug,
        event: DeskEvent,
        now: Timestamp,
        inputs: &mut VecDeque<Input>,
        outputs: &mut Vec<Output>,
    ) {
        match event {
            DeskEvent::Submitted { id, outcome } => {
                let outcome = self.twist_outcome(bug, &id, outcome, outputs);
                if let Some(outcome) = outcome {
                    inputs.push_back(Input::Desk(DeskEvent::Submitted { id, outcome }));
                }
            }
            DeskEvent::Answered { question, answer } => {
                let flat = bug == Bug::FailedQueryIsFlat && question == Question::Positions;
                let answer = match answer {
                    Err(_) if flat => Ok(Answer::Positions(Vec::new())),
                    answer => self.twist_answer(bug, answer, now),
                };
                inputs.push_back(Input::Desk(DeskEvent::Answered { question, answer }));
            }
            DeskEvent::OrderUpdate(mut report) => {
                Self::twist_report(bug, &mut report);
                inputs.push_back(Input::Desk(DeskEvent::OrderUpdate(report)));
            }
            other => inputs.push_back(Input::Desk(other)),
        }
    }

    fn twist_outcome(
        &mut self,
        bug: Bug,
        id: &ClientOrderId,
        outcome: SubmitOutcome,
        outputs: &mut Vec<Output>,
    ) -> Option<SubmitOutcome> {
        let refused = |message: &str| {
            SubmitOutcome::Rejected(Rejection {
                status: 500,
                code: None,
                message: message.to_owned(),
            })
        };
        self.answers += 1;
        match (bug, outcome) {
            (Bug::AnswerDropped, _) if self.answers % 3 == 1 => None,
            (Bug::UnknownIsRejected, SubmitOutcome::Unknown(why)) => Some(refused(&why)),
            (Bug::RepostOnTimeout, SubmitOutcome::Unknown(why)) => {
                let order = self.orders.get(id).cloned();
                outputs.extend(order.map(|order| Output::Submit(Box::new(order))));
                Some(SubmitOutcome::Unknown(why))
            }
            (Bug::NewIdOnRetry, SubmitOutcome::Unknown(why)) => {
                if let Some(mut order) = self.orders.get(id).cloned()
                    && let Some(other) = ClientOrderId::parse_ours(&format!("{id}x"))
                {
                    order.client_order_id = other;
                    outputs.push(Output::Submit(Box::new(order)));
                }
                Some(SubmitOutcome::Unknown(why))
            }
            (Bug::LookupSkipped, SubmitOutcome::Unknown(why)) => {
                self.unknown.insert(id.clone());
                Some(SubmitOutcome::Unknown(why))
            }
            (_, SubmitOutcome::Accepted(mut report)) => {
                Self::twist_report(bug, &mut report);
                Some(SubmitOutcome::Accepted(report))
            }
            (_, outcome) => Some(outcome),
        }
    }

    fn twist_answer(
        &mut self,
        bug: Bug,
        answer: Result<Answer, rawe_execution::broker::BrokerError>,
        now: Timestamp,
    ) -> Result<Answer, rawe_execution::broker::BrokerError> {
        match answer {
            Ok(Answer::Order(Some(mut report))) => {
                Self::twist_report(bug, &mut report);
                Ok(Answer::Order(Some(report)))
            }
            Ok(Answer::Orders(mut reports)) => {
                for report in &mut reports {
                    Self::twist_report(bug, report);
                }
                Ok(Answer::Orders(reports))
            }
            Ok(Answer::Positions(positions)) if bug == Bug::PositionsCached => {
                let cached = self.positions.get_or_insert(positions);
                Ok(Answer::Positions(cached.clone()))
            }
            Ok(Answer::Clock(clock)) => Ok(Answer::Clock(match bug {
                Bug::AlwaysOpen => BrokerClock {
                    is_open: true,
                    next_close: clock.timestamp + TimeDelta::days(1),
                    ..clock
                },
                Bug::SkewIgnored => BrokerClock {
                    timestamp: now,
                    ..clock
                },
                _ => clock,
            })),
            other => other,
        }
    }

    fn twist_report(bug: Bug, report: &mut OrderReport) {
        let gone = matches!(report.status, OrderStatus::Canceled | OrderStatus::Expired);
        match bug {
            Bug::PartialFillForgotten if gone || report.status == OrderStatus::PartiallyFilled => {
                report.filled_quantity = Decimal::ZERO;
                report.filled_average_price = None;
            }
            Bug::LegFillDropped if ClientOrderId::parse_ours(&report.client_order_id).is_none() => {
                report.filled_quantity = Decimal::ZERO;
                report.filled_average_price = None;
            }
            Bug::LateReportRevives if gone => report.status = OrderStatus::Working,
            _ => {}
        }
        for leg in &mut report.legs {
            Self::twist_report(bug, &mut leg.report);
        }
    }

    fn twist_output(
        &mut self,
        bug: Bug,
        output: Output,
        inputs: &mut VecDeque<Input>,
        outputs: &mut Vec<Output>,
    ) {
        match (bug, output) {
            (_, Output::Submit(mut order)) => {
                self.orders
                    .insert(order.client_order_id.clone(), (*order).clone());
                if bug == Bug::SubmitTwice {
                    outputs.push(Output::Submit(order.clone()));
                }
                if bug == Bug::ForeignIsOurs {
                    more_than_ours(&mut order);
                }
                if !self.early.remove(&order.client_order_id) {
                    outputs.push(Output::Submit(order));
                }
            }
            (Bug::SubmitBeforeCommit, Output::Commit { ticket, entries }) => {
                for entry in &entries {
                    if let JournalEntry::Intent(intent) = entry {
                        self.early.insert(intent.order.client_order_id.clone());
                        outputs.push(Output::Submit(Box::new(intent.order.clone())));
                    }
                }
                outputs.push(Output::Commit { ticket, entries });
            }
            (Bug::LookupSkipped, Output::Ask { question, after }) => match question {
                Question::Order(id) if self.unknown.contains(&id) => {
                    inputs.push_back(Input::Desk(DeskEvent::Answered {
                        question: Question::Order(id),
                        answer: Ok(Answer::Order(None)),
                    }));
                }
                question => outputs.push(Output::Ask { question, after }),
            },
            (Bug::StopNotCancelled, Output::Cancel { id, .. }) => {
                inputs.push_back(Input::Desk(DeskEvent::CancelAnswered {
                    id,
                    result: Ok(()),
                }));
            }
            (_, output) => outputs.push(output),
        }
    }
}

fn twist_history(bug: Bug, mut history: Vec<JournalEntry>) -> Vec<JournalEntry> {
    match bug {
        Bug::HaltForgotten => history.retain(|entry| !matches!(entry, JournalEntry::Control(_))),
        Bug::LegsForgotten => history.retain(
            |entry| !matches!(entry, JournalEntry::Intent(intent) if intent.leg_of.is_some()),
        ),
        Bug::IntentsForgotten => history.retain(|entry| !matches!(entry, JournalEntry::Intent(_))),
        _ => {}
    }
    history
}

/// The same vote as if another founding agent had sent it.
fn as_another(payload: &[u8]) -> Option<Vec<u8>> {
    let mut message: serde_json::Value = serde_json::from_slice(payload).ok()?;
    let other = if message.pointer("/agent/id")?.as_str()? == "alpha-aggressor" {
        "balanced-arbitrator"
    } else {
        "alpha-aggressor"
    };
    *message.pointer_mut("/agent/id")? = other.into();
    *message.pointer_mut("/agent/boot_id")? = "another".into();
    Some(message.to_string().into_bytes())
}

/// A closing as if everything in the account were ours.
fn more_than_ours(order: &mut OrderRequest) {
    use rawe_execution::broker::{Amount, Side};
    if let (Side::Sell, Amount::Quantity(quantity)) = (order.side, order.amount) {
        order.amount = Amount::Quantity(quantity * Decimal::TWO);
    }
}

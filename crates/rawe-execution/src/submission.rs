//! One order from its intent to its end, sent exactly once: a pure state machine.
//!
//! The intent is on record before the first byte leaves; an unknown outcome is resolved by looking
//! the order up, never by sending blindly; the same id is sent again at most once, and only after
//! the broker has confirmed several times that it does not have it. The shell performs the
//! [`Action`]s and answers with [`Event`]s; waiting is given as a duration, because a replay's
//! market time stands still while an order is looked up.

mod comparing;

use std::time::Duration;

use rawe_core::{DecisionId, RoundOutcome, Timestamp};

use crate::broker::{BrokerError, Leg, OrderKind, OrderReport, OrderStatus, SubmitOutcome};
use crate::gate::ApprovedOrder;
use crate::journal::{Intent, Resolution};
use crate::tracker::OrderTracker;

/// Waits between look-ups of an unknown order: only after all of them have answered "no such
/// order" (six seconds in all) is it taken as not placed, because a lost POST may show up late.
const LOOKUP_WAITS_MS: [u64; 6] = [100, 300, 600, 1_000, 1_500, 2_500];
/// First wait between polls of a working order; it doubles up to the longest.
const POLL_WAIT_FIRST_MS: u64 = 50;
/// The longest wait between polls, also while the broker cannot be asked.
const POLL_WAIT_MAX_MS: u64 = 5_000;
/// A working order that the broker no longer finds this often in a row is over.
const VANISHED_MAX: u32 = 20;
/// After so many reports of an order that has filled and whose exits are not told, it has none.
const LEGLESS_MAX: u32 = 60;

/// What the shell did, and what came of it.
#[derive(Clone, Debug)]
pub enum Event {
    /// The intent is on record.
    Recorded,
    /// The intent could not be recorded.
    NotRecorded(String),
    /// The order was sent.
    Sent(SubmitOutcome),
    /// The order was looked up by our id.
    LookedUp(Result<Option<OrderReport>, BrokerError>),
    /// The broker said something of the order unasked.
    Pushed(Box<OrderReport>),
}

impl Event {
    /// The exits that the broker told with an order, and its own id of that order.
    pub(crate) fn legs_told(&self) -> Option<(String, Vec<Leg>)> {
        let (Self::Pushed(report) | Self::Sent(SubmitOutcome::Accepted(report))) = self else {
            let Self::LookedUp(Ok(Some(report))) = self else {
                return None;
            };
            return legs_of(report);
        };
        legs_of(report)
    }
}

fn legs_of(report: &OrderReport) -> Option<(String, Vec<Leg>)> {
    let told = !report.legs.is_empty();
    told.then(|| (report.broker_order_id.clone(), report.legs.clone()))
}

/// What the shell has to do, in this order. The last one of a batch awaits an event or ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Put the intent on record; answer `Recorded` or `NotRecorded`.
    RecordIntent,
    /// Send the order once; answer `Sent`.
    Send,
    /// Wait, look the order up by our id; answer `LookedUp`.
    LookUp {
        /// Monotonic time to wait first.
        after: Duration,
    },
    /// Put on record what the broker said.
    RecordReport(Box<OrderReport>),
    /// Put on record how the intent ended.
    Resolve(Resolution),
    /// Nothing more to do.
    Finish,
}

/// How a submission ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The order is terminal; look at its filled quantity, whatever its status.
    Terminal(Box<OrderReport>),
    /// The broker refused it.
    Rejected(String),
    /// It never reached the broker.
    NeverSent(String),
    /// It could not be put on record, so it was not sent.
    NotRecorded(String),
}

impl End {
    /// The code for a round whose order ended so; `None` when something was filled.
    pub fn outcome(&self) -> Option<RoundOutcome> {
        match self {
            Self::Terminal(report) if report.filled_quantity.is_zero() => {
                Some(RoundOutcome::BrokerRejected)
            }
            Self::Terminal(_) => None,
            Self::Rejected(_) => Some(RoundOutcome::BrokerRejected),
            Self::NeverSent(_) => Some(RoundOutcome::Stale),
            Self::NotRecorded(_) => Some(RoundOutcome::JournalFailed),
        }
    }
}

/// Where a submission stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The intent is being recorded.
    Recording,
    /// The order is on its way.
    Sending,
    /// The broker may or may not have it; it counts as exposure.
    Unknown,
    /// The broker refused in a way that may mean it has the order already: it is looked up.
    Duplicate,
    /// The broker has it.
    Working,
    /// It is over.
    Ended,
}

/// One order on its way. Made only from an approved order, or from the journal to be resolved.
#[derive(Clone, Debug)]
pub struct Submission {
    intent: Intent,
    phase: Phase,
    sends: u32,
    resumed: bool,
    /// An earlier order of the same id, given up, has landed before this one was sent.
    taken: bool,
    not_found: u32,
    waits: u32,
    doubt: String,
    tracker: Option<OrderTracker>,
    end: Option<End>,
    legs_told: bool,
    legless: u32,
}

impl Submission {
    /// A submission of an approved order. Start it with [`Submission::begin`].
    pub fn new(
        approved: ApprovedOrder,
        decision_id: DecisionId,
        round_id: String,
        decided_at: Timestamp,
    ) -> Self {
        Self::with_intent(approved.into_intent(decision_id, round_id, decided_at))
    }

    /// An intent found in the journal without an end: it is looked up and never sent.
    pub fn resume(intent: Intent) -> Self {
        let mut submission = Self::with_intent(intent);
        submission.resumed = true;
        submission
            .doubt
            .push_str("the engine stopped before the outcome was on record");
        submission
    }

    fn with_intent(intent: Intent) -> Self {
        Self {
            intent,
            phase: Phase::Recording,
            sends: 0,
            resumed: false,
            taken: false,
            not_found: 0,
            waits: 0,
            doubt: String::new(),
            tracker: None,
            end: None,
            legs_told: false,
            legless: 0,
        }
    }

    /// An order of ours found working at the broker without an intent on record.
    pub fn adopt(intent: Intent, report: OrderReport) -> (Self, Vec<Action>) {
        let mut submission = Self::resume(intent);
        let actions = submission.take(report);
        (submission, actions)
    }

    /// Gives up an order that is about to be sent, first or again: trading was halted meanwhile.
    /// What may have reached the broker is never given up.
    pub fn withhold(&mut self, reason: &str) -> Vec<Action> {
        match self.phase {
            Phase::Recording if !self.resumed => self.never_sent(reason.to_owned()),
            Phase::Sending => {
                self.sends = self.sends.saturating_sub(1);
                self.never_sent(reason.to_owned())
            }
            _ => Vec::new(),
        }
    }

    /// Whether the broker makes exits of this order and has not told them yet. Until it has, the
    /// order is under way, also when it has filled.
    pub(crate) fn awaits_legs(&self) -> bool {
        matches!(self.intent.order.kind, OrderKind::WithExits { .. }) && !self.legs_told
    }

    /// The intent.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// How it ended, once it has.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What the broker said of the order so far.
    pub fn report(&self) -> Option<&OrderReport> {
        self.tracker.as_ref().map(OrderTracker::report)
    }

    /// Why the outcome is in doubt, for the log.
    pub fn doubt(&self) -> &str {
        &self.doubt
    }

    /// How often the order was sent: 0, 1 or 2, the second time under the same id.
    pub fn sends(&self) -> u32 {
        self.sends
    }

    /// Whether the broker may still come to have an order that has ended without one: it was sent
    /// and not found. A refusal at once is no such end; one of the second sending is, because it
    /// says nothing of the first.
    pub fn may_land(&self) -> bool {
        match self.end {
            Some(End::NeverSent(_)) => self.resumed || self.sends > 0,
            Some(End::Rejected(_)) => self.sends > 1 || self.not_found > 0,
            _ => false,
        }
    }

    /// The first actions; also the way to go on with a submission that was put aside.
    pub fn begin(&mut self) -> Vec<Action> {
        match self.phase {
            Phase::Recording if !self.resumed => vec![Action::RecordIntent],
            Phase::Recording | Phase::Sending => {
                self.phase = Phase::Unknown;
                vec![Action::LookUp {
                    after: Duration::ZERO,
                }]
            }
            Phase::Unknown | Phase::Duplicate | Phase::Working => {
                vec![Action::LookUp {
                    after: Duration::ZERO,
                }]
            }
            Phase::Ended => vec![Action::Finish],
        }
    }

    /// Takes an event and says what to do next. `now` is market time.
    pub fn apply(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        match (self.phase, event) {
            (Phase::Recording, Event::Recorded) if self.taken => {
                let doubt = "an order of this id has landed meanwhile".to_owned();
                self.look_up_from_start(Phase::Duplicate, doubt)
            }
            (Phase::Recording, Event::Recorded) => self.send_if_valid(now),
            (Phase::Recording, Event::NotRecorded(reason)) => {
                self.phase = Phase::Ended;
                self.end = Some(End::NotRecorded(reason));
                vec![Action::Finish]
            }
            (Phase::Sending, Event::Sent(outcome)) => self.after_send(outcome),
            (Phase::Unknown | Phase::Duplicate, Event::LookedUp(answer)) => {
                self.after_lookup(answer, now)
            }
            (Phase::Working, Event::LookedUp(answer)) => self.after_poll(answer),
            (Phase::Sending, Event::LookedUp(Ok(Some(report)))) if self.is_same_order(&report) => {
                self.take(report)
            }
            (Phase::Sending | Phase::Unknown | Phase::Duplicate, Event::Pushed(report))
                if self.is_same_order(&report) =>
            {
                self.take(*report)
            }
            // News may come before the answer to the POST, which then says no more than they did.
            (
                Phase::Working,
                Event::Pushed(report) | Event::Sent(SubmitOutcome::Accepted(report)),
            ) if self.is_answer(&report) => self.take(*report),
            (Phase::Ended, _) => vec![Action::Finish],
            (Phase::Recording, Event::Pushed(_) | Event::LookedUp(Ok(Some(_)))) => {
                self.taken = true;
                Vec::new()
            }
            // While a POST is under way, not to be found says nothing: its own answer follows.
            (Phase::Sending, Event::LookedUp(_)) | (_, Event::Pushed(_)) => Vec::new(),
            // An answer to a question that was not asked: ask the broker, which knows.
            (Phase::Recording, _) => vec![Action::RecordIntent],
            (phase, _) => {
                if phase == Phase::Sending {
                    self.phase = Phase::Unknown;
                }
                vec![Action::LookUp {
                    after: Duration::ZERO,
                }]
            }
        }
    }

    fn send_if_valid(&mut self, now: Timestamp) -> Vec<Action> {
        if now > self.intent.void_after {
            return self.never_sent(format!("void after {}", self.intent.void_after));
        }
        self.phase = Phase::Sending;
        self.sends += 1;
        vec![Action::Send]
    }

    fn after_send(&mut self, outcome: SubmitOutcome) -> Vec<Action> {
        match outcome {
            SubmitOutcome::Accepted(report) if self.is_answer(&report) => self.take(*report),
            SubmitOutcome::Accepted(report) => {
                let doubt = format!("the answer is about order {}", report.client_order_id);
                self.look_up_from_start(Phase::Unknown, doubt)
            }
            SubmitOutcome::Rejected(rejection) => {
                let message = format!("{} {}", rejection.status, rejection.message);
                if self.sends < 2 {
                    return self.rejected(message);
                }
                // The first one may have landed late and be why the second is refused.
                self.look_up_from_start(Phase::Duplicate, message)
            }
            SubmitOutcome::Duplicate(doubt) => self.look_up_from_start(Phase::Duplicate, doubt),
            SubmitOutcome::Unknown(doubt) => self.look_up_from_start(Phase::Unknown, doubt),
        }
    }

    fn look_up_from_start(&mut self, phase: Phase, doubt: String) -> Vec<Action> {
        self.phase = phase;
        self.doubt = doubt;
        self.not_found = 0;
        self.waits = 0;
        vec![Action::LookUp {
            after: Duration::from_millis(LOOKUP_WAITS_MS[0]),
        }]
    }

    fn after_lookup(
        &mut self,
        answer: Result<Option<OrderReport>, BrokerError>,
        now: Timestamp,
    ) -> Vec<Action> {
        match answer {
            Ok(Some(report)) if self.is_same_order(&report) => self.take(report),
            Ok(Some(report)) => self.rejected(format!(
                "the id {} is taken by another order: {:?} {} submitted {:?}",
                report.client_order_id, report.side, report.symbol, report.submitted_at
            )),
            Ok(None) => {
                self.not_found += 1;
                let next = usize::try_from(self.not_found)
                    .ok()
                    .and_then(|index| LOOKUP_WAITS_MS.get(index));
                match next {
                    Some(wait) => vec![Action::LookUp {
                        after: Duration::from_millis(*wait),
                    }],
                    None => self.confirmed_not_found(now),
                }
            }
            Err(error) => {
                // No answer is no evidence: the count of "no such order" stands.
                self.doubt = error.to_string();
                vec![Action::LookUp {
                    after: self.next_wait(LOOKUP_WAITS_MS[0]),
                }]
            }
        }
    }

    fn confirmed_not_found(&mut self, now: Timestamp) -> Vec<Action> {
        if self.phase == Phase::Duplicate {
            return self.rejected(format!(
                "refused, and not found at the broker: {}",
                self.doubt
            ));
        }
        if self.resumed || self.sends >= 2 {
            return self.never_sent("confirmed not found at the broker".to_owned());
        }
        self.send_if_valid(now)
    }

    fn after_poll(&mut self, answer: Result<Option<OrderReport>, BrokerError>) -> Vec<Action> {
        match answer {
            Ok(Some(report)) => {
                self.not_found = 0;
                self.take(report)
            }
            Ok(None) => {
                self.not_found += 1;
                match self.report() {
                    Some(report) if self.not_found >= VANISHED_MAX => {
                        let mut gone = report.clone();
                        gone.status = OrderStatus::Canceled;
                        self.take(gone)
                    }
                    _ => vec![Action::LookUp {
                        after: self.next_wait(POLL_WAIT_FIRST_MS),
                    }],
                }
            }
            Err(error) => {
                self.doubt = error.to_string();
                vec![Action::LookUp {
                    after: self.next_wait(POLL_WAIT_FIRST_MS),
                }]
            }
        }
    }

    /// Merges a report of this order.
    fn take(&mut self, mut report: OrderReport) -> Vec<Action> {
        let mut actions = Vec::new();
        self.legs_told |= !std::mem::take(&mut report.legs).is_empty();
        let is_new = if let Some(tracker) = &mut self.tracker {
            tracker.apply(&report).is_ok_and(|change| change.is_new)
        } else {
            self.tracker = Some(OrderTracker::new(report));
            self.waits = 0;
            self.not_found = 0;
            true
        };
        self.phase = Phase::Working;
        let Some(merged) = self.report().cloned().map(Box::new) else {
            return vec![Action::LookUp {
                after: self.next_wait(POLL_WAIT_FIRST_MS),
            }];
        };
        if is_new {
            actions.push(Action::RecordReport(merged.clone()));
        }
        // What has not filled at all leaves no exits.
        let legless = self.awaits_legs() && !merged.filled_quantity.is_zero();
        self.legless += u32::from(legless && merged.status.is_terminal());
        if merged.status.is_terminal() && (!legless || self.legless > LEGLESS_MAX) {
            self.phase = Phase::Ended;
            self.end = Some(End::Terminal(merged.clone()));
            actions.push(Action::Resolve(Resolution::Terminal(merged)));
            actions.push(Action::Finish);
        } else {
            actions.push(Action::LookUp {
                after: self.next_wait(POLL_WAIT_FIRST_MS),
            });
        }
        actions
    }

    /// Doubles from `first_ms` up to the longest wait.
    fn next_wait(&mut self, first_ms: u64) -> Duration {
        let factor = 1_u64 << self.waits.min(16);
        self.waits += 1;
        Duration::from_millis(first_ms.saturating_mul(factor).min(POLL_WAIT_MAX_MS))
    }

    fn rejected(&mut self, message: String) -> Vec<Action> {
        self.phase = Phase::Ended;
        self.end = Some(End::Rejected(message.clone()));
        vec![
            Action::Resolve(Resolution::Rejected { message }),
            Action::Finish,
        ]
    }

    fn never_sent(&mut self, reason: String) -> Vec<Action> {
        self.phase = Phase::Ended;
        self.end = Some(End::NeverSent(reason.clone()));
        vec![
            Action::Resolve(Resolution::NeverSent { reason }),
            Action::Finish,
        ]
    }
}

//! Orders under way: from the moment they are being put on record until the broker has told their
//! end. The state machine is [`crate::submission`]'s; here its actions become effects.

use std::time::Duration;

use rawe_core::{
    AssetClass, ClientOrderId, Direction, ExitReason, Purpose, RoundRecord, Symbol, Timestamp,
    TradeVote,
};
use rust_decimal::Decimal;

use crate::broker::{BrokerError, OrderReport, SubmitOutcome};
use crate::desk::cancelling::Cancel;
use crate::desk::deciding::direction_of;
use crate::desk::{Desk, DeskEffect, NoticeLevel, Question};
use crate::gate::TradingState;
use crate::journal::JournalEntry;
use crate::limits::SkewRule;
use crate::submission::{Action, Event, Phase, Submission};
use crate::tracker::OrderTracker;

/// After so many polls, about 20 s, a replay no longer stands still for an order of which the broker
/// says nothing.
const POLLS_BEFORE_LINGERING: u32 = 10;

/// An order on its way.
#[derive(Debug)]
pub(crate) struct LiveOrder {
    pub(crate) submission: Submission,
    /// The round, until the broker has the order.
    pub(crate) record: Option<Box<RoundRecord>>,
    /// The direction opened, or left.
    pub(crate) direction: Direction,
    pub(crate) votes: Vec<TradeVote>,
    pub(crate) exit: Option<ExitReason>,
    /// What has been booked of it: units and USD.
    pub(crate) filled: Decimal,
    pub(crate) filled_value: Decimal,
    /// USD that it may still add to the exposure.
    pub(crate) outstanding: Decimal,
    /// USD approved; zero while nothing is known of the price of an order in units.
    pub(crate) notional: Decimal,
    pub(crate) by_desk: bool,
    pub(crate) accepted: bool,
    pub(crate) cancel: Cancel,
    pub(crate) polls: u32,
    /// Whether the broker, asked at this instant of a replay, has said that it is working.
    pub(crate) looked_at: bool,
    /// Whether it was told that nothing of it fills.
    pub(crate) told_waiting: bool,
    /// When it is asked about next, live.
    pub(crate) poll_at: Option<Timestamp>,
}

/// An order that is over.
#[derive(Debug)]
pub(crate) struct EndedOrder {
    pub(crate) order: LiveOrder,
    pub(crate) tracker: OrderTracker,
}

impl LiveOrder {
    pub(crate) fn new(submission: Submission, direction: Direction) -> Self {
        Self {
            submission,
            record: None,
            direction,
            votes: Vec::new(),
            exit: None,
            filled: Decimal::ZERO,
            filled_value: Decimal::ZERO,
            outstanding: Decimal::ZERO,
            notional: Decimal::ZERO,
            by_desk: false,
            accepted: false,
            cancel: Cancel::No,
            polls: 0,
            looked_at: false,
            told_waiting: false,
            poll_at: None,
        }
    }

    pub(crate) fn with_round(
        mut self,
        record: Box<RoundRecord>,
        votes: Vec<TradeVote>,
        exit: Option<ExitReason>,
    ) -> Self {
        self.record = Some(record);
        self.votes = votes;
        self.exit = exit;
        self
    }

    pub(crate) fn made_by_desk(mut self, by_desk: bool) -> Self {
        self.by_desk = by_desk;
        self
    }

    /// An order of an earlier start: what was booked of it, and its acceptance is no news.
    pub(crate) fn resumed(mut self, filled: Decimal, value: Decimal) -> Self {
        (self.filled, self.filled_value) = (filled, value);
        self.accepted = true;
        self
    }

    pub(crate) fn approved_at(mut self, notional: Decimal) -> Self {
        self.notional = notional;
        self
    }

    pub(crate) fn id(&self) -> &ClientOrderId {
        &self.submission.intent().order.client_order_id
    }

    pub(crate) fn asset(&self) -> &Symbol {
        &self.submission.intent().order.symbol
    }

    pub(crate) fn purpose(&self) -> Purpose {
        self.submission.intent().purpose
    }

    /// USD that it was to put in.
    pub(crate) fn approved_notional(&self) -> Decimal {
        self.notional
    }

    pub(crate) fn phase(&self) -> Phase {
        self.submission.phase()
    }

    pub(crate) fn is_cancelling(&self) -> bool {
        self.cancel != Cancel::No
    }

    /// Whether it protects a position at the broker, where it may stay for ever.
    pub(crate) fn rests(&self) -> bool {
        self.purpose() == Purpose::Stop
    }

    /// Whether the broker has it, and it may only fill or end by itself.
    pub(crate) fn works(&self) -> bool {
        self.phase() == Phase::Working && !self.is_cancelling()
    }

    /// Whether a replay no longer waits for it at this instant: while market time stands still, an
    /// order that is working goes on working.
    pub(crate) fn lingers(&self) -> bool {
        let seen = self.looked_at || self.polls > POLLS_BEFORE_LINGERING;
        self.works() && (self.rests() || seen)
    }
}

impl Desk {
    /// Takes an order under way whose entries have just been put on the batch.
    pub(crate) fn take_order(&mut self, mut order: LiveOrder, notional: Decimal) {
        let id = order.id().clone();
        order.notional = notional;
        let asset = order.asset().clone();
        let intent = order.submission.intent().clone();
        self.entries.push(JournalEntry::Intent(intent));
        // Its one action is to put the intent on record.
        order.submission.begin();
        self.committing.push(id.clone());
        self.insert_order(id.clone(), asset, order);
        self.weigh_order(&id);
    }

    pub(crate) fn insert_order(&mut self, id: ClientOrderId, asset: Symbol, order: LiveOrder) {
        self.ended.retain(|ended| ended.order.id() != &id);
        self.by_asset.entry(asset).or_default().push(id.clone());
        self.orders.insert(id, Box::new(order));
    }

    /// Sets what an order of an earlier start may still add.
    pub(crate) fn set_notional(&mut self, id: &ClientOrderId, notional: Decimal) {
        if let Some(order) = self.orders.get_mut(id) {
            order.notional = notional;
        }
        self.weigh_order(id);
    }

    /// Orders of ours in an asset.
    pub(crate) fn orders_of(&self, asset: &Symbol) -> impl Iterator<Item = &LiveOrder> {
        let ids = self.by_asset.get(asset).into_iter().flatten();
        ids.filter_map(|id| self.orders.get(id).map(Box::as_ref))
    }

    /// Whether an order other than a resting stop is under way in an asset.
    pub(crate) fn has_order_beside_stop(&self, asset: &Symbol) -> bool {
        self.orders_of(asset).any(|order| !order.rests())
    }

    /// The stop of ours under way in an asset.
    pub(crate) fn resting_stop(&self, asset: &Symbol) -> Option<ClientOrderId> {
        let mut stops = self.orders_of(asset).filter(|order| order.rests());
        stops.next().map(|order| order.id().clone())
    }

    pub(crate) fn orders_that_open(&self) -> Vec<ClientOrderId> {
        let opening = self.orders.iter();
        let opening = opening.filter(|(_, order)| order.purpose() == Purpose::Open);
        opening.map(|(id, _)| id.clone()).collect()
    }

    /// Whether an order that is ready may go out.
    pub(crate) fn may_send(&self, purpose: Purpose) -> bool {
        match self.trading() {
            TradingState::Active => true,
            TradingState::Reducing => purpose != Purpose::Open,
            TradingState::Halted => false,
        }
    }

    /// Tells an order what happened and does what it wants.
    pub(crate) fn step(&mut self, id: &ClientOrderId, event: Event, now: Timestamp) {
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        let legs = event.legs_told();
        let actions = order.submission.apply(event, now);
        self.perform(id, actions, now);
        if let Some((broker_order_id, legs)) = legs {
            self.take_legs(id, &broker_order_id, legs, now);
        }
    }

    /// Goes on with an order of an earlier start.
    pub(crate) fn resume(&mut self, id: &ClientOrderId, now: Timestamp) {
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        let actions = order.submission.begin();
        self.perform(id, actions, now);
    }

    pub(crate) fn perform(&mut self, id: &ClientOrderId, actions: Vec<Action>, now: Timestamp) {
        let mut finished = false;
        for action in actions {
            match action {
                Action::RecordIntent => {}
                Action::Send => self.send(id, now),
                Action::LookUp { after } => self.look_up(id, after, now),
                Action::RecordReport(report) => self.on_progress(id, report, now),
                Action::Resolve(resolution) => self.entries.push(JournalEntry::Resolved {
                    at: now,
                    client_order_id: id.clone(),
                    resolution,
                }),
                Action::Finish => finished = true,
            }
        }
        if finished {
            self.finish(id, now);
        } else {
            self.press_cancel(id);
        }
    }

    /// A halt between the decision and now, or between a lost POST and its repetition, holds the
    /// order back.
    fn send(&mut self, id: &ClientOrderId, now: Timestamp) {
        let (sent, _) = self.rates.counts(now);
        let Some(order) = self.orders.get(id) else {
            return;
        };
        let again = order.submission.sends() > 1;
        // Others that the gate has let through meanwhile go first.
        let limit = self.settings.limits.orders_per_minute_max;
        let full = u32::try_from(sent).is_ok_and(|sent| sent >= limit);
        let crowded = again && order.purpose() == Purpose::Open && full;
        let held_back = self.why_held_back(order, again, now).or_else(|| {
            crowded.then(|| format!("{sent} orders went out within the minute, {limit} may"))
        });
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        if let Some(why) = held_back {
            let actions = order.submission.withhold(&why);
            self.perform(id, actions, now);
            return;
        }
        let request = order.submission.intent().order.clone();
        let fields = vec![
            ("client_order_id", id.to_string()),
            ("asset", request.symbol.to_string()),
            ("again", again.to_string()),
        ];
        self.notice(
            NoticeLevel::Debug,
            "order_submitted",
            fields,
            "the order goes to the broker".to_owned(),
        );
        self.out.push(DeskEffect::Submit(Box::new(request)));
        if again {
            self.rates.note_sent(now);
        }
    }

    /// Why an order must not go out, first or again: what the gate saw may not hold any more.
    fn why_held_back(&self, order: &LiveOrder, again: bool, now: Timestamp) -> Option<String> {
        let (asset, purpose) = (order.asset(), order.purpose());
        // What it was to close may be gone, and it would open the other side.
        let told = self.view.positions.as_ref();
        let told = told.and_then(|told| told.value.get(asset));
        let is_there = told.is_some_and(|told| direction_of(told.quantity) == order.direction);
        let gone = purpose == Purpose::Close && !is_there;
        let strange = purpose == Purpose::Open && self.is_told_otherwise(asset);
        if again && (gone || strange || self.disturbed.contains_key(asset)) {
            return Some("others have traded the asset since it was sent".to_owned());
        }
        let clock = self.view.clock_now(self.paced, now);
        let needs_session = asset.class() != AssetClass::Crypto && purpose != Purpose::Stop;
        if needs_session && !clock.is_some_and(|clock| clock.is_open) {
            return Some("the market is not known to be open any more".to_owned());
        }
        let over = self
            .gate
            .exceeded(&self.books.exposure(asset, order.direction));
        let skew_counts = !self.paced && self.settings.limits.clock_skew == SkewRule::Halt;
        let fit = self.view.is_young(now) && !(skew_counts && self.view.is_skewed());
        let fit = fit && over.is_none();
        if self.may_send(purpose) && (fit || purpose != Purpose::Open) {
            return None;
        }
        if let Some(limit) = over {
            return Some(format!(
                "what is held has changed, and {limit} would be exceeded"
            ));
        }
        let (_, why) = self.trading_and_reason();
        Some(format!(
            "trading is halted, or the account is not in view: {why}"
        ))
    }

    /// A resting stop is not polled: each reconciliation lists all open orders.
    fn look_up(&mut self, id: &ClientOrderId, after: Duration, now: Timestamp) {
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        let waits = order.rests() || self.paced && order.looked_at;
        if waits && order.works() {
            return;
        }
        order.polls += 1;
        let report = order.submission.report();
        let ended = report.is_some_and(|report| report.status.is_terminal());
        if !self.paced && order.works() && !ended {
            self.plan_poll(id, after, now);
            return;
        }
        self.ask(Question::Order(id.clone()), after, false, now);
    }

    pub(crate) fn on_submitted(
        &mut self,
        id: &ClientOrderId,
        outcome: SubmitOutcome,
        now: Timestamp,
    ) {
        let Some(order) = self.orders.get(id) else {
            return;
        };
        let (word, doubt) = match &outcome {
            SubmitOutcome::Accepted(_) => ("accepted".to_owned(), false),
            SubmitOutcome::Rejected(refusal) => (
                format!("rejected: {} {}", refusal.status, refusal.message),
                false,
            ),
            SubmitOutcome::Duplicate(words) => (format!("duplicate: {words}"), true),
            SubmitOutcome::Unknown(words) => (format!("unknown: {words}"), true),
        };
        self.entries.push(JournalEntry::Submission {
            at: now,
            client_order_id: id.clone(),
            attempt: order.submission.sends(),
            outcome: word.clone(),
        });
        if doubt {
            let fields = vec![("client_order_id", id.to_string())];
            let message = format!("the order is looked up: {word}");
            self.notice(NoticeLevel::Warn, "order_doubted", fields, message);
            self.reconciliation.note_trouble(now);
        }
        self.step(id, Event::Sent(outcome), now);
    }

    pub(crate) fn on_looked_up(
        &mut self,
        id: &ClientOrderId,
        answer: Result<Option<OrderReport>, BrokerError>,
        now: Timestamp,
    ) {
        if answer.is_err() {
            self.reconciliation.note_trouble(now);
        }
        if let Ok(Some(report)) = &answer
            && self.is_early(report, now)
        {
            return;
        }
        if let Some(order) = self.orders.get_mut(id) {
            order.looked_at = matches!(answer, Ok(Some(_))) && order.works();
            self.step(id, Event::LookedUp(answer), now);
            self.note_waiting(id);
        } else if let Ok(report) = answer {
            self.on_given_up(id, report, now);
        }
    }

    /// The broker pushed news, or a list held them.
    pub(crate) fn on_pushed(&mut self, report: OrderReport, now: Timestamp) {
        if self.is_early(&report, now) {
            return;
        }
        let Some(id) = self.known_id(&report.client_order_id) else {
            if !report.filled_quantity.is_zero() || !report.status.is_terminal() {
                // It has filled, or may at any moment: nothing is opened on top of it before
                // positions have been compared.
                self.disturbed.insert(report.symbol, (self.sequence, now));
                self.reconcile_soon(now);
            }
            return;
        };
        if self.orders.contains_key(&id) {
            self.step(&id, Event::Pushed(Box::new(report)), now);
        } else if self.is_given_up(&id) {
            self.on_given_up(&id, Some(report), now);
        } else {
            self.on_late_report(&id, &report, now);
        }
    }
}

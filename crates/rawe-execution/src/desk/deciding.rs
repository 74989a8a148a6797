//! From a decision to an order that is being put on record: what is known is used, only what is
//! missing or stale is asked for, and the gate has the last word.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rawe_core::{
    AssetClass, Direction, ExitReason, Purpose, RoundRecord, Symbol, Timestamp, TradeVote,
};
use rust_decimal::Decimal;

use crate::broker::{BrokerError, PositionReport};
use crate::build::OrderIntentInput;
use crate::desk::orders::LiveOrder;
use crate::desk::view::VIEW_AGE_MAX;
use crate::desk::{Decision, Desk, NoticeLevel, OrderNews, Question};
use crate::gate::{ApprovedOrder, GateInput, TradingState};
use crate::journal::JournalEntry;
use crate::limits::PriceRule;
use crate::refusal::OrderRefusal;
use crate::submission::Submission;

/// How often the broker is asked for one decision before it is given up: 15 s in all. Its time to
/// live may end it sooner.
const ATTEMPTS_MAX: u32 = 30;

/// A decision that is not an order yet.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) decision: Decision,
    /// Whether the desk made it: a stop, a flatten.
    pub(crate) by_desk: bool,
    attempts: u32,
    price_asked: bool,
}

impl Pending {
    fn asset(&self) -> &Symbol {
        &self.decision.record.asset
    }
}

impl Desk {
    /// Queues a decision; it is looked at before this event is over.
    pub(crate) fn take_decision(&mut self, decision: Decision, by_desk: bool) {
        self.decided += 1;
        let number = self.decided;
        self.void_after.insert((decision.void_after, number));
        let pending = Pending {
            decision,
            by_desk,
            attempts: 0,
            price_asked: false,
        };
        let asset = pending.asset().clone();
        self.deciding.entry(asset).or_default().insert(number);
        self.decisions.insert(number, pending);
        self.awake.insert(number);
    }

    /// A decision has become an order, or nothing.
    fn drop_decision(&mut self, number: u64, decision: &Decision) {
        self.void_after.remove(&(decision.void_after, number));
        let asset = &decision.record.asset;
        if let Some(numbers) = self.deciding.get_mut(asset) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.deciding.remove(asset);
            }
        }
    }

    pub(crate) fn wake_all(&mut self) {
        self.awake.extend(self.decisions.keys().copied());
    }

    /// Whether a decision for the asset is queued that came before `number`.
    pub(crate) fn is_deciding(&self, asset: &Symbol, number: u64) -> bool {
        let first = self.deciding.get(asset).and_then(BTreeSet::first);
        first.is_some_and(|first| *first < number)
    }

    /// Looks at the decisions for which something has changed. In a replay one is taken to its end
    /// before the next is looked at.
    pub(crate) fn proceed_decisions(&mut self, now: Timestamp) {
        if self.paced && self.trading() != TradingState::Halted {
            self.awake.clear();
            loop {
                let busy = self.reconciliation.is_under_way()
                    || self.orders.values().any(|order| !order.lingers());
                let first = self.decisions.keys().next().copied();
                let Some(number) = first.filter(|_| !busy) else {
                    return;
                };
                self.try_decide(number, now);
                if self.decisions.contains_key(&number) {
                    return;
                }
            }
        }
        while let Some(number) = self.awake.pop_first() {
            self.try_decide(number, now);
        }
    }

    fn try_decide(&mut self, number: u64, now: Timestamp) {
        let Some(mut pending) = self.decisions.remove(&number) else {
            return;
        };
        match self.decide(number, &mut pending, now) {
            Ok(None) => {
                self.decisions.insert(number, pending);
            }
            Ok(Some(approved)) => {
                self.drop_decision(number, &pending.decision);
                self.commit_order(pending, approved, now);
            }
            Err(refusal) => {
                self.drop_decision(number, &pending.decision);
                self.refuse(pending, &refusal, now);
            }
        }
    }

    /// `None` while something is being waited for.
    fn decide(
        &mut self,
        number: u64,
        pending: &mut Pending,
        now: Timestamp,
    ) -> Result<Option<ApprovedOrder>, OrderRefusal> {
        let decision = &pending.decision;
        let (asset, purpose) = (decision.record.asset.clone(), decision.purpose);
        let state = self.trading();
        if state == TradingState::Halted
            || (state == TradingState::Reducing && purpose == Purpose::Open)
        {
            return Err(OrderRefusal::Halted);
        }
        if now > decision.void_after {
            return Err(if pending.attempts > 0 {
                OrderRefusal::BrokerSilent("the broker did not answer in time".to_owned())
            } else {
                let void_after = decision.void_after;
                OrderRefusal::Stale { void_after }
            });
        }
        if self.is_deciding(&asset, number) || self.has_order_beside_stop(&asset) {
            return Err(OrderRefusal::InFlight(asset));
        }
        if purpose == Purpose::Open && self.is_blind(now) {
            return Err(OrderRefusal::Unreconciled);
        }
        let missing = self.missing(pending, now);
        if !missing.is_empty() {
            for question in missing {
                pending.price_asked |= matches!(question, Question::LatestPrice(_));
                let waiters = self.waiters.entry(question.clone()).or_default();
                if !waiters.contains(&number) {
                    waiters.push(number);
                }
                self.ask_now(question, now);
            }
            return Ok(None);
        }
        if purpose == Purpose::Open && self.is_unclear(&asset, now) {
            return Err(OrderRefusal::Unreconciled);
        }
        if self.resting_stop(&asset).is_some() {
            if purpose == Purpose::Open {
                return Err(OrderRefusal::InFlight(asset));
            }
            // Its end wakes this decision; it may have filled by then.
            self.cancel_resting(&asset);
            return Ok(None);
        }
        if purpose == Purpose::Close {
            self.compare_fee(&asset, now);
        }
        self.check(pending, now).map(Some)
    }

    /// What has to be asked before the gate can look.
    fn missing(&self, pending: &Pending, now: Timestamp) -> Vec<Question> {
        let decision = &pending.decision;
        let asset = &decision.record.asset;
        let young = |at: Option<Timestamp>| at.is_some_and(|at| now - at <= VIEW_AGE_MAX);
        let view = &self.view;
        let mut missing = Vec::new();
        let opens = decision.purpose == Purpose::Open;
        let account_at = view.account.as_ref().map(|told| told.at);
        if !young(account_at) && (opens || account_at.is_none()) {
            missing.push(Question::Account);
        }
        let positions = view.positions.as_ref();
        let touched = self.touched.get(asset).map_or(0, |(sequence, _)| *sequence);
        let covers = positions.is_some_and(|told| told.sequence > touched);
        let covers = if opens {
            self.covers_others(now)
        } else {
            covers
        };
        if !young(positions.map(|told| told.at)) || !covers {
            missing.push(Question::Positions);
        }
        if opens && !young(view.open_orders.as_ref().map(|told| told.at)) {
            missing.push(Question::OpenOrders);
        }
        if asset.class() == AssetClass::UsEquity && view.clock_now(self.paced, now).is_none() {
            missing.push(Question::Clock);
        }
        if view.asset_now(asset, now).is_none() {
            missing.push(Question::Asset(asset.clone()));
        }
        if !self.knows_past_of(asset) {
            missing.push(Question::ClosedOrders(asset.clone()));
        }
        let price = Question::LatestPrice(asset.clone());
        let asking = view.is_asked(&price) && pending.price_asked;
        let wanted = opens && self.needs_price(decision) && !self.has_usable_price(asset, now);
        if wanted && (!pending.price_asked || asking) {
            missing.push(price);
        }
        missing
    }

    /// Whether an opening must know a price. Without the rule that demands one it is needed only to
    /// turn dollars into units, which a fractionable stock bought by notional does not.
    fn needs_price(&self, decision: &Decision) -> bool {
        let asset = &decision.record.asset;
        let by_notional = decision.direction == Direction::Long
            && asset.class() == AssetClass::UsEquity
            && self
                .view
                .asset_ever(asset)
                .is_some_and(|info| info.fractionable);
        self.settings.limits.last_price == PriceRule::Required || !by_notional
    }

    fn has_usable_price(&self, asset: &Symbol, now: Timestamp) -> bool {
        let limits = &self.settings.limits;
        let price = self.books.line(asset).and_then(|line| line.price);
        price.is_some_and(|(_, at)| {
            let age = TimeDelta::seconds(i64::from(limits.quote_age_secs_max));
            limits.last_price == PriceRule::Off || now - at <= age
        })
    }

    fn check(&mut self, pending: &Pending, now: Timestamp) -> Result<ApprovedOrder, OrderRefusal> {
        let decision = &pending.decision;
        let (asset, purpose) = (&decision.record.asset, decision.purpose);
        let id = self
            .next_id(asset, purpose)
            .ok_or(OrderRefusal::Unreconciled)?;
        let info = self.view.asset_ever(asset).cloned();
        let info = info.ok_or_else(|| OrderRefusal::NotTradable(asset.clone()))?;
        let line = self.books.line(asset);
        let ours = line.map_or(Decimal::ZERO, |line| line.quantity);
        let foreign = line.map_or(Decimal::ZERO, |line| line.foreign_quantity);
        let position = match purpose {
            Purpose::Open => as_position(asset, ours + foreign),
            Purpose::Close | Purpose::Stop => {
                let told = self.view.positions.as_ref();
                told.and_then(|told| told.value.get(asset)).cloned()
            }
        };
        let input = OrderIntentInput {
            client_order_id: id.client_order_id(),
            purpose,
            symbol: asset.clone(),
            direction: decision.direction,
            notional: decision.record.notional.unwrap_or_default(),
            quantity_limit: self.limit_to_ours(asset, ours, foreign, position.as_ref()),
        };
        let (sent, opened) = self.rates.counts(now);
        let account = self.view.account.as_ref().map(|told| &told.value);
        let gate_input = GateInput {
            now,
            state: self.trading(),
            reconciled: self.view.is_young(now),
            clock_skew_secs: if self.paced { 0 } else { self.view.skew_secs },
            clock: self.view.clock_now(self.paced, now),
            account: account.ok_or(OrderRefusal::Unreconciled)?,
            reserved: self.view.reserved(),
            asset: &info,
            in_flight: false,
            position: position.as_ref(),
            price: self.books.line(asset).and_then(|line| line.price),
            exposure: self.books.exposure(asset, decision.direction),
            sent_last_minute: sent,
            opened_last_hour: opened,
            day_result: self.books.day_result(),
            decision: &input,
            void_after: decision.void_after,
        };
        let approved = self.gate.check(&gate_input)?;
        Ok(self.with_exits(approved, decision.direction))
    }

    /// How much of a position a closing may take. Where all of it is ours, the broker knows better
    /// than we how much fees have left; what is more than a fee is somebody else's, even before
    /// the books say so.
    fn limit_to_ours(
        &self,
        asset: &Symbol,
        ours: Decimal,
        foreign: Decimal,
        told: Option<&PositionReport>,
    ) -> Option<Decimal> {
        let fee = match asset.class() {
            AssetClass::Crypto => {
                ours.abs() * self.settings.exits.crypto_fee_bp * Decimal::new(2, 4)
            }
            AssetClass::UsEquity => Decimal::ZERO,
        };
        let excess = told.map_or(Decimal::ZERO, |told| told.quantity.abs()) - ours.abs();
        let shared = !foreign.is_zero() || ours.is_zero() || excess > fee;
        shared.then(|| ours.abs())
    }

    /// Puts the round and the intent on record, in one batch: no order without its votes.
    fn commit_order(&mut self, pending: Pending, approved: ApprovedOrder, now: Timestamp) {
        let Decision {
            mut record,
            purpose,
            direction,
            exit,
            ..
        } = pending.decision;
        let asset = record.asset.clone();
        let Some(decision_id) = self.next_id(&asset, purpose) else {
            return;
        };
        let id = decision_id.client_order_id();
        record.decision_id = Some(decision_id.clone());
        record.client_order_id = Some(id.clone());
        let notional = approved.notional();
        if purpose == Purpose::Open {
            record.notional = Some(notional.round_dp(2));
            // One that was given up may have had the id; only one of them can land.
            self.rates.forget_opening(&id);
            self.rates.note_opening(now, &id);
            self.view.reserve(&id, approved.reserved());
        }
        self.rates.note_sent(now);
        let round_id = record.round_id.clone();
        let votes = votes_of(&record);
        let submission = Submission::new(approved, decision_id, round_id, now);
        self.entries
            .push(JournalEntry::Round(Box::new(record.clone())));
        let order = LiveOrder::new(submission, direction)
            .with_round(Box::new(record), votes, exit)
            .made_by_desk(pending.by_desk);
        self.take_order(order, notional);
    }

    /// Writes down why there is no order.
    fn refuse(&mut self, pending: Pending, refusal: &OrderRefusal, now: Timestamp) {
        let Decision {
            mut record,
            purpose,
            exit,
            ..
        } = pending.decision;
        let asset = record.asset.clone();
        record.outcome = refusal.outcome();
        record.reason = match refusal {
            OrderRefusal::Halted => {
                let (state, why) = self.trading_and_reason();
                format!("trading is {state:?}: {why}").to_lowercase()
            }
            other => other.to_string(),
        };
        self.note_refused_exit(&asset, pending.by_desk, exit, &record.reason, now);
        let record = Box::new(record);
        self.entries.push(JournalEntry::Round(record.clone()));
        self.tell(OrderNews::Refused {
            asset: asset.clone(),
            purpose,
            record: Some(record),
        });
        let surprising = matches!(
            refusal,
            OrderRefusal::NothingToClose(_)
                | OrderRefusal::AlreadyHeld { .. }
                | OrderRefusal::WouldFlip { .. }
                | OrderRefusal::HeldByOrders(_)
        );
        if surprising {
            self.tell_holding(&asset, now);
            self.reconcile_soon(now);
        }
    }

    fn note_refused_exit(
        &mut self,
        asset: &Symbol,
        by_desk: bool,
        exit: Option<ExitReason>,
        reason: &str,
        now: Timestamp,
    ) {
        if !by_desk {
            return;
        }
        self.hold_off_exit(asset, now);
        let fields = vec![
            ("asset", asset.to_string()),
            (
                "exit",
                exit.map_or_else(String::new, |exit| exit.to_string()),
            ),
        ];
        let message = format!("{asset} could not be left: {reason}");
        self.notice(NoticeLevel::Warn, "exit_refused", fields, message);
    }

    /// An answer came for these decisions, or did not.
    pub(crate) fn wake_waiters(
        &mut self,
        question: &Question,
        failure: Option<&BrokerError>,
        now: Timestamp,
    ) {
        let numbers = self.waiters.remove(question).unwrap_or_default();
        let mut again = false;
        for number in numbers {
            let Some(pending) = self.decisions.get_mut(&number) else {
                continue;
            };
            let Some(error) = failure else {
                self.awake.insert(number);
                continue;
            };
            pending.attempts += 1;
            let refused = match error {
                BrokerError::Unavailable(_) | BrokerError::Unreadable(_) => (pending.attempts
                    > ATTEMPTS_MAX)
                    .then(|| OrderRefusal::BrokerSilent(error.to_string())),
                BrokerError::Unauthorized(_) | BrokerError::Refused { .. } => {
                    Some(OrderRefusal::BrokerRefused(error.to_string()))
                }
            };
            if let Some(refusal) = refused {
                if let Some(pending) = self.decisions.remove(&number) {
                    self.drop_decision(number, &pending.decision);
                    self.refuse(pending, &refusal, now);
                }
            } else {
                again = true;
                self.waiters
                    .entry(question.clone())
                    .or_default()
                    .push(number);
            }
        }
        if again {
            self.ask(question.clone(), super::ASK_WAIT, false, now);
        }
    }
}

/// Everyone's vote, sorted by agent.
pub(crate) fn votes_of(record: &RoundRecord) -> Vec<TradeVote> {
    let votes = record.votes.iter().map(|vote| TradeVote {
        agent: vote.agent.clone(),
        direction: vote.direction,
    });
    let mut votes: Vec<TradeVote> = votes.collect();
    votes.sort_by(|a, b| (&a.agent, a.direction).cmp(&(&b.agent, b.direction)));
    votes
}

/// What the books hold, as the builder of orders wants it.
fn as_position(asset: &Symbol, quantity: Decimal) -> Option<PositionReport> {
    (!quantity.is_zero()).then(|| PositionReport {
        symbol: asset.clone(),
        quantity,
        quantity_available: quantity,
        average_entry_price: Decimal::ZERO,
        market_value: Decimal::ZERO,
    })
}

/// The direction that units have.
pub(crate) fn direction_of(quantity: Decimal) -> Direction {
    if quantity.is_sign_negative() {
        Direction::Short
    } else {
        Direction::Long
    }
}

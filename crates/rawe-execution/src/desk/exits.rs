//! Ends of positions that no vote decides: the disaster stop, at the broker where it takes one and
//! watched here besides; target and maximum hold, off by default.
//!
//! Rating collapse and gap closed are knowledge of the agents: they come as decisions.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rawe_core::identity::round_id;
use rawe_core::{
    AssetClass, Direction, ExitReason, Purpose, RoundOutcome, RoundRecord, Symbol, Timestamp,
};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use crate::broker::OrderKind;
use crate::build::OrderIntentInput;
use crate::desk::books::Line;
use crate::desk::orders::LiveOrder;
use crate::desk::{Decision, Desk, ExitRules, NoticeLevel, OrderNews, Question};
use crate::gate::{GateInput, TradingState};
use crate::refusal::OrderRefusal;
use crate::submission::Submission;

/// Hours of the week over which the stop's distance is taken.
const STOP_HORIZON_HOURS: f64 = 168.0;
/// How long an exit that the desk decided may still be sent.
const EXIT_VALID: TimeDelta = TimeDelta::seconds(60);
/// How long an exit waits after it was refused.
const EXIT_HOLD_OFF: TimeDelta = TimeDelta::seconds(60);
/// How long a resting stop whose price was touched has to fill before the position is left at the
/// market instead.
const STOP_GRACE: TimeDelta = TimeDelta::seconds(60);
/// How long until an exit that is due and cannot begin is looked at again.
const TICK: TimeDelta = TimeDelta::seconds(1);
/// How long until another resting stop is tried after one was refused or lost.
const PROTECT_HOLD_OFF: TimeDelta = TimeDelta::minutes(10);

/// What is known of ends to come.
#[derive(Debug, Default)]
pub(crate) struct ExitState {
    /// Whether a flatten has to be looked at again.
    pub(crate) awake: bool,
    /// Positions whose stop may have to be put at the broker.
    pub(crate) unprotected: BTreeSet<Symbol>,
    /// When exits were last looked at by a tick.
    ticked: Option<Timestamp>,
    /// No exit of ours before then.
    wait: BTreeMap<Symbol, Timestamp>,
    /// No resting stop before then.
    protect_after: BTreeMap<Symbol, Timestamp>,
    /// When the price first touched a stop that rests at the broker.
    crossed: BTreeMap<Symbol, Timestamp>,
    /// Ends of the maximum hold.
    hold_until: BTreeSet<(Timestamp, Symbol)>,
}

impl ExitState {
    /// A position has ended.
    pub(crate) fn forget(&mut self, asset: &Symbol) {
        self.unprotected.remove(asset);
        self.wait.remove(asset);
        self.crossed.remove(asset);
        self.protect_after.remove(asset);
        self.hold_until.retain(|(_, other)| other != asset);
    }
}

impl ExitRules {
    /// The stop of a position entered at `entry_price`, USD a unit: a few weekly standard
    /// deviations away, clipped.
    pub fn stop_price(
        &self,
        entry_price: Decimal,
        direction: Direction,
        hourly_volatility: Option<f64>,
    ) -> Option<Decimal> {
        if !self.stop || entry_price <= Decimal::ZERO {
            return None;
        }
        let distance = hourly_volatility
            .map(|hourly| self.stop_sigmas * hourly * STOP_HORIZON_HOURS.sqrt())
            .map_or(self.stop_distance_unknown, |distance| {
                distance.clamp(self.stop_distance_min, self.stop_distance_max)
            });
        let distance = Decimal::from_f64(distance)?.round_dp(6);
        let factor = match direction {
            Direction::Long => Decimal::ONE - distance,
            Direction::Short => Decimal::ONE + distance,
        };
        Some(tick(entry_price.saturating_mul(factor)))
    }

    /// The limit of a stop-limit order.
    fn limit_price(&self, stop: Decimal, direction: Direction) -> Option<Decimal> {
        let gap = Decimal::from_f64(self.stop_limit_gap)?.round_dp(6);
        let factor = match direction {
            Direction::Long => Decimal::ONE - gap,
            Direction::Short => Decimal::ONE + gap,
        };
        Some(tick(stop.saturating_mul(factor)))
    }
}

/// Rounds to what the broker takes: cents from one dollar on, hundredths of a cent below. A price
/// too small for that is only watched.
pub(crate) fn tick(price: Decimal) -> Decimal {
    let decimals = if price >= Decimal::ONE { 2 } else { 4 };
    let rounded = price.round_dp(decimals);
    let tolerance = price / Decimal::ONE_HUNDRED;
    if (rounded - price).abs() <= tolerance {
        rounded.normalize()
    } else {
        price.round_dp(12).normalize()
    }
}

pub(crate) fn is_tick(price: Decimal) -> bool {
    let decimals = if price >= Decimal::ONE { 2 } else { 4 };
    price == price.round_dp(decimals)
}

impl Desk {
    pub(crate) fn on_price(
        &mut self,
        asset: &Symbol,
        price: Decimal,
        at: Timestamp,
        now: Timestamp,
    ) {
        if !self.books.note_price(asset, price, at) {
            return;
        }
        self.value_foreign(asset);
        if self.held.contains(asset) {
            self.watch(asset, now);
        }
    }

    /// Fixes the stop at the first fill of an opening.
    pub(crate) fn fix_stop(&mut self, asset: &Symbol) {
        let (rules, given) = (&self.settings.exits, self.stop_given(asset));
        self.books.change(asset, |line| {
            if line.stop_price.is_none() && given.is_some() {
                line.stop_price = given;
            } else if line.stop_price.is_none() {
                line.stop_price = line.direction().and_then(|direction| {
                    rules.stop_price(line.entry_price(), direction, line.hourly_volatility)
                });
            }
        });
    }

    /// Fixes the stop for good once the opening has ended: by the mean price of all its fills.
    pub(crate) fn fix_stop_again(&mut self, asset: &Symbol, now: Timestamp) {
        let before = self.books.line(asset).and_then(|line| line.stop_price);
        self.books.change(asset, |line| line.stop_price = None);
        self.fix_stop(asset);
        if self.books.line(asset).and_then(|line| line.stop_price) != before {
            self.record_position(asset, "stop fixed at entry", now);
        }
    }

    /// Notes when a new position has been held long enough.
    pub(crate) fn watch_hold(&mut self, asset: &Symbol) {
        let Some(hours) = self.settings.exits.maximum_hold_hours else {
            return;
        };
        let trade = self.books.line(asset).and_then(|line| line.trade.as_ref());
        let Some(opened_at) = trade.map(|trade| trade.opened_at) else {
            return;
        };
        let until = opened_at + TimeDelta::hours(i64::from(hours));
        let others = &mut self.exits.hold_until;
        others.retain(|(_, other)| other != asset);
        others.insert((until, asset.clone()));
    }

    /// Why a position has to be left at its newest price, if it has to be.
    fn exit_due(&self, line: &Line, now: Timestamp) -> Option<ExitReason> {
        let rules = &self.settings.exits;
        let trade = line.trade.as_ref()?;
        let (price, _) = line.price?;
        let beyond = |level: Decimal, worse: bool| {
            if (trade.direction == Direction::Long) == worse {
                price <= level
            } else {
                price >= level
            }
        };
        if line.stop_price.is_some_and(|stop| beyond(stop, true)) {
            return Some(ExitReason::DisasterStop);
        }
        if let Some(target) = rules.target.and_then(Decimal::from_f64) {
            let gain = trade.entry_price().saturating_mul(target);
            let level = match trade.direction {
                Direction::Long => trade.entry_price() + gain,
                Direction::Short => trade.entry_price() - gain,
            };
            if beyond(level, false) {
                return Some(ExitReason::Target);
            }
        }
        let hours = rules.maximum_hold_hours?;
        let until = trade.opened_at + TimeDelta::hours(i64::from(hours));
        (until <= now).then_some(ExitReason::MaximumHold)
    }

    /// Looks whether a position has to be left.
    pub(crate) fn watch(&mut self, asset: &Symbol, now: Timestamp) {
        let line = self.books.line(asset);
        let Some(reason) = line.and_then(|line| self.exit_due(line, now)) else {
            self.exits.crossed.remove(asset);
            return;
        };
        if let Some(stop) = self.resting_for(asset, reason) {
            // The broker should be filling it; it is looked at, and overtaken if it does not.
            let since = self.exits.crossed.get(asset).copied();
            if since.is_none() {
                self.exits.crossed.insert(asset.clone(), now);
                self.ask_now(Question::Order(stop), now);
            }
            if now - since.unwrap_or(now) < STOP_GRACE {
                return;
            }
        }
        self.begin_exit(asset, reason, now);
    }

    pub(crate) fn tick_exits(&mut self, now: Timestamp) {
        self.exits.ticked = Some(now);
        self.exits.wait.retain(|_, until| *until > now);
        let mut due: Vec<Symbol> = self.exits.crossed.keys().cloned().collect();
        let holds = self.exits.hold_until.iter();
        due.extend(
            holds
                .take_while(|(until, _)| *until <= now)
                .map(|(_, asset)| asset.clone()),
        );
        for asset in due {
            self.watch(&asset, now);
        }
    }

    pub(crate) fn next_exit_deadline(&self) -> Option<Timestamp> {
        let grace = self.exits.crossed.values().min().map(|at| *at + STOP_GRACE);
        let hold = self.exits.hold_until.first().map(|(until, _)| *until);
        let waiting = self.exits.wait.values().min().copied();
        let hold = hold.map(|until| waiting.map_or(until, |wait| until.max(wait)));
        let wait = waiting.filter(|_| self.control.flattens());
        let due = [grace, hold, wait].into_iter().flatten().min()?;
        // What stands in the way of an exit that is due may take a while to pass.
        Some(self.exits.ticked.map_or(due, |at| due.max(at + TICK)))
    }

    /// No exit of ours in this asset for a while.
    pub(crate) fn hold_off_exit(&mut self, asset: &Symbol, now: Timestamp) {
        self.exits.wait.insert(asset.clone(), now + EXIT_HOLD_OFF);
    }

    /// Decides to leave a position, unless something stands in the way that will pass.
    pub(crate) fn begin_exit(&mut self, asset: &Symbol, reason: ExitReason, now: Timestamp) {
        let line = self.books.line(asset);
        let Some(direction) = line.and_then(Line::direction) else {
            return;
        };
        let waits = self.exits.wait.get(asset).is_some_and(|until| now < *until);
        let clock = self.view.clock_now(self.paced, now);
        let closed =
            asset.class() == AssetClass::UsEquity && clock.is_some_and(|clock| !clock.is_open);
        if waits
            || closed
            || self.trading() == TradingState::Halted
            || self.is_deciding(asset, u64::MAX)
            || self.has_order_beside_stop(asset)
        {
            return;
        }
        let words = exit_words(line, asset, direction, reason);
        let agreeing = line
            .and_then(|line| line.trade.as_ref())
            .map(|trade| {
                let agreeing = trade.votes.iter();
                let agreeing = agreeing.filter(|vote| vote.direction == direction);
                agreeing.map(|vote| vote.agent.clone()).collect()
            })
            .unwrap_or_default();
        let record = RoundRecord {
            round_id: format!("{}/{reason}", round_id(asset, now)),
            asset: asset.clone(),
            opened: now,
            closed: now,
            outcome: RoundOutcome::Closed,
            reason: words.clone(),
            direction: Some(direction),
            quorum: 0,
            votes: Vec::new(),
            absences: BTreeMap::new(),
            equivocated: Vec::new(),
            effective_votes: None,
            purpose: Some(Purpose::Close),
            notional: None,
            expected_profit: None,
            decision_id: None,
            client_order_id: None,
        };
        let fields = vec![
            ("asset", asset.to_string()),
            ("exit", reason.to_string()),
            ("round_id", record.round_id.clone()),
        ];
        self.notice(NoticeLevel::Info, "exit_decided", fields, words);
        self.tell(OrderNews::Resumed {
            asset: asset.clone(),
            purpose: Purpose::Close,
            direction,
            agreeing,
        });
        let decision = Decision {
            record,
            purpose: Purpose::Close,
            direction,
            void_after: now + EXIT_VALID,
            exit: Some(reason),
        };
        self.take_decision(decision, true);
    }

    /// A stop that should rest at the broker does not.
    pub(crate) fn on_stop_lost(&mut self, asset: &Symbol, why: &str, now: Timestamp) {
        if !self.held.contains(asset) {
            return;
        }
        let after = now + PROTECT_HOLD_OFF;
        self.exits.protect_after.insert(asset.clone(), after);
        self.exits.unprotected.insert(asset.clone());
        let fields = vec![("asset", asset.to_string())];
        let message =
            format!("no stop of {asset} rests at the broker, its price is watched: {why}");
        self.notice(NoticeLevel::Warn, "stop_lost", fields, message);
    }

    /// Puts stops at the broker for the positions that have none, as far as it takes them.
    pub(crate) fn protect_all(&mut self, now: Timestamp) {
        if self.paced || !self.settings.exits.stop_at_broker || !self.settings.exits.stop {
            // A replay watches its stops: where they would fill depended on how fast it runs.
            self.exits.unprotected.clear();
            return;
        }
        for asset in std::mem::take(&mut self.exits.unprotected) {
            if self.protect(&asset, now) {
                self.exits.unprotected.insert(asset);
            }
        }
    }

    /// Says whether it has to be tried again.
    fn protect(&mut self, asset: &Symbol, now: Timestamp) -> bool {
        if !self.held.contains(asset) || self.resting_stop(asset).is_some() {
            return false;
        }
        let waits = self.exits.protect_after.get(asset);
        if waits.is_some_and(|until| now < *until)
            || self.has_order_beside_stop(asset)
            || self.is_deciding(asset, u64::MAX)
            || self.control.flattens()
        {
            return true;
        }
        let named = self.knows_past_of(asset);
        if !named || self.view.asset_ever(asset).is_none() {
            for (known, question) in [
                (named, Question::ClosedOrders(asset.clone())),
                (false, Question::Asset(asset.clone())),
            ] {
                if !known {
                    self.ask_now(question, now);
                }
            }
            return true;
        }
        let touched = self.touched.get(asset).map_or(0, |(sequence, _)| *sequence);
        let told = self.view.positions.as_ref();
        let held = told
            .filter(|told| told.sequence > touched)
            .and_then(|told| told.value.get(asset));
        let (Some(held), Some(line)) = (held, self.books.line(asset)) else {
            return true;
        };
        let quantity = line.quantity.abs().min(held.quantity_available.abs());
        let (Some(direction), Some(stop)) = (line.direction(), line.stop_price) else {
            return false;
        };
        let kind = match asset.class() {
            AssetClass::UsEquity => OrderKind::Stop { stop },
            AssetClass::Crypto => match self.settings.exits.limit_price(stop, direction) {
                Some(limit) if is_tick(limit) => OrderKind::StopLimit { stop, limit },
                _ => return false,
            },
        };
        if !is_tick(stop) || quantity.is_zero() {
            return false;
        }
        match self.place_stop(asset, direction, quantity, kind, now) {
            Ok(()) | Err(OrderRefusal::UnsupportedPurpose | OrderRefusal::NothingToClose(_)) => {
                false
            }
            Err(_) => true,
        }
    }

    fn place_stop(
        &mut self,
        asset: &Symbol,
        direction: Direction,
        quantity: Decimal,
        kind: OrderKind,
        now: Timestamp,
    ) -> Result<(), OrderRefusal> {
        let id = self.next_id(asset, Purpose::Stop);
        let id = id.ok_or(OrderRefusal::Unreconciled)?;
        let input = OrderIntentInput {
            client_order_id: id.client_order_id(),
            purpose: Purpose::Stop,
            symbol: asset.clone(),
            direction,
            notional: Decimal::ZERO,
            quantity_limit: None,
        };
        let info = self.view.asset_ever(asset);
        let account = self.view.account.as_ref().map(|told| &told.value);
        let gate_input = GateInput {
            now,
            state: self.trading(),
            reconciled: true,
            clock_skew_secs: 0,
            clock: self.view.clock_now(self.paced, now),
            account: account.ok_or(OrderRefusal::Unreconciled)?,
            reserved: Decimal::ZERO,
            asset: info.ok_or_else(|| OrderRefusal::NotTradable(asset.clone()))?,
            in_flight: false,
            position: None,
            price: None,
            exposure: crate::gate::Exposure::default(),
            sent_last_minute: 0,
            opened_last_hour: 0,
            day_result: Decimal::ZERO,
            decision: &input,
            void_after: now + EXIT_VALID,
        };
        let approved = self.gate.check_resting(&gate_input, quantity, kind)?;
        let trade = self.books.line(asset).and_then(|line| line.trade.as_ref());
        let round = trade.map_or_else(String::new, |trade| trade.opening_round.clone());
        self.rates.note_sent(now);
        let submission = Submission::new(approved, id, round, now);
        let order = LiveOrder::new(submission, direction).made_by_desk(true);
        self.take_order(order, Decimal::ZERO);
        Ok(())
    }
}

/// Why a position is left, in words.
fn exit_words(
    line: Option<&Line>,
    asset: &Symbol,
    direction: Direction,
    reason: ExitReason,
) -> String {
    let price = line.and_then(|line| line.price).map(|(price, _)| price);
    let price = price.map_or_else(String::new, |price| format!(" at {}", price.normalize()));
    let entry = line.map_or(Decimal::ZERO, Line::entry_price).round_dp(6);
    let entry = entry.normalize();
    match reason {
        ExitReason::DisasterStop => {
            let stop = line.and_then(|line| line.stop_price).unwrap_or_default();
            format!("{asset}{price} has crossed the stop {stop} of the {direction} from {entry}")
        }
        ExitReason::Target => {
            format!("{asset}{price} has reached the target of the {direction} from {entry}")
        }
        ExitReason::MaximumHold => {
            format!("the {direction} of {asset} from {entry} has been held as long as it may be")
        }
        ExitReason::Flatten => "the operator said: flatten".to_owned(),
        other => format!("the {direction} of {asset} is left: {other}"),
    }
}

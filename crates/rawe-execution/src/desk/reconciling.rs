//! Reconciliation: what the broker says is held against what the books say, on a timer, after
//! trouble and after every order that ended.
//!
//! A failed question is never "flat". Orders and positions can disagree at the broker for seconds,
//! so a difference counts only once our last fill is old enough.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rawe_core::{AssetClass, ClientOrderId, Direction, ExitReason, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::broker::{OrderReport, Side};
use crate::desk::books::{Line, TradeEnd};
use crate::desk::orders::LiveOrder;
use crate::desk::{Desk, NoticeLevel, Question};

/// How often the broker's side is read.
const INTERVAL: TimeDelta = TimeDelta::seconds(60);
/// How soon after a failure it is read again.
pub(crate) const RETRY: TimeDelta = TimeDelta::seconds(5);
/// How soon after an order has ended, or after trouble.
const SOON: TimeDelta = TimeDelta::seconds(1);
/// How long at least between two readings.
const GAP_MIN: TimeDelta = TimeDelta::seconds(5);
/// How long positions may lag behind orders at the broker.
pub(crate) const LAG: TimeDelta = TimeDelta::seconds(10);
/// So many failures in a row are a burst.
const TROUBLE_MAX: u32 = 3;
/// The cause on record of a line whose fee in coin was corrected.
pub(crate) const FEE_CORRECTED: &str = "reconciled: fee in coin";

/// When the broker's side is read next, and what of it is being read.
#[derive(Debug, Default)]
pub(crate) struct Reconciliation {
    due: Option<Timestamp>,
    begun: Option<Timestamp>,
    waiting: BTreeSet<Question>,
    /// What of it got no answer, the clock aside.
    failed: BTreeSet<Question>,
    /// When the broker's clock is asked next, because the session changes then or it failed.
    clock_due: Option<Timestamp>,
    trouble: u32,
    /// A replay reads at once, not on a timer.
    pub(crate) wanted: bool,
    /// Open orders of others, by asset.
    foreign: BTreeMap<Symbol, ForeignOrders>,
    /// Our ids among the open orders as last listed.
    open: BTreeSet<String>,
}

/// What orders of others in an asset may still buy and sell, and what of it counts as exposure.
#[derive(Debug, Default)]
struct ForeignOrders {
    buys: Unfilled,
    sells: Unfilled,
    /// USD counted as bought and sold at the price last known.
    counted: (Decimal, Decimal),
}

/// What is left of orders: those in dollars, and those in units, which need a price.
#[derive(Debug, Default)]
struct Unfilled {
    usd: Decimal,
    units: Decimal,
}

impl Unfilled {
    fn add(&mut self, order: &OrderReport) {
        let average = order.filled_average_price.unwrap_or_default();
        if let Some(whole) = order.notional {
            let filled = order.filled_quantity.saturating_mul(average);
            self.usd += (whole - filled).max(Decimal::ZERO);
        } else {
            let whole = order.quantity.unwrap_or_default();
            self.units += (whole - order.filled_quantity).max(Decimal::ZERO);
        }
    }

    fn value_at(&self, price: Decimal) -> Decimal {
        self.usd + self.units.saturating_mul(price)
    }
}

impl Reconciliation {
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let due = self.due.filter(|_| self.waiting.is_empty());
        [due, self.clock_due].into_iter().flatten().min()
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.wanted || !self.waiting.is_empty()
    }

    /// The clock's word holds until then, or the clock is asked again then.
    pub(crate) fn ask_clock_at(&mut self, at: Timestamp) {
        self.clock_due = Some(at);
    }

    /// The clock could not be asked.
    pub(crate) fn clock_failed(&mut self, now: Timestamp) {
        self.clock_due = Some(now + RETRY);
    }

    /// Whether an order of ours was among the open ones as last listed.
    pub(crate) fn lists(&self, id: &str) -> bool {
        self.open.contains(id)
    }

    pub(crate) fn begin_timer(&mut self, now: Timestamp) {
        self.due = Some(now + INTERVAL);
        self.begun = Some(now);
    }

    fn sooner(&mut self, at: Timestamp) {
        let Some(due) = self.due else {
            return;
        };
        let earliest = self.begun.map_or(at, |begun| begun + GAP_MIN);
        self.due = Some(due.min(at.max(earliest)));
    }

    /// An order has ended.
    pub(crate) fn after_order(&mut self, paced: bool, now: Timestamp) {
        if paced {
            self.wanted = true;
        } else {
            self.sooner(now + SOON);
        }
    }

    /// Something failed.
    pub(crate) fn note_trouble(&mut self, now: Timestamp) {
        self.trouble += 1;
        if self.trouble >= TROUBLE_MAX {
            self.trouble = 0;
            self.sooner(now + SOON);
        }
    }
}

impl Desk {
    /// Reads the broker's side before its time.
    pub(crate) fn reconcile_soon(&mut self, now: Timestamp) {
        self.reconciliation.after_order(self.paced, now);
    }

    pub(crate) fn tick_reconciliation(&mut self, now: Timestamp) {
        if self.starting.is_some() {
            return;
        }
        if self.paced {
            let stale = self.view.clock_until().is_none_or(|until| until <= now);
            let stocks = self
                .chains
                .keys()
                .chain(&self.wanted)
                .any(|asset| asset.class() == AssetClass::UsEquity);
            if stale && stocks {
                self.ask_now(Question::Clock, now);
            }
            return;
        }
        let reconciliation = &mut self.reconciliation;
        let idle = reconciliation.waiting.is_empty();
        let due = reconciliation.due.is_some_and(|due| due <= now) && idle;
        if reconciliation.clock_due.is_some_and(|due| due <= now) {
            reconciliation.clock_due = None;
            self.ask_now(Question::Clock, now);
        }
        if due {
            self.begin_reconciliation(now);
        }
    }

    /// In a replay: reads the broker's side once an order has ended.
    pub(crate) fn proceed_reconciliation(&mut self, now: Timestamp) {
        if self.paced && self.reconciliation.wanted && self.reconciliation.waiting.is_empty() {
            self.reconciliation.wanted = false;
            self.begin_reconciliation(now);
        }
    }

    fn begin_reconciliation(&mut self, now: Timestamp) {
        let mut questions = vec![Question::Account, Question::Positions, Question::OpenOrders];
        if !self.paced {
            questions.push(Question::Clock);
        }
        let reconciliation = &mut self.reconciliation;
        reconciliation.begun = Some(now);
        reconciliation.failed.clear();
        reconciliation.waiting = questions.iter().cloned().collect();
        for question in questions {
            self.ask_now(question, now);
        }
    }

    /// An answer that a reconciliation waits for, or its failure.
    pub(crate) fn note_reconciled(&mut self, question: &Question, failed: bool, now: Timestamp) {
        let reconciliation = &mut self.reconciliation;
        if !reconciliation.waiting.remove(question) {
            return;
        }
        if failed && *question != Question::Clock {
            reconciliation.failed.insert(question.clone());
        }
        if !reconciliation.waiting.is_empty() {
            return;
        }
        if reconciliation.failed.is_empty() {
            reconciliation.due = Some(now + INTERVAL);
            reconciliation.trouble = 0;
            self.view.failing = false;
        } else {
            reconciliation.due = Some(now + RETRY);
        }
        // What others hold must count although the account's money is not told.
        let failed = &self.reconciliation.failed;
        if failed.contains(&Question::Positions) || failed.contains(&Question::OpenOrders) {
            return;
        }
        self.compare(false, now);
        self.end_openings_with_session(now);
        self.look_for_late(now);
        self.watch_by_positions(now);
        self.protect_all(now);
    }

    /// Takes the list of open orders: ours are merged, foreign ones count as exposure.
    pub(crate) fn take_open_orders(&mut self, orders: Vec<OrderReport>, now: Timestamp) {
        self.note_open_at_start(&orders);
        let mut foreign: BTreeMap<Symbol, ForeignOrders> = BTreeMap::new();
        let mut open = BTreeSet::new();
        for order in orders {
            let ours = self.known_id(&order.client_order_id);
            let ours =
                ours.is_some_and(|id| self.orders.contains_key(&id) || self.is_given_up(&id));
            if ours {
                open.insert(order.client_order_id.clone());
                self.on_pushed(order, now);
                continue;
            }
            if self.is_early(&order, now) {
                continue;
            }
            let others = foreign.entry(order.symbol.clone()).or_default();
            match order.side {
                Side::Buy => others.buys.add(&order),
                Side::Sell => others.sells.add(&order),
            }
        }
        let assets: Vec<Symbol> = foreign.keys().cloned().collect();
        let before = std::mem::replace(&mut self.reconciliation.foreign, foreign);
        for (asset, others) in &before {
            let (bought, sold) = others.counted;
            self.add_pending(asset, Direction::Long, -bought);
            self.add_pending(asset, Direction::Short, -sold);
        }
        for asset in &assets {
            self.value_foreign(asset);
            if self
                .books
                .line(asset)
                .is_none_or(|line| line.mark().is_zero())
            {
                // Without a price they would count for nothing.
                self.ask_now(Question::LatestPrice(asset.clone()), now);
            }
        }
        self.reconciliation.open = open;
    }

    /// Counts the open orders of others in an asset at its newest price.
    pub(crate) fn value_foreign(&mut self, asset: &Symbol) {
        let price = self.books.line(asset).map_or(Decimal::ZERO, Line::mark);
        let Some(others) = self.reconciliation.foreign.get_mut(asset) else {
            return;
        };
        let (bought, sold) = (others.buys.value_at(price), others.sells.value_at(price));
        let before = std::mem::replace(&mut others.counted, (bought, sold));
        self.add_pending(asset, Direction::Long, bought - before.0);
        self.add_pending(asset, Direction::Short, sold - before.1);
    }

    /// Before a closing: corrects a fee in coin by the positions just read.
    pub(crate) fn compare_fee(&mut self, asset: &Symbol, now: Timestamp) {
        let told = self.view.positions.as_ref();
        let held = told.and_then(|told| told.value.get(asset));
        let held = held.map(|held| held.quantity);
        if let Some(held) = held.filter(|held| self.seems_fee(asset, *held)) {
            self.correct(asset, held, now);
        }
    }

    /// Compares what the broker holds with the books, asset by asset.
    pub(crate) fn compare(&mut self, starting: bool, now: Timestamp) {
        let Some(told) = &self.view.positions else {
            return;
        };
        let mut differing: Vec<(Symbol, Decimal, Decimal)> = Vec::new();
        for (asset, line) in self.books.lines() {
            let position = told.value.get(asset);
            let held = position.map_or(Decimal::ZERO, |position| position.quantity);
            if held != line.quantity + line.foreign_quantity {
                let value = position.map_or(Decimal::ZERO, |position| position.market_value);
                differing.push((asset.clone(), held, value));
            }
        }
        for (asset, position) in &told.value {
            if self.books.line(asset).is_none() {
                differing.push((asset.clone(), position.quantity, position.market_value));
            }
        }
        let (asked, asked_at) = (told.sequence, told.asked_at);
        let agreed = self.books.lines().map(|(asset, _)| asset);
        let agreed = agreed.filter(|asset| self.books.expects_fee(asset));
        let agreed: Vec<Symbol> = agreed
            .filter(|asset| !differing.iter().any(|(of, ..)| of == *asset))
            .cloned()
            .collect();
        for asset in agreed {
            match self.touched.get(&asset).copied() {
                // They may not know of the last fill yet.
                Some((_, at)) if !self.paced && asked_at < at + LAG => {
                    self.reconcile_soon_live(at + LAG);
                }
                Some((sequence, _)) if sequence >= asked => {}
                _ => self.books.confirm_fee(&asset),
            }
        }
        self.doubts
            .retain(|asset, _| differing.iter().any(|(of, ..)| of == asset));
        for (asset, held, value) in differing {
            self.note_mark(&asset, held, value);
            self.settle_difference(&asset, held, starting, now);
        }
        self.calm_down(asked, asked_at);
        let lost: Vec<ClientOrderId> = self
            .orders
            .iter()
            .filter(|(_, order)| order.rests() && !self.is_listed(order))
            .map(|(id, _)| id.clone())
            .collect();
        for stop in lost {
            self.ask_now(Question::Order(stop), now);
        }
    }

    /// Where prices come late or not at all, the broker's own valuation of what is held counts, and
    /// watches the stops.
    pub(crate) fn watch_by_positions(&mut self, now: Timestamp) {
        let Some(told) = self.view.positions.as_ref().filter(|_| !self.paced) else {
            return;
        };
        let mut prices = Vec::new();
        for (asset, position) in &told.value {
            let known = self.books.line(asset).and_then(|line| line.price);
            let old = known.is_none_or(|(_, at)| told.at - at >= INTERVAL);
            let price = position.price_told().filter(|_| old);
            prices.extend(price.map(|price| (asset.clone(), price, told.at)));
        }
        for (asset, price, at) in prices {
            self.on_price(&asset, price, at, now);
        }
    }

    /// A position without a price of its own is valued as the broker values it.
    fn note_mark(&mut self, asset: &Symbol, held: Decimal, value: Decimal) {
        let unpriced = self
            .books
            .line(asset)
            .is_none_or(|line| line.mark().is_zero());
        let mark = value.checked_div(held).filter(|mark| *mark > Decimal::ZERO);
        if let (true, Some(mark)) = (unpriced, mark) {
            self.books.value_at(asset, mark);
            self.value_foreign(asset);
        }
    }

    pub(crate) fn settle_difference(
        &mut self,
        asset: &Symbol,
        held: Decimal,
        starting: bool,
        now: Timestamp,
    ) {
        let unseen = |order: &LiveOrder| order.rests() && !self.is_listed(order);
        if self.has_order_beside_stop(asset) || self.orders_of(asset).any(unseen) {
            self.reconcile_soon_live(now + LAG);
            return;
        }
        let told = self.view.positions.as_ref();
        let (asked, asked_at) = told.map_or((0, now), |told| (told.sequence, told.asked_at));
        let touched = self.touched.get(asset).map_or(0, |(sequence, _)| *sequence);
        if asked > touched && self.seems_fee(asset, held) {
            // A stop must not wait until this is sure: what only seemed to be gone comes back.
            self.correct(asset, held, now);
            return;
        }
        let last_fill = self.books.line(asset).and_then(|line| line.last_fill);
        if let Some((sequence, at)) = self.touched.get(asset).copied() {
            // What was asked too early does not become true by being answered late.
            let early = !self.paced && asked_at < at + LAG;
            if sequence >= asked && !starting || early {
                self.reconcile_soon_live(at + LAG);
                return;
            }
        } else if !self.paced && last_fill.is_some_and(|at| asked_at < at + LAG) {
            self.reconcile_soon_live(now + LAG);
            return;
        }
        if !self.is_in_doubt(asset, held, now) {
            self.correct(asset, held, now);
        }
    }

    pub(crate) fn reconcile_soon_live(&mut self, at: Timestamp) {
        if !self.paced {
            self.reconciliation.sooner(at);
        }
    }

    /// Makes the books agree with the broker.
    fn correct(&mut self, asset: &Symbol, held: Decimal, now: Timestamp) {
        let line = self.books.line(asset);
        let ours = line.map_or(Decimal::ZERO, |line| line.quantity);
        let foreign = line.map_or(Decimal::ZERO, |line| line.foreign_quantity);
        let difference = held - ours - foreign;
        let cause = if self.seems_fee(asset, held) {
            self.books.correct_fee(asset, difference);
            self.take_back(asset, now);
            FEE_CORRECTED
        } else {
            self.books.confirm_fee(asset);
            let left = part_of_ours(ours, held);
            self.books.change(asset, |line| {
                line.quantity = left;
                line.foreign_quantity = held - left;
            });
            if left == ours {
                "reconciled: held by others"
            } else {
                "reconciled: closed by somebody else"
            }
        };
        self.record_position(asset, cause, now);
        let fields = vec![
            ("asset", asset.to_string()),
            ("difference", difference.normalize().to_string()),
        ];
        let level = if cause == FEE_CORRECTED {
            NoticeLevel::Debug
        } else {
            NoticeLevel::Warn
        };
        let message = format!("the books of {asset} now agree with the broker: {cause}");
        self.notice(level, "position_reconciled", fields, message);
        if self.held.contains(asset) && self.is_flat(asset) {
            self.book_external(asset, now);
        }
        self.tell_holding(asset, now);
    }

    /// Somebody else has closed a position of ours: it is booked at the newest price.
    fn book_external(&mut self, asset: &Symbol, now: Timestamp) {
        self.books.change(asset, |line| {
            let mark = line.mark();
            if let Some(trade) = &mut line.trade {
                let left = trade.entry_quantity - trade.exit_quantity;
                trade.exit_quantity += left;
                trade.exit_value += left.saturating_mul(mark);
                trade.closed_at = Some(now);
            }
        });
        let end = TradeEnd {
            at: now,
            closed_by: None,
            closing_round: None,
            reason: ExitReason::External,
        };
        self.close_trade(asset, end);
    }
}

/// How much of what is held is ours: never more than it was, never the other way.
fn part_of_ours(ours: Decimal, held: Decimal) -> Decimal {
    if ours.is_zero() || held.is_zero() || ours.is_sign_negative() != held.is_sign_negative() {
        Decimal::ZERO
    } else if ours.abs() <= held.abs() {
        ours
    } else {
        held
    }
}

//! The start: halted until the account, the clock, positions, open orders and every intent of the
//! journal are understood. A failed question is asked again, never taken as "flat".

use std::collections::{BTreeMap, BTreeSet};

use rawe_core::{ClientOrderId, DecisionId, Fill, Purpose, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::broker::{BrokerError, OrderReport};
use crate::chain::{latest_of_purpose, our_orders};
use crate::desk::books::{Books, Line, Origin};
use crate::desk::exits::ExitState;
use crate::desk::fills::new_fill;
use crate::desk::folding::{Folded, KnownOrder, direction_left_or_opened, intent_of, notional_of};
use crate::desk::orders::LiveOrder;
use crate::desk::past::Past;
use crate::desk::polls::Polls;
use crate::desk::reconciling::Reconciliation;
use crate::desk::{ASK_WAIT, Chains, Desk, NoticeLevel, OrderNews, Question};
use crate::journal::{JournalEntry, Resolution};
use crate::submission::{Phase, Submission};

/// The broker lists at most so many past orders: a longer past cannot be told.
const CLOSED_ORDERS_MAX: usize = 500;

/// A start under way.
#[derive(Debug, Default)]
pub(crate) struct Starting {
    begun: bool,
    listed: bool,
    awaited: bool,
    waiting: BTreeSet<Question>,
    folded: Folded,
    open: Vec<OrderReport>,
    closed: BTreeMap<Symbol, Vec<OrderReport>>,
}

impl Starting {
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// What the start waits for, in words.
    pub(crate) fn reason(&self) -> String {
        if !self.begun {
            return "starting".to_owned();
        }
        match self.waiting.first() {
            Some(question) => format!("starting: the broker is asked for {question:?}"),
            None => "starting: the orders of the last run are looked up".to_owned(),
        }
    }
}

impl Desk {
    /// Begins anew: nothing that was known or under way counts.
    pub(crate) fn start(&mut self, history: Vec<JournalEntry>, now: Timestamp) {
        self.books = Books::default();
        self.books.turn_day(now);
        self.view.forget();
        self.control.forget();
        self.fault = None;
        self.chains = Chains::new();
        self.past = Past::default();
        self.polls = Polls::default();
        self.decisions.clear();
        self.deciding.clear();
        self.awake.clear();
        self.waiters.clear();
        self.void_after.clear();
        self.orders.clear();
        self.by_asset.clear();
        self.ended.clear();
        self.given_up.clear();
        self.doubts.clear();
        self.held.clear();
        self.touched.clear();
        self.disturbed.clear();
        self.exits = ExitState::default();
        self.reconciliation = Reconciliation::default();
        self.tickets.clear();
        let mut folded = self.fold(history, now);
        let (open, over): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut folded.orders)
            .into_iter()
            .partition(|(_, order)| order.ended.is_none());
        folded.orders = over;
        let ids: Vec<ClientOrderId> = open.keys().cloned().collect();
        let mut waiting: BTreeSet<Question> = [
            Question::Account,
            Question::Clock,
            Question::Positions,
            Question::OpenOrders,
        ]
        .into();
        let held = self.held.iter().cloned();
        for asset in held.chain(open.values().map(|order| order.intent.order.symbol.clone())) {
            waiting.insert(Question::ClosedOrders(asset.clone()));
            waiting.insert(Question::LatestPrice(asset.clone()));
            waiting.insert(Question::Asset(asset));
        }
        for order in open.into_values() {
            self.take_up(order, &folded);
        }
        let given_up = folded.orders.values().filter(|order| order.given_up);
        let given_up = given_up.map(|order| self.lived(order.clone(), &folded));
        self.watch_given_up(given_up.collect(), now);
        self.starting = Some(Starting {
            begun: true,
            folded,
            waiting: waiting.clone(),
            ..Starting::default()
        });
        for question in waiting {
            self.ask_now(question, now);
        }
        for id in ids {
            self.resume(&id, now);
        }
    }

    /// An answer that the start waits for.
    pub(crate) fn note_start_answer(
        &mut self,
        question: &Question,
        failure: Option<&BrokerError>,
        now: Timestamp,
    ) {
        let Some(starting) = &mut self.starting else {
            return;
        };
        if !starting.waiting.contains(question) {
            return;
        }
        let Some(error) = failure else {
            starting.waiting.remove(question);
            return;
        };
        let first = !std::mem::replace(&mut starting.awaited, true);
        let passing = matches!(
            error,
            BrokerError::Unavailable(_) | BrokerError::Unreadable(_)
        );
        if matches!(question, Question::LatestPrice(_)) && !passing {
            // A price is of use, not necessary.
            starting.waiting.remove(question);
            return;
        }
        if let BrokerError::Unauthorized(_) = error {
            self.fault = Some(error.to_string());
        }
        if first {
            let message = format!("the start waits for the broker: {error}");
            self.notice(NoticeLevel::Warn, "broker_awaited", Vec::new(), message);
        }
        self.ask(question.clone(), ASK_WAIT, false, now);
    }

    /// Past orders of an asset: for the start, or the ids of the next ones.
    pub(crate) fn take_closed_orders(&mut self, asset: &Symbol, orders: Vec<OrderReport>) {
        if let Some(starting) = &mut self.starting {
            starting.closed.insert(asset.clone(), orders);
            return;
        }
        let mut known: Vec<(Purpose, ClientOrderId)> = self.ended_of(asset).collect();
        known.extend(
            self.orders_of(asset)
                .map(|order| (order.purpose(), order.id().clone())),
        );
        self.set_chain(asset, &orders, &known);
        let deployment = &self.settings.deployment;
        let ours = our_orders(deployment, asset, &orders, &known);
        let fills = ours.iter().map(|(_, _, order)| *order);
        let fills = fills.filter(|order| !order.filled_quantity.is_zero());
        let last_fill = fills.filter_map(|o| o.filled_at.or(o.updated_at)).max();
        self.books.change(asset, |line| {
            line.last_fill = line.last_fill.max(last_fill);
        });
    }

    /// Orders of ours that have ended since the start began.
    fn ended_of(&self, asset: &Symbol) -> impl Iterator<Item = (Purpose, ClientOrderId)> {
        let of_asset = self.ended.iter().filter(move |e| e.order.asset() == asset);
        of_asset.map(|ended| (ended.order.purpose(), ended.order.id().clone()))
    }

    fn set_chain(
        &mut self,
        asset: &Symbol,
        orders: &[OrderReport],
        known: &[(Purpose, ClientOrderId)],
    ) {
        let deployment = &self.settings.deployment;
        let latest = [Purpose::Open, Purpose::Close, Purpose::Stop].map(|purpose| {
            let of_purpose = known.iter().filter(|(of, _)| *of == purpose);
            let known: Vec<ClientOrderId> = of_purpose.map(|(_, id)| id.clone()).collect();
            // What ended after the broker made its list is newer than the list.
            let ended = self.ended_of(asset).filter(|(of, _)| *of == purpose).last();
            let listed = |id: &ClientOrderId| {
                orders
                    .iter()
                    .any(|o| o.client_order_id == id.as_str() && o.status.is_terminal())
            };
            ended
                .map(|(_, id)| id)
                .filter(|id| !listed(id))
                .or_else(|| latest_of_purpose(deployment, asset, purpose, orders, &known))
        });
        self.set_past_of(asset, latest);
    }

    /// Goes on with the start as far as the answers allow.
    pub(crate) fn proceed_starting(&mut self, now: Timestamp) {
        let Some(starting) = &self.starting else {
            return;
        };
        if !starting.begun {
            return;
        }
        let listing = [Question::Positions, Question::OpenOrders];
        if !starting.listed && !listing.iter().any(|q| starting.waiting.contains(q)) {
            self.ask_for_concerned(now);
        }
        let Some(starting) = &self.starting else {
            return;
        };
        let resolving = self.orders.values().any(|o| o.phase() != Phase::Working);
        if !starting.listed || !starting.waiting.is_empty() || resolving {
            return;
        }
        let account = self.view.account.as_ref().map(|told| &told.value);
        if let Some(account) = account.filter(|account| !account.can_trade) {
            let id = account.id.clone();
            self.fault = Some(format!(
                "the account {id} may not trade: it is blocked or not active"
            ));
            return;
        }
        self.finish_start(now);
    }

    /// Every asset in which something is held or ordered has to be understood.
    fn ask_for_concerned(&mut self, now: Timestamp) {
        let Some(starting) = &mut self.starting else {
            return;
        };
        starting.listed = true;
        let positions = self.view.positions.as_ref();
        let mut assets: BTreeSet<Symbol> = positions
            .map(|told| told.value.keys().cloned().collect())
            .unwrap_or_default();
        let ours = starting.open.iter();
        let ours = ours.filter(|o| ClientOrderId::parse_ours(&o.client_order_id).is_some());
        assets.extend(ours.map(|order| order.symbol.clone()));
        let mut questions = Vec::new();
        for asset in assets {
            for question in [
                Question::ClosedOrders(asset.clone()),
                Question::Asset(asset.clone()),
            ] {
                let known = match &question {
                    Question::ClosedOrders(asset) => starting.closed.contains_key(asset),
                    _ => self.view.assets.contains_key(&asset),
                };
                if !known && starting.waiting.insert(question.clone()) {
                    questions.push(question);
                }
            }
        }
        for question in questions {
            self.ask_now(question, now);
        }
    }

    /// Notes open orders of the start's list.
    pub(crate) fn note_open_at_start(&mut self, orders: &[OrderReport]) {
        if let Some(starting) = &mut self.starting {
            starting.open = orders.to_vec();
        }
    }

    fn finish_start(&mut self, now: Timestamp) {
        let Some(starting) = self.starting.take() else {
            return;
        };
        let Starting {
            folded,
            open,
            closed,
            ..
        } = starting;
        let mut concerned: BTreeSet<Symbol> = closed.keys().cloned().collect();
        for (asset, orders) in &closed {
            let known: Vec<_> = folded
                .ids_of(asset)
                .into_iter()
                .chain(self.orders_of(asset).map(|o| (o.purpose(), o.id().clone())))
                .chain(self.ended_of(asset))
                .collect();
            self.set_chain(asset, orders, &known);
            self.adopt_past(asset, orders, &known, &folded, now);
            self.adopt_open(asset, &open, now);
            self.forget_foreign_past(asset, orders, now);
        }
        // What was adopted is no order of others.
        self.take_open_orders(open, now);
        self.drop_dust(now);
        self.compare(true, now);
        concerned.extend(self.held.iter().cloned());
        for asset in &concerned {
            self.tell_holding(asset, now);
        }
        self.tell_resumed();
        self.exits.unprotected = self.held.clone();
        for asset in self.held.clone() {
            self.fix_stop(&asset);
            self.watch_hold(&asset);
            self.watch(&asset, now);
        }
        self.watch_by_positions(now);
        self.reconciliation.begin_timer(now);
        if !self.covers_others(now) {
            // News began to flow after the positions were asked for.
            self.reconcile_soon(now);
        }
        if self.control.flattens() {
            self.exits.awake = true;
        }
        // Before the votes that have waited for their assets are counted.
        self.tell_state();
        self.finish_all_wanted(now);
        self.ask_now(Question::PastOrders, now);
    }

    /// Fills of ours that the broker tells and the journal does not: it was lost, or stopped short.
    fn adopt_past(
        &mut self,
        asset: &Symbol,
        orders: &[OrderReport],
        known: &[(Purpose, ClientOrderId)],
        folded: &Folded,
        now: Timestamp,
    ) {
        let deployment = self.settings.deployment.clone();
        let mut ours = our_orders(&deployment, asset, orders, known);
        ours.sort_by_key(|(_, id, order)| (order.filled_at.or(order.updated_at), id.to_string()));
        for (purpose, decision_id, order) in ours {
            let id = decision_id.client_order_id();
            if self.ended.iter().any(|ended| ended.order.id() == &id) {
                // It ended while the start was under way, and its fills are booked.
                self.on_late_report(&id, order, now);
                continue;
            }
            let on_record = folded.orders.get(&id);
            let past = folded.past.contains_key(&id) && on_record.is_none();
            let at = order.filled_at.or(order.updated_at).unwrap_or(now);
            let before = folded.latest.get(asset).is_some_and(|latest| at <= *latest);
            let filled = on_record.map_or(Decimal::ZERO, |known| known.filled);
            let untold = order.filled_quantity > filled;
            if !untold || past || self.orders.contains_key(&id) || (on_record.is_none() && before) {
                continue;
            }
            self.adopt_fill(purpose, decision_id, order, on_record, now);
        }
    }

    fn adopt_fill(
        &mut self,
        purpose: Purpose,
        decision_id: DecisionId,
        order: &OrderReport,
        on_record: Option<&KnownOrder>,
        now: Timestamp,
    ) {
        let id = decision_id.client_order_id();
        let direction = direction_left_or_opened(purpose, order.side);
        let intent = on_record.map_or_else(
            || intent_of(purpose, decision_id, order, now),
            |known| known.intent.clone(),
        );
        let round_id = intent.round_id.clone();
        let (filled, value) = on_record.map_or((Decimal::ZERO, Decimal::ZERO), |known| {
            (known.filled, known.value)
        });
        if on_record.is_none() {
            self.entries.push(JournalEntry::Intent(intent.clone()));
        }
        if purpose == Purpose::Open {
            self.rates.note_opening(intent.decided_at, &id);
        }
        let submission = Submission::resume(intent);
        let mut live = LiveOrder::new(submission, direction).resumed(filled, value);
        let fee = self.settings.exits.crypto_fee_bp;
        let fill: Option<Fill> = new_fill(&mut live, order, &fee, now);
        if let Some(fill) = fill {
            let origin = Origin {
                round_id: &round_id,
                votes: &[],
            };
            let at = fill.at;
            self.book_fill(fill, &origin, now);
            // It is no news at the broker: its positions have long shown it.
            self.touched.insert(order.symbol.clone(), (0, at));
        }
        // It may be on record as never sent.
        self.entries.push(JournalEntry::Resolved {
            at: now,
            client_order_id: id.clone(),
            resolution: Resolution::Terminal(Box::new(order.clone())),
        });
        let fields = vec![
            ("asset", order.symbol.to_string()),
            ("client_order_id", id.to_string()),
        ];
        let message = "an order of ours that the journal does not tell counts".to_owned();
        self.notice(NoticeLevel::Warn, "order_adopted", fields, message);
        if purpose != Purpose::Open && self.is_flat(&order.symbol) {
            self.drop_trade(&order.symbol);
        }
    }

    /// An open order of ours that the journal does not tell: it is followed like any other.
    fn adopt_open(&mut self, asset: &Symbol, open: &[OrderReport], now: Timestamp) {
        for order in open.iter().filter(|order| order.symbol == *asset) {
            for purpose in [Purpose::Open, Purpose::Close, Purpose::Stop] {
                let Some(decision_id) = self.next_id(asset, purpose) else {
                    continue;
                };
                let id = decision_id.client_order_id();
                if id.as_str() != order.client_order_id || self.orders.contains_key(&id) {
                    continue;
                }
                let intent = intent_of(purpose, decision_id, order, now);
                if purpose == Purpose::Open {
                    self.rates.note_opening(intent.decided_at, &id);
                }
                self.entries.push(JournalEntry::Intent(intent.clone()));
                let direction = direction_left_or_opened(purpose, order.side);
                let mark = self.books.line(asset).map_or(Decimal::ZERO, Line::mark);
                let notional = notional_of(&intent.order, mark);
                let (submission, actions) = Submission::adopt(intent, order.clone());
                let live =
                    LiveOrder::new(submission, direction).resumed(Decimal::ZERO, Decimal::ZERO);
                self.insert_order(id.clone(), asset.clone(), live);
                self.set_notional(&id, notional);
                self.perform(&id, actions, now);
            }
        }
    }

    /// A position by the journal whose orders this account has never seen: it is another account,
    /// or the exchange began anew. Nothing of it counts.
    fn forget_foreign_past(&mut self, asset: &Symbol, orders: &[OrderReport], now: Timestamp) {
        let trade = self.books.line(asset).and_then(|line| line.trade.as_ref());
        let Some(opened_by) = trade.map(|trade| trade.opened_by.clone()) else {
            return;
        };
        let seen = orders
            .iter()
            .any(|order| order.client_order_id == opened_by.as_str());
        let held = self.view.positions.as_ref();
        let held = held.is_some_and(|told| told.value.contains_key(asset));
        // An opening may have ended after the broker made its lists, while the start went on.
        let live = self.orders.contains_key(&opened_by)
            || self.ended.iter().any(|e| e.order.id() == &opened_by);
        if seen || live || held || orders.len() >= CLOSED_ORDERS_MAX {
            return;
        }
        self.drop_trade(asset);
        self.books
            .change(asset, |line| line.quantity = Decimal::ZERO);
        self.record_position(asset, "this account has never held it", now);
        let fields = vec![("asset", asset.to_string())];
        let message = format!("the journal's position in {asset} is not of this account");
        self.notice(NoticeLevel::Warn, "position_forgotten", fields, message);
    }

    fn tell_resumed(&mut self) {
        let orders = self.orders.values().filter(|order| !order.rests());
        let news: Vec<OrderNews> = orders
            .map(|order| {
                let votes = order.votes.iter();
                let agreeing = votes.filter(|vote| vote.direction == order.direction);
                OrderNews::Resumed {
                    asset: order.asset().clone(),
                    purpose: order.purpose(),
                    direction: order.direction,
                    agreeing: agreeing.map(|vote| vote.agent.clone()).collect(),
                }
            })
            .collect();
        for item in news {
            self.tell(item);
        }
    }
}

//! The start: halted until the account, the clock, positions, open orders and every intent of the
//! journal are understood. A failed question is asked again, never taken as "flat".

use std::collections::{BTreeMap, BTreeSet};

use rawe_core::{ClientOrderId, Purpose, Symbol, Timestamp};

use crate::broker::{BrokerError, OrderReport};
use crate::chain::{latest_of_purpose, our_orders};
use crate::desk::books::Books;
use crate::desk::exits::ExitState;
use crate::desk::folding::Folded;
use crate::desk::past::Past;
use crate::desk::polls::Polls;
use crate::desk::reconciling::Reconciliation;
use crate::desk::{ASK_WAIT, Chains, Desk, NoticeLevel, OrderNews, Question};
use crate::journal::JournalEntry;
use crate::submission::Phase;

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
        self.early_news.clear();
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
        let mut ended = self.recalled(asset);
        ended.extend(self.ended_of(asset));
        let mut known = ended.clone();
        known.extend(
            self.orders_of(asset)
                .map(|order| (order.purpose(), order.id().clone())),
        );
        self.set_chain(asset, &orders, &known, &ended);
        let deployment = &self.settings.deployment;
        let ours = our_orders(deployment, asset, &orders, &known);
        let fills = ours.iter().map(|(_, order)| order.report);
        let fills = fills.filter(|order| !order.filled_quantity.is_zero());
        let last_fill = fills.filter_map(|o| o.filled_at.or(o.updated_at)).max();
        self.books.change(asset, |line| {
            line.last_fill = line.last_fill.max(last_fill);
        });
    }

    /// Orders of ours that have ended since the start began.
    fn ended_of(&self, asset: &Symbol) -> impl Iterator<Item = (Purpose, ClientOrderId)> {
        let of_asset = self.ended.iter().filter(move |e| e.order.asset() == asset);
        // The ids of exits are the broker's: none follows from them.
        let of_asset = of_asset.filter(|ended| ended.order.leg_of().is_none());
        of_asset.map(|ended| (ended.order.purpose(), ended.order.id().clone()))
    }

    /// The predecessors of the next ids, by the broker's list and by what we know to have ended
    /// there, oldest first: a list may be some moments old.
    fn set_chain(
        &mut self,
        asset: &Symbol,
        orders: &[OrderReport],
        known: &[(Purpose, ClientOrderId)],
        ended: &[(Purpose, ClientOrderId)],
    ) {
        let deployment = &self.settings.deployment;
        let latest = [Purpose::Open, Purpose::Close, Purpose::Stop].map(|purpose| {
            let of_purpose =
                |(of, id): &(Purpose, ClientOrderId)| (*of == purpose).then(|| id.clone());
            let known: Vec<ClientOrderId> = known.iter().filter_map(of_purpose).collect();
            let listed = latest_of_purpose(deployment, asset, purpose, orders, &known);
            let ended = ended.iter().filter_map(of_purpose);
            ended.fold(listed, |latest, id| match latest {
                Some(latest) if !self.follows(asset, purpose, &id, &latest) => Some(latest),
                _ => Some(id),
            })
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
        // First of all: what is done here may want the next comparison sooner.
        self.reconciliation.begin_timer(now);
        let mut concerned: BTreeSet<Symbol> = closed.keys().cloned().collect();
        for (asset, orders) in &closed {
            let known: Vec<_> = folded
                .ids_of(asset)
                .into_iter()
                .chain(self.orders_of(asset).map(|o| (o.purpose(), o.id().clone())))
                .chain(self.ended_of(asset))
                .collect();
            let mut ended = folded.ended_of(asset);
            ended.extend(self.ended_of(asset));
            self.set_chain(asset, orders, &known, &ended);
            self.adopt_past(asset, orders, &known, &folded, now);
            self.adopt_open(asset, &open, now);
            self.forget_foreign_past(asset, orders, now);
        }
        self.recall_past(folded.latest_but_of(&closed));
        // What was adopted is no order of others.
        self.take_open_orders(open, now);
        self.drop_dust(now);
        self.compare(true, now);
        self.weigh_orders(now);
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

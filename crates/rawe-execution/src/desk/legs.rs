//! Exits that an opening brings along to the broker: which openings have them, how the orders that
//! the broker makes of them become orders of ours, and what their news and their ends mean.
//!
//! Their ids are the broker's. They are known from what it tells with the opening, so an opening
//! is under way until they are; and they fill only once all of the opening has, so news of a fill
//! wait until the opening's own are heard.

use rawe_core::{ClientOrderId, Direction, ExitReason, Purpose, Symbol, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;

use crate::broker::{Amount, Leg, OrderKind, OrderReport, OrderRequest, TimeInForce};
use crate::desk::exits::{is_tick, tick};
use crate::desk::orders::LiveOrder;
use crate::desk::{Desk, ExitRules, NoticeLevel, Question};
use crate::gate::ApprovedOrder;
use crate::journal::{Intent, JournalEntry};
use crate::submission::{Phase, Submission};

/// How many reports are held back at most, for orders that may turn out to be exits of ours.
const HELD_BACK_MAX: usize = 64;

impl ExitRules {
    /// What an opening at about `price` brings along to the broker, if the rules say so and the
    /// prices are such as it takes.
    pub(crate) fn exits_at(
        &self,
        price: Decimal,
        direction: Direction,
        hourly_volatility: Option<f64>,
    ) -> Option<OrderKind> {
        if !self.bracket_orders || !self.stop_at_broker {
            return None;
        }
        let stop = self.stop_price(price, direction, hourly_volatility)?;
        let target = self.target.and_then(Decimal::from_f64).map(|part| {
            let gain = price.saturating_mul(part);
            tick(match direction {
                Direction::Long => price + gain,
                Direction::Short => price - gain,
            })
        });
        let taken = |price: Decimal| price > Decimal::ZERO && is_tick(price);
        let both = taken(stop) && target.is_none_or(taken);
        both.then_some(OrderKind::WithExits { stop, target })
    }
}

impl LiveOrder {
    /// The order of which the broker made this one as an exit.
    pub(crate) fn leg_of(&self) -> Option<&ClientOrderId> {
        self.submission.intent().leg_of.as_ref()
    }

    /// Whether it brings its exits along.
    pub(crate) fn has_exits(&self) -> bool {
        let kind = self.submission.intent().order.kind;
        matches!(kind, OrderKind::WithExits { .. })
    }

    /// Why a position has been left by it, if it rested at the broker.
    pub(crate) fn exit_at_rest(&self) -> ExitReason {
        match self.submission.intent().order.kind {
            OrderKind::Limit { .. } => ExitReason::Target,
            _ => ExitReason::DisasterStop,
        }
    }
}

/// The kind that an order with these exits must have been sent with.
pub(crate) fn kind_with(legs: &[Leg]) -> OrderKind {
    let stop = legs.iter().find_map(|leg| match leg.kind {
        OrderKind::Stop { stop } => Some(stop),
        _ => None,
    });
    let target = legs.iter().find_map(|leg| match leg.kind {
        OrderKind::Limit { limit } => Some(limit),
        _ => None,
    });
    stop.map_or(OrderKind::Market, |stop| OrderKind::WithExits {
        stop,
        target,
    })
}

/// The intent of an exit, as if we had sent it: it is of its opening's decision.
pub(crate) fn leg_intent(opening: &Intent, leg: &Leg) -> Intent {
    let report = &leg.report;
    Intent {
        purpose: Purpose::Stop,
        order: OrderRequest {
            client_order_id: ClientOrderId::of_leg(&report.client_order_id),
            symbol: report.symbol.clone(),
            side: report.side,
            closes: true,
            amount: Amount::Quantity(report.quantity.unwrap_or(report.filled_quantity)),
            time_in_force: TimeInForce::Gtc,
            kind: leg.kind,
        },
        leg_of: Some(opening.order.client_order_id.clone()),
        ..opening.clone()
    }
}

impl Desk {
    /// Lets an approved opening bring its exits along, where rules and broker allow it.
    pub(crate) fn with_exits(
        &self,
        approved: ApprovedOrder,
        direction: Direction,
    ) -> ApprovedOrder {
        let line = self.books.line(&approved.request().symbol);
        let exits = line.and_then(|line| {
            let (price, _) = line.price?;
            let rules = &self.settings.exits;
            rules.exits_at(price, direction, line.hourly_volatility)
        });
        match exits {
            Some(exits) => approved.with_exits(exits),
            None => approved,
        }
    }

    /// The stop that an opening under way in an asset, or its exit at the broker, has.
    pub(crate) fn stop_given(&self, asset: &Symbol) -> Option<Decimal> {
        self.orders_of(asset)
            .find_map(|order| match order.submission.intent().order.kind {
                OrderKind::WithExits { stop, .. } => Some(stop),
                OrderKind::Stop { stop } if order.leg_of().is_some() => Some(stop),
                _ => None,
            })
    }

    /// The order at the broker that is to leave an asset for this reason.
    pub(crate) fn resting_for(&self, asset: &Symbol, why: ExitReason) -> Option<ClientOrderId> {
        let mut resting = self.orders_of(asset).filter(|order| order.rests());
        let found = resting.find(|order| order.exit_at_rest() == why);
        found.map(|order| order.id().clone())
    }

    /// Cancels everything of ours that rests in an asset.
    pub(crate) fn cancel_resting(&mut self, asset: &Symbol) {
        let resting = self.orders_of(asset).filter(|order| order.rests());
        let ids: Vec<ClientOrderId> = resting.map(|order| order.id().clone()).collect();
        for id in ids {
            self.want_cancel(&id);
        }
    }

    /// The exits under way of an order.
    fn legs_of(&self, asset: &Symbol, opening: &ClientOrderId) -> Vec<ClientOrderId> {
        let legs = self.orders_of(asset);
        let legs = legs.filter(|order| order.leg_of() == Some(opening));
        legs.map(|order| order.id().clone()).collect()
    }

    /// What is known of an order that is reported under this id: ours by its name, or an exit.
    pub(crate) fn known_id(&self, text: &str) -> Option<ClientOrderId> {
        ClientOrderId::parse_ours(text).or_else(|| {
            let id = ClientOrderId::of_leg(text);
            let ended = || self.ended.iter().any(|ended| ended.order.id() == &id);
            (self.orders.contains_key(&id) || self.is_given_up(&id) || ended()).then_some(id)
        })
    }

    /// Takes the exits that the broker told with an order of ours: they become orders of ours, and
    /// those that are it already move on.
    pub(crate) fn take_legs(
        &mut self,
        opening: &ClientOrderId,
        broker_order_id: &str,
        legs: Vec<Leg>,
        now: Timestamp,
    ) {
        let ended = self.ended.iter().find(|ended| ended.order.id() == opening);
        let live = self.orders.get(opening).map(Box::as_ref);
        let told = live.and_then(|order| order.submission.report());
        let told = told.or_else(|| ended.map(|ended| ended.tracker.report()));
        let Some(told) = told.filter(|told| told.broker_order_id == broker_order_id) else {
            return;
        };
        let left_over = live.is_none() && !is_complete(told);
        let Some(order) = live.or_else(|| ended.map(|ended| &ended.order)) else {
            return;
        };
        let (intent, direction) = (order.submission.intent().clone(), order.direction);
        let (votes, asset) = (order.votes.clone(), order.asset().clone());
        let known = !self.legs_of(&asset, opening).is_empty();
        let mut placed = Vec::new();
        for leg in legs {
            if self.known_id(&leg.report.client_order_id).is_some() {
                self.on_pushed(leg.report, now);
                continue;
            }
            placed.push(in_words(leg.kind));
            let id = self.take_leg(&intent, direction, leg, now);
            if let Some(order) = self.orders.get_mut(&id) {
                order.votes.clone_from(&votes);
            }
            if left_over || (!self.orders.contains_key(opening) && !self.held.contains(&asset)) {
                self.want_cancel(&id);
            }
        }
        if !known && !placed.is_empty() {
            let fields = vec![
                ("asset", asset.to_string()),
                ("client_order_id", opening.to_string()),
            ];
            let message = format!(
                "the broker has the exits of {asset}: {}",
                placed.join(" and ")
            );
            self.notice(NoticeLevel::Info, "exits_placed", fields, message);
        }
    }

    /// One exit becomes an order of ours.
    pub(crate) fn take_leg(
        &mut self,
        opening: &Intent,
        direction: Direction,
        mut leg: Leg,
        now: Timestamp,
    ) -> ClientOrderId {
        let intent = leg_intent(opening, &leg);
        let id = intent.order.client_order_id.clone();
        let asset = intent.order.symbol.clone();
        self.entries.push(JournalEntry::Intent(intent.clone()));
        let early = !leg.report.filled_quantity.is_zero()
            && self.orders.contains_key(&opening.order.client_order_id);
        if early {
            // Told again once the opening's own news are complete.
            let report = leg.report.clone();
            leg.report.status = crate::broker::OrderStatus::Working;
            leg.report.filled_quantity = Decimal::ZERO;
            leg.report.filled_average_price = None;
            self.hold_back(report);
        }
        if let OrderKind::Stop { stop } = leg.kind {
            self.books.change(&asset, |line| {
                if line.trade.is_some() {
                    line.stop_price = Some(stop);
                }
            });
        }
        let (submission, actions) = Submission::adopt(intent, leg.report);
        let order = LiveOrder::new(submission, direction).resumed(Decimal::ZERO, Decimal::ZERO);
        self.insert_order(id.clone(), asset, order);
        self.perform(&id, actions, now);
        id
    }

    fn hold_back(&mut self, report: OrderReport) {
        if self.early_news.len() >= HELD_BACK_MAX {
            self.early_news.remove(0);
        }
        self.early_news.push(report);
    }

    /// The opening whose news have to come first: of an exit that has filled, or of an order that
    /// may turn out to be an exit.
    fn opening_before(&self, report: &OrderReport) -> Option<ClientOrderId> {
        let Some(id) = self.known_id(&report.client_order_id) else {
            let mut orders = self.orders_of(&report.symbol);
            let opening = orders
                .find(|order| order.submission.awaits_legs() && order.phase() != Phase::Recording);
            return opening.map(|order| order.id().clone());
        };
        let opening = self.orders.get(&id)?.leg_of()?;
        let early = !report.filled_quantity.is_zero() && self.orders.contains_key(opening);
        early.then(|| opening.clone())
    }

    /// Holds news back that have come too early; says whether they have.
    pub(crate) fn is_early(&mut self, report: &OrderReport, now: Timestamp) -> bool {
        let Some(opening) = self.opening_before(report) else {
            return false;
        };
        self.hold_back(report.clone());
        let sending = self.orders.get(&opening);
        if sending.is_some_and(|order| order.phase() == Phase::Working) {
            self.ask_now(Question::Order(opening), now);
        }
        true
    }

    /// Takes the news that were held back and need not be any more.
    pub(crate) fn take_early_news(&mut self, now: Timestamp) {
        for _ in 0..self.early_news.len() {
            let early = self.early_news.iter();
            let mut early = early.map(|report| self.opening_before(report).is_some());
            let Some(index) = early.position(|waits| !waits) else {
                return;
            };
            let report = self.early_news.remove(index);
            self.on_pushed(report, now);
        }
    }

    /// An opening has ended. Its exits work if all of it has filled; what it left otherwise gets a
    /// stop of its own, once they are gone.
    pub(crate) fn after_opening(&mut self, order: &LiveOrder, report: &OrderReport) {
        if !order.has_exits() || is_complete(report) {
            return;
        }
        for id in self.legs_of(order.asset(), order.id()) {
            self.want_cancel(&id);
        }
    }

    /// An exit at the broker has ended without a fill.
    pub(crate) fn on_leg_over(&mut self, order: &LiveOrder, now: Timestamp) {
        let (asset, opening) = (order.asset().clone(), order.leg_of().cloned());
        let Some(opening) = opening else {
            return;
        };
        let others = self.legs_of(&asset, &opening);
        if self.orders.contains_key(&opening) || !others.is_empty() {
            // The other one may have filled, or the opening have ended: that says why.
            for id in others.into_iter().chain([opening]) {
                if self.orders.contains_key(&id) {
                    self.ask_now(Question::Order(id), now);
                }
            }
        } else if self.held.contains(&asset) && !order.is_cancelling() {
            let fields = vec![("asset", asset.to_string())];
            let message = format!(
                "the exits of {asset} at the broker have ended without a fill; a stop takes their \
                 place, and its price is watched"
            );
            self.notice(NoticeLevel::Warn, "stop_lost", fields, message);
        }
    }

    /// Whether the list of open orders shows that a resting order works. An exit that waits for its
    /// opening, or for the end of the other exit, is not listed: they are.
    pub(crate) fn is_listed(&self, order: &LiveOrder) -> bool {
        let open = |id: &ClientOrderId| self.reconciliation.lists(id.as_str());
        if open(order.id()) {
            return true;
        }
        let Some(opening) = order.leg_of() else {
            return false;
        };
        open(opening) || self.legs_of(order.asset(), opening).iter().any(open)
    }

    /// Openings that bring their exits along do not end with the session by themselves.
    pub(crate) fn end_openings_with_session(&mut self, now: Timestamp) {
        let closed = self.view.clock_now(self.paced, now);
        if closed.is_none_or(|clock| clock.is_open) {
            return;
        }
        let open = self.orders.values().filter(|order| order.has_exits());
        let ids: Vec<ClientOrderId> = open.map(|order| order.id().clone()).collect();
        for id in ids {
            self.want_cancel(&id);
        }
    }
}

/// An exit, as people speak of it.
fn in_words(kind: OrderKind) -> String {
    match kind {
        OrderKind::Stop { stop } => format!("a stop at ${}", stop.normalize()),
        OrderKind::Limit { limit } => format!("a target at ${}", limit.normalize()),
        _ => "another exit".to_owned(),
    }
}

/// Whether all that was ordered has filled.
fn is_complete(report: &OrderReport) -> bool {
    let whole = report.quantity;
    report.status == crate::broker::OrderStatus::Filled
        || whole.is_some_and(|whole| report.filled_quantity >= whole)
}

//! What the broker tells a starting desk of our orders and the journal does not: it was lost, or
//! stopped short. They count as if they were on record.

use rawe_core::{ClientOrderId, Direction, Fill, Purpose, Symbol, Timestamp};
use rust_decimal::Decimal;

use crate::broker::{Leg, OrderReport};
use crate::chain::our_orders;
use crate::desk::books::{Line, Origin};
use crate::desk::fills::new_fill;
use crate::desk::folding::{Folded, KnownOrder, direction_left_or_opened, intent_of, notional_of};
use crate::desk::legs::leg_intent;
use crate::desk::orders::LiveOrder;
use crate::desk::reconciling::LAG;
use crate::desk::{Desk, NoticeLevel};
use crate::journal::{Intent, JournalEntry, Resolution};
use crate::submission::Submission;

/// The broker lists at most so many past orders: a longer past cannot be told.
const CLOSED_ORDERS_MAX: usize = 500;

impl Desk {
    /// Fills of ours that the broker tells and the journal does not: it was lost, or stopped short.
    pub(crate) fn adopt_past(
        &mut self,
        asset: &Symbol,
        orders: &[OrderReport],
        known: &[(Purpose, ClientOrderId)],
        folded: &Folded,
        now: Timestamp,
    ) {
        let deployment = self.settings.deployment.clone();
        let mut ours = our_orders(&deployment, asset, orders, known);
        ours.sort_by_key(|(_, order)| {
            let report = order.report;
            // An exit fills after its opening, whatever the clock says.
            let at = report.filled_at.or(report.updated_at);
            (at, order.leg_of.is_some(), report.client_order_id.clone())
        });
        for (decision_id, ours) in ours {
            let (order, leg) = (ours.report, ours.leg_of);
            let id = ClientOrderId::of_leg(&order.client_order_id);
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
            // An exit that works is of the present position.
            let leg = leg.filter(|_| !order.status.is_terminal());
            let before = on_record.is_none() && before && leg.is_none();
            if past || before || self.orders.contains_key(&id) {
                continue;
            }
            let intent = on_record.map_or_else(
                || match ours.leg_of {
                    Some((opening, leg)) => {
                        let id = decision_id.clone();
                        leg_intent(&intent_of(Purpose::Open, id, opening, now), leg)
                    }
                    None => intent_of(ours.purpose, decision_id, order, now),
                },
                |known| known.intent.clone(),
            );
            if let Some((_, leg)) = leg {
                let direction = direction_left_or_opened(Purpose::Stop, order.side);
                self.adopt_leg(&intent, direction, leg, now);
            } else if untold {
                self.adopt_fill(intent, order, on_record, now);
            }
        }
    }

    /// An exit that works, and that the journal does not tell.
    fn adopt_leg(&mut self, intent: &Intent, direction: Direction, leg: &Leg, now: Timestamp) {
        let Some(opening) = intent.leg_of.clone() else {
            return;
        };
        let mut of = intent.clone();
        of.order.client_order_id = opening;
        self.take_leg(&of, direction, leg.clone(), now);
    }

    fn adopt_fill(
        &mut self,
        intent: Intent,
        order: &OrderReport,
        on_record: Option<&KnownOrder>,
        now: Timestamp,
    ) {
        let (id, purpose) = (intent.order.client_order_id.clone(), intent.purpose);
        let direction = direction_left_or_opened(purpose, order.side);
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
        // It may be on record as never sent, and would be looked for, found, and booked once more.
        self.forget_given_up(&id);
        self.entries.push(JournalEntry::Resolved {
            at: now,
            client_order_id: id.clone(),
            resolution: Resolution::Terminal(Box::new(OrderReport {
                legs: Vec::new(),
                ..order.clone()
            })),
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
    pub(crate) fn adopt_open(&mut self, asset: &Symbol, open: &[OrderReport], now: Timestamp) {
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
                self.take_legs(&id, &order.broker_order_id, order.legs.clone(), now);
            }
        }
    }

    /// A position by the journal whose orders this account has never seen: it is another account,
    /// or the exchange began anew. Nothing of it counts.
    pub(crate) fn forget_foreign_past(
        &mut self,
        asset: &Symbol,
        orders: &[OrderReport],
        now: Timestamp,
    ) {
        let trade = self.books.line(asset).and_then(|line| line.trade.as_ref());
        let trade = trade.map(|trade| (trade.opened_by.clone(), trade.opened_at));
        let Some((opened_by, opened_at)) = trade else {
            return;
        };
        let seen = orders
            .iter()
            .any(|order| order.client_order_id == opened_by.as_str());
        let held = self.view.positions.as_ref();
        // One just opened may not be told of yet: another start, or the next comparison, sees.
        let held = held.is_some_and(|told| {
            let early = !self.paced && told.asked_at < opened_at + LAG;
            early || told.value.contains_key(asset)
        });
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
}

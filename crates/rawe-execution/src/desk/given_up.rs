//! Orders that were given up: sent, not found again, and maybe still to land. For a while they are
//! looked for, and openings among them count in the limits; should the broker turn out to have one
//! after all, it is followed again.

use chrono::TimeDelta;
use rawe_core::{ClientOrderId, Purpose, Timestamp};
use rust_decimal::Decimal;

use crate::broker::OrderReport;
use crate::desk::books::Line;
use crate::desk::ends::ENDED_MAX;
use crate::desk::orders::LiveOrder;
use crate::desk::{Desk, NoticeLevel, Question};
use crate::journal::JournalEntry;
use crate::submission::Submission;

/// For how long after its decision an order that was given up is looked for, and counts.
const WATCH: TimeDelta = TimeDelta::minutes(10);

impl Desk {
    /// Remembers an order that was given up although it had been sent.
    pub(crate) fn remember_given_up(&mut self, order: LiveOrder, now: Timestamp) {
        if order.submission.may_land() {
            self.keep_given_up(order, now);
        }
    }

    fn keep_given_up(&mut self, order: LiveOrder, now: Timestamp) {
        if self.given_up.len() >= ENDED_MAX {
            self.take_given_up(0);
        }
        self.given_up.push_back(order);
        self.weigh_given_up(now);
    }

    /// Takes one out of what is remembered, and its money out of the limits.
    fn take_given_up(&mut self, index: usize) -> Option<LiveOrder> {
        let mut order = self.given_up.remove(index)?;
        let counted = std::mem::take(&mut order.outstanding);
        let asset = order.asset().clone();
        self.add_outstanding(&asset, order.purpose(), order.direction, -counted);
        Some(order)
    }

    /// The broker has the order of this id, or had it: no other lands under it.
    pub(crate) fn forget_given_up(&mut self, id: &ClientOrderId) {
        let place = |desk: &Self| desk.given_up.iter().position(|order| order.id() == id);
        while let Some(index) = place(self) {
            self.take_given_up(index);
        }
    }

    /// Counts the openings that may still land: their money, and their place among those of the
    /// hour.
    pub(crate) fn weigh_given_up(&mut self, now: Timestamp) {
        let mut given_up = std::mem::take(&mut self.given_up);
        let mut too_late = Vec::new();
        let openings = given_up.iter_mut().filter(|o| o.purpose() == Purpose::Open);
        for order in openings {
            let (id, asset) = (order.id().clone(), order.asset().clone());
            let before = order.outstanding;
            if now < watched_until(order) {
                let mark = self.books.line(&asset).map(Line::mark);
                order.outstanding = order.left_to_open(mark.unwrap_or_default());
                let decided_at = order.submission.intent().decided_at;
                self.rates.note_opening(decided_at, &id);
            } else if !before.is_zero() {
                order.outstanding = Decimal::ZERO;
                too_late.push(id);
            }
            self.add_pending(&asset, order.direction, order.outstanding - before);
        }
        self.given_up = given_up;
        for id in too_late {
            if !self.orders.contains_key(&id) && !self.may_land(&id, now) {
                self.rates.forget_opening(&id);
            }
        }
    }

    /// Whether an order that was given up may still land under this id.
    pub(crate) fn may_land(&self, id: &ClientOrderId, now: Timestamp) -> bool {
        let mut given_up = self.given_up.iter();
        given_up.any(|order| order.id() == id && now < watched_until(order))
    }

    /// The answer about an order that was given up: if it is there after all, it is followed; if
    /// not, it may still come.
    pub(crate) fn on_given_up(
        &mut self,
        id: &ClientOrderId,
        report: Option<OrderReport>,
        now: Timestamp,
    ) {
        let Some(report) = report else {
            return;
        };
        // Several may have had the same id; only one can have landed, the last one most likely: before
        // the id was used again it was looked for.
        let found = self
            .given_up
            .iter()
            .rposition(|order| order.id() == id && order.submission.is_same_order(&report));
        let Some(before) = found.and_then(|index| self.take_given_up(index)) else {
            return;
        };
        self.forget_given_up(id);
        let intent = before.submission.intent().clone();
        let asset = before.asset().clone();
        let fields = vec![
            ("client_order_id", id.to_string()),
            ("asset", asset.to_string()),
        ];
        let message = "an order that was given up is at the broker after all; it counts";
        self.notice(
            NoticeLevel::Warn,
            "order_landed_late",
            fields,
            message.into(),
        );
        // It has no end on record any more until it has one.
        self.entries.push(JournalEntry::Intent(intent.clone()));
        let legs = (report.broker_order_id.clone(), report.legs.clone());
        let (submission, actions) = Submission::adopt(intent, report);
        let mut order =
            LiveOrder::new(submission, before.direction).resumed(Decimal::ZERO, Decimal::ZERO);
        (order.votes, order.exit) = (before.votes.clone(), before.exit);
        let decided_at = order.submission.intent().decided_at;
        if order.purpose() == Purpose::Open {
            self.rates.note_opening(decided_at, id);
        }
        let stray = order.rests() && !self.held.contains(&asset);
        self.insert_order(id.clone(), asset, order);
        self.set_notional(id, before.approved_notional());
        self.perform(id, actions, now);
        self.take_legs(id, &legs.0, legs.1, now);
        if stray {
            // What it was to protect is gone.
            self.want_cancel(id);
        }
    }

    /// Looks again for the orders that were given up lately: what lands late is ours.
    pub(crate) fn look_for_late(&mut self, now: Timestamp) {
        if self.paced {
            return;
        }
        let watched = self.given_up.iter().filter(|o| self.is_watched(o, now));
        let ids: Vec<ClientOrderId> = watched.map(|order| order.id().clone()).collect();
        for id in ids {
            self.ask_now(Question::Order(id), now);
        }
    }

    /// Whether an order that was given up may still land. One that shares its id with an order
    /// under way is seen by that.
    pub(crate) fn is_watched(&self, order: &LiveOrder, now: Timestamp) -> bool {
        (self.paced || now < watched_until(order)) && !self.orders.contains_key(order.id())
    }

    pub(crate) fn is_given_up(&self, id: &ClientOrderId) -> bool {
        self.given_up.iter().any(|order| order.id() == id)
    }

    /// Takes up the orders that an earlier start gave up and that may still land.
    pub(crate) fn watch_given_up(&mut self, mut orders: Vec<LiveOrder>, now: Timestamp) {
        orders.retain(|order| self.is_watched(order, now));
        orders.sort_by_key(|order| order.submission.intent().decided_at);
        for order in orders {
            self.keep_given_up(order, now);
        }
    }
}

fn watched_until(order: &LiveOrder) -> Timestamp {
    order.submission.intent().decided_at + WATCH
}

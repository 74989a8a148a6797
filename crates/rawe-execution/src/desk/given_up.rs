//! Orders that were given up: sent, not found again, and maybe still to land. They are remembered
//! and looked for a while; should the broker turn out to have one after all, it is followed again.

use chrono::TimeDelta;
use rawe_core::{ClientOrderId, Purpose, Timestamp};
use rust_decimal::Decimal;

use crate::broker::OrderReport;
use crate::desk::ends::ENDED_MAX;
use crate::desk::orders::LiveOrder;
use crate::desk::{Desk, NoticeLevel, Question};
use crate::journal::JournalEntry;
use crate::submission::Submission;

/// For how long after its decision an order that was given up is looked for.
const WATCH: TimeDelta = TimeDelta::minutes(10);

impl Desk {
    /// Remembers an order that was given up although it had been sent.
    pub(crate) fn remember_given_up(&mut self, order: LiveOrder) {
        if order.submission.may_land() {
            self.keep_given_up(order);
        }
    }

    pub(crate) fn keep_given_up(&mut self, order: LiveOrder) {
        if self.given_up.len() >= ENDED_MAX {
            self.given_up.pop_front();
        }
        self.given_up.push_back(order);
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
        let Some(before) = found.and_then(|index| self.given_up.remove(index)) else {
            return;
        };
        self.given_up.retain(|order| order.id() != id);
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
        let until = order.submission.intent().decided_at + WATCH;
        (self.paced || now < until) && !self.orders.contains_key(order.id())
    }

    pub(crate) fn is_given_up(&self, id: &ClientOrderId) -> bool {
        self.given_up.iter().any(|order| order.id() == id)
    }

    /// Takes up the orders that an earlier start gave up and that may still land.
    pub(crate) fn watch_given_up(&mut self, mut orders: Vec<LiveOrder>, now: Timestamp) {
        orders.retain(|order| self.is_watched(order, now));
        orders.sort_by_key(|order| order.submission.intent().decided_at);
        for order in orders {
            self.keep_given_up(order);
        }
    }
}

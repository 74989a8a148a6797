//! Ends of orders: out of everything that counts them as under way, and what their end means.

use rawe_core::{ClientOrderId, Purpose, RoundOutcome, Timestamp};

use crate::broker::OrderReport;
use crate::desk::orders::{EndedOrder, LiveOrder};
use crate::desk::{Desk, NoticeLevel, OrderNews};
use crate::journal::JournalEntry;
use crate::submission::End;
use crate::tracker::OrderTracker;

/// How many ended orders are remembered, should the broker still tell a fill of one.
pub(crate) const ENDED_MAX: usize = 64;

impl Desk {
    /// An order is over: takes it out of everything that counts it as under way.
    pub(crate) fn finish(&mut self, id: &ClientOrderId, now: Timestamp) {
        let Some(mut order) = self.orders.remove(id) else {
            return;
        };
        self.polls.forget(id, order.poll_at);
        let asset = order.asset().clone();
        if let Some(ids) = self.by_asset.get_mut(&asset) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.by_asset.remove(&asset);
            }
        }
        let purpose = order.purpose();
        let outstanding = std::mem::take(&mut order.outstanding);
        self.add_outstanding(&asset, purpose, order.direction, -outstanding);
        self.touch(&asset, now);
        self.exits.awake = true;
        if order.rests() {
            self.wake_all();
        }
        let end = order.submission.end().cloned();
        if matches!(end, Some(End::Terminal(_))) {
            self.forget_given_up(id);
        }
        let came_to_nothing = order.filled.is_zero() && !self.may_land(id, now);
        if purpose == Purpose::Open && came_to_nothing {
            self.rates.forget_opening(id);
        }
        match end {
            Some(End::Terminal(report)) => {
                self.view.reservation_known(id, self.sequence, false);
                if order.leg_of().is_none() {
                    self.extend_chain(&asset, order.purpose(), id);
                }
                self.on_terminal(*order, *report, now);
            }
            Some(other) => {
                self.view.reservation_known(id, self.sequence, true);
                self.on_not_placed(*order, &other, now);
            }
            None => {}
        }
    }

    /// There is no order at the broker and there will be none.
    fn on_not_placed(&mut self, mut order: LiveOrder, end: &End, now: Timestamp) {
        let (outcome, reason) = match end {
            End::Rejected(words) => (
                RoundOutcome::BrokerRejected,
                format!("the broker refused the order: {words}"),
            ),
            End::NeverSent(reason) if self.may_send(order.purpose()) => (
                RoundOutcome::Stale,
                format!("the order was not sent: {reason}"),
            ),
            End::NeverSent(reason) => (
                RoundOutcome::Halted,
                format!("the order was not sent: {reason}"),
            ),
            End::NotRecorded(reason) => (RoundOutcome::JournalFailed, reason.clone()),
            End::Terminal(_) => return,
        };
        let asset = order.asset().clone();
        if matches!(end, End::Rejected(_)) {
            // The id may be taken: the chain is read from the broker again.
            self.doubt_past_of(&asset);
            self.reconcile_soon(now);
            // One that was given up and has landed may be why.
            self.look_for_late(now);
        }
        if order.rests() {
            self.on_stop_lost(&asset, &reason, now);
            self.remember_given_up(order, now);
            return;
        }
        if order.by_desk || order.purpose() == Purpose::Close {
            self.hold_off_exit(&asset, now);
        }
        let purpose = order.purpose();
        let record = order.record.take().map(|mut record| {
            record.outcome = outcome;
            record.reason = reason;
            record
        });
        self.remember_given_up(order, now);
        if let Some(record) = &record {
            self.entries.push(JournalEntry::Round(record.clone()));
        }
        self.tell(OrderNews::Refused {
            asset,
            purpose,
            record,
        });
    }

    /// The broker has the order: told once.
    pub(crate) fn note_accepted(&mut self, id: &ClientOrderId) {
        let sequence = self.sequence;
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        if order.accepted {
            return;
        }
        order.accepted = true;
        let record = order.record.take();
        let differs = order.submission.differs_in_size();
        let asset = order.asset().to_string();
        let rests = order.rests();
        self.view.reservation_known(id, sequence, false);
        if differs {
            let fields = vec![("client_order_id", id.to_string()), ("asset", asset)];
            let message = "the broker has taken another amount than was sent; its fills count";
            self.notice(
                NoticeLevel::Error,
                "order_amount_differs",
                fields,
                message.into(),
            );
        }
        if !rests {
            self.tell(OrderNews::Accepted { record });
        }
    }

    /// Remembers an order that is over.
    pub(crate) fn remember(&mut self, order: LiveOrder, report: OrderReport) {
        if self.ended.len() >= ENDED_MAX {
            self.ended.pop_front();
        }
        let tracker = OrderTracker::new(report);
        self.ended.push_back(EndedOrder { order, tracker });
    }
}

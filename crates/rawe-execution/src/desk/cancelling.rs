//! Cancelling an order of ours: wanted at once, asked for when the broker is known to have the order,
//! and believed only when the broker tells its end. Why an order is cancelled is the callers'.

use std::time::Duration;

use rawe_core::{ClientOrderId, Timestamp};

use crate::broker::BrokerError;
use crate::desk::{ASK_WAIT, Desk, DeskEffect, NoticeLevel, Question};
use crate::submission::Phase;

/// How far a wanted cancellation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cancel {
    #[default]
    No,
    /// Wanted, and to be asked for as soon as the broker is known to have the order.
    Wanted,
    /// Asked for, not answered yet.
    Asked,
    /// The broker took the request, or refused it: the order is looked at until it ends.
    Answered,
}

impl Desk {
    /// Asks the broker to cancel an order of ours, now or as soon as it is known to have it.
    pub(crate) fn want_cancel(&mut self, id: &ClientOrderId) {
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        if order.cancel == Cancel::No {
            order.cancel = Cancel::Wanted;
            self.press_cancel(id);
        }
    }

    pub(crate) fn press_cancel(&mut self, id: &ClientOrderId) {
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        if order.cancel != Cancel::Wanted || order.phase() != Phase::Working {
            return;
        }
        let report = order.submission.report();
        let Some(report) = report.filter(|report| !report.status.is_terminal()) else {
            return;
        };
        let broker_order_id = report.broker_order_id.clone();
        order.cancel = Cancel::Asked;
        self.out.push(DeskEffect::Cancel {
            id: id.clone(),
            broker_order_id,
        });
    }

    /// Success only means that the request was taken; a refusal often means that it has filled.
    /// Either way the order is looked at until it ends.
    pub(crate) fn on_cancel_answered(
        &mut self,
        id: &ClientOrderId,
        result: &Result<(), BrokerError>,
        now: Timestamp,
    ) {
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        let passing = matches!(
            result,
            Err(BrokerError::Unavailable(_) | BrokerError::Unreadable(_))
        );
        // Asked for again after the next look, if the request may not have arrived.
        order.cancel = if passing {
            Cancel::Wanted
        } else {
            Cancel::Answered
        };
        order.polls += 1;
        let leg = order.leg_of().is_some();
        let after = if passing { ASK_WAIT } else { Duration::ZERO };
        if let Err(error) = result {
            let fields = vec![("client_order_id", id.to_string())];
            let message = format!("the order could not be cancelled: {error}");
            // The end of one exit of an order ends the other.
            let level = if leg {
                NoticeLevel::Debug
            } else {
                NoticeLevel::Warn
            };
            self.notice(level, "cancel_refused", fields, message);
        }
        self.ask(Question::Order(id.clone()), after, true, now);
    }
}

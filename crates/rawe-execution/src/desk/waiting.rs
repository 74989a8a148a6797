//! Orders that the broker has and does not fill at once, or not whole: told, and in a replay looked
//! at again at each instant.

use rawe_core::{ClientOrderId, Fill, Timestamp};

use crate::desk::{Desk, NoticeLevel, Question};

/// Live, an order that still does not fill when it has been asked about so often is told: after some
/// seven seconds.
const POLLS_BEFORE_TOLD: u32 = 4;

impl Desk {
    /// Another instant of a replay: what is working is looked at once more before anything is
    /// decided. Of exits that rest it is enough to see that they are still listed.
    pub(crate) fn look_at_working(&mut self, now: Timestamp) {
        let mut working = Vec::new();
        for (id, order) in &mut self.orders {
            if order.rests() && order.works() {
                self.reconciliation.wanted = true;
            } else if order.looked_at && order.works() {
                order.looked_at = false;
                working.push(id.clone());
            }
        }
        for id in working {
            self.ask_now(Question::Order(id), now);
        }
    }

    /// Tells once that the broker has an order and nothing of it fills.
    pub(crate) fn note_waiting(&mut self, id: &ClientOrderId) {
        let paced = self.paced;
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        let long = paced || order.polls > POLLS_BEFORE_TOLD;
        let unfilled = order.works() && !order.rests() && order.filled.is_zero();
        if !long || !unfilled || order.told_waiting {
            return;
        }
        order.told_waiting = true;
        let asset = order.asset().to_string();
        let message = format!(
            "the order for {asset} waits at the broker: trading in {asset} is halted, or nobody is \
             on the other side"
        );
        let fields = vec![("client_order_id", id.to_string()), ("asset", asset)];
        self.notice(NoticeLevel::Info, "order_delayed", fields, message);
    }

    /// Tells the first part of an order that is not over with it.
    pub(crate) fn tell_part(&mut self, id: &ClientOrderId, fill: &Fill) {
        let Some(order) = self.orders.get(id) else {
            return;
        };
        let ended = order.submission.end().is_some();
        if ended || order.rests() || order.filled != fill.quantity {
            return;
        }
        let asset = order.asset().to_string();
        let message = format!("a part of the order for {asset} has filled, the rest waits");
        let fields = vec![
            ("client_order_id", id.to_string()),
            ("asset", asset),
            ("purpose", fill.purpose.to_string()),
            ("quantity", fill.quantity.normalize().to_string()),
            ("price", fill.price.round_dp(6).normalize().to_string()),
        ];
        self.notice(NoticeLevel::Info, "order_partly_filled", fields, message);
    }
}

//! Polls of working orders: the second way by which their news come, beside the broker's pushes.
//!
//! However many orders are under way, one is asked about at a time: polls must never use up the
//! requests that the broker allows, which orders need. In a replay every order is asked about at
//! once, because market time waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use rawe_core::{ClientOrderId, Timestamp};

use crate::desk::{Desk, Question};

/// The shortest time between two polls.
const GAP: TimeDelta = TimeDelta::milliseconds(500);
/// A live broker pushes its news within a second: to be asked about, an order waits longer by this
/// factor than in a replay.
const PATIENCE: u32 = 10;
/// The longest wait before an order is asked about again.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Which order is asked about next.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    planned: BTreeSet<(Timestamp, ClientOrderId)>,
    /// When the next poll may go out.
    free_at: Option<Timestamp>,
}

impl Polls {
    /// When the next poll goes out.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let (first, _) = self.planned.first()?;
        Some(self.free_at.map_or(*first, |free| free.max(*first)))
    }

    /// The order has ended.
    pub(crate) fn forget(&mut self, id: &ClientOrderId, planned: Option<Timestamp>) {
        if let Some(at) = planned {
            self.planned.remove(&(at, id.clone()));
        }
    }

    fn take(&mut self, now: Timestamp) -> Option<ClientOrderId> {
        if self.due()? > now {
            return None;
        }
        self.free_at = Some(now + GAP);
        self.planned.pop_first().map(|(_, id)| id)
    }
}

impl Desk {
    /// Asks about an order after a while, unless that is planned already.
    pub(crate) fn plan_poll(&mut self, id: &ClientOrderId, after: Duration, now: Timestamp) {
        let Some(order) = self.orders.get_mut(id) else {
            return;
        };
        if order.poll_at.is_some() {
            return;
        }
        let wait = after.saturating_mul(PATIENCE).min(WAIT_MAX);
        let at = now + TimeDelta::from_std(wait).unwrap_or(GAP);
        order.poll_at = Some(at);
        self.polls.planned.insert((at, id.clone()));
    }

    pub(crate) fn tick_polls(&mut self, now: Timestamp) {
        let Some(id) = self.polls.take(now) else {
            return;
        };
        if let Some(order) = self.orders.get_mut(&id) {
            order.poll_at = None;
            self.ask_now(Question::Order(id), now);
        }
    }
}

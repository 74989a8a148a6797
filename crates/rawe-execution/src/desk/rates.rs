//! How many orders went out within the last minute, and how many positions were opened within the
//! last hour: what the limits on both are checked against.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;
use rawe_core::{ClientOrderId, Timestamp};

/// Orders and openings of late.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    sent: VecDeque<Timestamp>,
    openings: BTreeSet<(Timestamp, ClientOrderId)>,
    opened_at: BTreeMap<ClientOrderId, Timestamp>,
}

impl Rates {
    /// An order goes out; times may come out of their turn only while history is read.
    pub(crate) fn note_sent(&mut self, at: Timestamp) {
        let place = self.sent.partition_point(|other| *other <= at);
        self.sent.insert(place, at);
    }

    /// Counts an opening among those of its hour, once. One that was given up and landed after all,
    /// or that only the broker tells, comes out of its turn.
    pub(crate) fn note_opening(&mut self, at: Timestamp, id: &ClientOrderId) {
        if self.opened_at.contains_key(id) {
            return;
        }
        self.opened_at.insert(id.clone(), at);
        self.openings.insert((at, id.clone()));
    }

    /// An opening came to nothing.
    pub(crate) fn forget_opening(&mut self, id: &ClientOrderId) {
        if let Some(at) = self.opened_at.remove(id) {
            self.openings.remove(&(at, id.clone()));
        }
    }

    /// Orders of the last minute and openings of the last hour.
    pub(crate) fn counts(&mut self, now: Timestamp) -> (usize, usize) {
        let (minute, hour) = (now - TimeDelta::minutes(1), now - TimeDelta::hours(1));
        while self.sent.front().is_some_and(|at| *at <= minute) {
            self.sent.pop_front();
        }
        while self.openings.first().is_some_and(|(at, _)| *at <= hour) {
            if let Some((_, id)) = self.openings.pop_first() {
                self.opened_at.remove(&id);
            }
        }
        (self.sent.len(), self.openings.len())
    }
}

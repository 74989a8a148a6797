//! What runs have seen: a simulator that never reaches a state proves nothing about it.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Coverage(pub BTreeMap<String, u64>);

/// What 1,000 seeds have to reach at least, each.
pub const FLOOR_OF_A_THOUSAND: [(&str, u64); 40] = [
    ("orders_taken", 2_000),
    ("orders_duplicate", 2),
    ("orders_refused", 20),
    ("orders_unknown", 200),
    ("orders_sent_again", 100),
    ("submit_lost", 100),
    ("submit_late", 50),
    ("submit_unanswered", 80),
    ("submit_429", 40),
    ("fills_partial", 200),
    ("orders_ended_partly_filled", 5),
    ("orders_canceled", 200),
    ("cancels_failed", 10),
    ("crashes", 1_000),
    ("journals_lost", 100),
    ("commits_failed", 80),
    ("stops_triggered", 10),
    ("legs_taken", 400),
    ("legs_filled", 12),
    ("group_cancels", 80),
    ("trades.target", 15),
    ("positions_closed_by_others", 10),
    ("foreign_orders", 200),
    ("halts", 150),
    ("reductions", 40),
    ("flattenings", 40),
    ("updates_lost", 200),
    ("bus_gaps", 40),
    ("fees_posted_later", 20),
    ("outages", 300),
    ("session_closes", 60),
    ("outcome.OPENED", 800),
    ("outcome.CLOSED", 400),
    ("outcome.NO_QUORUM", 5_000),
    ("outcome.STALE", 10),
    ("outcome.UNRECONCILED", 2),
    ("outcome.CAP_NOTIONAL", 50),
    ("trades.disaster_stop", 10),
    ("trades.opposing_quorum", 50),
    ("rests", 900),
];

impl Coverage {
    /// Adds to a count.
    pub fn add(&mut self, name: &str, by: u64) {
        if let Some(count) = self.0.get_mut(name) {
            *count += by;
        } else {
            self.0.insert(name.to_owned(), by);
        }
    }

    /// Counts a broker's refusal by the first words of its message.
    pub fn add_refusal(&mut self, message: &str) {
        let words: Vec<&str> = message.split_whitespace().take(3).collect();
        self.add(&format!("refused: {}", words.join(" ")), 1);
    }

    /// A count.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds all of another run's.
    pub fn absorb(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.add(name, *count);
        }
    }

    /// What so many seeds should have reached and have not.
    pub fn missing(&self, seeds: u64) -> Vec<String> {
        FLOOR_OF_A_THOUSAND
            .iter()
            .filter(|(name, floor)| self.of(name) * 1_000 < floor * seeds)
            .map(|(name, floor)| format!("{name}: {} (at least {floor} a thousand)", self.of(name)))
            .collect()
    }
}

//! What the collective has counted since it was made, in integers: nothing is formatted or looked
//! up by name before somebody asks.

use std::collections::BTreeMap;

use rawe_consensus::AdmissionCounts;
use rawe_core::RoundOutcome;

/// The counts of one start. `received` = `applied` + everything refused, always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages decided on, by the edge of every run so far.
    pub admission: AdmissionCounts,
    /// Messages refused because too many were waiting already.
    pub overflowed: u64,
    /// Stance messages.
    pub stances: u64,
    /// Times that a position was kept because those who agreed to it fell silent.
    pub stance_alarms: u64,
    /// Times that fewer agents than a quorum could be heard.
    pub cannot_trade: u64,
    /// Times that messages may have been lost.
    pub bus_gaps: u64,
    /// Orders that the broker has taken.
    pub orders_accepted: u64,
    /// Decisions that came to no order.
    pub orders_refused: u64,
    /// Orders that reached their end at the broker.
    pub orders_ended: u64,
    /// Openings that filled.
    pub positions_opened: u64,
    /// Closings that filled.
    pub positions_closed: u64,
    /// Closed rounds, by how they ended.
    pub outcomes: BTreeMap<RoundOutcome, u64>,
}

impl Counts {
    /// Messages decided on.
    pub fn received(&self) -> u64 {
        self.admission.received + self.overflowed
    }

    /// Messages refused, for whatever reason.
    pub fn refused(&self) -> u64 {
        self.admission.refused_total() + self.overflowed
    }

    /// Calls `tell` with the name and the value of every counter that is not 0.
    pub fn each(&self, mut tell: impl FnMut(&str, u64)) {
        let mut tell = |name: &str, count: u64| {
            if count > 0 {
                tell(name, count);
            }
        };
        for (name, count) in [
            ("received", self.received()),
            ("applied", self.admission.applied),
            ("stamped", self.admission.stamped),
            ("refused.OVERFLOW", self.overflowed),
            ("stances", self.stances),
            ("stance_alarms", self.stance_alarms),
            ("cannot_trade", self.cannot_trade),
            ("bus_gaps", self.bus_gaps),
            ("orders_accepted", self.orders_accepted),
            ("orders_refused", self.orders_refused),
            ("orders_ended", self.orders_ended),
            ("positions_opened", self.positions_opened),
            ("positions_closed", self.positions_closed),
            ("rounds", self.outcomes.values().sum()),
        ] {
            tell(name, count);
        }
        for (code, count) in &self.admission.refused {
            tell(&format!("refused.{code}"), *count);
        }
        for (outcome, count) in &self.outcomes {
            let kind = if outcome.is_decision() {
                "decision"
            } else {
                "near_miss"
            };
            tell(&format!("{kind}.{outcome}"), *count);
        }
    }

    /// Adds the counts of an edge that is given up.
    pub(crate) fn absorb(&mut self, counts: &AdmissionCounts) {
        let sum = &mut self.admission;
        sum.received += counts.received;
        sum.applied += counts.applied;
        sum.stamped += counts.stamped;
        sum.sequence_gaps += counts.sequence_gaps;
        for (code, count) in &counts.refused {
            *sum.refused.entry(*code).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_heartbeat_and_nothing_is_0() {
        let mut counts = Counts {
            overflowed: 2,
            ..Counts::default()
        };
        counts.outcomes.insert(RoundOutcome::Opened, 1);
        counts.outcomes.insert(RoundOutcome::NoQuorum, 3);
        let mut told = Vec::new();
        counts.each(|name, count| told.push((name.to_owned(), count)));
        let told: Vec<(&str, u64)> = told.iter().map(|(n, c)| (n.as_str(), *c)).collect();
        assert_eq!(
            told,
            [
                ("received", 2),
                ("refused.OVERFLOW", 2),
                ("rounds", 4),
                ("decision.OPENED", 1),
                ("near_miss.NO_QUORUM", 3)
            ]
        );
    }
}

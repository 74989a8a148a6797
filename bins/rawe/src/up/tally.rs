//! Counting what the collective did: rounds, near misses by reason, decisions by direction. Pure.

use std::collections::BTreeMap;

use rawe_core::{Direction, RoundOutcome, RoundRecord};
use serde::Serialize;

/// What the closed rounds say, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    /// Closed rounds, decisions and near misses together.
    pub(crate) rounds: u64,
    /// Rounds and soft exits that became a decision.
    pub(crate) decisions: u64,
    /// Decisions to open a long.
    pub(crate) longs: u64,
    /// Decisions to open a short.
    pub(crate) shorts: u64,
    /// Decisions to close a position.
    pub(crate) closes: u64,
    /// Rounds that became no decision, by reason.
    pub(crate) near_misses: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts one closed round.
    pub(crate) fn count(&mut self, record: &RoundRecord) {
        self.rounds += 1;
        match record.outcome {
            RoundOutcome::Opened => {
                self.decisions += 1;
                match record.direction {
                    Some(Direction::Short) => self.shorts += 1,
                    _ => self.longs += 1,
                }
            }
            RoundOutcome::Closed => {
                self.decisions += 1;
                self.closes += 1;
            }
            outcome => *self.near_misses.entry(outcome.to_string()).or_default() += 1,
        }
    }

    /// All near misses together.
    pub(crate) fn missed(&self) -> u64 {
        self.near_misses.values().sum()
    }
}

/// `7 NO_QUORUM, 2 MIN_HOLD`: counts by reason, most frequent first.
pub(crate) fn by_reason(counts: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let parts: Vec<String> = sorted
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A closed round of one asset with an outcome and a direction.
    pub(crate) fn round(outcome: RoundOutcome, direction: Option<Direction>) -> RoundRecord {
        RoundRecord {
            round_id: "r".to_owned(),
            asset: rawe_core::Symbol::new("AAPL").unwrap(),
            opened: "2026-01-05T15:00:00Z".parse().unwrap(),
            closed: "2026-01-05T15:00:10Z".parse().unwrap(),
            outcome,
            reason: "because".to_owned(),
            direction,
            quorum: 3,
            votes: Vec::new(),
            absences: BTreeMap::new(),
            equivocated: Vec::new(),
            effective_votes: None,
            purpose: None,
            notional: None,
            expected_profit: None,
            decision_id: None,
            client_order_id: None,
        }
    }

    #[test]
    fn every_round_is_a_decision_or_a_near_miss() {
        let mut tally = Tally::default();
        for outcome in RoundOutcome::ALL {
            tally.count(&round(outcome, Some(Direction::Long)));
        }
        tally.count(&round(RoundOutcome::Opened, Some(Direction::Short)));
        tally.count(&round(RoundOutcome::NoQuorum, None));
        assert_eq!((tally.longs, tally.shorts, tally.closes), (1, 1, 1));
        assert_eq!(tally.decisions, 3);
        assert_eq!(tally.decisions + tally.missed(), tally.rounds);
        assert_eq!(tally.near_misses["NO_QUORUM"], 2);
        assert!(by_reason(&tally.near_misses).starts_with("2 NO_QUORUM, 1 ALREADY_HELD"));
        assert_eq!(by_reason(&BTreeMap::new()), "none");
    }
}

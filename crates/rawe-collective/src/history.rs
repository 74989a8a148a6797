//! Which part of a journal is of the deployment that starts. One journal may hold replays, each a
//! deployment of its own with an account of its own, beside the account that trades.

use std::collections::BTreeSet;

use rawe_core::{RoundRecord, Timestamp};
use rawe_execution::TradingState;
use rawe_execution::journal::{ControlRecord, JournalEntry};

/// The source of the record that says which deployment the entries after it are of.
const MARK: &str = "deployment";

/// The record that the entries after it are of this deployment.
pub(crate) fn mark(deployment: &str, at: Timestamp) -> JournalEntry {
    JournalEntry::Control(ControlRecord {
        at,
        state: TradingState::Halted,
        flatten: false,
        source: MARK.to_owned(),
        reason: deployment.to_owned(),
    })
}

fn marked(entry: &JournalEntry) -> Option<&str> {
    match entry {
        JournalEntry::Control(record) if record.source == MARK => Some(&record.reason),
        _ => None,
    }
}

/// The history of one deployment, and whether a mark must be written before anything else is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OwnHistory {
    pub(crate) entries: Vec<JournalEntry>,
    pub(crate) mark_needed: bool,
}

/// Picks this deployment's entries: those after its marks, and, for one that is no run of a replay,
/// those before any mark. What operators said of trading counts for every deployment.
pub(crate) fn own(history: Vec<JournalEntry>, deployment: &str) -> OwnHistory {
    let is_replay = deployment.contains('/');
    let mut entries = Vec::with_capacity(history.len());
    let mut ours = !is_replay;
    for entry in history {
        if let Some(name) = marked(&entry) {
            ours = name == deployment;
            if ours && is_replay {
                // The run began anew: its account too.
                entries.retain(|entry| matches!(entry, JournalEntry::Control(_)));
            }
        } else if ours || matches!(entry, JournalEntry::Control(_)) {
            entries.push(entry);
        }
    }
    OwnHistory {
        entries,
        mark_needed: !ours,
    }
}

/// The rounds of a history that still wait for what came of them, if they are near misses.
pub(crate) fn unjudged(entries: &[JournalEntry]) -> impl Iterator<Item = &RoundRecord> {
    let judged = entries.iter().filter_map(|entry| match entry {
        JournalEntry::Hindsight(hindsight) => Some(hindsight.round_id.as_str()),
        _ => None,
    });
    let judged: BTreeSet<&str> = judged.collect();
    entries.iter().filter_map(move |entry| match entry {
        JournalEntry::Round(round) if !judged.contains(round.round_id.as_str()) => Some(&**round),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use rawe_core::{ClientOrderId, Symbol};
    use rawe_execution::journal::Resolution;

    fn at() -> Timestamp {
        Utc.with_ymd_and_hms(2026, 1, 5, 0, 0, 0).unwrap()
    }

    fn entry(name: &str) -> JournalEntry {
        let symbol = Symbol::new("AAPL").unwrap();
        let id = rawe_core::DecisionId::derive(name, &symbol, rawe_core::Purpose::Open, None);
        let client_order_id: ClientOrderId = id.client_order_id();
        JournalEntry::Resolved {
            at: at(),
            client_order_id,
            resolution: Resolution::NeverSent {
                reason: name.to_owned(),
            },
        }
    }

    fn halt() -> JournalEntry {
        JournalEntry::Control(ControlRecord {
            at: at(),
            state: TradingState::Halted,
            flatten: false,
            source: "bus".to_owned(),
            reason: "operator".to_owned(),
        })
    }

    #[test]
    fn each_deployment_gets_its_own_entries_and_everybody_the_operators_word() {
        let history = vec![
            entry("before"),
            mark("local/seed-7", at()),
            entry("first run"),
            halt(),
            mark("local", at()),
            entry("live"),
            mark("local/seed-7", at()),
            entry("second run"),
        ];
        for (deployment, kept, mark_needed) in [
            ("local", vec![entry("before"), halt(), entry("live")], true),
            ("local/seed-7", vec![halt(), entry("second run")], false),
            ("local/seed-8", vec![halt()], true),
            ("other", vec![entry("before"), halt()], true),
        ] {
            let own = own(history.clone(), deployment);
            assert_eq!(own.entries, kept, "{deployment}");
            assert_eq!(own.mark_needed, mark_needed, "{deployment}");
        }
        assert!(!own(Vec::new(), "local").mark_needed);
        assert!(own(Vec::new(), "local/seed-7").mark_needed);
    }
}

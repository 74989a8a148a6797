//! What a run of `rawe chaos` was and whether the promises held, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use paper_exchange::FaultCounts;
use rawe_execution::journal::JournalEntry;
use serde::Serialize;

use super::ChaosArgs;
use super::acts::Acts;
use super::house::House;
use super::settling::Settled;
use super::verdict::{Promise, promises};

/// The result.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    seed: u64,
    minutes: f64,
    elapsed_secs: f64,
    acts: BTreeMap<&'static str, u64>,
    halts_unconfirmed: u64,
    /// How often each process died, killed or not.
    deaths: BTreeMap<String, u64>,
    faults: FaultCounts,
    rounds: usize,
    intents: usize,
    orders: usize,
    fills: usize,
    promises: Vec<Promise>,
}

impl Report {
    pub(crate) fn of(
        args: &ChaosArgs,
        house: &House,
        acts: Acts,
        settled: &Settled,
        elapsed_secs: f64,
    ) -> Self {
        let watched = house.watched();
        let entries = &settled.flat.entries;
        let count = |wanted: fn(&JournalEntry) -> bool| {
            entries.iter().filter(|(_, entry)| wanted(entry)).count()
        };
        Self {
            seed: args.seed,
            minutes: args.minutes,
            elapsed_secs,
            promises: promises(settled, &acts.halted, &acts.beats, &watched.troubles),
            acts: acts.done,
            halts_unconfirmed: acts.halts_unconfirmed,
            deaths: watched.deaths.clone(),
            faults: settled.faults.clone(),
            rounds: count(|entry| matches!(entry, JournalEntry::Round(_))),
            intents: count(|entry| matches!(entry, JournalEntry::Intent(_))),
            orders: settled.flat.book.orders.len(),
            fills: settled.flat.book.fills.len(),
        }
    }

    /// Whether every promise held.
    pub(crate) fn all_well(&self) -> bool {
        self.promises.iter().all(|promise| promise.held)
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let list = |counts: Vec<(String, u64)>| {
            let parts = counts.iter().map(|(name, count)| format!("{name} {count}"));
            let parts: Vec<String> = parts.collect();
            if parts.is_empty() {
                "none".to_owned()
            } else {
                parts.join(", ")
            }
        };
        let acts = self.acts.iter().map(|(name, n)| ((*name).to_owned(), *n));
        let faults = self
            .faults
            .iter()
            .map(|(kind, n)| (kind.name().to_owned(), *n));
        let deaths = self.deaths.iter().map(|(name, n)| (name.clone(), *n));
        let mut text = format!(
            "chaos: seed {}, {:.0} s of violence\n  acts: {}\n  faults: {}\n  deaths: {}\n  \
             {} rounds, {} intents, {} orders, {} fills\n\n",
            self.seed,
            self.elapsed_secs,
            list(acts.collect()),
            list(faults.collect()),
            list(deaths.collect()),
            self.rounds,
            self.intents,
            self.orders,
            self.fills,
        );
        for promise in &self.promises {
            let mark = if promise.held { "ok    " } else { "BROKEN" };
            let _infallible = writeln!(text, "  {mark}  {:30} {}", promise.name, promise.found);
            for example in &promise.examples {
                let _infallible = writeln!(text, "            {example}");
            }
        }
        let verdict = if self.all_well() {
            "every promise held"
        } else {
            "NOT every promise held"
        };
        let _infallible = writeln!(text, "\n{verdict}");
        text
    }
}

//! A thousand seeds, those that once failed, the deliberate bugs, and determinism.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rawe_simulator::{Bug, Coverage, Options, Outcome, REGRESSIONS, run, seeds};

const THOUSAND: u64 = 1_000;

/// Runs seeds on all cores until one fails; what was seen, and the failure.
fn sweep(range: std::ops::Range<u64>, options: Options) -> (Coverage, Option<Outcome>) {
    let next = AtomicU64::new(range.start);
    let found: Mutex<(Coverage, Option<Outcome>)> = Mutex::default();
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= range.end || found.lock().unwrap().1.is_some() {
                        break;
                    }
                    let outcome = run(seed, options).unwrap();
                    let mut found = found.lock().unwrap();
                    found.0.absorb(&outcome.coverage);
                    if outcome.violation.is_some() {
                        found.1 = Some(outcome);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

fn told(outcome: &Outcome) -> String {
    let keeps = Options {
        keeps: true,
        ..Options::default()
    };
    let lines = run(outcome.seed, keeps).unwrap().lines.join("\n");
    format!(
        "{lines}\n{:?}\nreplay: rawe-sim --seed {:#x} --log",
        outcome.violation, outcome.seed
    )
}

#[test]
fn a_thousand_seeds_break_nothing_and_reach_everything() {
    let (coverage, failure) = sweep(0..THOUSAND, Options::default());
    if let Some(outcome) = failure {
        panic!("{}", told(&outcome));
    }
    let missing = coverage.missing(THOUSAND);
    assert!(
        missing.is_empty(),
        "reached too seldom: {missing:#?}\n{coverage:#?}"
    );
}

#[test]
fn seeds_that_once_failed_hold() {
    for seed in seeds(REGRESSIONS) {
        let outcome = run(seed, Options::default()).unwrap();
        assert!(outcome.violation.is_none(), "{}", told(&outcome));
    }
}

#[test]
fn one_seed_gives_one_effect_log() {
    for seed in (5_000..5_020).chain(seeds(REGRESSIONS).into_iter().take(5)) {
        let hash = |options| run(seed, options).unwrap().hash;
        let keeps = Options {
            keeps_all: true,
            ..Options::default()
        };
        assert_eq!(hash(Options::default()), hash(keeps), "seed {seed:#x}");
    }
    let hashes: std::collections::BTreeSet<u64> = (5_000..5_020)
        .map(|seed| run(seed, Options::default()).unwrap().hash)
        .collect();
    assert_eq!(hashes.len(), 20, "different seeds are different worlds");
}

#[test]
fn every_deliberate_bug_is_found() {
    let survivors: Vec<&str> = Bug::ALL
        .iter()
        .filter(|bug| {
            let options = Options {
                bug: Some(**bug),
                ..Options::default()
            };
            sweep(0..THOUSAND, options).1.is_none()
        })
        .map(|bug| bug.name())
        .collect();
    assert!(survivors.is_empty(), "not found: {survivors:?}");
}

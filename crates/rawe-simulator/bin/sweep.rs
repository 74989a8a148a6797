//! Many seeds on all cores, told in the order in which they end.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::bail;
use rawe_simulator::{Options, Outcome, run};

/// Every so many seeds are run twice, and must give the same effect log.
const TWICE_EVERY: u64 = 50;

/// Runs the seeds until `take` says no.
///
/// # Errors
/// When a seed cannot be planned, or two runs of it differ.
pub(crate) fn sweep(
    seeds: Range<u64>,
    jobs: Option<usize>,
    options: Options,
    mut take: impl FnMut(Outcome) -> bool,
) -> anyhow::Result<()> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = jobs.unwrap_or(cores).max(1);
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let (tell, told) = mpsc::sync_channel(64);
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (tell, next, stop) = (tell.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || tell.send(checked(seed, options)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(tell);
        let mut result = Ok(());
        // What still comes after a stop is dropped, so that nobody waits for a place.
        for outcome in told {
            if stop.load(Ordering::Relaxed) {
                continue;
            }
            match outcome.map(&mut take) {
                Ok(true) => {}
                Ok(false) => stop.store(true, Ordering::Relaxed),
                Err(error) => {
                    result = Err(error);
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
        result
    })
}

fn checked(seed: u64, options: Options) -> anyhow::Result<Outcome> {
    let planned = |problems| anyhow::anyhow!("seed {seed:#x} cannot be planned: {problems:?}");
    let outcome = run(seed, options).map_err(planned)?;
    if seed.is_multiple_of(TWICE_EVERY) {
        let again = run(seed, options).map_err(planned)?;
        if again.hash != outcome.hash {
            bail!("seed {seed:#x} gave two different effect logs: run rawe-sim --seed {seed:#x}");
        }
    }
    Ok(outcome)
}

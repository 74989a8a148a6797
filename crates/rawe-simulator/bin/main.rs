//! `rawe-sim`: runs seeds of the simulated world, looks for one that breaks an invariant, and
//! tells how to run it again.

#![allow(
    clippy::print_stdout,
    reason = "a command tells what it found on its standard output"
)]

mod reports;
mod sweep;

use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use rawe_simulator::{Bug, INVARIANTS, Options, parse_seed, run};

use crate::reports::{Tally, tell_failure};

/// What 1,000 seeds have to find of every deliberate bug.
const SEEDS_A_BUG: u64 = 1_000;

/// Runs the collective in a simulated world of faults, and checks the invariants at every step.
#[derive(Debug, Parser)]
#[command(
    name = "rawe-sim",
    after_help = "Examples:\n  rawe-sim --seeds 1000\n  rawe-sim --seed 0x2a --log\n  \
                  rawe-sim --mutations\n  rawe-sim --mutation submit-twice --seeds 100"
)]
struct Args {
    /// How many seeds to run, one after the other from --start on.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed, decimal or 0x...
    #[arg(long, default_value = "0", value_parser = seed)]
    start: u64,
    /// Run this one seed only, decimal or 0x..., twice: the effect logs must be the same.
    #[arg(long, value_parser = seed)]
    seed: Option<u64>,
    /// Stop the faults after so many steps; default: when the seed says so.
    #[arg(long)]
    steps: Option<u64>,
    /// How many seeds run at the same time; default: one a core.
    #[arg(long)]
    jobs: Option<usize>,
    /// Put this deliberate bug in; --mutations names them all.
    #[arg(long, value_name = "NAME")]
    mutation: Option<String>,
    /// Put in each deliberate bug in turn; each must be found.
    #[arg(long)]
    mutations: bool,
    /// With --seed: print the whole effect log.
    #[arg(long)]
    log: bool,
    /// One JSON object for machines instead of text for people.
    #[arg(long)]
    json: bool,
}

fn seed(text: &str) -> Result<u64, String> {
    parse_seed(text).ok_or_else(|| "give a number, decimal or 0x and hexadecimal".to_owned())
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let bug = match &args.mutation {
        None => None,
        Some(name) => {
            if let Some(bug) = Bug::named(name) {
                Some(bug)
            } else {
                let names: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
                bail!(
                    "there is no mutation '{name}'; there are: {}",
                    names.join(", ")
                );
            }
        }
    };
    let options = Options {
        bug,
        steps: args.steps,
        ..Options::default()
    };
    if args.mutations {
        return mutations(&args, options);
    }
    match args.seed {
        Some(seed) => one(&args, seed, options),
        None => many(&args, options),
    }
}

fn one(args: &Args, seed: u64, options: Options) -> anyhow::Result<ExitCode> {
    let keeps = Options {
        keeps: true,
        keeps_all: args.log,
        ..options
    };
    let run = |options| {
        run(seed, options).map_err(|problems| anyhow::anyhow!("seed {seed:#x}: {problems:?}"))
    };
    let outcome = run(keeps)?;
    let again = run(options)?;
    if args.log {
        for line in &outcome.lines {
            println!("{line}");
        }
    }
    if again.hash != outcome.hash {
        bail!(
            "seed {seed:#x} gave two effect logs, {:016x} and {:016x}: something is not \
             deterministic",
            outcome.hash,
            again.hash
        );
    }
    if outcome.violation.is_some() {
        tell_failure(&outcome, options, !args.log);
        Ok(ExitCode::FAILURE)
    } else {
        println!(
            "seed {seed:#x}: every invariant held over {} steps; effect log {:016x}, twice",
            outcome.steps, outcome.hash
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn many(args: &Args, options: Options) -> anyhow::Result<ExitCode> {
    let seeds = args.start..args.start.saturating_add(args.seeds);
    let mut tally = Tally::new(args.seeds, !args.json);
    sweep::sweep(seeds, args.jobs, options, |outcome| tally.take(outcome))?;
    let failed = tally.finish(args.json, options);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn mutations(args: &Args, options: Options) -> anyhow::Result<ExitCode> {
    let mut survivors = Vec::new();
    for bug in Bug::ALL {
        let options = Options {
            bug: Some(*bug),
            ..options
        };
        let seeds = args.start..args.start.saturating_add(args.seeds.min(SEEDS_A_BUG));
        let mut found = None;
        let mut ran = 0_u64;
        sweep::sweep(seeds, args.jobs, options, |outcome| {
            ran += 1;
            if let Some(violation) = outcome.violation {
                found = Some((outcome.seed, violation));
            }
            found.is_none()
        })?;
        if let Some((seed, violation)) = found {
            println!(
                "{:26} found by seed {seed:#x} after {ran}: {} {}",
                bug.name(),
                violation.invariant,
                violation.detail
            );
        } else {
            println!("{:26} SURVIVED {ran} seeds: {}", bug.name(), bug.what());
            survivors.push(bug.name());
        }
    }
    if survivors.is_empty() {
        println!("all {} deliberate bugs were found", Bug::ALL.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("not found: {}", survivors.join(", "));
    for (name, sentence) in INVARIANTS {
        println!("  {name}: {sentence}");
    }
    Ok(ExitCode::FAILURE)
}

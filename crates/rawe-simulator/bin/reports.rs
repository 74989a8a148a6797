//! What is told to people and to machines.

use std::time::Instant;

use rawe_simulator::coverage::Coverage;
use rawe_simulator::{INVARIANTS, Options, Outcome, run};

/// How many failing seeds are told before giving up.
const FAILURES_MAX: usize = 20;

/// A sweep so far.
pub(crate) struct Tally {
    wanted: u64,
    talks: bool,
    began: Instant,
    told: Instant,
    seeds: u64,
    steps: u64,
    coverage: Coverage,
    failures: Vec<Outcome>,
}

impl Tally {
    pub(crate) fn new(wanted: u64, talks: bool) -> Self {
        let now = Instant::now();
        Self {
            wanted,
            talks,
            began: now,
            told: now,
            seeds: 0,
            steps: 0,
            coverage: Coverage::default(),
            failures: Vec::new(),
        }
    }

    /// Takes one outcome; whether to go on.
    pub(crate) fn take(&mut self, outcome: Outcome) -> bool {
        self.seeds += 1;
        self.steps += outcome.steps;
        self.coverage.absorb(&outcome.coverage);
        if let Some(violation) = &outcome.violation {
            if self.talks {
                let seed = outcome.seed;
                eprintln!(
                    "seed {seed:#x} breaks {}: {}",
                    violation.invariant, violation.detail
                );
            }
            self.failures.push(outcome);
        }
        if self.talks && self.told.elapsed().as_secs() >= 10 {
            self.told = Instant::now();
            eprintln!(
                "{} of {} seeds, {:.0} a second, {} failed",
                self.seeds,
                self.wanted,
                self.speed(),
                self.failures.len()
            );
        }
        self.failures.len() < FAILURES_MAX
    }

    fn speed(&self) -> f64 {
        self.seeds as f64 / self.began.elapsed().as_secs_f64().max(0.001)
    }

    /// Tells everything; whether a seed failed or too little was seen.
    pub(crate) fn finish(mut self, json: bool, options: Options) -> bool {
        self.failures.sort_by_key(|outcome| outcome.seed);
        let missing = if options.bug.is_none() && self.failures.is_empty() && self.seeds >= 1_000 {
            self.coverage.missing(self.seeds)
        } else {
            Vec::new()
        };
        if json {
            let failures: Vec<serde_json::Value> = self.failures.iter().map(as_json).collect();
            println!(
                "{}",
                serde_json::json!({
                    "seeds": self.seeds,
                    "steps": self.steps,
                    "seeds_per_second": self.speed(),
                    "coverage": self.coverage,
                    "not_reached": missing,
                    "failures": failures,
                })
            );
        } else {
            for (name, count) in &self.coverage.0 {
                println!("  {name:40} {count}");
            }
            for failure in &self.failures {
                tell_failure(failure, options, true);
            }
            println!(
                "{} seeds, {} steps, {:.0} seeds a second, {} failed",
                self.seeds,
                self.steps,
                self.speed(),
                self.failures.len()
            );
            for line in &missing {
                println!("reached too seldom: {line}");
            }
        }
        !self.failures.is_empty() || !missing.is_empty()
    }
}

fn as_json(outcome: &Outcome) -> serde_json::Value {
    serde_json::json!({
        "seed": format!("{:#x}", outcome.seed),
        "invariant": outcome.violation.as_ref().map(|v| v.invariant),
        "detail": outcome.violation.as_ref().map(|v| v.detail.as_str()),
        "replay": format!("rawe-sim --seed {:#x} --log", outcome.seed),
    })
}

/// Tells one failure: the invariant, the last effects, how to run it again.
pub(crate) fn tell_failure(outcome: &Outcome, options: Options, with_lines: bool) {
    let Some(violation) = &outcome.violation else {
        return;
    };
    let sentence = INVARIANTS
        .iter()
        .find(|(name, _)| *name == violation.invariant)
        .map_or("", |(_, sentence)| *sentence);
    if with_lines {
        let keeps = Options {
            keeps: true,
            ..options
        };
        for line in run(outcome.seed, keeps)
            .map(|o| o.lines)
            .unwrap_or_default()
        {
            println!("    {line}");
        }
    }
    println!(
        "seed {:#x} breaks {} ({sentence}) after {} steps: {}",
        outcome.seed, violation.invariant, outcome.steps, violation.detail
    );
    let mutation = options
        .bug
        .map_or(String::new(), |bug| format!(" --mutation {}", bug.name()));
    let steps = options
        .steps
        .map_or(String::new(), |steps| format!(" --steps {steps}"));
    println!(
        "replay: rawe-sim --seed {:#x} --log{mutation}{steps}",
        outcome.seed
    );
}

//! `rawe bench signature`: what signing and checking a vote cost beside reading it.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rawe_core::channels::SIGNAL_CHANNEL;
use rawe_core::parse_signal;
use rawe_core::signing::{Binding, KEY_BYTES, SigningKey, sign, signed_bytes, verify};
use serde::Serialize;

use super::clock::time;

/// The key of the benchmark: no secret.
const SEED: [u8; KEY_BYTES] = [7; KEY_BYTES];
/// A vote as an agent sends it.
const VOTE: &str = r#"{"timestamp":"2026-05-04T13:35:00.123456Z","narrative_id":"nv-z7usgwnc67","financial_asset":"AAPL","signal_type":"narrative_leads","strength":0.82,"expected_profit":112.5,"risk_score":0.21,"metadata":{"agent_name":"The Alpha Aggressor","financial_asset":"AAPL","direction":"long","size":1000.5,"expected_profit":112.5,"risk_score":0.21,"strategy":"bench","metadata":{"nvx":61.5,"coherence_rating":"BBB","headline":"HEADLINE"}},"version":1,"agent":{"id":"alpha-aggressor","boot_id":"8f14e45f-ceea-467f-9b3a-0d6b2a1f4c11","sequence":1},"ttl_ms":10000}"#;
/// Fills the vote to about the length of a real one.
const HEADLINE: &str = "analysts see supply staying tight and demand rising well into next year; ";

/// What `rawe bench signature` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe bench signature\n  \
    rawe bench signature --votes 50000 --runs 9 --json\n\n\
    Times are of the processor, so that a busy machine tells nearly the same; still, read the \
    ratios to reading a vote.")]
pub(crate) struct SignatureArgs {
    /// Votes of each run
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    votes: u32,
    /// Runs of each kind of work, in turn; the best of them counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: u32,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// A kind of work, by name; it says whether it succeeded.
type Work<'a> = (&'static str, Box<dyn Fn() -> bool + 'a>);

/// One kind of work on one vote.
#[derive(Clone, Debug, Serialize)]
struct Cost {
    work: &'static str,
    /// Of the best run, microseconds a vote.
    best_us: f64,
    /// Beside reading a vote that is not signed.
    ratio: f64,
}

#[derive(Clone, Debug, Serialize)]
struct Report {
    vote_bytes: usize,
    signed_bytes: usize,
    costs: Vec<Cost>,
}

/// Measures and prints.
pub(crate) fn signature(args: &SignatureArgs) -> anyhow::Result<()> {
    ensure!(
        args.votes > 0 && args.runs > 0,
        "--votes and --runs must be at least 1"
    );
    let report = measure(args)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!(
        "a vote of {} bytes, signed {}; processor time, best of {} runs of {} votes\n",
        report.vote_bytes, report.signed_bytes, args.runs, args.votes
    );
    println!("{:<40} {:>10} {:>8}", "", "us a vote", "ratio");
    for cost in &report.costs {
        println!(
            "{:<40} {:>10.2} {:>8.2}",
            cost.work, cost.best_us, cost.ratio
        );
    }
    Ok(())
}

fn measure(args: &SignatureArgs) -> anyhow::Result<Report> {
    let vote = VOTE.replace("HEADLINE", &HEADLINE.repeat(5)).into_bytes();
    let key = SigningKey::from_seed(&SEED).context("making the benchmark's key")?;
    let binding = Binding::new("bench", SIGNAL_CHANNEL);
    let keys = [key.public().clone()];
    let signed = sign(&vote, &key, &binding).context("signing the benchmark's vote")?;
    verify(&signed, &keys, &binding).context("checking the benchmark's vote")?;
    let works: [Work<'_>; 5] = [
        (
            "read a vote",
            Box::new(|| parse_signal(black_box(&vote)).is_ok()),
        ),
        (
            "read a signed vote",
            Box::new(|| parse_signal(black_box(&signed)).is_ok()),
        ),
        (
            "bring it into canonical form",
            Box::new(|| signed_bytes(black_box(&signed), &binding).is_ok()),
        ),
        (
            "sign it (the agent)",
            Box::new(|| sign(black_box(&vote), &key, &binding).is_ok()),
        ),
        (
            "check its signature (the engine)",
            Box::new(|| verify(black_box(&signed), &keys, &binding).is_ok()),
        ),
    ];
    let mut best = [Duration::MAX; 5];
    for _ in 0..args.runs {
        for ((name, work), best) in works.iter().zip(&mut best) {
            let (done, spent) = time(|| (0..args.votes).filter(|_| black_box(work())).count());
            ensure!(done == args.votes as usize, "a benchmark failed: {name}");
            *best = (*best).min(spent.processor.unwrap_or(spent.wall));
        }
    }
    let each = |total: Duration| total.as_secs_f64() * 1e6 / f64::from(args.votes);
    let reading = best.first().copied().map_or(f64::NAN, each);
    let costs = works.iter().zip(best).map(|((work, _), total)| Cost {
        work,
        best_us: each(total),
        ratio: each(total) / reading,
    });
    Ok(Report {
        vote_bytes: vote.len(),
        signed_bytes: signed.len(),
        costs: costs.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_work_succeeds_and_is_set_beside_reading() {
        let args = SignatureArgs {
            votes: 3,
            runs: 2,
            json: false,
        };
        let report = measure(&args).unwrap();
        assert_eq!(report.costs.len(), 5);
        assert!((report.costs[0].ratio - 1.0).abs() < 1e-9);
        assert!(report.costs.iter().all(|cost| cost.best_us > 0.0));
        assert!((900..1_100).contains(&report.vote_bytes), "{report:?}");
        assert!(report.signed_bytes > report.vote_bytes);
    }
}

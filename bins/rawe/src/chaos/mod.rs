//! `rawe chaos`: the real processes under random violence, and whether the promises held.
//!
//! It starts a private Redis, the paper exchange with faults, the consensus engine and five voters
//! that agree about many assets all the time; kills, freezes and cuts them by a seed; then lets
//! everything settle and compares the engine's journal with the exchange's own book. The acts are
//! in `acts.rs`, the promises in `verdict.rs`.

mod acts;
mod house;
mod report;
mod settling;
mod verdict;
pub(crate) mod voter;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::ensure;
use rawe_runtime::LogFormat;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use acts::Acts;
use house::House;
use report::Report;

/// The longest run, minutes: a week.
const MINUTES_MAX: f64 = 10_080.0;

/// What `rawe chaos` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe chaos                          # one minute\n  \
    rawe chaos --minutes 30 --seed 4 --json > chaos.json\n\n\
    Exit code 0 only if every promise held. A failing run keeps its folder with all logs and the \
    journal. The seed decides acts, faults and votes; what meets what is up to the machine.")]
pub(crate) struct ChaosArgs {
    /// How long the violence lasts, in minutes; settling takes up to three more
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    minutes: f64,
    /// Decides acts, faults and votes
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
    /// How many coins are traded
    #[arg(long, value_name = "N", default_value_t = 40)]
    assets: usize,
    /// Milliseconds between two votes of everybody; each is about another asset
    #[arg(long, value_name = "MS", default_value_t = 150)]
    vote_ms: u64,
    /// No violence: only the faults of the exchange
    #[arg(long)]
    faults_only: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Where the run's folder is made
    #[arg(long, value_name = "DIR", default_value = ".rawe/chaos")]
    run_dir: PathBuf,
    /// Keep the run's folder even if all is well
    #[arg(long)]
    keep: bool,
}

/// The whole of `rawe chaos`, with its exit code.
pub(crate) fn main(args: ChaosArgs) -> ExitCode {
    let code = Arc::new(AtomicU8::new(0));
    let told = Arc::clone(&code);
    let format = Some(LogFormat::Pretty);
    let ended = rawe_runtime::run_command("rawe", format, |shutdown| async move {
        told.store(chaos(args, shutdown).await?, Ordering::SeqCst);
        Ok(())
    });
    match code.load(Ordering::SeqCst) {
        0 => ended,
        code => ExitCode::from(code),
    }
}

async fn chaos(args: ChaosArgs, shutdown: CancellationToken) -> anyhow::Result<u8> {
    ensure!(
        args.minutes > 0.0 && args.minutes <= MINUTES_MAX,
        "--minutes {} must be above 0 and at most {MINUTES_MAX}",
        args.minutes
    );
    ensure!(
        (1..=600).contains(&args.assets),
        "--assets {} must be between 1 and 600",
        args.assets
    );
    ensure!(
        (10..=60_000).contains(&args.vote_ms),
        "--vote-ms {} must be between 10 and 60000",
        args.vote_ms
    );
    let mut house = House::build(&args)?;
    let report = tokio::select! {
        report = run(&args, &mut house) => report,
        () = shutdown.cancelled() => Err(anyhow::anyhow!("interrupted")),
    };
    let path = house.folder.path.clone();
    let all_well = report.as_ref().is_ok_and(Report::all_well);
    house.end(args.keep || !all_well).await;
    let report = report?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    if !all_well {
        eprintln!("logs and journal: {}", path.display());
    }
    Ok(u8::from(!all_well))
}

/// Violence, settling, verdict.
async fn run(args: &ChaosArgs, house: &mut House) -> anyhow::Result<Report> {
    house.start().await?;
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(args.minutes * 60.0);
    let mut acts = Acts::new(args.seed);
    house.set_faults(args.seed).await?;
    if args.faults_only {
        tokio::time::sleep_until(until).await;
        acts.look(house).await;
    } else {
        acts.rage(house, until).await;
    }
    let elapsed_secs = began.elapsed().as_secs_f64();
    let settled = settling::settle(house).await?;
    Ok(Report::of(args, house, acts, &settled, elapsed_secs))
}

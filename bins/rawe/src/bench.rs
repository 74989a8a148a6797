//! `rawe bench`: how fast the engine is on this machine, and how much memory it takes.

mod clock;
mod engine;
mod path;
mod report;
mod signature;
mod source;
mod voting;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::ensure;
use indicatif::{ProgressBar, ProgressStyle};
use rawe_feed::flood::FloodKind;

use engine::Plan;
use source::Source;

/// What `rawe bench` takes.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    subject: Subject,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum Subject {
    /// Stream items through the narrative engine on one core: speed, memory, time to a signal
    Engine(EngineArgs),
    /// Time from the vote that completes a quorum to the order, beside a bare relay in the same run
    Path(path::PathArgs),
    /// What signing and checking a vote cost beside reading it
    Signature(signature::SignatureArgs),
    /// The bare relay of `path`, which starts it by itself
    #[command(hide = true)]
    Relay(path::RelayArgs),
}

/// What the generated items look like.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Kind {
    /// Headlines of about ten words
    Headlines,
    /// Posts of about 25 words with cashtags, percentages and emoji
    Posts,
    /// Posts of some hundred words
    LongPosts,
}

/// What `rawe bench engine` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe bench engine\n  \
    rawe bench engine --items 10000000 --json > bench.json\n  \
    rawe bench engine --news archive/news.jsonl.gz --items 100000\n\n\
    Absolute rates depend on the machine and on what else it does; the ratios to the baselines of \
    the same run travel better.")]
struct EngineArgs {
    /// How many items to stream; fewer if the file has fewer
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    items: u64,
    /// Take the items of this news file (JSON lines or CSV, also gzipped) instead of made-up ones
    #[arg(long, value_name = "FILE")]
    news: Option<PathBuf>,
    /// What made-up items look like
    #[arg(long, value_enum, value_name = "KIND", default_value_t = Kind::Headlines)]
    kind: Kind,
    /// The seed of made-up items: the same seed gives the same items
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many assets get bars and are scanned every hour of market time
    #[arg(long, value_name = "N", default_value_t = 100)]
    assets: usize,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Show a progress bar although standard error is no terminal
    #[arg(long)]
    progress: bool,
}

/// Measures what was asked for and prints it.
pub(crate) fn bench(args: &BenchArgs) -> anyhow::Result<()> {
    match &args.subject {
        Subject::Engine(args) => engine(args),
        Subject::Path(args) => path::path(args),
        Subject::Signature(args) => signature::signature(args),
        Subject::Relay(args) => path::relay(args),
    }
}

fn engine(args: &EngineArgs) -> anyhow::Result<()> {
    ensure!(
        args.items > 0,
        "there is nothing to measure; give --items at least 1"
    );
    let source = match &args.news {
        Some(path) => Source::file(path)?,
        None => Source::made_up(args.seed, args.kind.into()),
    };
    let plan = Plan {
        items: args.items,
        assets: args.assets,
    };
    let bar = progress_bar(args);
    let report = engine::measure(&plan, source, |done| bar.set_position(done))?;
    bar.finish_and_clear();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

fn progress_bar(args: &EngineArgs) -> ProgressBar {
    if !args.progress && !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(args.items).with_message("streaming items");
    match ProgressStyle::with_template("{msg} [{bar:30}] {human_pos}/{human_len} ({eta})") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl From<Kind> for FloodKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Headlines => Self::Headlines,
            Kind::Posts => Self::Posts,
            Kind::LongPosts => Self::LongPosts,
        }
    }
}

//! `rawe bench path`: how long it takes from the vote that completes a quorum to the order's arrival
//! at the broker, on loopback; beside a bare relay in the same run.
//!
//! The relay is the floor: it parses nothing, checks nothing, counts to three and posts. With
//! `--packages` there is a second one, which does as little with the libraries that the engine is
//! built of. All are processes of their own, between the same private Redis and the same order
//! endpoint, in turn.

mod board;
mod endpoint;
mod figures;
mod heart;
mod load;
mod packages;
mod relay;
mod subject;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rawe_core::{Roster, RosterAgent};
use rawe_runtime::load_section;

use board::Board;
use endpoint::Endpoint;
use figures::{PathReport, SubjectRun};
use load::{Load, Pace, Sender, nap};
pub(crate) use relay::{RelayArgs, relay};
use subject::{Kind, Server, Subject};

/// How late the slow broker answers.
const SLOW_BROKER: Duration = Duration::from_millis(20);
/// Messages a second while the broker is slow: a hundred decisions.
const SLOW_RATE: f64 = 300.0;
/// Lone proposals that are held while the cost of a message is measured once more.
const HELD: usize = 5_000;
/// How long the engine has to ask for their assets, before what holding them costs is measured. They
/// wait for ten seconds.
const HELD_ASKED_FOR: Duration = Duration::from_secs(2);
/// Rounds that may be undecided at once, flat out.
const IN_FLIGHT: u64 = 400;

/// What `rawe bench path` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:\n  \
    rawe bench path\n  \
    rawe bench path --durability written --secs 3 --runs 1          a first look, a minute\n  \
    rawe bench path --packages                                      what the libraries alone cost\n  \
    rawe bench path --votes 5 --rate 5000 --json > path.json\n\n\
    Absolute figures depend on the machine and on what else it does: read the ratios to the relay, \
    which ran in turn with the engine. It needs redis-server, and sends nothing beyond this machine.")]
pub(crate) struct PathArgs {
    /// Messages a second of the paced part
    #[arg(long, value_name = "N", default_value_t = 1000.0)]
    rate: f64,
    /// Agents that vote in each round, of which three make a quorum; 3 to 5
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=5))]
    votes: u8,
    /// Seconds of the paced part of each run; the other parts take a third of it each
    #[arg(long, value_name = "N", default_value_t = 10)]
    secs: u64,
    /// How often relay and engine run in turn; each takes about three times --secs
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: u32,
    /// What the journal must survive before an order leaves
    #[arg(long, value_enum, value_name = "MODE", default_value_t = DurabilityMode::Both)]
    durability: DurabilityMode,
    /// Measure a second relay as well, made of the engine's libraries: redis, serde_json, reqwest
    #[arg(long)]
    packages: bool,
    /// Configuration of the engine; limits must be raised far, as in config/bench.toml
    #[arg(long, value_name = "FILE", default_value = "config/bench.toml")]
    config: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What the journal must survive.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum DurabilityMode {
    /// The end of the process
    Written,
    /// A power cut
    Synced,
    /// Measures one after the other
    Both,
}

impl DurabilityMode {
    /// The journal's modes to measure, as its configuration has them.
    fn modes(self) -> &'static [&'static str] {
        match self {
            Self::Written => &["written"],
            Self::Synced => &["synced"],
            Self::Both => &["written", "synced"],
        }
    }
}

/// Measures and prints.
pub(crate) fn path(args: &PathArgs) -> anyhow::Result<()> {
    ensure!(args.rate > 0.0, "--rate must be above 0 messages a second");
    ensure!(
        args.runs > 0 && args.secs > 0,
        "--runs and --secs must be at least 1"
    );
    let listed: Vec<RosterAgent> = load_section(Some(&args.config), "roster")?;
    let roster = if listed.is_empty() {
        Roster::default()
    } else {
        Roster(listed)
    };
    ensure!(
        roster.len() >= usize::from(args.votes),
        "the roster of {} has {} voters; --votes needs {}",
        args.config.display(),
        roster.len(),
        args.votes
    );
    let folder = temporary_folder()?;
    let result = measure(args, &roster, &folder);
    // Journals of gigabytes are possible; what cannot be removed is in the temporary folder.
    let _removed = std::fs::remove_dir_all(&folder);
    let report = result?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

fn temporary_folder() -> anyhow::Result<PathBuf> {
    let name = format!("rawe-bench-path-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

fn measure(
    args: &PathArgs,
    roster: &Roster,
    folder: &std::path::Path,
) -> anyhow::Result<PathReport> {
    let mut kinds = vec![(Kind::Relay, args.config.clone())];
    if args.packages {
        kinds.push((Kind::Packages, args.config.clone()));
    }
    for mode in args.durability.modes() {
        let config = subject::configuration(&args.config, mode, folder)?;
        kinds.push((Kind::Engine(mode), config));
    }
    let server = Server::start(folder)?;
    let mut report = PathReport::new(args.rate, args.votes);
    for run in 0..args.runs {
        for (kind, config) in &kinds {
            let name = format!("run {} of {}, {kind}", run + 1, args.runs);
            let figures = one_run(args, roster, &server, *kind, config, folder)
                .with_context(|| format!("measuring {name}"))?;
            eprintln!("{name}: {}", figures.line());
            report.add(*kind, figures);
        }
    }
    Ok(report)
}

/// One subject through all parts.
fn one_run(
    args: &PathArgs,
    roster: &Roster,
    server: &Server,
    kind: Kind,
    config: &std::path::Path,
    folder: &std::path::Path,
) -> anyhow::Result<SubjectRun> {
    let board = Arc::new(Board::new());
    let endpoint = Endpoint::start(board.clone())?;
    server.forget()?;
    let mut subject = Subject::start(kind, server, endpoint.port(), config, folder)?;
    let mut sender = Sender::connect(server.port, &board, roster, usize::from(args.votes))?;
    subject.wait_until_it_decides(&mut sender)?;
    let part = Duration::from_secs(args.secs);
    let third = Duration::from_secs(args.secs.div_ceil(3));
    let load = |pace, duration| Load { pace, duration };
    let paced = subject.measure(&mut sender, &load(Pace::Rate(args.rate), part))?;
    let flat = subject.measure(&mut sender, &load(Pace::InFlight(IN_FLIGHT), third))?;
    endpoint.answer_after(SLOW_BROKER);
    let slow = subject.measure(&mut sender, &load(Pace::Rate(SLOW_RATE), third))?;
    endpoint.answer_after(Duration::ZERO);
    sender.publish_lone_proposals(HELD)?;
    nap(HELD_ASKED_FOR);
    let held = subject.measure(&mut sender, &load(Pace::InFlight(IN_FLIGHT), third))?;
    let memory = subject.memory_kib();
    subject.end();
    Ok(SubjectRun {
        paced,
        flat,
        slow,
        held,
        peak_kib: memory,
        duplicates: board.duplicates(),
        early: board.early(),
    })
}

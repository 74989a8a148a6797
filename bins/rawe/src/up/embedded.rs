//! The embedded default: all processes as tasks of one process, over a bus in memory. The same
//! code, for a machine without Redis; development only. What the tap reads from the bus is written
//! to the log, where `rawe up` finds it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use rawe_bus::{Bus, MemoryBus};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, Command};
use crate::run::RunCommand;
use crate::up::tap::{TAPPED, tap};

/// How long the exchange may take to listen.
const EXCHANGE_PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked whether the exchange listens.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many tap events may wait to be written.
const QUEUE_EVENTS: usize = 1_024;

/// What the embedded process is told.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct EmbeddedArgs {
    /// A JSON list with the words of each process, as after `rawe run`
    #[arg(long, value_name = "FILE")]
    processes: PathBuf,
}

/// Runs all processes until told to stop, or until one of them fails.
pub(crate) async fn run(args: EmbeddedArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let file = args.processes.display();
    let text = std::fs::read(&args.processes).with_context(|| format!("reading {file}"))?;
    let list: Vec<Vec<String>> =
        serde_json::from_slice(&text).with_context(|| format!("reading {file}"))?;
    // One thread: some of the processes hold what must not move between threads.
    LocalSet::new().run_until(run_all(list, shutdown)).await
}

async fn run_all(list: Vec<Vec<String>>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
    let (events, mut tapped) = mpsc::channel(QUEUE_EVENTS);
    let mut tasks = JoinSet::new();
    tokio::spawn(tap(Arc::clone(&bus), events, shutdown.clone()));
    tokio::spawn(async move {
        while let Some(event) = tapped.recv().await {
            if let Ok(payload) = serde_json::to_string(&event) {
                tracing::info!(event = TAPPED, payload, "read from the bus");
            }
        }
    });
    for words in list {
        let listens = listen_address(&words);
        let command = parse(&words)?;
        let (name, bus, stop) = (command.name(), Arc::clone(&bus), shutdown.clone());
        tasks.spawn_local(async move {
            let result = command.run(Some(bus), stop).await;
            result.with_context(|| format!("{name} failed"))
        });
        if let Some(address) = listens {
            wait_for(&address, &mut tasks).await?;
        }
    }
    while let Some(ended) = tasks.join_next().await {
        let result = ended.context("a task was cut off")?;
        if result.is_err() && !shutdown.is_cancelled() {
            shutdown.cancel();
            while tasks.join_next().await.is_some() {}
            return result;
        }
    }
    Ok(())
}

fn parse(words: &[String]) -> anyhow::Result<RunCommand> {
    let line = ["rawe", "run"]
        .into_iter()
        .chain(words.iter().map(String::as_str));
    match Cli::try_parse_from(line)?.command {
        Command::Run { process } => Ok(*process),
        _ => anyhow::bail!("'{}' is not a process", words.join(" ")),
    }
}

/// Where the exchange will listen.
fn listen_address(words: &[String]) -> Option<String> {
    let flag = words.iter().position(|word| word == "--listen")?;
    words.get(flag + 1).cloned()
}

/// Waits until somebody listens, or the one who should has failed.
async fn wait_for(address: &str, tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    let listening = async {
        while TcpStream::connect(address).await.is_err() {
            sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        waited = timeout(EXCHANGE_PATIENCE, listening) => {
            waited.with_context(|| format!("nobody listens on {address}"))
        }
        Some(ended) = tasks.join_next() => {
            ended.context("a task was cut off")??;
            anyhow::bail!("the exchange ended before it listened")
        }
    }
}

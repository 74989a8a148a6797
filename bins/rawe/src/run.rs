//! `rawe run NAME`: any process of the collective, by the very code of its separate binary. The
//! embedded default starts the same code over a bus in memory.

use std::ffi::OsStr;
use std::process::ExitCode;
use std::sync::Arc;

use agents::AgentArgs;
use clap::Subcommand;
use consensus_engine::EngineArgs;
use market_feed::FeedArgs;
use paper_exchange::ExchangeArgs;
use rawe_bus::Bus;
use rawe_runtime::{CommonArgs, LogFormat, connect_bus, run_main, run_main_on_one_thread};
use tokio_util::sync::CancellationToken;

use crate::chaos::voter::{self, VoterArgs};
use crate::up::embedded::{self, EmbeddedArgs};
use crate::up::private_redis::{self, KeeperArgs};

/// The processes.
#[derive(Subcommand)]
pub(crate) enum RunCommand {
    /// A local, Alpaca-compatible exchange over a simulated market
    PaperExchange(Box<ExchangeArgs>),
    /// News and bars into Redis Streams; the pacer of replays
    MarketFeed(Box<FeedArgs>),
    /// Counts the votes and sends what the collective agrees on to the broker
    ConsensusEngine(Box<EngineArgs>),
    /// Trades stories the price has not answered yet
    AlphaAggressor(Box<AgentArgs>),
    /// Trades steady trends and moves without a story
    ConservativeGuardian(Box<AgentArgs>),
    /// Trades attention itself
    FluxFollower(Box<AgentArgs>),
    /// Trades dispute and the slow build-up of a story
    TopologicalObserver(Box<AgentArgs>),
    /// Trades an even blend
    BalancedArbitrator(Box<AgentArgs>),
    /// An agent with a personality of your own (--profile FILE)
    #[command(alias = "rawe-agent")]
    Agent(Box<AgentArgs>),
    #[command(hide = true)]
    PrivateRedis(KeeperArgs),
    #[command(hide = true)]
    ChaosVoter(VoterArgs),
    #[command(hide = true)]
    Embedded(EmbeddedArgs),
}

/// Names under which this program is one of the processes.
const PROCESSES: [&str; 9] = [
    "paper-exchange",
    "market-feed",
    "consensus-engine",
    "alpha-aggressor",
    "conservative-guardian",
    "flux-follower",
    "topological-observer",
    "balanced-arbitrator",
    "rawe-agent",
];

/// Whether a program of this name is one of the processes.
pub(crate) fn is_process(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| PROCESSES.contains(&name))
}

/// The whole of one process, with its exit code.
pub(crate) fn main(command: RunCommand) -> ExitCode {
    match command {
        RunCommand::PrivateRedis(args) => run_main("redis", None, |shutdown| {
            private_redis::keep(args, shutdown)
        }),
        RunCommand::ChaosVoter(args) => {
            run_main("chaos-voter", None, |shutdown| voter::vote(args, shutdown))
        }
        RunCommand::Embedded(args) => {
            run_main("embedded", None, |shutdown| embedded::run(args, shutdown))
        }
        command => {
            let (name, format) = (command.name(), command.log_format());
            if matches!(command, RunCommand::ConsensusEngine(_)) {
                return run_main_on_one_thread(&name, format, |shutdown| {
                    command.run(None, shutdown)
                });
            }
            run_main(&name, format, |shutdown| command.run(None, shutdown))
        }
    }
}

impl RunCommand {
    /// The process's name in logs and heartbeats.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::PaperExchange(_) => "paper-exchange".to_owned(),
            Self::MarketFeed(_) => "market-feed".to_owned(),
            Self::ConsensusEngine(_) => "consensus-engine".to_owned(),
            Self::PrivateRedis(_) => "redis".to_owned(),
            Self::ChaosVoter(args) => args.id.clone(),
            Self::Embedded(_) => "embedded".to_owned(),
            Self::Agent(args) => agents::load_profile(None, args).map_or_else(
                |_| "rawe-agent".to_owned(),
                |profile| profile.id.to_string(),
            ),
            _ => self.founder().unwrap_or_default().to_owned(),
        }
    }

    /// The founding agent this is.
    fn founder(&self) -> Option<&'static str> {
        match self {
            Self::AlphaAggressor(_) => Some("alpha-aggressor"),
            Self::ConservativeGuardian(_) => Some("conservative-guardian"),
            Self::FluxFollower(_) => Some("flux-follower"),
            Self::TopologicalObserver(_) => Some("topological-observer"),
            Self::BalancedArbitrator(_) => Some("balanced-arbitrator"),
            _ => None,
        }
    }

    fn log_format(&self) -> Option<LogFormat> {
        match self {
            Self::PaperExchange(args) => args.log_format,
            other => other.common().and_then(|common| common.log_format),
        }
    }

    fn common(&self) -> Option<&CommonArgs> {
        match self {
            Self::MarketFeed(args) => Some(&args.common),
            Self::ConsensusEngine(args) => Some(&args.common),
            Self::AlphaAggressor(args)
            | Self::ConservativeGuardian(args)
            | Self::FluxFollower(args)
            | Self::TopologicalObserver(args)
            | Self::BalancedArbitrator(args)
            | Self::Agent(args) => Some(&args.common),
            Self::PaperExchange(_)
            | Self::PrivateRedis(_)
            | Self::ChaosVoter(_)
            | Self::Embedded(_) => None,
        }
    }

    /// The process itself: over the bus given, or the Redis of its arguments.
    pub(crate) async fn run(
        self,
        bus: Option<Arc<dyn Bus>>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let founder = self.founder();
        match self {
            Self::PaperExchange(args) => paper_exchange::run(*args, shutdown).await,
            Self::MarketFeed(args) if args.common.check_config => market_feed::check(&args),
            Self::MarketFeed(args) => {
                let bus = bus_of(bus, &args.common).await?;
                market_feed::run(*args, bus, shutdown).await
            }
            Self::ConsensusEngine(args) if args.common.check_config => {
                consensus_engine::Settings::load(&args)?;
                println!("consensus-engine: the configuration is good");
                Ok(())
            }
            Self::ConsensusEngine(args) => {
                let bus = bus_of(bus, &args.common).await?;
                consensus_engine::run(*args, bus, shutdown).await
            }
            Self::AlphaAggressor(args)
            | Self::ConservativeGuardian(args)
            | Self::FluxFollower(args)
            | Self::TopologicalObserver(args)
            | Self::BalancedArbitrator(args)
            | Self::Agent(args) => agent(founder, *args, bus, shutdown).await,
            Self::PrivateRedis(args) => private_redis::keep(args, shutdown).await,
            Self::ChaosVoter(args) => voter::vote(args, shutdown).await,
            Self::Embedded(_) => anyhow::bail!("the embedded default cannot be inside itself"),
        }
    }
}

async fn agent(
    founder: Option<&'static str>,
    args: AgentArgs,
    bus: Option<Arc<dyn Bus>>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let profile = agents::load_profile(founder, &args)?;
    agents::load_voter(profile.clone(), &args)?;
    if args.common.check_config {
        println!("{}: the configuration is good", profile.id);
        return Ok(());
    }
    let bus = bus_of(bus, &args.common).await?;
    agents::run(profile, args, bus, shutdown).await
}

async fn bus_of(given: Option<Arc<dyn Bus>>, common: &CommonArgs) -> anyhow::Result<Arc<dyn Bus>> {
    match given {
        Some(bus) => Ok(bus),
        None => connect_bus(&common.redis_url).await,
    }
}

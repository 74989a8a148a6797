//! The command line of `rawe`. Each command's own arguments are in its own file.

use clap::{Parser, Subcommand};

use crate::agents_report::AgentsArgs;
use crate::bench::BenchArgs;
use crate::chaos::ChaosArgs;
use crate::completions::CompletionsArgs;
use crate::control::ControlArgs;
use crate::doctor::DoctorArgs;
use crate::evaluate::EvaluateArgs;
use crate::fetch::FetchArgs;
use crate::journal::{OrdersArgs, PnlArgs, PositionsArgs, RoundsArgs, UpkeepArgs, WhyArgs};
use crate::keys::KeysArgs;
use crate::logs::LogsArgs;
use crate::narrate::NarrateArgs;
use crate::record::RecordArgs;
use crate::run::RunCommand;
use crate::status::StatusArgs;
use crate::train::TrainArgs;
use crate::up::options::UpArgs;

/// RAWE: five agents read news and prices, vote, and trade only when the collective agrees.
#[derive(Parser)]
#[command(name = "rawe", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What `rawe` can do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start the whole collective here: Redis, exchange, feed, agents, consensus engine
    Up(Box<UpArgs>),
    /// Run one process: the very code of the separate binary of that name
    Run {
        /// Which one.
        #[command(subcommand)]
        process: Box<RunCommand>,
    },
    /// Which bus, which processes, what they do and when they last made progress
    Status(StatusArgs),
    /// Record everything seen on the bus, to be played again by `rawe up --recording`
    Record(RecordArgs),
    /// Download the history of bars and news from Alpaca, to be played by `rawe up --recording`
    Fetch(Box<FetchArgs>),
    /// The logs of all processes of the newest run, merged and filtered
    Logs(LogsArgs),
    /// Send no order any more, until `rawe resume`; works with Redis down
    Halt(ControlArgs),
    /// Trade again, after a halt, a reduce or a flatten
    Resume(ControlArgs),
    /// Only close positions, open none
    Reduce(ControlArgs),
    /// Cancel our orders, close our positions, open none
    Flatten(ControlArgs),
    /// Why the collective did or did not trade: a round, an order, an asset, or all in all
    Why(WhyArgs),
    /// The newest rounds: decisions and near misses with their reasons
    Rounds(RoundsArgs),
    /// The newest orders and what came of them
    Orders(OrdersArgs),
    /// What is held and why; with --closed what is over and what it made
    Positions(Box<PositionsArgs>),
    /// What closed positions made: by day, asset, agent or reason
    Pnl(PnlArgs),
    /// The journal's file: check it, export it, make it smaller
    Journal(UpkeepArgs),
    /// Each voter's record, weight and likeness to the others, and what their votes are worth
    Agents(AgentsArgs),
    /// Is everything here that trading needs, and is anything set that should not be?
    Doctor(Box<DoctorArgs>),
    /// Keys that sign votes and the operator's words, and the users of Redis
    Keys(KeysArgs),
    /// How good the engine is, on files of news and bars, labelled texts and streams
    Evaluate(Box<EvaluateArgs>),
    /// What the engine says of files of news and bars, as tables for outside scorers
    Narrate(Box<NarrateArgs>),
    /// Learn a model of tone from labelled texts, and how good it is on texts it has not seen
    Train(Box<TrainArgs>),
    /// How fast the engine is on this machine, and how much memory it takes
    Bench(BenchArgs),
    /// Break the collective at random on this machine, and check that its promises hold
    Chaos(ChaosArgs),
    /// The JSON Schema of a signal, for agents in any language
    Schema,
    /// A completion script for a shell
    Completions(CompletionsArgs),
}

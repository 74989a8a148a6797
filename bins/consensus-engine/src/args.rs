//! What can be said on the command line of the consensus engine.

use std::path::PathBuf;

use clap::Args;
use rawe_runtime::{BrokerArgs, CommonArgs};

/// Counts the agents' votes and, when enough of them agree, sends an order to the broker.
///
/// Without any argument it trades on the paper exchange of this machine. A real account needs its
/// URL, `--live` and RAWE_ALLOW_LIVE=yes, all three.
#[derive(Args, Clone, Debug)]
pub struct EngineArgs {
    /// What every process of the collective takes.
    #[command(flatten)]
    pub common: CommonArgs,

    /// Where orders go.
    #[command(flatten)]
    pub broker: BrokerArgs,

    /// Journal of decisions and orders; made if it is not there
    #[arg(
        long,
        value_name = "FILE",
        env = "RAWE_JOURNAL",
        default_value = "./.rawe/journal.sqlite"
    )]
    pub journal: PathBuf,

    /// How many agents must agree [default: a majority of the roster]
    #[arg(long, value_name = "K")]
    pub quorum: Option<u32>,

    /// How far apart the votes of a quorum may be, in milliseconds [default: 10000]
    #[arg(long, value_name = "MS")]
    pub window_ms: Option<u64>,

    /// Name of this deployment; part of every order's id, so keep it for an account
    #[arg(
        long,
        value_name = "NAME",
        env = "RAWE_DEPLOYMENT",
        default_value = "local"
    )]
    pub deployment: String,

    /// Agents whose word is awaited at every instant of a replay [default: the whole roster]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub participants: Vec<String>,

    /// Allow orders with real money (RAWE_ALLOW_LIVE=yes is needed as well)
    #[arg(long)]
    pub live: bool,
}

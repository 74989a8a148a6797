//! `rawe keys`: makes and checks the keys by which votes and the operator's words are signed, and
//! the users of a Redis that lets each process do its own work only. What is signed and how is in
//! `rawe_core::signing`; what it protects from is told in docs/security.md.

mod check;
mod files;
mod make;
mod redis_users;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rawe_core::channels::SIGNAL_CHANNEL;

/// Examples of all of them.
const EXAMPLES: &str = "\
Examples:
  rawe keys all --out keys                      keys for everybody, and a rawe.toml that uses them
  RAWE_SIGNING_KEY_FILE=keys rawe up --config keys/rawe.toml
  rawe keys redis --out keys                    users of Redis: keys/users.acl and a URL for each
  rawe keys new --agent flux-follower --out new to change one agent's key
  rawe keys check --config keys/rawe.toml --keys keys";

/// What `rawe keys` takes.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// One new key: a private file, and the line for the roster
    New(NewArgs),
    /// The public key and the key id of private key files
    Show(ShowArgs),
    /// A key for every voter and one for the operator, and a rawe.toml that demands signatures
    All(AllArgs),
    /// Users and passwords of a Redis in which each process may do its own work only
    Redis(RedisArgs),
    /// Both, in one folder for each process, unless they are there already: for a first start
    Init(InitArgs),
    /// Whether the keys of a configuration are complete, and fit the private files
    Check(CheckArgs),
}

/// What `new` takes.
#[derive(Args)]
pub(super) struct NewArgs {
    /// Whose key: the id of a voter, or `operator`
    #[arg(long, value_name = "ID")]
    agent: String,
    /// Folder for the file ID.pem; a file that is there is never overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// What `show` takes.
#[derive(Args)]
pub(super) struct ShowArgs {
    /// Private key files (PEM)
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// One JSON object a key
    #[arg(long)]
    json: bool,
}

/// What `all` takes.
#[derive(Args)]
pub(super) struct AllArgs {
    /// Folder for the files, private to you; what is there is never overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Configuration whose roster gets keys; the new rawe.toml is a copy of it with the keys in it
    /// [default: the five founding agents]
    #[arg(long, value_name = "FILE", env = "RAWE_CONFIG")]
    config: Option<PathBuf>,
}

/// What `redis` takes.
#[derive(Args)]
pub(super) struct RedisArgs {
    /// Folder for users.acl and one URL file for each user; what is there is never overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Configuration whose roster gets users [default: the five founding agents]
    #[arg(long, value_name = "FILE", env = "RAWE_CONFIG")]
    config: Option<PathBuf>,
    /// Where Redis will be, for the URLs
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6379")]
    address: String,
    /// Pub/sub channel on which the agents' signals travel
    #[arg(
        long,
        value_name = "NAME",
        env = "RAWE_SIGNAL_CHANNEL",
        default_value = SIGNAL_CHANNEL
    )]
    channel: String,
}

/// What `init` takes.
#[derive(Args)]
pub(super) struct InitArgs {
    #[command(flatten)]
    redis: RedisArgs,
    /// Give the files to this user, numeric as in 10001:10001; needs root
    #[arg(long, value_name = "UID:GID")]
    owner: Option<String>,
}

/// What `check` takes.
#[derive(Args)]
pub(super) struct CheckArgs {
    /// Configuration with the public keys
    #[arg(long, value_name = "FILE", env = "RAWE_CONFIG")]
    config: PathBuf,
    /// Folder of private key files ID.pem that must fit them
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// Does what was asked for.
pub(crate) fn keys(args: &KeysArgs) -> anyhow::Result<()> {
    match &args.command {
        KeysCommand::New(args) => make::new(args),
        KeysCommand::Show(args) => check::show(args),
        KeysCommand::All(args) => make::all(args),
        KeysCommand::Redis(args) => redis_users::redis(args),
        KeysCommand::Init(args) => make::init(args),
        KeysCommand::Check(args) => check::check(args),
    }
}

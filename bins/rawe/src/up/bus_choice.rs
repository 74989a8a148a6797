//! Which bus a run takes: the Redis given, a private one, or memory.

use std::path::PathBuf;

use rawe_runtime::ConfigProblems;

use crate::up::options::UpArgs;
use crate::up::private_redis;

/// What is said about the embedded default, line by line.
pub(crate) const EMBEDDED_WARNING: [&str; 4] = [
    "WARNING: no redis-server found, so everything runs in ONE process over memory.",
    "  The agents and the consensus engine are the same, but nothing survives a crash, no other",
    "  program can vote, and a real account is refused. For the real thing install Redis:",
    "  `./rawe.sh up` does it, or see `apt-get install redis-server`, `brew install redis`.",
];
/// Which bus was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BusChoice {
    /// The URL the user gave.
    Given(String),
    /// A private Redis, by this program.
    Private(PathBuf),
    /// Memory.
    Embedded {
        /// Whether the user asked for it.
        wanted: bool,
    },
}

impl BusChoice {
    /// Chooses: the URL given, else a Redis on PATH, else memory.
    ///
    /// # Errors
    /// When only memory is left and that is not allowed.
    pub(crate) fn choose(args: &UpArgs) -> Result<Self, ConfigProblems> {
        if args.embedded {
            return Ok(Self::Embedded { wanted: true });
        }
        if let Some(url) = &args.redis_url {
            return Ok(Self::Given(url.clone()));
        }
        match private_redis::find_program() {
            Some(program) => Ok(Self::Private(program)),
            None if args.require_redis || args.alpaca => {
                let why = if args.alpaca {
                    "--alpaca"
                } else {
                    "--require-redis"
                };
                Err(ConfigProblems(vec![format!(
                    "{why} needs Redis, and neither redis-server nor valkey-server is on PATH; \
                     install one, or give --redis-url"
                )]))
            }
            None => Ok(Self::Embedded { wanted: false }),
        }
    }

    /// `redis` or `embedded`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Given(_) | Self::Private(_) => "redis",
            Self::Embedded { .. } => "embedded",
        }
    }

    /// The first line of a run.
    pub(crate) fn sentence(&self, described: &str) -> String {
        match self {
            Self::Given(_) => format!("bus: the Redis given, {described}"),
            Self::Private(program) => {
                format!("bus: a private Redis ({}), {described}", program.display())
            }
            Self::Embedded { .. } => "bus: embedded, everything in one process".to_owned(),
        }
    }
}

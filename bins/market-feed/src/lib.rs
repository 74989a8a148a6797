//! News and bars into Redis Streams; the pacer of replays.
//!
//! One of two ways: live, where bars and articles are streamed and polled from Alpaca and other
//! sources are heard besides, or paced, where this process drives the clock of a paper exchange and
//! waits in each step for every participant. Both fill in months of history first. Reading files,
//! generating markets and the rules of pacing are in `rawe-feed`; the REST client is in
//! `rawe-alpaca`.

mod acks;
mod admin;
mod args;
mod download;
mod lines;
mod live;
mod market_data;
mod paced;
mod progress;
mod retry;
mod source_settings;
mod sources;
mod warmup;
mod web;
mod writer;

use std::sync::Arc;

use rawe_bus::Bus;
use rawe_runtime::{Heart, new_boot_id};
use tokio_util::sync::CancellationToken;

pub use args::{
    BarLength, BarSource, FeedArgs, FeedSettings, LIVE_SYMBOLS, NewsSource, Speed,
    WARMUP_DAYS_DEFAULT,
};

pub use download::{Download, Reached, download};

/// The feed's name as a process.
pub const PROCESS: &str = "market-feed";

/// Reads and checks the configuration, and does nothing else.
///
/// # Errors
/// [`rawe_runtime::ConfigProblems`] with every problem.
pub fn check(args: &FeedArgs) -> anyhow::Result<()> {
    args.settings()?;
    tracing::info!(event = "config_checked", "the configuration is good");
    Ok(())
}

/// The whole of the process, until `shutdown` or, with `--exit-at-end`, the end of a replay.
///
/// # Errors
/// [`rawe_runtime::ConfigProblems`] for a bad configuration; anything that keeps the feed from
/// starting or going on. Servers that do not answer are no errors: they are waited for.
pub async fn run(
    args: FeedArgs,
    bus: Arc<dyn Bus>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if args.common.check_config {
        return check(&args);
    }
    let settings = args.settings()?;
    let heart = Heart::new(PROCESS, None, new_boot_id());
    let beating = CancellationToken::new();
    let beat = heart.beat(Arc::clone(&bus), beating.clone());
    tracing::info!(
        event = "feed_started",
        bus = bus.describe(),
        exchange = %args.broker.alpaca_url,
        data = %args.broker.data_url(),
        paced = settings.paced,
        "the market feed starts"
    );
    let result = tokio::select! {
        result = work(&settings, &args, bus, &heart) => result,
        () = shutdown.cancelled() => Ok(()),
    };
    if result.is_ok() && settings.paced && !settings.exit_at_end {
        shutdown.cancelled().await;
    }
    beating.cancel();
    // The last beat says how it ended; a task that was cut off has nothing to add.
    let _cut_off = beat.await;
    result
}

async fn work(
    settings: &FeedSettings,
    args: &FeedArgs,
    bus: Arc<dyn Bus>,
    heart: &Heart,
) -> anyhow::Result<()> {
    if settings.paced {
        paced::replay(settings, &args.broker, bus, heart).await
    } else {
        live::follow(settings, &args.broker, bus, heart).await
    }
}

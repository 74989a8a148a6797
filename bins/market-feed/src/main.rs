//! The market feed as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use market_feed::{FeedArgs, run};

/// Brings news and bars to the bus, and paces a replay.
#[derive(Debug, Parser)]
#[command(name = "market-feed", version)]
struct Command {
    #[command(flatten)]
    args: FeedArgs,
}

fn main() -> ExitCode {
    let Command { args } = Command::parse();
    rawe_runtime::run_main(
        "market-feed",
        args.common.log_format,
        |shutdown| async move {
            if args.common.check_config {
                return market_feed::check(&args);
            }
            // A bad configuration is told at once, not when Redis is there at last.
            args.settings()?;
            let bus = rawe_runtime::connect_bus(&args.common.redis_url).await?;
            run(args, bus, shutdown).await
        },
    )
}

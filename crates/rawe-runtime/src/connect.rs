//! Finding the bus at the start of a process: processes start in any order, so Redis may come last.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rawe_bus::{Bus, BusError, RedisBus, describe_url};
use tokio::time::{Instant, sleep};

use crate::ConfigProblems;
use crate::process::{ShuttingDown, current_shutdown};

/// How long to wait between tries.
const RETRY_DELAY: Duration = Duration::from_millis(250);
/// How often to say that Redis is still not there.
const WARNING_INTERVAL: Duration = Duration::from_secs(3);

/// Connects to Redis, waiting for it as long as it takes, with a warning every few seconds.
///
/// # Errors
/// [`ConfigProblems`] for an unusable URL; an error when Redis refuses (a wrong password), which
/// waiting would not cure; [`ShuttingDown`] when the process was told to end meanwhile.
pub async fn connect_bus(redis_url: &str) -> anyhow::Result<Arc<dyn Bus>> {
    let bus = match RedisBus::open(redis_url) {
        Ok(bus) => bus,
        Err(error) => {
            let problem = format!("{error}; expected redis://host:port or rediss://host:port");
            return Err(ConfigProblems(vec![problem]).into());
        }
    };
    let shutdown = current_shutdown();
    tokio::select! {
        answered = wait_for(&bus) => {
            let place = describe_url(redis_url);
            answered.with_context(|| format!("connecting to {place}"))?;
            Ok(Arc::new(bus))
        }
        () = shutdown.cancelled() => Err(ShuttingDown.into()),
    }
}

async fn wait_for(bus: &RedisBus) -> Result<(), BusError> {
    let mut warned: Option<Instant> = None;
    loop {
        let error = match bus.ping().await {
            Ok(()) => break,
            Err(error) if error.is_retryable() => error,
            Err(error) => return Err(error),
        };
        if warned.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
            warned = Some(Instant::now());
            tracing::warn!(
                event = "bus_awaited",
                bus = bus.describe(),
                %error,
                "waiting for Redis at {}",
                bus.describe()
            );
        }
        sleep(RETRY_DELAY).await;
    }
    if warned.is_some() {
        tracing::info!(
            event = "bus_reached",
            bus = bus.describe(),
            "Redis answers now"
        );
    }
    Ok(())
}

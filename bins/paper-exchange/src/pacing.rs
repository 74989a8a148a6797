//! The exchange's own clock, for use without a pacer: market time runs so many times faster than
//! wall time, and stops at the end of the data.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rawe_core::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::admin_routes::advance;
use crate::state::{ExchangeState, Pacing};

/// How often the clock moves, wall time.
const TICK: Duration = Duration::from_millis(50);

/// Starts the clock if the exchange moves its own.
pub(crate) fn start(
    state: Arc<ExchangeState>,
    shutdown: CancellationToken,
) -> Option<JoinHandle<()>> {
    match state.pacing {
        Pacing::ByPacer => None,
        Pacing::ByWallClock(speed) => Some(tokio::spawn(run(state, speed, shutdown))),
    }
}

async fn run(state: Arc<ExchangeState>, speed: f64, shutdown: CancellationToken) {
    let (market_start, wall_start) = (state.now(), Instant::now());
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let instant = market_time(market_start, wall_start.elapsed(), speed).min(state.end);
        let mut exchange = state.exchange();
        let forward = instant.max(exchange.now());
        let moved = advance(&mut exchange, forward);
        drop(exchange);
        if moved.is_err() || instant >= state.end {
            let now = state.end.to_rfc3339();
            tracing::info!(event = "market_ended", now, "the data is played out");
            return;
        }
    }
}

/// Market time after so much wall time.
fn market_time(start: Timestamp, elapsed: Duration, speed: f64) -> Timestamp {
    let market = Duration::try_from_secs_f64(elapsed.as_secs_f64() * speed).ok();
    market
        .and_then(|market| TimeDelta::from_std(market).ok())
        .and_then(|market| start.checked_add_signed(market))
        .unwrap_or(Timestamp::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn market_time_runs_at_its_speed_and_never_overflows() {
        let start: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        let hour_later = market_time(start, Duration::from_secs(1), 3_600.0);
        assert_eq!(hour_later - start, TimeDelta::hours(1));
        assert_eq!(
            market_time(start, Duration::from_secs(1), 1e300),
            Timestamp::MAX_UTC
        );
    }
}

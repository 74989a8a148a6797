//! The exchange's own clock, for use without a pacer: market time runs so many times faster than
//! wall time, stands still while it is paused, and stops at the end of the data.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rawe_core::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::clock_routes::advance;
use crate::state::{ClockControl, ExchangeState};

/// How often the clock moves, wall time.
const TICK: Duration = Duration::from_millis(50);

/// Starts the clock; it runs while the exchange is to move it.
pub(crate) fn start(state: Arc<ExchangeState>, shutdown: CancellationToken) -> JoinHandle<()> {
    let control = state.control.subscribe();
    tokio::spawn(run(state, control, shutdown))
}

async fn run(
    state: Arc<ExchangeState>,
    mut control: watch::Receiver<ClockControl>,
    shutdown: CancellationToken,
) {
    loop {
        let running = control.borrow_and_update().running();
        if let Some(speed) = running {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tick_away(&state, speed, &mut control) => {}
            }
        } else {
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = control.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// Moves the clock until somebody changes how, or until the data ends; then waits for the change.
async fn tick_away(state: &ExchangeState, speed: f64, control: &mut watch::Receiver<ClockControl>) {
    let (market_start, wall_start) = (state.now(), Instant::now());
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut ended = market_start >= state.end;
    loop {
        tokio::select! {
            _changed = control.changed() => return,
            _ = ticks.tick(), if !ended => {}
        }
        let instant = market_time(market_start, wall_start.elapsed(), speed).min(state.end);
        let moved = advance(state, instant.max(state.now()));
        if moved.is_err() || instant >= state.end {
            let now = state.end.to_rfc3339();
            tracing::info!(event = "market_ended", now, "the data is played out");
            ended = true;
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

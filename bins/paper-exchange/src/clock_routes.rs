//! `POST /rawe/v1/clock`: a pacer moves the virtual clock, or anybody sets how it runs.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use chrono::TimeDelta;
use rawe_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::refusals::{Answer, ApiRefusal};
use crate::state::{ClockControl, ExchangeState, Pacing};
use crate::views;

/// The longest step, seconds: a year.
const STEP_S_MAX: i64 = 366 * 86_400;
/// What to send.
const WISHES: &str = "send {\"now\": an RFC 3339 time}, {\"step_s\": seconds}, {\"step_bars\": n}, \
                      {\"speed\": market seconds a second, or 0 for a pacer} or {\"paused\": true}";

/// What is wished for; how the clock runs is set first, then it is moved.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ClockRequest {
    /// To this instant.
    now: Option<Timestamp>,
    /// So many seconds on.
    step_s: Option<i64>,
    /// To the so-many-th next end of a bar.
    step_bars: Option<u32>,
    /// Market seconds a wall second; 0 leaves the clock to a pacer.
    speed: Option<f64>,
    /// Whether it stands still.
    paused: Option<bool>,
}

/// Where the clock stands after it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClockAnswer {
    /// The virtual now.
    pub now: Timestamp,
    /// The next end of a bar, if the data has one.
    pub next_bar_end: Option<Timestamp>,
    /// How many orders filled on the way.
    pub fills: usize,
    /// Market seconds a wall second, when the exchange moves its own clock.
    pub speed: Option<f64>,
    /// Whether the exchange's own clock stands still.
    pub paused: bool,
}

pub(crate) async fn set_clock(
    State(state): State<Arc<ExchangeState>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<ClockAnswer>> {
    let unreadable = |reason: String| ApiRefusal::malformed(format!("{WISHES}: {reason}"));
    let body = body.map_err(|rejection| unreadable(rejection.body_text()))?;
    let wish: ClockRequest =
        serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
    set_control(&state, &wish)?;
    let control = *state.control.borrow();
    let fills = match target(&state, &wish)? {
        None => 0,
        Some(_) if control.running().is_some() => {
            return Err(ApiRefusal::coded(
                StatusCode::CONFLICT,
                40_910_000,
                "this exchange moves its own clock; start it without --speed, or pause it",
            ));
        }
        Some(instant) => advance(&state, instant)?,
    };
    let now = state.now();
    Ok(Json(ClockAnswer {
        now,
        next_bar_end: state.data.next_bar_end(now),
        fills,
        speed: match control.pacing {
            Pacing::ByPacer => None,
            Pacing::ByWallClock(speed) => Some(speed),
        },
        paused: control.paused,
    }))
}

fn set_control(state: &ExchangeState, wish: &ClockRequest) -> Answer<()> {
    if wish.speed.is_none() && wish.paused.is_none() {
        if wish.now.is_none() && wish.step_s.is_none() && wish.step_bars.is_none() {
            return Err(ApiRefusal::malformed(WISHES));
        }
        return Ok(());
    }
    let mut control = *state.control.borrow();
    match wish.speed {
        None => {}
        Some(0.0) => control.pacing = Pacing::ByPacer,
        Some(speed) if speed.is_finite() && speed > 0.0 => {
            control.pacing = Pacing::ByWallClock(speed);
        }
        Some(_) => {
            return Err(ApiRefusal::malformed(
                "speed must be a number of at least 0",
            ));
        }
    }
    control.paused = wish.paused.unwrap_or(control.paused);
    state.control.send_replace(control);
    let ClockControl { pacing, paused } = control;
    tracing::info!(
        event = "clock_set",
        ?pacing,
        paused,
        "the clock runs differently"
    );
    Ok(())
}

/// Where the clock is to go.
fn target(state: &ExchangeState, wish: &ClockRequest) -> Answer<Option<Timestamp>> {
    let now = state.now();
    match (wish.now, wish.step_s, wish.step_bars) {
        (None, None, None) => Ok(None),
        (Some(instant), None, None) => Ok(Some(instant)),
        (None, Some(seconds), None) if (0..=STEP_S_MAX).contains(&seconds) => {
            Ok(now.checked_add_signed(TimeDelta::seconds(seconds)))
        }
        (None, None, Some(bars)) => {
            let next = |instant: Timestamp, _| state.data.next_bar_end(instant);
            Ok((0..bars).try_fold(now, next).or(Some(state.end.max(now))))
        }
        _ => Err(ApiRefusal::malformed(WISHES)),
    }
}

/// Moves the clock and tells what filled.
pub(crate) fn advance(state: &ExchangeState, instant: Timestamp) -> Answer<usize> {
    let fills = state.advance(instant).map_err(|refusal| {
        ApiRefusal::coded(StatusCode::CONFLICT, 40_910_000, refusal.to_string())
    })?;
    for fill in &fills {
        tracing::info!(
            event = "order_filled",
            order_id = %fill.order_id,
            client_order_id = %fill.client_order_id,
            asset = state.data.asset(fill.asset).map(|a| tracing::field::display(&a.symbol)),
            side = %views::side(fill.side),
            filled_qty = %fill.quantity,
            price = %fill.price,
            market_time = %fill.at.to_rfc3339(),
            "a waiting order filled"
        );
    }
    Ok(fills.len())
}

//! Account, clock, calendar and assets.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{Datelike, NaiveDate};
use rawe_alpaca::types as wire;
use rawe_core::calendar::{MarketCalendar, Session, new_york_date};
use rawe_core::new_york::in_new_york;
use rawe_market::OrderRefusal;
use rawe_market::sessions::extended;

use crate::account::Caller;
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;
use crate::views;

pub(crate) async fn account(Caller(account): Caller) -> Json<wire::Account> {
    Json(views::account(&account.exchange().account()))
}

pub(crate) async fn clock(State(state): State<Arc<ExchangeState>>) -> Answer<Json<wire::Clock>> {
    views::clock(state.now()).map(Json).ok_or_else(|| {
        ApiRefusal::worded(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the calendar ends in 2049",
        )
    })
}

pub(crate) async fn calendar(
    State(state): State<Arc<ExchangeState>>,
    params: Params,
) -> Answer<Json<Vec<wire::CalendarDay>>> {
    let year = new_york_date(state.now()).year();
    let date = |name: &str, default: Option<NaiveDate>| {
        let Some(text) = params.text(name) else {
            return Ok(default.unwrap_or_default());
        };
        // Some clients send an instant where a date is wanted.
        text.get(..10)
            .and_then(|date| date.parse().ok())
            .ok_or_else(|| ApiRefusal::malformed(format!("invalid {name}: {text:.40}")))
    };
    let from = date("start", NaiveDate::from_ymd_opt(year, 1, 1))?;
    let to = date("end", NaiveDate::from_ymd_opt(year + 1, 12, 31))?;
    let earliest = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap_or_default();
    let latest = NaiveDate::from_ymd_opt(2049, 12, 31).unwrap_or_default();
    let sessions = MarketCalendar::nyse().sessions(from.max(earliest), to.min(latest));
    Ok(Json(sessions.into_iter().map(calendar_day).collect()))
}

fn calendar_day(session: Session) -> wire::CalendarDay {
    let wall = |instant: rawe_core::Timestamp| in_new_york(instant).format("%H:%M").to_string();
    let short = |instant| wall(instant).replace(':', "");
    let hours = extended(&session);
    wire::CalendarDay {
        date: session.date,
        open: wall(session.open),
        close: wall(session.close),
        session_open: hours.map(|hours| short(hours.open)),
        session_close: hours.map(|hours| short(hours.close)),
        settlement_date: MarketCalendar::nyse()
            .next_session(session.close)
            .map(|next| next.date),
    }
}

pub(crate) async fn assets(
    State(state): State<Arc<ExchangeState>>,
    params: Params,
) -> Json<Vec<wire::Asset>> {
    let assets = state
        .data
        .assets()
        .map(|(_, asset)| views::asset(asset))
        .filter(|asset| {
            let class = params.text("asset_class");
            let status = params.text("status");
            let attributes = params.list("attributes");
            class.is_none_or(|class| asset.class.as_str() == class)
                && params
                    .text("exchange")
                    .is_none_or(|exchange| asset.exchange == exchange)
                && status.is_none_or(|status| status == "all" || asset.status.as_str() == status)
                && (attributes.is_empty()
                    || attributes
                        .iter()
                        .any(|wanted| asset.attributes.iter().any(|has| has == wanted)))
        });
    Json(assets.collect())
}

pub(crate) async fn asset(
    State(state): State<Arc<ExchangeState>>,
    Path(name): Path<String>,
) -> Answer<Json<wire::Asset>> {
    let found = state
        .data
        .find(&name)
        .and_then(|index| state.data.asset(index));
    let asset =
        found.ok_or_else(|| OrderRefusal::not_found(format!("asset not found for {name:.40}")))?;
    Ok(Json(views::asset(asset)))
}

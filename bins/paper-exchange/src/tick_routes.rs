//! Trades, quotes, order books and snapshots over REST, never later than the virtual now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rawe_core::{AssetClass, Symbol, Timestamp};
use rawe_market::{AssetIndex, PriceSeries};
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value, json};

use crate::asked::Asked;
use crate::bar_windows::{BarLength, newest, own_bar};
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;
use crate::ticks::{self, Tick};

/// Rows a page holds when the client does not say.
const ROWS_DEFAULT: usize = 1_000;
/// Most rows of a page, all symbols together.
const ROWS_MAX: usize = 10_000;

/// What a tick is shown as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Trade,
    Quote,
}

impl Shown {
    fn name(self) -> &'static str {
        match self {
            Self::Trade => "trades",
            Self::Quote => "quotes",
        }
    }
}

pub(crate) async fn trades(
    State(state): State<Arc<ExchangeState>>,
    asked: Asked,
    params: Params,
) -> Answer<Json<Value>> {
    page(&state, &asked, Shown::Trade, &params)
}

pub(crate) async fn quotes(
    State(state): State<Arc<ExchangeState>>,
    asked: Asked,
    params: Params,
) -> Answer<Json<Value>> {
    page(&state, &asked, Shown::Quote, &params)
}

/// One page of all symbols, by symbol and then by time. The token is the place of the symbol among
/// those asked for and the number of its last tick served.
fn page(
    state: &ExchangeState,
    asked: &Asked,
    shown: Shown,
    params: &Params,
) -> Answer<Json<Value>> {
    let refused = |words: String| ApiRefusal::bad_request(words);
    let now = state.now();
    let class = asked.class;
    let midnight = now.date_naive().and_hms_opt(0, 0, 0);
    let today = midnight.map_or(now, |start| start.and_utc());
    let start = params.instant("start", false).map_err(refused)?;
    let end = params.instant("end", true).map_err(refused)?;
    let newest_first = params.newest_first("sort", false).map_err(refused)?;
    let mut room = params.limit(ROWS_DEFAULT, ROWS_MAX).map_err(refused)?;
    let token = params.text("page_token").map(|text| {
        let (place, number) = text.split_once('.')?;
        Some((place.parse::<usize>().ok()?, number.parse::<usize>().ok()?))
    });
    let token = match token {
        Some(None) => return Err(ApiRefusal::bad_request("invalid page_token")),
        Some(Some(token)) => Some(token),
        None => None,
    };
    let (mut rows, mut next) = (Map::new(), None);
    let mut last = token;
    let half_spread = state.half_spread(class);
    for (place, symbol) in asked.symbols.iter().enumerate() {
        let after = match token {
            Some((at, _)) if place < at => continue,
            Some((at, number)) if place == at => Some(number),
            _ => None,
        };
        let Some(series) = series_of(state, symbol) else {
            continue;
        };
        let mut range = ticks::between(series, start.unwrap_or(today), end.unwrap_or(now), now);
        match after {
            Some(number) if newest_first => range.end = range.end.min(number),
            Some(number) => range.start = range.start.max(number.saturating_add(1)),
            None => {}
        }
        let served: Vec<Tick> = if newest_first {
            let numbers = range.clone().rev().take(room);
            numbers.filter_map(|n| ticks::tick(series, n)).collect()
        } else {
            let numbers = range.clone().take(room);
            numbers.filter_map(|n| ticks::tick(series, n)).collect()
        };
        room -= served.len();
        last = served.last().map(|tick| (place, tick.number)).or(last);
        let more = served.len() < range.len();
        if !served.is_empty() {
            let served = served
                .iter()
                .map(|tick| view(class, shown, tick, half_spread));
            rows.insert(symbol.to_string(), served.collect());
        }
        if more {
            next = last.map(|(place, number)| format!("{place}.{number}"));
            break;
        }
    }
    Ok(Json(asked.page(shown.name(), rows, next.as_deref())))
}

fn view(class: AssetClass, shown: Shown, tick: &Tick, half_spread: f64) -> Value {
    Value::Object(match shown {
        Shown::Trade => ticks::trade(class, tick),
        Shown::Quote => ticks::quote(class, tick, half_spread),
    })
}

fn series_of<'a>(state: &'a ExchangeState, symbol: &Symbol) -> Option<&'a PriceSeries> {
    state.data.series(state.data.find(symbol.as_str())?)
}

/// The price of the instant, as if a trade had just happened.
fn instant_tick(state: &ExchangeState, index: AssetIndex, now: Timestamp) -> Option<Tick> {
    let series = state.data.series(index)?;
    let newest = ticks::tick(series, ticks::count(series, now).checked_sub(1)?)?;
    Some(Tick {
        at: now,
        price: state.data.price_at(index, now)?.to_f64()?,
        ..newest
    })
}

pub(crate) async fn latest_trades(
    State(state): State<Arc<ExchangeState>>,
    asked: Asked,
) -> Answer<Json<Value>> {
    latest(&state, &asked, "trades")
}

pub(crate) async fn latest_quotes(
    State(state): State<Arc<ExchangeState>>,
    asked: Asked,
) -> Answer<Json<Value>> {
    latest(&state, &asked, "quotes")
}

pub(crate) async fn latest_books(
    State(state): State<Arc<ExchangeState>>,
    asked: Asked,
) -> Answer<Json<Value>> {
    latest(&state, &asked, "orderbooks")
}

fn latest(state: &ExchangeState, asked: &Asked, what: &str) -> Answer<Json<Value>> {
    let now = state.now();
    let mut found = Map::new();
    for symbol in &asked.symbols {
        let index = state.data.find(symbol.as_str());
        let Some(tick) = index.and_then(|index| instant_tick(state, index, now)) else {
            continue;
        };
        let half_spread = state.half_spread(asked.class);
        let shown = match what {
            "trades" => ticks::trade(asked.class, &tick),
            "quotes" => ticks::quote(asked.class, &tick, half_spread),
            _ => ticks::book(&tick, half_spread),
        };
        found.insert(symbol.to_string(), Value::Object(shown));
    }
    asked.newest(what, found).map(Json)
}

pub(crate) async fn snapshots(
    State(state): State<Arc<ExchangeState>>,
    asked: Asked,
) -> Answer<Json<Value>> {
    let now = state.now();
    let mut found = Map::new();
    for symbol in &asked.symbols {
        let snapshot = state
            .data
            .find(symbol.as_str())
            .and_then(|index| snapshot(&state, asked.class, index, now));
        if let Some(snapshot) = snapshot {
            found.insert(symbol.to_string(), snapshot);
        }
    }
    asked.snapshots(found).map(Json)
}

fn snapshot(
    state: &ExchangeState,
    class: AssetClass,
    index: AssetIndex,
    now: Timestamp,
) -> Option<Value> {
    let series = state.data.series(index)?;
    let tick = instant_tick(state, index, now)?;
    let own = series.last_ended(now);
    let own = own.map(|bar| own_bar(class, series.timeframe(), &bar));
    let (day, day_before) = newest(BarLength::Day, class, series, now);
    Some(json!({
        "latestTrade": ticks::trade(class, &tick),
        "latestQuote": ticks::quote(class, &tick, state.half_spread(class)),
        "minuteBar": own,
        "dailyBar": day,
        "prevDailyBar": day_before,
    }))
}

impl ExchangeState {
    /// Half the spread of a class as a factor.
    pub(crate) fn half_spread(&self, class: AssetClass) -> f64 {
        let exchange = self.exchange();
        exchange.half_spread(class).to_f64().unwrap_or_default()
    }
}

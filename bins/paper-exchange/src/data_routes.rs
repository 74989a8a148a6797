//! Market data: bars, latest bars and news, never later than the virtual now. Trades,
//! quotes and snapshots are in [`crate::tick_routes`].

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use rawe_alpaca::types as wire;
use rawe_core::{AssetClass, Symbol, Timestamp};
use rawe_market::PriceSeries;
use serde_json::{Map, Value, json};

use crate::asked::Asked;
use crate::bar_windows::{BarLength, own_bar, put_together};
use crate::data_stream;
use crate::news_store::NewsQuery;
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;

/// Bars a page holds when the client does not say.
const BARS_DEFAULT: usize = 1_000;
/// Most bars of a page, all symbols together.
const BARS_MAX: usize = 10_000;
/// News items a page holds when the client does not say.
const NEWS_DEFAULT: usize = 10;
/// Most news items of a page.
const NEWS_MAX: usize = 50;

pub(crate) async fn bars(
    State(state): State<Arc<ExchangeState>>,
    asked: Asked,
    params: Params,
) -> Answer<Json<Value>> {
    let (bars, next) = bars_page(&state, &asked, &params)?;
    Ok(Json(asked.page("bars", bars, next.as_deref())))
}

pub(crate) async fn latest_bars(
    State(state): State<Arc<ExchangeState>>,
    asked: Asked,
) -> Answer<Json<Value>> {
    let now = state.now();
    let newest = |symbol: &Symbol| {
        let series = state.data.series(state.data.find(symbol.as_str())?)?;
        let bar = series.last_ended(now)?;
        let bar = own_bar(asked.class, series.timeframe(), &bar);
        Some((symbol.to_string(), json!(bar)))
    };
    let found = asked.symbols.iter().filter_map(newest).collect();
    asked.newest("bars", found).map(Json)
}

/// What a request for bars wants.
struct BarQuery {
    length: BarLength,
    start: Timestamp,
    end: Timestamp,
    limit: usize,
    newest_first: bool,
    after: Option<PageToken>,
}

/// Where a page of bars ended: the place of the symbol among those asked for, and the second at
/// which the last bar served starts (Alpaca's `t`).
#[derive(Clone, Copy)]
struct PageToken {
    place: usize,
    start_s: i64,
}

impl PageToken {
    fn read(text: &str) -> Option<Self> {
        let (place, start_s) = text.split_once('.')?;
        Some(Self {
            place: place.parse().ok()?,
            start_s: start_s.parse().ok()?,
        })
    }

    fn write(self) -> String {
        format!("{}.{}", self.place, self.start_s)
    }
}

impl BarQuery {
    fn read(params: &Params, now: Timestamp) -> Answer<Self> {
        let refused = |words: String| ApiRefusal::bad_request(words);
        let timeframe = params
            .text("timeframe")
            .ok_or_else(|| ApiRefusal::bad_request("timeframe is required"))?;
        let length = BarLength::read(timeframe).ok_or_else(|| {
            ApiRefusal::bad_request(format!("invalid timeframe: {timeframe:.40}"))
        })?;
        let today = now
            .date_naive()
            .and_hms_opt(0, 0, 0)
            .map_or(now, |start| start.and_utc());
        let after = params
            .text("page_token")
            .map(|text| {
                PageToken::read(text).ok_or_else(|| ApiRefusal::bad_request("invalid page_token"))
            })
            .transpose()?;
        Ok(Self {
            length,
            start: params
                .instant("start", false)
                .map_err(refused)?
                .unwrap_or(today),
            end: params.instant("end", true).map_err(refused)?.unwrap_or(now),
            limit: params.limit(BARS_DEFAULT, BARS_MAX).map_err(refused)?,
            newest_first: params.newest_first("sort", false).map_err(refused)?,
            after,
        })
    }

    /// Bars of another length than the market's own, put together.
    fn put_together(
        &self,
        class: AssetClass,
        series: &PriceSeries,
        now: Timestamp,
        after: Option<i64>,
    ) -> Box<dyn Iterator<Item = wire::BarData>> {
        let mut bars = put_together(self.length, class, series, (self.start, self.end), now);
        let newest_first = self.newest_first;
        if newest_first {
            bars.reverse();
        }
        let unseen = move |bar: &wire::BarData| match after {
            None => true,
            Some(last) if newest_first => bar.t.timestamp() < last,
            Some(last) => bar.t.timestamp() > last,
        };
        Box::new(bars.into_iter().filter(unseen))
    }

    /// The bars of one symbol that the client may see and has not seen, in order.
    fn matching<'a>(
        &'a self,
        class: AssetClass,
        series: &'a PriceSeries,
        now: Timestamp,
        after: Option<i64>,
    ) -> Box<dyn Iterator<Item = wire::BarData> + 'a> {
        let timeframe = series.timeframe();
        if !self.length.is_own(timeframe) {
            return self.put_together(class, series, now, after);
        }
        let ended = series.ended_count(now);
        let bar = move |index| series.bar(index).map(|bar| own_bar(class, timeframe, &bar));
        // Alpaca's `t` never lies after the bar's start, and less than a day before it.
        let first = series.started_count(self.start).saturating_sub(1);
        let newest_first = self.newest_first;
        let wanted = move |bar: &wire::BarData| {
            let unseen = match after {
                None => true,
                Some(last) if newest_first => bar.t.timestamp() < last,
                Some(last) => bar.t.timestamp() > last,
            };
            unseen && self.start <= bar.t && bar.t <= self.end
        };
        if newest_first {
            Box::new((first..ended).rev().filter_map(bar).filter(wanted))
        } else {
            let through = self.end;
            let first = after.map_or(first, |last| {
                let last = chrono::DateTime::from_timestamp(last, 0).unwrap_or(self.start);
                series.started_count(last).saturating_sub(1).max(first)
            });
            let started = move |bar: &wire::BarData| bar.t <= through;
            Box::new(
                (first..ended)
                    .filter_map(bar)
                    .take_while(started)
                    .filter(wanted),
            )
        }
    }
}

/// The bars of a page by symbol, and where the next one starts.
fn bars_page(
    state: &ExchangeState,
    asked: &Asked,
    params: &Params,
) -> Answer<(Map<String, Value>, Option<String>)> {
    let now = state.now();
    let query = BarQuery::read(params, now)?;
    let mut bars = Map::new();
    let mut room = query.limit;
    let mut last: Option<PageToken> = None;
    for (place, symbol) in asked.symbols.iter().enumerate() {
        let after = match query.after {
            Some(token) if place < token.place => continue,
            Some(token) if place == token.place => Some(token.start_s),
            _ => None,
        };
        let found = state
            .data
            .find(symbol.as_str())
            .and_then(|index| state.data.series(index));
        let Some(series) = found else {
            continue;
        };
        let mut matching = query.matching(asked.class, series, now, after);
        let served: Vec<wire::BarData> = matching.by_ref().take(room).collect();
        room -= served.len();
        let ended_at = served.last().map(|bar| PageToken {
            place,
            start_s: bar.t.timestamp(),
        });
        last = ended_at.or(last).or(query.after);
        if !served.is_empty() {
            bars.insert(symbol.to_string(), json!(served));
        }
        if room == 0 && matching.next().is_some() {
            return Ok((bars, last.map(PageToken::write)));
        }
    }
    Ok((bars, None))
}

/// The listing of news, and at the same path their stream.
pub(crate) async fn news(
    State(state): State<Arc<ExchangeState>>,
    params: Params,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => data_stream::open_news(state, &headers, upgrade),
        Err(_) => listed_news(&state, &params).into_response(),
    }
}

fn listed_news(state: &ExchangeState, params: &Params) -> Answer<Json<wire::NewsPage>> {
    let refused = |words: String| ApiRefusal::bad_request(words);
    let now = state.now();
    let end = params.instant("end", true).map_err(refused)?.unwrap_or(now);
    let after = params
        .text("page_token")
        .map(|text| {
            text.parse()
                .map_err(|_| ApiRefusal::bad_request("invalid page_token"))
        })
        .transpose()?;
    let query = NewsQuery {
        from: params.instant("start", false).map_err(refused)?,
        through: end.min(now),
        symbols: params
            .list("symbols")
            .into_iter()
            .map(|name| name.replace('/', ""))
            .collect(),
        with_text: params.flag("exclude_contentless"),
        newest_first: params.newest_first("sort", true).map_err(refused)?,
        after,
        limit: params.limit(NEWS_DEFAULT, NEWS_MAX).map_err(refused)?,
    };
    let (page, more) = state.news.page(&query);
    let last = page.last().map(|(number, _)| number.to_string());
    Ok(Json(wire::NewsPage {
        news: page.into_iter().map(|(_, article)| article).collect(),
        next_page_token: last.filter(|_| more),
    }))
}

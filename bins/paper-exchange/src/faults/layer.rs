//! The one place where requests meet faults.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rawe_runtime::wall_now;
use serde::Deserialize;
use uuid::Uuid;

use super::draw::Strike;
use super::{FaultKind, Line, OrderFate, Stage, Subject};
use crate::rate_limit;
use crate::refusals::ApiRefusal;
use crate::state::ExchangeState;

/// Bodies beyond this are not looked into; the server refuses them anyway.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The limit that a fault tells: that of Alpaca's accounts, requests a minute.
const RATE_LIMIT_TOLD: u32 = 200;
/// The path at which orders are posted.
const ORDERS: &str = "/v2/orders";

/// Draws the faults of a request and lets them strike.
pub(crate) async fn inject(
    State(state): State<Arc<ExchangeState>>,
    request: Request,
    next: Next,
) -> Response {
    if !state.faults.active() {
        return next.run(request).await;
    }
    let line = request
        .extensions()
        .get::<ConnectInfo<Line>>()
        .map(|info| info.0.clone())
        .unwrap_or_default();
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let symbol = symbol_of(&state, parts.uri.path(), parts.uri.query(), &body);
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let subject = Subject {
        method: method.as_str(),
        path: &path,
        symbol: symbol.as_deref(),
        class: symbol.as_deref().and_then(|symbol| state.class_of(symbol)),
    };
    let strikes = state.faults.draw(Stage::Request, subject);
    let mut request = Request::from_parts(parts, Body::from(body));
    if method == Method::POST && path == ORDERS {
        let fate = OrderFate::of(&state.faults.draw(Stage::Order, subject));
        request.extensions_mut().insert(fate);
    }
    for strike in &strikes {
        if let Some(answer) = before(strike, &line).await {
            return answer;
        }
    }
    let mut answer = next.run(request).await;
    for strike in &strikes {
        answer = after(strike, &line, answer).await;
    }
    answer
}

/// What a fault does before the request takes effect: an answer ends it.
async fn before(strike: &Strike, line: &Line) -> Option<Response> {
    match strike.kind {
        FaultKind::DelayRequest => {
            tokio::time::sleep(strike.wait).await;
            None
        }
        FaultKind::DropRequest => {
            line.cut();
            Some(StatusCode::NO_CONTENT.into_response())
        }
        FaultKind::FailRequest => Some(failure(strike.status)),
        FaultKind::RateLimit => Some(too_many(strike.wait)),
        _ => None,
    }
}

/// What a fault does to the answer.
async fn after(strike: &Strike, line: &Line, answer: Response) -> Response {
    match strike.kind {
        FaultKind::DelayAnswer => {
            tokio::time::sleep(strike.wait).await;
            answer
        }
        FaultKind::DropAnswer => {
            line.cut();
            answer
        }
        FaultKind::FailAnswer => failure(strike.status),
        FaultKind::GarbleAnswer => {
            let body = to_bytes(answer.into_body(), usize::MAX).await;
            let body = body.unwrap_or_default();
            let half = body.slice(..body.len() / 2);
            (StatusCode::OK, half).into_response()
        }
        _ => answer,
    }
}

/// A failure as gateways word it: only the service itself speaks JSON.
fn failure(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        return ApiRefusal::worded(status, "internal server error occurred").into_response();
    }
    let page = format!("<html><body><h1>{status}</h1></body></html>");
    (status, page).into_response()
}

/// 429, as if the account had used up its budget.
fn too_many(wait: Duration) -> Response {
    let seconds = i64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX);
    let reset_s = wall_now().timestamp().saturating_add(seconds);
    rate_limit::too_many(RATE_LIMIT_TOLD, reset_s, seconds)
}

/// The asset that a request concerns: named in its body, its path or its query, or by its order.
fn symbol_of(
    state: &ExchangeState,
    path: &str,
    query: Option<&str>,
    body: &Bytes,
) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        symbol: String,
    }
    if let Ok(named) = serde_json::from_slice::<Named>(body) {
        return Some(named.symbol);
    }
    if let Some(symbol) = path.strip_prefix("/v2/positions/") {
        return Some(symbol.replace("%2F", "/"));
    }
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    if let Some(symbols) = value("symbols") {
        return Some(symbols.replace("%2F", "/"));
    }
    let by_id = path.strip_prefix("/v2/orders/");
    let by_id = by_id.map(|id| Uuid::parse_str(id).ok());
    state.accounts.all().find_map(|account| {
        let exchange = account.exchange();
        let order = match by_id {
            Some(id) => exchange.order(id?),
            None => exchange.order_by_client_id(value("client_order_id")?),
        };
        let asset = exchange.data().asset(order?.asset)?;
        Some(asset.symbol.to_string())
    })
}

//! Orders: take, look up, replace, cancel. Listing is in [`crate::order_listing`].

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use rawe_alpaca::types as wire;
use rawe_core::Timestamp;
use rawe_market::{Exchange, NewOrder, OrderRefusal};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::account::Caller;
use crate::faults::OrderFate;
use crate::order_request::{new_order, replacement};
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;
use crate::views;

pub(crate) async fn create(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
    fate: Option<Extension<OrderFate>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<wire::Order>> {
    let body = body.map_err(|rejection| {
        ApiRefusal::coded(rejection.status(), 40_010_001, rejection.body_text())
    })?;
    let fate = fate.map(|Extension(fate)| fate).unwrap_or_default();
    let order = new_order(&body)
        .and_then(|order| fate.take(&state, &account, &order))
        .inspect_err(|refusal| {
            tracing::info!(
                event = "order_refused",
                status = refusal.status,
                code = refusal.code,
                reason = %refusal.message,
                market_time = %state.now().to_rfc3339(),
                "the exchange refused an order"
            );
        })?;
    Ok(Json(order))
}

/// Submits an order and tells what came of it.
pub(crate) fn take(exchange: &mut Exchange, order: &NewOrder) -> Result<wire::Order, OrderRefusal> {
    let order = exchange.submit(order)?.clone();
    let taken = views::nested(exchange, &order);
    tell_taken(&taken, exchange.now());
    Ok(taken)
}

/// Tells of an order that was taken.
pub(crate) fn tell_taken(taken: &wire::Order, now: Timestamp) {
    tracing::info!(
        event = "order_taken",
        order_id = %taken.id,
        client_order_id = %taken.client_order_id,
        asset = %taken.symbol,
        side = taken.side.as_ref().map(tracing::field::display),
        status = %taken.status,
        filled_qty = taken.filled_qty.map(tracing::field::display),
        price = taken.filled_avg_price.map(tracing::field::display),
        market_time = %now.to_rfc3339(),
        "the exchange took an order"
    );
}

pub(crate) async fn get_one(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
    Path(id): Path<String>,
    params: Params,
) -> Answer<Json<wire::Order>> {
    let id = order_id(&id)?;
    let exchange = account.exchange();
    let order = exchange
        .order(id)
        .filter(|order| !state.faults.hides(order.id))
        .ok_or_else(|| not_found(&id.to_string()))?;
    Ok(Json(if params.flag("nested") {
        views::nested(&exchange, order)
    } else {
        views::order(&state.data, order)
    }))
}

pub(crate) async fn replace(
    Caller(account): Caller,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<wire::Order>> {
    let id = order_id(&id)?;
    let body = body.map_err(|rejection| {
        ApiRefusal::coded(rejection.status(), 40_010_001, rejection.body_text())
    })?;
    let change = replacement(&body)?;
    let mut exchange = account.exchange();
    let order = exchange.replace(id, &change)?.clone();
    tracing::info!(
        event = "order_replaced",
        order_id = %order.id,
        replaces = %id,
        client_order_id = %order.client_order_id,
        "the exchange replaced an order"
    );
    Ok(Json(views::nested(&exchange, &order)))
}

pub(crate) async fn get_by_client_id(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
    params: Params,
) -> Answer<Json<wire::Order>> {
    let id = params
        .text("client_order_id")
        .ok_or_else(|| ApiRefusal::malformed("client_order_id is required"))?;
    let exchange = account.exchange();
    let order = exchange
        .order_by_client_id(id)
        .filter(|order| !state.faults.hides(order.id))
        .ok_or_else(|| not_found(id))?;
    Ok(Json(views::order(&state.data, order)))
}

pub(crate) async fn cancel(Caller(account): Caller, Path(id): Path<String>) -> Answer<StatusCode> {
    let id = order_id(&id)?;
    account.exchange().cancel(id)?;
    tracing::info!(event = "order_canceled", order_id = %id, "the exchange cancelled an order");
    Ok(StatusCode::NO_CONTENT)
}

/// What became of one order of a mass cancel; `body` is the order, or why it stays.
#[derive(Debug, Serialize)]
pub(crate) struct CancelResult {
    id: String,
    status: u16,
    body: Value,
}

pub(crate) async fn cancel_all(Caller(account): Caller) -> (StatusCode, Json<Vec<CancelResult>>) {
    let mut exchange = account.exchange();
    let open: Vec<Uuid> = exchange.open_orders().map(|order| order.id).collect();
    let results = open.into_iter().map(|id| cancel_one(&mut exchange, id));
    let results = results.collect();
    (StatusCode::MULTI_STATUS, Json(results))
}

/// Cancels one of several: one that ended with its group is as good as cancelled.
fn cancel_one(exchange: &mut Exchange, id: Uuid) -> CancelResult {
    let refusal = match exchange.order(id).map(rawe_market::Order::is_open) {
        Some(false) => None,
        _ => exchange.cancel(id).err(),
    };
    let (status, body) = match refusal {
        None => {
            let order = exchange.order(id).map(|o| views::order(exchange.data(), o));
            (200, serde_json::to_value(order))
        }
        Some(refusal) => (
            refusal.status,
            serde_json::to_value(ApiRefusal::from(refusal).body),
        ),
    };
    CancelResult {
        id: id.to_string(),
        status,
        body: body.unwrap_or_default(),
    }
}

/// An id in a path must be a UUID; another text is 422, not 404.
fn order_id(text: &str) -> Answer<Uuid> {
    text.parse()
        .map_err(|_| ApiRefusal::malformed(format!("order_id is not a UUID: {text:.40}")))
}

fn not_found(id: &str) -> ApiRefusal {
    OrderRefusal::not_found(format!("order not found for {id:.128}")).into()
}

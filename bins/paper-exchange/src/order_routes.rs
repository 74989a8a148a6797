//! Orders: take, list, look up, cancel.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use rawe_alpaca::types as wire;
use rawe_core::{AssetClass, Timestamp};
use rawe_market::{Exchange, NewOrder, Order, OrderRefusal, Side};
use serde::Serialize;
use uuid::Uuid;

use crate::account_routes::class_named;
use crate::faults::OrderFate;
use crate::order_request::new_order;
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;
use crate::views;

/// Orders listed when the client does not say.
const LIST_DEFAULT: usize = 50;
/// Most orders listed at once.
const LIST_MAX: usize = 500;

pub(crate) async fn create(
    State(state): State<Arc<ExchangeState>>,
    fate: Option<Extension<OrderFate>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<wire::Order>> {
    let body = body.map_err(|rejection| {
        ApiRefusal::coded(rejection.status(), 40_010_001, rejection.body_text())
    })?;
    let fate = fate.map(|Extension(fate)| fate).unwrap_or_default();
    let order = new_order(&body)
        .and_then(|order| fate.take(&state, &order))
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
    let data = Arc::clone(exchange.data());
    let taken = views::order(&data, exchange.submit(order)?);
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

pub(crate) async fn list(
    State(state): State<Arc<ExchangeState>>,
    params: Params,
) -> Answer<Json<Vec<wire::Order>>> {
    let wanted = OrderFilter::read(&params).map_err(ApiRefusal::malformed)?;
    let exchange = state.exchange();
    let matching =
        |order: &&Order| wanted.accepts(&exchange, order) && !state.faults.hides(order.id);
    let orders = exchange.orders().iter();
    let view = |order: &Order| views::order(&state.data, order);
    Ok(Json(if wanted.newest_first {
        orders
            .rev()
            .filter(matching)
            .take(wanted.limit)
            .map(view)
            .collect()
    } else {
        orders
            .filter(matching)
            .take(wanted.limit)
            .map(view)
            .collect()
    }))
}

/// Which orders a listing shows.
struct OrderFilter<'a> {
    /// `Some(true)` open ones, `Some(false)` closed ones, `None` all.
    open: Option<bool>,
    limit: usize,
    newest_first: bool,
    after: Option<Timestamp>,
    until: Option<Timestamp>,
    symbols: Vec<&'a str>,
    side: Option<Side>,
    class: Option<AssetClass>,
}

impl<'a> OrderFilter<'a> {
    fn read(params: &'a Params) -> Result<Self, String> {
        let open = match params.text("status") {
            None | Some("open") => Some(true),
            Some("closed") => Some(false),
            Some("all") => None,
            Some(_) => return Err("invalid status: must be open, closed or all".to_owned()),
        };
        let side = match params.text("side") {
            None => None,
            Some("buy") => Some(Side::Buy),
            Some("sell") => Some(Side::Sell),
            Some(_) => return Err("invalid side: must be buy or sell".to_owned()),
        };
        let class = match params.text("asset_class") {
            None => None,
            Some(name) => Some(class_named(name).ok_or("invalid asset_class")?),
        };
        Ok(Self {
            open,
            limit: params.limit(LIST_DEFAULT, LIST_MAX)?,
            newest_first: params.newest_first("direction", true)?,
            after: params.instant("after", false)?,
            until: params.instant("until", false)?,
            symbols: params.list("symbols"),
            side,
            class,
        })
    }

    fn accepts(&self, exchange: &Exchange, order: &Order) -> bool {
        let asset = exchange.data().asset(order.asset);
        let named = |name: &&str| exchange.data().find(name) == Some(order.asset);
        self.open.is_none_or(|open| order.is_open() == open)
            && self.side.is_none_or(|side| order.side == side)
            && self
                .class
                .is_none_or(|class| asset.is_some_and(|a| a.class == class))
            && self.after.is_none_or(|after| order.submitted_at > after)
            && self.until.is_none_or(|until| order.submitted_at < until)
            && (self.symbols.is_empty() || self.symbols.iter().any(named))
    }
}

pub(crate) async fn get_one(
    State(state): State<Arc<ExchangeState>>,
    Path(id): Path<String>,
) -> Answer<Json<wire::Order>> {
    let id = order_id(&id)?;
    let exchange = state.exchange();
    let order = exchange
        .order(id)
        .filter(|order| !state.faults.hides(order.id))
        .ok_or_else(|| not_found(&id.to_string()))?;
    Ok(Json(views::order(&state.data, order)))
}

pub(crate) async fn get_by_client_id(
    State(state): State<Arc<ExchangeState>>,
    params: Params,
) -> Answer<Json<wire::Order>> {
    let id = params
        .text("client_order_id")
        .ok_or_else(|| ApiRefusal::malformed("client_order_id is required"))?;
    let exchange = state.exchange();
    let order = exchange
        .order_by_client_id(id)
        .filter(|order| !state.faults.hides(order.id))
        .ok_or_else(|| not_found(id))?;
    Ok(Json(views::order(&state.data, order)))
}

pub(crate) async fn cancel(
    State(state): State<Arc<ExchangeState>>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let id = order_id(&id)?;
    state.exchange().cancel(id)?;
    tracing::info!(event = "order_canceled", order_id = %id, "the exchange cancelled an order");
    Ok(StatusCode::NO_CONTENT)
}

/// What became of one order of a mass cancel.
#[derive(Debug, Serialize)]
pub(crate) struct CancelResult {
    id: String,
    status: u16,
}

pub(crate) async fn cancel_all(
    State(state): State<Arc<ExchangeState>>,
) -> (StatusCode, Json<Vec<CancelResult>>) {
    let mut exchange = state.exchange();
    let open: Vec<Uuid> = exchange.open_orders().map(|order| order.id).collect();
    let results = open.into_iter().map(|id| {
        let status = exchange
            .cancel(id)
            .err()
            .map_or(200, |refusal| refusal.status);
        CancelResult {
            id: id.to_string(),
            status,
        }
    });
    let results = results.collect();
    (StatusCode::MULTI_STATUS, Json(results))
}

/// An id in a path must be a UUID; another text is 422, not 404.
fn order_id(text: &str) -> Answer<Uuid> {
    text.parse()
        .map_err(|_| ApiRefusal::malformed(format!("order_id is not a UUID: {text:.40}")))
}

fn not_found(id: &str) -> ApiRefusal {
    OrderRefusal::not_found(format!("order not found for {id:.128}")).into()
}

//! Positions: list, look up, close.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use rawe_alpaca::types as wire;
use rawe_core::AssetClass;
use rawe_market::asset::QUANTITY_DECIMALS;
use rawe_market::{
    Amount, AssetIndex, Exchange, Exits, NewOrder, OrderRefusal, OrderType, Side, TimeInForce,
};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::account::Caller;
use crate::order_routes::take;
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::views;

pub(crate) async fn list(Caller(account): Caller) -> Json<Vec<wire::Position>> {
    Json(all(&account.exchange()))
}

/// All positions as they are answered.
pub(crate) fn all(exchange: &Exchange) -> Vec<wire::Position> {
    exchange
        .positions()
        .filter_map(|(index, position)| views::position(exchange, index, position))
        .collect()
}

pub(crate) async fn get_one(
    Caller(account): Caller,
    Path(name): Path<String>,
) -> Answer<Json<wire::Position>> {
    let exchange = account.exchange();
    let index = held(&exchange, &name)?;
    let view = views::position(&exchange, index, &exchange.position(index));
    view.map(Json).ok_or_else(|| no_position().into())
}

pub(crate) async fn close(
    Caller(account): Caller,
    Path(name): Path<String>,
    params: Params,
) -> Answer<Json<wire::Order>> {
    let mut exchange = account.exchange();
    let index = held(&exchange, &name)?;
    let quantity = closing_quantity(&exchange, index, &params)?;
    let order = closing_order(&exchange, index, quantity)?;
    Ok(Json(take(&mut exchange, &order)?))
}

/// What became of one position of a mass close.
#[derive(Debug, Serialize)]
pub(crate) struct CloseResult {
    symbol: String,
    status: u16,
    body: Value,
}

pub(crate) async fn close_all(
    Caller(account): Caller,
    params: Params,
) -> (StatusCode, Json<Vec<CloseResult>>) {
    let mut exchange = account.exchange();
    if params.flag("cancel_orders") {
        let open: Vec<Uuid> = exchange.open_orders().map(|order| order.id).collect();
        for id in open {
            // An order that ended with its group needs no cancelling.
            let _ended = exchange.cancel(id);
        }
    }
    let held: Vec<AssetIndex> = exchange.positions().map(|(index, _)| index).collect();
    let results = held
        .into_iter()
        .map(|index| close_one(&mut exchange, index))
        .collect();
    (StatusCode::MULTI_STATUS, Json(results))
}

fn close_one(exchange: &mut Exchange, index: AssetIndex) -> CloseResult {
    let symbol = exchange
        .data()
        .asset(index)
        .map(|a| a.symbol.without_slash())
        .unwrap_or_default();
    let quantity = exchange.position(index).quantity.abs();
    let closed = closing_order(exchange, index, quantity).and_then(|order| take(exchange, &order));
    let (status, body) = match closed {
        Ok(order) => (200, serde_json::to_value(order)),
        Err(refusal) => (
            refusal.status,
            serde_json::to_value(ApiRefusal::from(refusal).body),
        ),
    };
    CloseResult {
        symbol,
        status,
        body: body.unwrap_or_default(),
    }
}

/// The asset of a position that is there.
fn held(exchange: &Exchange, name: &str) -> Result<AssetIndex, OrderRefusal> {
    let index = exchange.data().find(name);
    index
        .filter(|index| !exchange.position(*index).is_flat())
        .ok_or_else(no_position)
}

fn no_position() -> OrderRefusal {
    OrderRefusal::not_found("position does not exist")
}

/// Units to close: all, `qty`, or `percentage` (0 to 100) of the position.
fn closing_quantity(exchange: &Exchange, index: AssetIndex, params: &Params) -> Answer<Decimal> {
    let whole = exchange.position(index).quantity.abs();
    let number = |name: &str| {
        let Some(text) = params.text(name) else {
            return Ok(None);
        };
        text.parse::<Decimal>()
            .map(Some)
            .map_err(|_| ApiRefusal::malformed(format!("invalid {name}: {text:.40}")))
    };
    match (number("qty")?, number("percentage")?) {
        (None, None) => Ok(whole),
        (Some(quantity), None) => Ok(quantity),
        (None, Some(percent)) if percent > Decimal::ZERO && percent <= Decimal::ONE_HUNDRED => {
            let part = whole * percent / Decimal::ONE_HUNDRED;
            Ok(part.round_dp_with_strategy(QUANTITY_DECIMALS, RoundingStrategy::ToZero))
        }
        (None, Some(_)) => Err(ApiRefusal::malformed(
            "percentage must be between 0 and 100",
        )),
        (Some(_), Some(_)) => Err(ApiRefusal::malformed(
            "only one of qty or percentage is accepted",
        )),
    }
}

fn closing_order(
    exchange: &Exchange,
    index: AssetIndex,
    quantity: Decimal,
) -> Result<NewOrder, OrderRefusal> {
    let asset = exchange.data().asset(index).ok_or_else(no_position)?;
    let short = exchange.position(index).quantity.is_sign_negative();
    Ok(NewOrder {
        client_order_id: None,
        symbol: asset.symbol.to_string(),
        side: if short { Side::Buy } else { Side::Sell },
        amount: Amount::Quantity(quantity),
        order_type: OrderType::Market,
        time_in_force: match asset.class {
            AssetClass::UsEquity => TimeInForce::Day,
            AssetClass::Crypto => TimeInForce::Gtc,
        },
        position_intent: None,
        extended_hours: false,
        exits: Exits::None,
    })
}

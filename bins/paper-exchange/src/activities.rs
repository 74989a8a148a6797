//! `GET /v2/account/activities`: fills and fees, newest first, page by page.

use std::collections::HashMap;

use axum::Json;
use axum::extract::Path;
use chrono::{NaiveDate, TimeDelta};
use rawe_core::calendar::{new_york_date, new_york_midnight};
use rawe_core::new_york::in_new_york;
use rawe_core::{AssetClass, Timestamp};
use rawe_market::asset::stable_uuid;
use rawe_market::{Amount, AssetIndex, Exchange, Fill, OrderStatus};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::account::Caller;
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::views;

/// Most rows of a page, and as many as a page has when the client does not say.
const PAGE_MAX: usize = 100;

/// One row with what the filters look at.
struct Activity {
    at: Timestamp,
    kind: &'static str,
    order: Option<Uuid>,
    row: Value,
    id: String,
}

pub(crate) async fn list(caller: Caller, params: Params) -> Answer<Json<Vec<Value>>> {
    let kinds = params.list("activity_types");
    page(&caller.0.exchange(), &kinds, &params).map(Json)
}

pub(crate) async fn of_kind(
    caller: Caller,
    Path(kind): Path<String>,
    params: Params,
) -> Answer<Json<Vec<Value>>> {
    page(&caller.0.exchange(), &[kind.as_str()], &params).map(Json)
}

fn page(exchange: &Exchange, kinds: &[&str], params: &Params) -> Answer<Vec<Value>> {
    let refused = |words: String| ApiRefusal::malformed(words);
    let instant = |name: &str, ends: bool| params.instant(name, ends).map_err(refused);
    let (mut after, mut until) = (instant("after", true)?, instant("until", false)?);
    if let Some(text) = params.text("date") {
        let date = text
            .get(..10)
            .and_then(|date| date.parse::<NaiveDate>().ok());
        let start = date.and_then(new_york_midnight);
        let start = start.ok_or_else(|| refused(format!("invalid date: {text:.40}")))?;
        after = Some(start - TimeDelta::nanoseconds(1));
        until = date.and_then(|date| new_york_midnight(date.succ_opt()?));
    }
    let category = params.text("category");
    if category.is_some() && !kinds.is_empty() {
        return Err(refused(
            "only one of activity_types and category is accepted".to_owned(),
        ));
    }
    let order = params.text("order_id").map(Uuid::parse_str).transpose();
    let order = order.map_err(|_| refused("order_id is not a UUID".to_owned()))?;
    let size = params
        .text("page_size")
        .map_or(Some(PAGE_MAX), |text| text.parse().ok())
        .filter(|size| (1..=PAGE_MAX).contains(size))
        .ok_or_else(|| {
            refused(format!(
                "invalid page_size: must be between 1 and {PAGE_MAX}"
            ))
        })?;
    let newest_first = params.newest_first("direction", true).map_err(refused)?;
    let mut found: Vec<Activity> = all(exchange)
        .into_iter()
        .filter(|row| kinds.is_empty() || kinds.contains(&row.kind))
        .filter(|row| {
            category.is_none_or(|name| (name == "trade_activity") == (row.kind == "FILL"))
        })
        .filter(|row| after.is_none_or(|after| row.at > after))
        .filter(|row| until.is_none_or(|until| row.at < until))
        .filter(|row| order.is_none() || row.order == order)
        .collect();
    if newest_first {
        found.reverse();
    }
    if let Some(token) = params.text("page_token") {
        let last = found.iter().position(|row| row.id == token);
        let last = last.ok_or_else(|| refused("invalid page_token".to_owned()))?;
        found.drain(..=last);
    }
    Ok(found.into_iter().take(size).map(|row| row.row).collect())
}

/// All rows, oldest first.
fn all(exchange: &Exchange) -> Vec<Activity> {
    let mut rows = Vec::new();
    let mut filled: HashMap<Uuid, Decimal> = HashMap::new();
    for (number, fill) in exchange.fills().iter().enumerate() {
        let so_far = filled.entry(fill.order_id).or_default();
        *so_far += fill.quantity;
        rows.push(fill_row(exchange, number, fill, *so_far));
        if symbol(exchange, fill.asset).1 == AssetClass::Crypto && !fill.fee_value.is_zero() {
            rows.push(coin_fee_row(exchange, number, fill));
        }
    }
    for (number, charge) in exchange.charges().iter().enumerate() {
        let id = row_id(charge.at, &format!("charge:{number}"));
        let row = json!({
            "id": id,
            "activity_type": "FEE",
            "date": new_york_date(charge.at),
            "net_amount": (-charge.amount).normalize(),
            "description": "borrow fee",
            "symbol": symbol(exchange, charge.asset).0,
            "qty": charge.quantity,
            "status": "executed",
        });
        rows.push(Activity {
            at: charge.at,
            kind: "FEE",
            order: None,
            row,
            id,
        });
    }
    rows.sort_by_key(|row| row.at);
    rows
}

fn fill_row(exchange: &Exchange, number: usize, fill: &Fill, so_far: Decimal) -> Activity {
    let id = row_id(fill.at, &format!("fill:{number}"));
    let order = exchange.order(fill.order_id);
    let last = order.is_some_and(|order| {
        order.status == OrderStatus::Filled && order.filled_quantity == so_far
    });
    let leaves = match order.map(|order| order.amount) {
        Some(Amount::Quantity(whole)) => (whole - so_far).max(Decimal::ZERO),
        _ => Decimal::ZERO,
    };
    let row = json!({
        "id": id,
        "activity_type": "FILL",
        "transaction_time": fill.at,
        "type": if last { "fill" } else { "partial_fill" },
        "price": fill.price,
        "qty": fill.quantity,
        "side": views::side(fill.side),
        "symbol": symbol(exchange, fill.asset).0,
        "leaves_qty": leaves.normalize(),
        "order_id": fill.order_id,
        "cum_qty": so_far.normalize(),
        "order_status": if last { "filled" } else { "partially_filled" },
    });
    Activity {
        at: fill.at,
        kind: "FILL",
        order: Some(fill.order_id),
        row,
        id,
    }
}

/// The fee of a crypto trade, in coin for what was bought and in dollars for what was sold.
fn coin_fee_row(exchange: &Exchange, number: usize, fill: &Fill) -> Activity {
    let id = row_id(fill.at, &format!("coin_fee:{number}"));
    let in_coin = !fill.fee_quantity.is_zero();
    let net = if in_coin {
        Decimal::ZERO
    } else {
        -fill.fee_value
    };
    let row = json!({
        "id": id,
        "activity_type": "CFEE",
        "date": new_york_date(fill.at),
        "net_amount": net.normalize(),
        "description": "Coin Pair Transaction Fee",
        "symbol": symbol(exchange, fill.asset).0,
        "qty": (-fill.fee_quantity).normalize(),
        "price": fill.price,
        "status": "executed",
    });
    Activity {
        at: fill.at,
        kind: "CFEE",
        order: None,
        row,
        id,
    }
}

fn symbol(exchange: &Exchange, asset: AssetIndex) -> (String, AssetClass) {
    let asset = exchange.data().asset(asset);
    asset.map_or((String::new(), AssetClass::UsEquity), |asset| {
        (asset.symbol.to_string(), asset.class)
    })
}

/// `yyyymmddHHMMSSmmm::uuid`, the time in New York.
fn row_id(at: Timestamp, name: &str) -> String {
    let time = in_new_york(at).format("%Y%m%d%H%M%S%3f");
    format!("{time}::{}", stable_uuid(&format!("activity:{name}")))
}

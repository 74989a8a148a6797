//! The exchange's own API under `/rawe/v1/`: what it plays, and the whole book for checks. Alpaca
//! has nothing like it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rawe_alpaca::types as wire;
use rawe_core::{Symbol, Timeframe, Timestamp};
use rawe_market::{Exchange, Fill, OrderRefusal};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::params::Params;
use crate::position_routes;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::{ExchangeState, Pacing};
use crate::views;

/// What is alive.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    status: &'static str,
    now: Timestamp,
}

pub(crate) async fn health(State(state): State<Arc<ExchangeState>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        now: state.now(),
    })
}

/// The market as the pacer needs it.
#[derive(Debug, Serialize, Deserialize)]
pub struct MarketDescription {
    /// The virtual now.
    pub now: Timestamp,
    /// The first bar's start.
    pub start: Timestamp,
    /// The last bar's end.
    pub end: Timestamp,
    /// Where the virtual clock started: what ended before is history to warm up with.
    pub warmup_until: Timestamp,
    /// All symbols, sorted, crypto with a slash.
    pub symbols: Vec<Symbol>,
    /// The length of each symbol's bars.
    pub timeframes: BTreeMap<Symbol, Timeframe>,
    /// Market seconds a wall second, when the exchange moves its own clock.
    pub speed: Option<f64>,
    /// Whether the clock waits for a pacer.
    pub paced: bool,
    /// How many bars there are.
    pub bars: usize,
    /// How many news items there are.
    pub news: usize,
}

pub(crate) async fn market(State(state): State<Arc<ExchangeState>>) -> Json<MarketDescription> {
    let data = &state.data;
    let pacing = state.control.borrow().pacing;
    let timeframe = |(index, asset): (_, &rawe_market::Asset)| {
        Some((asset.symbol.clone(), data.series(index)?.timeframe()))
    };
    Json(MarketDescription {
        now: state.now(),
        start: state.start,
        end: state.end,
        warmup_until: state.warmup_until,
        symbols: data
            .assets()
            .map(|(_, asset)| asset.symbol.clone())
            .collect(),
        timeframes: data.assets().filter_map(timeframe).collect(),
        speed: match pacing {
            Pacing::ByPacer => None,
            Pacing::ByWallClock(speed) => Some(speed),
        },
        paced: pacing == Pacing::ByPacer,
        bars: data.bar_count(),
        news: state.news.len(),
    })
}

/// One execution, amounts as texts.
#[derive(Debug, Serialize, Deserialize)]
pub struct FillView {
    /// The exchange's order id.
    pub order_id: String,
    /// The client's order id.
    pub client_order_id: String,
    /// The asset, crypto with its slash.
    pub symbol: String,
    /// Buy or sell.
    pub side: wire::OrderSide,
    /// Units, before a fee in coin.
    pub qty: Decimal,
    /// USD a unit.
    pub price: Decimal,
    /// Coins kept as fee.
    pub fee_qty: Decimal,
    /// USD kept as fee, or what the coins kept are worth.
    pub fee_value: Decimal,
    /// Change of the position, units.
    pub position_change: Decimal,
    /// Change of the cash, USD.
    pub cash_change: Decimal,
    /// Gain or loss made real, before fees, USD.
    pub realised: Decimal,
    /// When.
    pub at: Timestamp,
}

/// Everything in the account's books; amounts are texts, USD.
#[derive(Debug, Serialize, Deserialize)]
pub struct Book {
    /// The virtual now.
    pub now: Timestamp,
    /// Cash at the start.
    pub start_equity: Decimal,
    /// Cash plus positions.
    pub equity: Decimal,
    /// Cash.
    pub cash: Decimal,
    /// Gain or loss made real, before fees.
    pub realised: Decimal,
    /// Gain or loss not yet real.
    pub unrealised: Decimal,
    /// Fees paid.
    pub fees: Decimal,
    /// All orders, oldest first.
    pub orders: Vec<wire::Order>,
    /// All executions, oldest first.
    pub fills: Vec<FillView>,
    /// The positions.
    pub positions: Vec<wire::Position>,
}

pub(crate) async fn book(
    State(state): State<Arc<ExchangeState>>,
    params: Params,
) -> Answer<Json<Book>> {
    let owner = match params.text("account") {
        None => state.accounts.first(),
        Some(key_id) => state.accounts.by_key_id(key_id).ok_or_else(|| {
            ApiRefusal::from(OrderRefusal::not_found(format!(
                "no account has the key id {key_id:.40}"
            )))
        })?,
    };
    let exchange = owner.exchange();
    let account = exchange.account();
    Ok(Json(Book {
        now: exchange.now(),
        start_equity: exchange.config().cash,
        equity: account.equity,
        cash: account.cash,
        realised: account.realised,
        unrealised: account.unrealised,
        fees: account.fees,
        orders: exchange
            .orders()
            .iter()
            .map(|order| views::order(&state.data, order))
            .collect(),
        fills: exchange
            .fills()
            .iter()
            .map(|fill| fill_view(&exchange, fill))
            .collect(),
        positions: position_routes::all(&exchange),
    }))
}

fn fill_view(exchange: &Exchange, fill: &Fill) -> FillView {
    let symbol = exchange
        .data()
        .asset(fill.asset)
        .map(|asset| asset.symbol.to_string());
    FillView {
        order_id: fill.order_id.to_string(),
        client_order_id: fill.client_order_id.clone(),
        symbol: symbol.unwrap_or_default(),
        side: views::side(fill.side),
        qty: fill.quantity,
        price: fill.price,
        fee_qty: fill.fee_quantity,
        fee_value: fill.fee_value,
        position_change: fill.position_change,
        cash_change: fill.cash_change,
        realised: fill.realised,
        at: fill.at,
    }
}

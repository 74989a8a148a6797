//! `GET /v2/orders`: which orders, in which order, how many, and with their legs inside or beside.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rawe_alpaca::types as wire;
use rawe_core::{AssetClass, Timestamp};
use rawe_market::{Asset, Exchange, Order, OrderStatus, Side};
use uuid::Uuid;

use crate::account::Caller;
use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;
use crate::views;

/// Orders listed when the client does not say.
const LIST_DEFAULT: usize = 50;
/// Most orders listed at once.
const LIST_MAX: usize = 500;

pub(crate) async fn list(
    State(state): State<Arc<ExchangeState>>,
    Caller(account): Caller,
    params: Params,
) -> Answer<Json<Vec<wire::Order>>> {
    let wanted = OrderFilter::read(&params).map_err(ApiRefusal::malformed)?;
    let exchange = account.exchange();
    let matching =
        |order: &&Order| wanted.accepts(&exchange, order) && !state.faults.hides(order.id);
    let mut found: Vec<&Order> = exchange.orders().iter().filter(matching).collect();
    wanted.narrow(&exchange, &mut found)?;
    if wanted.newest_first {
        found.reverse();
    }
    if wanted.nested {
        // A leg is shown inside its parent, and by itself only if the parent is not listed.
        let listed: HashSet<Uuid> = found.iter().map(|order| order.id).collect();
        found.retain(|order| order.parent.is_none_or(|parent| !listed.contains(&parent)));
    }
    let view = |order: &Order| {
        if wanted.nested {
            views::nested(&exchange, order)
        } else {
            views::order(&state.data, order)
        }
    };
    let page = found.into_iter().take(wanted.limit).map(view);
    Ok(Json(page.collect()))
}

/// Which orders a listing shows.
struct OrderFilter<'a> {
    /// `Some(true)` open ones, `Some(false)` closed ones, `None` all.
    open: Option<bool>,
    limit: usize,
    newest_first: bool,
    nested: bool,
    after: Option<Timestamp>,
    until: Option<Timestamp>,
    after_order: Option<Uuid>,
    before_order: Option<Uuid>,
    symbols: Vec<&'a str>,
    side: Option<Side>,
    /// Classes; empty means all.
    classes: Vec<&'a str>,
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
        let id = |name: &str| {
            let text = params.text(name);
            let read = text.map(|text| {
                Uuid::parse_str(text).map_err(|_| format!("{name} is not a UUID: {text:.40}"))
            });
            read.transpose()
        };
        let filter = Self {
            open,
            limit: params.limit(LIST_DEFAULT, LIST_MAX)?,
            newest_first: params.newest_first("direction", true)?,
            nested: params.flag("nested"),
            after: params.instant("after", false)?,
            until: params.instant("until", false)?,
            after_order: id("after_order_id")?,
            before_order: id("before_order_id")?,
            symbols: params.list("symbols"),
            side,
            classes: params.list("asset_class"),
        };
        if filter.after_order.is_some() && filter.before_order.is_some() {
            return Err("after_order_id and before_order_id do not go together".to_owned());
        }
        let by_time = filter.after.is_some() || filter.until.is_some();
        if by_time && (filter.after_order.is_some() || filter.before_order.is_some()) {
            return Err(
                "after and until go with neither after_order_id nor before_order_id".to_owned(),
            );
        }
        Ok(filter)
    }

    fn accepts(&self, exchange: &Exchange, order: &Order) -> bool {
        let asset = exchange.data().asset(order.asset);
        let named = |name: &&str| exchange.data().find(name) == Some(order.asset);
        // A held leg counts as closed, as at Alpaca.
        let is_open = order.is_open() && order.status != OrderStatus::Held;
        self.open.is_none_or(|open| is_open == open)
            && self.side.is_none_or(|side| order.side == side)
            && (self.classes.is_empty()
                || self.classes.contains(&"all")
                || asset.is_some_and(|asset| self.classes.contains(&class_name(asset))))
            && self.after.is_none_or(|after| order.submitted_at > after)
            && self.until.is_none_or(|until| order.submitted_at < until)
            && (self.symbols.is_empty() || self.symbols.iter().any(named))
    }

    /// Leaves the orders between two orders, which need not be listed themselves.
    fn narrow(&self, exchange: &Exchange, found: &mut Vec<&Order>) -> Answer<()> {
        let place = |id: Uuid| {
            let place = exchange.orders().iter().position(|order| order.id == id);
            place.ok_or_else(|| {
                ApiRefusal::from(rawe_market::OrderRefusal::not_found(format!(
                    "order not found for {id}"
                )))
            })
        };
        let after = self.after_order.map(place).transpose()?;
        let before = self.before_order.map(place).transpose()?;
        if after.is_none() && before.is_none() {
            return Ok(());
        }
        let places: HashSet<Uuid> = exchange
            .orders()
            .iter()
            .enumerate()
            .filter(|(n, _)| after.is_none_or(|a| *n > a) && before.is_none_or(|b| *n < b))
            .map(|(_, order)| order.id)
            .collect();
        found.retain(|order| places.contains(&order.id));
        Ok(())
    }
}

fn class_name(asset: &Asset) -> &'static str {
    match asset.class {
        AssetClass::UsEquity => "us_equity",
        AssetClass::Crypto => "crypto",
    }
}

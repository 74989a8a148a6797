//! What is in store for an order once it is taken: a part of it, a late refusal, a halt, a while
//! in which look-ups do not know it.

use std::sync::Arc;
use std::time::Duration;

use rawe_alpaca::types as wire;
use rawe_market::{Amount, Exchange, NewOrder, OrderRefusal, Side};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;
use uuid::Uuid;

use super::draw::Strike;
use super::{FaultKind, Rest};
use crate::account::Account;
use crate::order_routes::tell_taken;
use crate::state::ExchangeState;
use crate::views;

/// The faults of one order.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderFate {
    partial: Option<Strike>,
    late_reject: Option<Duration>,
    lag: Option<Duration>,
    halt: Option<Strike>,
}

/// What happens to an order later.
#[derive(Clone, Copy, Debug)]
enum Later {
    Release,
    Cancel,
    Reject,
}

impl OrderFate {
    pub(crate) fn of(strikes: &[Strike]) -> Self {
        let of_kind = |kind| strikes.iter().find(|strike| strike.kind == kind);
        let wait = |kind| of_kind(kind).map(|strike| strike.wait);
        Self {
            partial: of_kind(FaultKind::PartialFill).copied(),
            late_reject: wait(FaultKind::LateReject),
            lag: wait(FaultKind::Lag),
            halt: of_kind(FaultKind::Halt).copied(),
        }
    }

    /// Takes the order, and sees to what is in store for it.
    pub(crate) fn take(
        &self,
        state: &Arc<ExchangeState>,
        account: &Arc<Account>,
        order: &NewOrder,
    ) -> Result<wire::Order, OrderRefusal> {
        if let Some(strike) = &self.halt {
            halt_for(state, &order.symbol, strike);
        }
        let mut exchange = account.exchange();
        let (cap, later) = match (self.late_reject, self.partial) {
            (Some(wait), _) => (Some(Decimal::ZERO), Some((wait, Later::Reject))),
            (None, Some(strike)) => {
                let later = match strike.then {
                    Rest::Fills => Later::Release,
                    Rest::Cancelled => Later::Cancel,
                };
                let cap = part_of(&exchange, order, strike.fraction);
                (Some(cap), Some((strike.wait, later)))
            }
            (None, None) => (None, None),
        };
        let taken = match cap {
            Some(cap) => exchange.submit_capped(order, cap)?,
            None => exchange.submit(order)?,
        };
        let taken = taken.clone();
        let (id, open) = (taken.id, taken.is_open());
        let answer = views::nested(&exchange, &taken);
        tell_taken(&answer, exchange.now());
        drop(exchange);
        if let Some(wait) = self.lag {
            state.faults.hide(id, wait);
        }
        if let Some((wait, later)) = later.filter(|_| open) {
            tokio::spawn(finish(Arc::clone(account), id, wait, later));
        }
        Ok(answer)
    }
}

/// Units that a part of an order is, at the price of the instant.
fn part_of(exchange: &Exchange, order: &NewOrder, fraction: f64) -> Decimal {
    let fraction = Decimal::from_f64(fraction).unwrap_or_default();
    let units = match order.amount {
        Amount::Quantity(quantity) => Some(quantity),
        Amount::Notional(notional) => exchange
            .data()
            .find(&order.symbol)
            .and_then(|asset| exchange.quote(asset, Side::Buy))
            .and_then(|price| notional.checked_div(price)),
    };
    let part = units.and_then(|units| units.checked_mul(fraction));
    part.unwrap_or_default()
}

/// Halts an asset for a while of the market's time, or of ours.
fn halt_for(state: &Arc<ExchangeState>, symbol: &str, strike: &Strike) {
    let Some(asset) = state.data.find(symbol) else {
        return;
    };
    if let Some(minutes) = strike.minutes {
        state.halt_for_minutes(asset, minutes);
        return;
    }
    state.halt(asset, None);
    let (state, wait) = (Arc::clone(state), strike.wait);
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        state.resume(asset);
    });
}

async fn finish(account: Arc<Account>, id: Uuid, wait: Duration, later: Later) {
    tokio::time::sleep(wait).await;
    let mut exchange = account.exchange();
    match later {
        Later::Release => exchange.release(id),
        // The client may have cancelled it itself meanwhile.
        Later::Cancel => drop(exchange.cancel(id)),
        Later::Reject => {
            let _was_open = exchange.reject(id);
        }
    }
    let status = exchange.order(id).map(|order| order.status.name());
    tracing::info!(event = "order_finished", order_id = %id, status, "a fault has run its course");
}

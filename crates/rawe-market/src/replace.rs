//! Replacing an order: a new one takes its place, with a new id; the old one ends as replaced.
//!
//! What was filled stays with the old order; the new one asks for the rest, unless told otherwise.
//! Everything is checked as if the old order were not there, so that it holds nothing twice.

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::exchange::Exchange;
use crate::order::{Order, OrderStatus};
use crate::refusal::OrderRefusal;
use crate::terms::{Amount, Exits, GroupRole, NewOrder, OrderType, TimeInForce, Trail};

/// What is to change; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacement {
    /// The client's id of the new order; made up by the exchange if absent.
    pub client_order_id: Option<String>,
    /// Units that the new order asks for.
    pub quantity: Option<Decimal>,
    /// USD.
    pub limit: Option<Decimal>,
    /// USD.
    pub stop: Option<Decimal>,
    /// USD or percent, as the old order has it.
    pub trail: Option<Decimal>,
    /// How long the new order lives.
    pub time_in_force: Option<TimeInForce>,
}

impl Exchange {
    /// Replaces an open order, and fills the new one at once if the price allows.
    ///
    /// # Errors
    /// A refusal in Alpaca's words; the book is then unchanged.
    pub fn replace(&mut self, id: Uuid, change: &Replacement) -> Result<&Order, OrderRefusal> {
        let unknown = || OrderRefusal::not_found(format!("order not found for {id}"));
        let index = *self.by_id.get(&id).ok_or_else(unknown)?;
        let old = self.orders.get(index).cloned().ok_or_else(unknown)?;
        check_state(&old)?;
        let wanted = changed(&old, change, self.data.asset(old.asset).map(|a| a.id))?;
        // The old order must not stand in the way of the new one.
        self.open.remove(&index);
        let checked = if is_exit_of_both(&old) {
            self.checked_exit(&old, &wanted)
        } else {
            self.checked_order(&wanted)
        };
        self.open.insert(index);
        let mut new = checked?;
        self.inherit_group(index, &mut new);
        new.armed = old.armed;
        new.replaces = Some(old.id);
        new.best_price = old.best_price.or(new.best_price);
        if old.status == OrderStatus::Held {
            new.status = OrderStatus::Held;
        }
        let now = self.now;
        if let Some(order) = self.orders.get_mut(index) {
            order.replaced_by = Some(new.id);
            order.replaced_at = Some(now);
        }
        let leads = matches!(new.role, Some(GroupRole::Entry | GroupRole::TakeProfit));
        self.end_alone(index, OrderStatus::Replaced);
        let index = self.enter(new);
        if leads {
            self.resize_group(index);
        }
        self.try_fill_first(index);
        self.orders.get(index).ok_or_else(unknown)
    }

    /// The other orders of a group ask for what its entry or its exit at a profit asks for.
    fn resize_group(&mut self, index: usize) {
        let Some(amount) = self.orders.get(index).map(|order| order.amount) else {
            return;
        };
        for other in self.group_of(index) {
            if let Some(order) = self.orders.get_mut(other) {
                order.amount = amount;
            }
        }
    }
}

/// Whether an order is an exit whose units another order of its group holds back.
fn is_exit_of_both(order: &Order) -> bool {
    order.status == OrderStatus::Held
}

fn check_state(old: &Order) -> Result<(), OrderRefusal> {
    let works = matches!(
        old.status,
        OrderStatus::New | OrderStatus::PartiallyFilled | OrderStatus::Held
    );
    if !works {
        return Err(OrderRefusal::unprocessable(
            "unable to replace order in current state",
        ));
    }
    if matches!(old.amount, Amount::Notional(_)) {
        return Err(OrderRefusal::unprocessable(
            "notional orders cannot be replaced",
        ));
    }
    Ok(())
}

/// The old order with the changes, as a client would ask for it.
fn changed(
    old: &Order,
    change: &Replacement,
    asset: Option<Uuid>,
) -> Result<NewOrder, OrderRefusal> {
    let rest = match old.amount {
        Amount::Quantity(quantity) => quantity - old.filled_quantity,
        Amount::Notional(notional) => notional,
    };
    let quantity = change.quantity.unwrap_or(rest);
    if quantity != rest && !(quantity.fract().is_zero() && rest.fract().is_zero()) {
        return Err(OrderRefusal::unprocessable(
            "the qty of fractional orders cannot be changed",
        ));
    }
    let order_type = changed_type(old.order_type, change)?;
    let time_in_force = change.time_in_force.unwrap_or(old.time_in_force);
    if quantity == rest && order_type == old.order_type && time_in_force == old.time_in_force {
        return Err(OrderRefusal::forbidden("order parameters are not changed"));
    }
    Ok(NewOrder {
        client_order_id: change.client_order_id.clone(),
        symbol: asset.map(|id| id.to_string()).unwrap_or_default(),
        side: old.side,
        amount: Amount::Quantity(quantity),
        order_type,
        time_in_force,
        position_intent: None,
        extended_hours: old.extended_hours,
        exits: Exits::None,
    })
}

fn changed_type(old: OrderType, change: &Replacement) -> Result<OrderType, OrderRefusal> {
    let unwanted = |given: bool, what: &str| {
        let name = old.name();
        if given {
            Err(OrderRefusal::malformed(format!(
                "{name} orders require no {what} price"
            )))
        } else {
            Ok(())
        }
    };
    let (limit, stop, trail) = (change.limit, change.stop, change.trail);
    match old {
        OrderType::Market | OrderType::Stop(_) | OrderType::TrailingStop(_) => {
            unwanted(limit.is_some(), "limit")?;
        }
        OrderType::Limit(_) | OrderType::StopLimit { .. } => {}
    }
    match old {
        OrderType::Market | OrderType::Limit(_) | OrderType::TrailingStop(_) => {
            unwanted(stop.is_some(), "stop")?;
        }
        OrderType::Stop(_) | OrderType::StopLimit { .. } => {}
    }
    if !matches!(old, OrderType::TrailingStop(_)) {
        unwanted(trail.is_some(), "trail")?;
    }
    Ok(match old {
        OrderType::Market => OrderType::Market,
        OrderType::Limit(price) => OrderType::Limit(limit.unwrap_or(price)),
        OrderType::Stop(price) => OrderType::Stop(stop.unwrap_or(price)),
        OrderType::StopLimit { stop: s, limit: l } => OrderType::StopLimit {
            stop: stop.unwrap_or(s),
            limit: limit.unwrap_or(l),
        },
        OrderType::TrailingStop(Trail::Price(price)) => {
            OrderType::TrailingStop(Trail::Price(trail.unwrap_or(price)))
        }
        OrderType::TrailingStop(Trail::Percent(percent)) => {
            OrderType::TrailingStop(Trail::Percent(trail.unwrap_or(percent)))
        }
    })
}

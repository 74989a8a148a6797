//! Orders that belong together: an entry with its exits (bracket, oto), two exits of which one
//! cancels the other (oco).
//!
//! The exits of an entry are held until it is filled completely; then the exit at a profit works,
//! and the exit at a loss waits for its trigger, still shown as held where there are both. The
//! units are held back once, by the exit at a profit. What it fills makes the other exit smaller;
//! the trigger of the other one cancels it. Cancelling any order of a group cancels all.

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::asset::stable_uuid;
use crate::data::AssetIndex;
use crate::exchange::Exchange;
use crate::order::{Order, OrderStatus, Reserved};
use crate::refusal::OrderRefusal;
use crate::terms::{
    Amount, Exits, GroupRole, NewOrder, OrderType, PositionIntent, Side, StopLoss, TakeProfit,
};

/// Exits must lie at least this far from the base price, USD.
const EXIT_DISTANCE_MIN: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

impl Exchange {
    /// Puts a checked order and what it brings along into the book.
    pub(crate) fn take_group(&mut self, mut order: Order, exits: Exits) -> usize {
        order.class = exits.class();
        let mut legs = Vec::new();
        if let Some(TakeProfit { limit }) = exits.take_profit() {
            legs.push(leg(
                &order,
                OrderType::Limit(limit),
                GroupRole::TakeProfit,
                1,
            ));
        }
        if let Some(loss) = exits.stop_loss() {
            let mut leg = leg(&order, loss.order_type(), GroupRole::StopLoss, 2);
            leg.armed = matches!(exits, Exits::Oco(_));
            legs.push(leg);
        }
        order.legs = legs.iter().map(|leg| leg.id).collect();
        order.role = match exits {
            Exits::None => None,
            Exits::Oco(_) => Some(GroupRole::TakeProfit),
            Exits::Bracket(..) | Exits::OtoProfit(_) | Exits::OtoLoss(_) => Some(GroupRole::Entry),
        };
        let index = self.enter(order);
        for leg in legs {
            self.enter(leg);
        }
        index
    }

    /// The other open orders of an order's group.
    pub(crate) fn group_of(&self, index: usize) -> Vec<usize> {
        let Some(group) = self.orders.get(index).and_then(Order::group) else {
            return Vec::new();
        };
        let member = |other: &usize| {
            self.orders.get(*other).and_then(Order::group) == Some(group) && *other != index
        };
        self.open.iter().copied().filter(member).collect()
    }

    /// An order of a group ended without a fill: so do the others.
    pub(crate) fn end_group(&mut self, index: usize) {
        for other in self.group_of(index) {
            self.end_alone(other, OrderStatus::Canceled);
        }
    }

    /// An order of a group filled, `complete` or in part.
    pub(crate) fn group_filled(&mut self, index: usize, quantity: Decimal, complete: bool) {
        let Some(role) = self.orders.get(index).and_then(|order| order.role) else {
            return;
        };
        let others = self.group_of(index);
        match role {
            GroupRole::Entry if complete => self.arm(index, &others),
            GroupRole::Entry => {}
            GroupRole::TakeProfit | GroupRole::StopLoss if complete => {
                for other in others {
                    self.end_alone(other, OrderStatus::Canceled);
                }
            }
            GroupRole::TakeProfit | GroupRole::StopLoss => {
                for other in others {
                    if let Some(order) = self.orders.get_mut(other)
                        && let Amount::Quantity(whole) = order.amount
                    {
                        order.amount = Amount::Quantity(whole - quantity);
                    }
                }
            }
        }
    }

    /// The entry is filled: its exits work.
    fn arm(&mut self, entry: usize, exits: &[usize]) {
        let Some(filled) = self.orders.get(entry).map(|order| order.filled_quantity) else {
            return;
        };
        let both = exits.len() > 1;
        let now = self.now;
        for exit in exits {
            let Some(order) = self.orders.get_mut(*exit) else {
                continue;
            };
            order.armed = true;
            order.amount = Amount::Quantity(filled);
            order.updated_at = now;
            if order.role == Some(GroupRole::TakeProfit) || !both {
                order.reserved.quantity = filled;
                order.status = OrderStatus::Accepted;
            }
        }
        for exit in exits {
            // An entry may fill in the last bar of a session: its exit waits for the next one then.
            let waits = self.orders.get(*exit);
            if waits.is_some_and(|order| order.status == OrderStatus::Accepted) {
                self.try_fill_first(*exit);
            } else {
                self.try_fill(*exit);
            }
        }
    }

    /// The stop of a group was touched: the exit at a profit gives its units to it.
    pub(crate) fn group_triggered(&mut self, index: usize) {
        let role = self.orders.get(index).and_then(|order| order.role);
        if role != Some(GroupRole::StopLoss) {
            return;
        }
        for other in self.group_of(index) {
            self.end_alone(other, OrderStatus::Canceled);
        }
        if let Some(order) = self.orders.get_mut(index)
            && let Amount::Quantity(quantity) = order.amount
        {
            order.reserved.quantity = quantity - order.filled_quantity;
        }
    }

    /// The place of an order in its group goes to the one that replaces it.
    pub(crate) fn inherit_group(&mut self, old: usize, new: &mut Order) {
        let Some(former) = self.orders.get(old).cloned() else {
            return;
        };
        new.class = former.class;
        new.role = former.role;
        new.parent = former.parent;
        new.legs.clone_from(&former.legs);
        let renamed = |id: &mut Uuid| {
            if *id == former.id {
                *id = new.id;
            }
        };
        for order in &mut self.orders {
            order.legs.iter_mut().for_each(renamed);
            order.parent.iter_mut().for_each(renamed);
        }
    }

    /// The price that the exits of an order are measured by.
    pub(crate) fn base_price(&self, asset: AssetIndex, order: &NewOrder) -> Option<Decimal> {
        match order.exits {
            Exits::Oco(_) => self.price(asset),
            _ => order
                .order_type
                .limit(order.side)
                .or_else(|| order.order_type.stop())
                .or_else(|| self.price(asset)),
        }
    }
}

/// One exit of an order, held.
fn leg(parent: &Order, kind: OrderType, role: GroupRole, number: usize) -> Order {
    let id = stable_uuid(&format!("leg:{number}:{}", parent.id));
    let (side, position_intent) = match (role, parent.position_intent) {
        (_, PositionIntent::BuyToOpen) => (Side::Sell, PositionIntent::SellToClose),
        (_, PositionIntent::SellToOpen) => (Side::Buy, PositionIntent::BuyToClose),
        (_, closing) => (parent.side, closing),
    };
    Order {
        id,
        client_order_id: stable_uuid(&format!("client:{id}")).to_string(),
        side,
        order_type: kind,
        position_intent,
        status: OrderStatus::Held,
        reserved: Reserved::default(),
        role: Some(role),
        parent: Some(parent.id),
        legs: Vec::new(),
        armed: false,
        ..parent.clone()
    }
}

/// Checks what the orders of a group must be to each other. `base` is the price the exits are
/// measured by: the entry's limit, or the market.
pub(crate) fn check_exits(
    order: &NewOrder,
    intent: PositionIntent,
    base: Decimal,
) -> Result<(), OrderRefusal> {
    let class = order.exits.class().name();
    let opens = matches!(
        intent,
        PositionIntent::BuyToOpen | PositionIntent::SellToOpen
    );
    match order.exits {
        Exits::None => return Ok(()),
        Exits::Oco(_) if opens => {
            return Err(OrderRefusal::unprocessable(
                "oco orders must be exit orders",
            ));
        }
        Exits::Bracket(..) | Exits::OtoProfit(_) | Exits::OtoLoss(_) if !opens => {
            return Err(OrderRefusal::unprocessable(format!(
                "{class} orders must be entry orders"
            )));
        }
        _ => {}
    }
    let profit = match order.exits {
        Exits::Oco(_) => order.order_type.limit(order.side),
        exits => exits.take_profit().map(|profit| profit.limit),
    };
    let long = matches!(
        intent,
        PositionIntent::BuyToOpen | PositionIntent::SellToClose
    );
    check_exit_prices(profit, order.exits.stop_loss(), base, long)
}

fn check_exit_prices(
    profit: Option<Decimal>,
    loss: Option<StopLoss>,
    base: Decimal,
    long: bool,
) -> Result<(), OrderRefusal> {
    let refused = |words: &str| {
        Err(OrderRefusal::unprocessable(words).with("base_price", base.normalize().to_string()))
    };
    if let (Some(profit), Some(loss)) = (profit, loss) {
        let ordered = if long {
            profit > loss.stop
        } else {
            profit < loss.stop
        };
        if !ordered {
            let sign = if long { '>' } else { '<' };
            return Err(OrderRefusal::unprocessable(format!(
                "take_profit.limit_price must be {sign} stop_loss.stop_price"
            )));
        }
    }
    match profit {
        Some(price) if long && price < base + EXIT_DISTANCE_MIN => {
            return refused("take_profit.limit_price must be >= base_price + 0.01");
        }
        Some(price) if !long && price > base - EXIT_DISTANCE_MIN => {
            return refused("take_profit.limit_price must be <= base_price - 0.01");
        }
        _ => {}
    }
    match loss.map(|loss| loss.stop) {
        Some(stop) if long && stop > base - EXIT_DISTANCE_MIN => {
            refused("stop_loss.stop_price must be <= base_price - 0.01")
        }
        Some(stop) if !long && stop < base + EXIT_DISTANCE_MIN => {
            refused("stop_loss.stop_price must be >= base_price + 0.01")
        }
        _ => Ok(()),
    }
}

//! Orders with exits at the scripted broker: the exits are orders of their own whose ids name their
//! order, held until all of it has filled. The end of one ends the others.

use crate::broker::{Leg, OrderKind, OrderReport, OrderStatus, Side};

use super::BrokerState;

/// What the ids of exits begin with; the id of their order follows.
const LEG: &str = "leg-of-";

/// The id of the order that an exit's id names.
fn opening_of(id: &str) -> Option<&str> {
    id.strip_prefix(LEG)?.rsplit_once('/').map(|(of, _)| of)
}

impl BrokerState {
    /// Makes the exits of an order that was just taken.
    pub(super) fn make_legs(&mut self, index: usize, kind: OrderKind) {
        let OrderKind::WithExits { stop, target } = kind else {
            return;
        };
        let target = target.map(|limit| ("target", OrderKind::Limit { limit }));
        for (name, kind) in target
            .into_iter()
            .chain([("stop", OrderKind::Stop { stop })])
        {
            let opening = self.orders[index].clone();
            self.orders.push(OrderReport {
                broker_order_id: format!("order-{}", self.orders.len() + 1),
                client_order_id: format!("{LEG}{}/{name}", opening.client_order_id),
                side: match opening.side {
                    Side::Buy => Side::Sell,
                    Side::Sell => Side::Buy,
                },
                ..opening
            });
            self.kinds.push(kind);
        }
    }

    /// Whether an order is an exit of another one.
    pub(super) fn is_leg(&self, index: usize) -> bool {
        opening_of(&self.orders[index].client_order_id).is_some()
    }

    /// Whether an order is an exit that does not work, because its order has not filled.
    pub(super) fn is_held(&self, index: usize) -> bool {
        let opening = opening_of(&self.orders[index].client_order_id);
        opening.is_some_and(|id| {
            let mut orders = self.orders.iter();
            orders.any(|order| order.client_order_id == id && order.status != OrderStatus::Filled)
        })
    }

    /// An order with its exits.
    pub(super) fn nested(&self, index: usize) -> OrderReport {
        let order = &self.orders[index];
        let legs = self.orders.iter().zip(&self.kinds);
        let legs = legs
            .filter(|(leg, _)| opening_of(&leg.client_order_id) == Some(&order.client_order_id))
            .map(|(leg, kind)| Leg {
                kind: *kind,
                report: leg.clone(),
            })
            .collect();
        OrderReport {
            legs,
            ..order.clone()
        }
    }

    /// The orders that a listing holds, with their exits.
    pub(super) fn listed(&self, wanted: impl Fn(&OrderReport) -> bool) -> Vec<OrderReport> {
        (0..self.orders.len())
            .filter(|index| wanted(&self.orders[*index]))
            .filter(|index| self.orders[*index].status.is_terminal() || !self.is_held(*index))
            .map(|index| self.nested(index))
            .collect()
    }

    /// An order has ended: the others of its group end too, unless it has filled and they are its
    /// exits.
    pub(super) fn follow_group(&mut self, index: usize) {
        let ended = self.orders[index].clone();
        if !ended.status.is_terminal() {
            return;
        }
        let of = opening_of(&ended.client_order_id).map(str::to_owned);
        let opens = of.is_none();
        let opening = of.unwrap_or_else(|| ended.client_order_id.clone());
        if opens && ended.status == OrderStatus::Filled {
            return;
        }
        for order in &mut self.orders {
            let beside = opening_of(&order.client_order_id) == Some(&opening);
            if beside && !order.status.is_terminal() {
                order.status = OrderStatus::Canceled;
                order.updated_at = Some(self.clock.timestamp);
            }
        }
    }
}

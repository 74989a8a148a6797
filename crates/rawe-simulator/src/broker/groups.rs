//! Orders with exits, as the exchange keeps them: the exits are held until all of their order has
//! filled; then both work, and the units are held back once, by the exit at the target. What that
//! one fills makes the stop smaller, and the stop's trigger cancels it. The end of any order of a
//! group without a fill ends all of it.

use rawe_core::{ClientOrderId, Timestamp};
use rawe_execution::broker::{
    Amount, Leg, OrderKind, OrderReport, OrderRequest, OrderStatus, Side, TimeInForce,
};
use rust_decimal::Decimal;

use super::book::{BrokerModel, Changed, Order};

/// What a change of one order has done to the others of its group.
#[derive(Clone, Debug, Default)]
pub struct GroupMoves {
    /// Orders that have changed.
    pub changed: Vec<Changed>,
    /// Exits that may fill now.
    pub triggered: Vec<usize>,
    /// Exits that have begun to work.
    pub working: Vec<usize>,
}

impl Order {
    /// Whether a price triggers it.
    pub(super) fn is_touched(&self, price: Decimal) -> bool {
        let sells = self.request.side == Side::Sell;
        match self.request.kind {
            OrderKind::Market | OrderKind::WithExits { .. } => false,
            OrderKind::Stop { stop } | OrderKind::StopLimit { stop, .. } => {
                if sells {
                    price <= stop
                } else {
                    price >= stop
                }
            }
            OrderKind::Limit { limit } => {
                if sells {
                    price >= limit
                } else {
                    price <= limit
                }
            }
        }
    }
}

impl BrokerModel {
    /// Makes the exits of an order that was just taken.
    pub(super) fn take_legs(&mut self, place: usize) {
        let Some(order) = self.orders.get(place).cloned() else {
            return;
        };
        let OrderKind::WithExits { stop, target } = order.request.kind else {
            return;
        };
        let target = target.map(|limit| OrderKind::Limit { limit });
        for kind in target.into_iter().chain([OrderKind::Stop { stop }]) {
            let number = self.orders.len();
            let client_id = format!("leg-{number}");
            let request = OrderRequest {
                client_order_id: ClientOrderId::of_leg(&client_id),
                side: match order.request.side {
                    Side::Buy => Side::Sell,
                    Side::Sell => Side::Buy,
                },
                closes: true,
                kind,
                ..order.request.clone()
            };
            self.orders.push(Order {
                id: format!("b{number}"),
                request,
                client_id,
                triggered: false,
                leg_of: Some(place),
                held: true,
                ..order.clone()
            });
        }
    }

    /// The places of an order's exits.
    pub fn legs_of(&self, place: usize) -> Vec<usize> {
        let orders = self.orders.iter().enumerate();
        let legs = orders.filter(|(_, order)| order.leg_of == Some(place));
        legs.map(|(leg, _)| leg).collect()
    }

    /// The other order with the same opening, or none.
    fn sibling(&self, place: usize) -> Option<usize> {
        let opening = self.orders.get(place)?.leg_of?;
        let mut legs = self.legs_of(opening).into_iter();
        legs.find(|leg| *leg != place)
    }

    /// Whether an exit is shown as held: it waits for its order, or for the end of the other exit.
    pub fn is_held(&self, place: usize) -> bool {
        let Some(order) = self.orders.get(place).filter(|o| o.leg_of.is_some()) else {
            return false;
        };
        let stop = matches!(order.request.kind, OrderKind::Stop { .. });
        let other = self.sibling(place).and_then(|other| self.orders.get(other));
        let other = other.is_some_and(|other| !other.status.is_terminal());
        order.held || (stop && other && !order.triggered)
    }

    /// The report of an order with its exits.
    pub fn nested(&self, place: usize) -> Option<OrderReport> {
        let mut report = self.report(self.orders.get(place)?);
        let legs = self.legs_of(place);
        let legs = legs.iter().filter_map(|leg| self.orders.get(*leg));
        report.legs = legs
            .map(|leg| Leg {
                kind: leg.request.kind,
                report: self.report(leg),
            })
            .collect();
        Some(report)
    }

    /// What follows for the others of a group from what an order has become.
    pub fn follow_group(&mut self, place: usize, now: Timestamp) -> GroupMoves {
        let mut moves = GroupMoves::default();
        let Some(order) = self.orders.get(place).cloned() else {
            return moves;
        };
        let over = order.status.is_terminal();
        let legs = self.legs_of(place);
        if order.status == OrderStatus::Filled && !legs.is_empty() {
            self.activate(&legs, now, &mut moves);
        } else if over {
            let others = match order.leg_of {
                Some(opening) => [opening].into_iter().chain(self.legs_of(opening)).collect(),
                None => legs,
            };
            for other in others {
                moves
                    .changed
                    .extend(self.end(other, OrderStatus::Canceled, now));
            }
        } else if let Some(other) = self.sibling(place) {
            let stops = matches!(order.request.kind, OrderKind::Stop { .. });
            if stops && order.triggered {
                moves
                    .changed
                    .extend(self.end(other, OrderStatus::Canceled, now));
            } else if !stops && !order.filled.is_zero() {
                self.shrink(other, order.filled, now);
            }
        }
        moves
    }

    fn activate(&mut self, legs: &[usize], now: Timestamp, moves: &mut GroupMoves) {
        for leg in legs {
            let Some(order) = self.orders.get(*leg).filter(|order| order.held) else {
                continue;
            };
            let price = self.price(&order.request.symbol);
            let theirs = now + self.skew;
            if let Some(order) = self.orders.get_mut(*leg) {
                order.held = false;
                order.changed_at = theirs;
                order.triggered = order.is_touched(price);
                if order.triggered {
                    moves.triggered.push(*leg);
                }
            }
            moves.working.push(*leg);
            moves.changed.extend(self.changed(*leg));
        }
    }

    /// The stop is for what the target has not filled.
    fn shrink(&mut self, stop: usize, filled: Decimal, now: Timestamp) {
        let theirs = now + self.skew;
        let opening = self.orders.get(stop).and_then(|order| order.leg_of);
        let whole = opening.and_then(|place| self.orders.get(place)?.quantity);
        if let (Some(order), Some(whole)) = (self.orders.get_mut(stop), whole) {
            order.quantity = Some(whole - filled);
            order.request.amount = Amount::Quantity(whole - filled);
            order.changed_at = theirs;
        }
    }

    /// Whether an order holds back units or money: one exit of an order does, once it works.
    pub(crate) fn reserves(&self, place: usize) -> bool {
        !self.is_held(place)
    }

    /// Whether the exits of an order have prices and a size that are taken.
    pub(super) fn takes_exits(&self, request: &OrderRequest) -> Result<(), &'static str> {
        let OrderKind::WithExits { stop, target } = request.kind else {
            return Ok(());
        };
        let whole = matches!(request.amount, Amount::Quantity(q) if q.fract().is_zero());
        let lasting = matches!(request.time_in_force, TimeInForce::Day | TimeInForce::Gtc);
        let crypto = request.symbol.class() == rawe_core::AssetClass::Crypto;
        if !whole || !lasting || crypto {
            return Err("complex orders are for whole shares, day or gtc");
        }
        let market = self.price(&request.symbol);
        let cent = Decimal::new(1, 2);
        let beyond = |low: Decimal, high: Decimal| low <= high - cent;
        let buys = request.side == Side::Buy;
        let loss = if buys {
            beyond(stop, market)
        } else {
            beyond(market, stop)
        };
        if !loss {
            return Err("stop_loss.stop_price must be beyond base_price");
        }
        let profit = target.is_none_or(|target| {
            if buys {
                beyond(market, target)
            } else {
                beyond(target, market)
            }
        });
        if profit {
            Ok(())
        } else {
            Err("take_profit.limit_price must be beyond base_price")
        }
    }
}

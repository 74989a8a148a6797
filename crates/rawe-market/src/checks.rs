//! Whether an order may be taken: Alpaca's rules in Alpaca's words, checked in a fixed order
//! before anything changes. What an order must look like by itself is in [`crate::form`], what
//! happens to a taken one in [`crate::matching`].

use rawe_core::AssetClass;
use rust_decimal::Decimal;

use crate::asset::{Asset, money, stable_uuid};
use crate::data::AssetIndex;
use crate::exchange::Exchange;
use crate::form::{check_numbers, check_time_in_force, is_fractional};
use crate::groups::check_exits;
use crate::matching::{satisfies, touches, units_for};
use crate::order::{Order, OrderStatus, Reserved};
use crate::refusal::OrderRefusal;
use crate::sessions::takes_auction_orders;
use crate::terms::{Amount, NewOrder, OrderClass, OrderType, PositionIntent, Side};

/// The longest client order id, in characters.
const CLIENT_ORDER_ID_LENGTH_MAX: usize = 128;
/// What an order was found to do.
struct Effect {
    intent: PositionIntent,
    reserved: Reserved,
}

impl Exchange {
    /// Checks an order against every rule and makes it an entry for the book.
    pub(crate) fn checked_order(&self, order: &NewOrder) -> Result<Order, OrderRefusal> {
        if self.limits.suspended {
            return Err(OrderRefusal::forbidden(
                "new orders are rejected by user request",
            ));
        }
        let client_order_id = self.checked_client_id(order.client_order_id.as_deref())?;
        let (index, asset) = self.tradable_asset(&order.symbol)?;
        check_numbers(asset, order)?;
        check_time_in_force(asset, order)?;
        self.check_hours(order)?;
        if !self.limits.fractions && is_fractional(order.amount) {
            return Err(OrderRefusal::forbidden(
                "fractional trading is not enabled for this account",
            ));
        }
        let quote = self.quote(index, order.side).ok_or_else(|| {
            OrderRefusal::forbidden(format!("asset \"{}\" has no market data yet", asset.symbol))
        })?;
        self.check_stop(index, order)?;
        let effect = self.effect(index, asset, order, quote)?;
        if let Some(specified) = order.position_intent.filter(|i| *i != effect.intent) {
            return Err(OrderRefusal::unprocessable(format!(
                "position intent mismatch, inferred: {}, specified: {}",
                effect.intent.name(),
                specified.name()
            )));
        }
        let base = self.base_price(index, order).unwrap_or(quote);
        check_exits(order, effect.intent, base)?;
        self.check_smallest(asset, order, quote)?;
        self.check_opposite_orders(index, order, effect.intent)?;
        self.check_money(asset, effect.reserved.cost)?;
        Ok(self.fresh(client_order_id, index, order, &effect))
    }

    /// Checks what takes the place of an exit whose units another order of its group holds back.
    pub(crate) fn checked_exit(&self, old: &Order, new: &NewOrder) -> Result<Order, OrderRefusal> {
        let client_order_id = self.checked_client_id(new.client_order_id.as_deref())?;
        let (index, asset) = self.tradable_asset(&new.symbol)?;
        check_numbers(asset, new)?;
        check_time_in_force(asset, new)?;
        if new.amount != old.amount {
            return Err(OrderRefusal::unprocessable(
                "the qty of a held order cannot be changed",
            ));
        }
        if old.armed {
            self.check_stop(index, new)?;
        }
        let effect = Effect {
            intent: old.position_intent,
            reserved: Reserved::default(),
        };
        Ok(self.fresh(client_order_id, index, new, &effect))
    }

    /// The entry for the book.
    fn fresh(
        &self,
        client_order_id: String,
        asset: AssetIndex,
        order: &NewOrder,
        effect: &Effect,
    ) -> Order {
        let number = self.orders.len();
        let trails = matches!(order.order_type, OrderType::TrailingStop(_));
        Order {
            id: stable_uuid(&format!("order:{}:{number}", self.config.seed)),
            client_order_id,
            asset,
            side: order.side,
            amount: order.amount,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            position_intent: effect.intent,
            status: OrderStatus::Accepted,
            reserved: effect.reserved,
            submitted_at: self.now,
            updated_at: self.now,
            triggered_at: None,
            expires_at: self.expiry(order.time_in_force, order.extended_hours),
            filled_at: None,
            canceled_at: None,
            expired_at: None,
            failed_at: None,
            filled_quantity: Decimal::ZERO,
            filled_average_price: None,
            filled_value: Decimal::ZERO,
            fill_cap: None,
            extended_hours: order.extended_hours,
            class: OrderClass::Simple,
            role: None,
            parent: None,
            legs: Vec::new(),
            armed: true,
            best_price: self.price(asset).filter(|_| trails),
            replaces: None,
            replaced_by: None,
            replaced_at: None,
        }
    }

    /// Orders for an auction are taken in its hours only.
    fn check_hours(&self, order: &NewOrder) -> Result<(), OrderRefusal> {
        let lasting = order.time_in_force;
        if lasting.is_auction() && !takes_auction_orders(lasting, self.now) {
            return Err(OrderRefusal::unprocessable(format!(
                "{} orders are not accepted at this time",
                lasting.name()
            )));
        }
        Ok(())
    }

    fn checked_client_id(&self, id: Option<&str>) -> Result<String, OrderRefusal> {
        let number = self.orders.len();
        let id = match id {
            None | Some("") => {
                return Ok(stable_uuid(&format!("client:{}:{number}", self.config.seed)).into());
            }
            Some(id) => id,
        };
        if id.chars().count() > CLIENT_ORDER_ID_LENGTH_MAX {
            return Err(OrderRefusal::malformed(format!(
                "client_order_id must be no more than {CLIENT_ORDER_ID_LENGTH_MAX} characters"
            )));
        }
        if self.by_client_id.contains_key(id) {
            return Err(OrderRefusal::malformed("client_order_id must be unique"));
        }
        Ok(id.to_owned())
    }

    fn tradable_asset(&self, symbol: &str) -> Result<(AssetIndex, &Asset), OrderRefusal> {
        let shown: String = symbol.chars().take(40).collect();
        let index = self
            .data
            .find(symbol)
            .ok_or_else(|| OrderRefusal::unprocessable(format!("asset \"{shown}\" not found")))?;
        match self.data.asset(index) {
            Some(asset) if asset.tradable => Ok((index, asset)),
            _ => Err(OrderRefusal::unprocessable(format!(
                "asset \"{shown}\" is not tradable"
            ))),
        }
    }

    /// Works out what the order does to the position and what it must hold back for that.
    fn effect(
        &self,
        index: AssetIndex,
        asset: &Asset,
        order: &NewOrder,
        quote: Decimal,
    ) -> Result<Effect, OrderRefusal> {
        let kind = order.order_type;
        let price = kind.limit(order.side).or(kind.stop()).unwrap_or(quote);
        let (quantity, cost) = match order.amount {
            Amount::Quantity(quantity) => (quantity, money(quantity * price)),
            Amount::Notional(notional) => (units_for(notional, price), notional),
        };
        let position = self.position(index).quantity;
        let short = position < Decimal::ZERO;
        let closing = |intent| self.closing(index, asset, order, quantity, intent);
        match order.side {
            Side::Buy if short => closing(PositionIntent::BuyToClose),
            Side::Buy => Ok(Effect {
                intent: PositionIntent::BuyToOpen,
                reserved: Reserved {
                    quantity: Decimal::ZERO,
                    cost,
                },
            }),
            Side::Sell if position > Decimal::ZERO => closing(PositionIntent::SellToClose),
            Side::Sell if asset.class == AssetClass::Crypto => {
                Err(self.not_enough_units(index, asset, quantity))
            }
            Side::Sell => {
                self.check_short(asset, order.amount)?;
                let ask = self.quote(index, Side::Buy).unwrap_or(quote);
                let dear = (ask * Decimal::new(103, 2)).max(price);
                Ok(Effect {
                    intent: PositionIntent::SellToOpen,
                    reserved: Reserved {
                        quantity: Decimal::ZERO,
                        cost: money(dear * quantity),
                    },
                })
            }
        }
    }

    /// An order that reduces a position: no more than what is there and free.
    fn closing(
        &self,
        index: AssetIndex,
        asset: &Asset,
        order: &NewOrder,
        quantity: Decimal,
        intent: PositionIntent,
    ) -> Result<Effect, OrderRefusal> {
        if order.side == Side::Buy && is_fractional(order.amount) {
            return Err(OrderRefusal::malformed("qty must be integer"));
        }
        if quantity > self.quantity_available(index).abs() {
            return Err(self.not_enough_units(index, asset, quantity));
        }
        Ok(Effect {
            intent,
            reserved: Reserved {
                quantity,
                cost: Decimal::ZERO,
            },
        })
    }

    fn not_enough_units(
        &self,
        index: AssetIndex,
        asset: &Asset,
        requested: Decimal,
    ) -> OrderRefusal {
        let existing = self.position(index).quantity.abs();
        let held = self.held_quantity(index, None);
        OrderRefusal::insufficient_quantity(asset.symbol.as_str(), requested, existing, held)
    }

    /// A stop lies beyond the market: a buy's above it, a sale's below.
    fn check_stop(&self, index: AssetIndex, order: &NewOrder) -> Result<(), OrderRefusal> {
        match (order.order_type.stop(), self.price(index)) {
            (Some(stop), Some(market)) if touches(order.side, stop, market) => Err(
                OrderRefusal::stop_passed(order.side == Side::Buy, stop, market),
            ),
            _ => Ok(()),
        }
    }

    fn check_short(&self, asset: &Asset, amount: Amount) -> Result<(), OrderRefusal> {
        if is_fractional(amount) {
            return Err(OrderRefusal::unprocessable(
                "fractional orders cannot be sold short",
            ));
        }
        if !asset.shortable {
            return Err(OrderRefusal::unprocessable(format!(
                "asset \"{}\" cannot be sold short",
                asset.symbol
            )));
        }
        if !self.config.shorting_enabled
            || self.limits.no_shorting
            || self.account().equity < self.config.short_equity_min
        {
            return Err(OrderRefusal::forbidden("account is not allowed to short"));
        }
        Ok(())
    }

    /// Orders must be worth a dollar, and crypto orders reach the asset's smallest quantity.
    fn check_smallest(
        &self,
        asset: &Asset,
        order: &NewOrder,
        quote: Decimal,
    ) -> Result<(), OrderRefusal> {
        let smallest = self.config.order_value_min;
        let value = match order.amount {
            Amount::Notional(notional) => notional,
            // Whole shares may cost less; a fraction of anything may not.
            Amount::Quantity(q) if asset.class == AssetClass::UsEquity && q.fract().is_zero() => {
                return Ok(());
            }
            Amount::Quantity(quantity) => money(quantity * quote),
        };
        if value < smallest {
            return Err(OrderRefusal::forbidden(format!(
                "cost basis must be >= minimal amount of order {smallest}"
            )));
        }
        Ok(())
    }

    /// No order may trade with an open order of the same account, nor open the other side of a
    /// position that an open order is about to open.
    fn check_opposite_orders(
        &self,
        index: AssetIndex,
        order: &NewOrder,
        intent: PositionIntent,
    ) -> Result<(), OrderRefusal> {
        let opposite = self
            .open_orders()
            .filter(|other| other.asset == index && other.side == order.side.opposite());
        for other in opposite {
            match (intent, other.position_intent) {
                (PositionIntent::BuyToOpen, PositionIntent::SellToOpen) => {
                    return Err(OrderRefusal::forbidden(
                        "cannot open a long buy while a short sell order is open",
                    ));
                }
                (PositionIntent::SellToOpen, PositionIntent::BuyToOpen) => {
                    return Err(OrderRefusal::forbidden(
                        "cannot open a short sell while a long buy order is open",
                    ));
                }
                _ => {}
            }
            if is_exempt(order.exits.class(), order.order_type)
                || is_exempt(other.class, other.order_type)
            {
                continue;
            }
            let crosses = match (order.order_type, other.order_type) {
                (OrderType::Limit(ours), OrderType::Limit(theirs)) => {
                    satisfies(order.side, ours, theirs)
                }
                _ => true,
            };
            if crosses {
                return Err(OrderRefusal::wash_trade(
                    other.id.to_string(),
                    other.order_type.name(),
                ));
            }
        }
        Ok(())
    }

    fn check_money(&self, asset: &Asset, cost: Decimal) -> Result<(), OrderRefusal> {
        if cost.is_zero() {
            return Ok(());
        }
        let account = self.account();
        let available = match asset.class {
            AssetClass::Crypto => account.non_marginable_buying_power,
            AssetClass::UsEquity => account.buying_power,
        };
        if cost > available {
            return Err(OrderRefusal::insufficient_buying_power(available, cost));
        }
        Ok(())
    }
}

/// Orders of groups and trailing stops are not looked at as wash trades.
fn is_exempt(class: OrderClass, kind: OrderType) -> bool {
    class != OrderClass::Simple || matches!(kind, OrderType::TrailingStop(_))
}

//! Whether an order may be taken: Alpaca's rules in Alpaca's words, checked in a fixed order
//! before anything changes. What happens to a taken order is in [`crate::matching`].

use rawe_core::AssetClass;
use rawe_core::calendar::MarketCalendar;
use rust_decimal::Decimal;

use crate::asset::{Asset, QUANTITY_DECIMALS, money, stable_uuid};
use crate::data::AssetIndex;
use crate::exchange::Exchange;
use crate::matching::{satisfies, touches, units_for};
use crate::order::{
    Amount, NewOrder, Order, OrderStatus, OrderType, PositionIntent, Reserved, Side, TimeInForce,
};
use crate::refusal::OrderRefusal;

/// The longest client order id, in characters.
const CLIENT_ORDER_ID_LENGTH_MAX: usize = 128;
/// Quantities, dollars and prices beyond this are typing errors; the bound keeps every product of
/// two of them inside a `Decimal`.
const NUMBER_MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// What an order was found to do.
struct Effect {
    intent: PositionIntent,
    reserved: Reserved,
}

impl Exchange {
    /// Checks an order against every rule and makes it an entry for the book.
    pub(crate) fn checked_order(&self, order: &NewOrder) -> Result<Order, OrderRefusal> {
        let number = self.orders.len();
        let client_order_id = self.checked_client_id(order.client_order_id.as_deref(), number)?;
        let (index, asset) = self.tradable_asset(&order.symbol)?;
        check_numbers(asset, order.amount, order.order_type)?;
        check_time_in_force(asset, order)?;
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
        self.check_smallest(asset, order, quote)?;
        self.check_opposite_orders(index, order, effect.intent)?;
        self.check_money(asset, effect.reserved.cost)?;
        Ok(Order {
            id: stable_uuid(&format!("order:{}:{number}", self.config.seed)),
            client_order_id,
            asset: index,
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
            expires_at: self.expiry(order.time_in_force),
            filled_at: None,
            canceled_at: None,
            expired_at: None,
            failed_at: None,
            filled_quantity: Decimal::ZERO,
            filled_average_price: None,
            filled_value: Decimal::ZERO,
            fill_cap: None,
        })
    }

    fn checked_client_id(&self, id: Option<&str>, number: usize) -> Result<String, OrderRefusal> {
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
        if !self.config.shorting_enabled || self.account().equity < self.config.short_equity_min {
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

    /// A day order runs out at the close of the session that is open, or of the next one.
    fn expiry(&self, time_in_force: TimeInForce) -> Option<rawe_core::Timestamp> {
        if time_in_force != TimeInForce::Day {
            return None;
        }
        let calendar = MarketCalendar::nyse();
        let session = calendar
            .session_at(self.now)
            .or_else(|| calendar.next_session(self.now));
        session.map(|session| session.close)
    }
}

/// Dollar amounts count as fractional: they almost never buy whole shares.
fn is_fractional(amount: Amount) -> bool {
    match amount {
        Amount::Notional(_) => true,
        Amount::Quantity(quantity) => !quantity.fract().is_zero(),
    }
}

fn check_numbers(asset: &Asset, amount: Amount, kind: OrderType) -> Result<(), OrderRefusal> {
    let (name, number) = match amount {
        Amount::Quantity(quantity) => ("qty", quantity),
        Amount::Notional(notional) => ("notional", notional),
    };
    if number <= Decimal::ZERO {
        return Err(OrderRefusal::malformed(format!("{name} must be > 0")));
    }
    if number > NUMBER_MAX || number.normalize().scale() > QUANTITY_DECIMALS {
        return Err(OrderRefusal::malformed(format!(
            "{name} must be limited to {QUANTITY_DECIMALS} decimal places and {NUMBER_MAX}"
        )));
    }
    if let (Amount::Quantity(quantity), Some(smallest)) = (amount, asset.quantity_min)
        && quantity < smallest
    {
        return Err(OrderRefusal::unprocessable(format!(
            "minimal qty of order is {smallest} for {}",
            asset.symbol
        )));
    }
    let (stop, limit) = match kind {
        OrderType::Market => (None, None),
        OrderType::Limit(limit) => (None, Some(limit)),
        OrderType::Stop(stop) => (Some(stop), None),
        OrderType::StopLimit { stop, limit } => (Some(stop), Some(limit)),
    };
    if stop.is_some() && limit.is_none() && asset.class == AssetClass::Crypto {
        return Err(OrderRefusal::malformed(
            "invalid order type for crypto order",
        ));
    }
    for (name, price) in [("stop", stop), ("limit", limit)] {
        if let Some(price) = price {
            check_price(asset, name, price)?;
        }
    }
    Ok(())
}

fn check_price(asset: &Asset, name: &str, price: Decimal) -> Result<(), OrderRefusal> {
    if price <= Decimal::ZERO || price > NUMBER_MAX {
        return Err(OrderRefusal::malformed(format!("{name} price must be > 0")));
    }
    let digits = match asset.class {
        AssetClass::Crypto => QUANTITY_DECIMALS,
        AssetClass::UsEquity if price >= Decimal::ONE => 2,
        AssetClass::UsEquity => 4,
    };
    if price.normalize().scale() > digits {
        return Err(OrderRefusal::unprocessable(format!(
            "invalid {name}_price {price}. sub-penny increment does not fulfill minimum pricing \
             criteria"
        )));
    }
    Ok(())
}

fn check_time_in_force(asset: &Asset, order: &NewOrder) -> Result<(), OrderRefusal> {
    let (amount, lasting) = (order.amount, order.time_in_force);
    match asset.class {
        AssetClass::Crypto if lasting == TimeInForce::Day => {
            Err(OrderRefusal::unprocessable("invalid crypto time_in_force"))
        }
        AssetClass::UsEquity
            if lasting == TimeInForce::Ioc && order.order_type.stop().is_some() =>
        {
            let kind = order.order_type.name();
            Err(OrderRefusal::unprocessable(format!(
                "invalid time_in_force for {kind} order: must be day or gtc"
            )))
        }
        AssetClass::UsEquity if !is_fractional(amount) => Ok(()),
        AssetClass::UsEquity if !asset.fractionable => Err(OrderRefusal::forbidden(format!(
            "asset \"{}\" is not fractionable",
            asset.symbol
        ))),
        AssetClass::UsEquity if lasting != TimeInForce::Day => Err(OrderRefusal::unprocessable(
            "fractional orders must be DAY orders",
        )),
        AssetClass::Crypto | AssetClass::UsEquity => Ok(()),
    }
}

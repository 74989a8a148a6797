//! What the broker refuses when an order or a cancellation arrives. Classified as Alpaca does: an
//! HTTP status, a code, words.

use rawe_core::calendar::MarketCalendar;
use rawe_core::{AssetClass, Symbol, Timestamp};
use rawe_execution::broker::{
    Amount, BrokerError, OrderKind, OrderRequest, Rejection, Side, TimeInForce,
};
use rust_decimal::Decimal;

use super::book::{BrokerModel, Owner};

/// Why an order was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The client id was used before.
    Duplicate(String),
    /// Another rule.
    Rule(Rejection),
}

fn refuse(status: u16, code: i64, message: impl Into<String>) -> Refused {
    Refused::Rule(Rejection {
        status,
        code: Some(code),
        message: message.into(),
    })
}

impl BrokerModel {
    /// Whether the regular session is open, by the broker's own clock.
    pub fn session_open(&self, now: Timestamp) -> bool {
        MarketCalendar::nyse().is_open(AssetClass::UsEquity, now + self.skew)
    }

    /// An order has arrived.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn submit(
        &mut self,
        request: &OrderRequest,
        client_id: &str,
        owner: Owner,
        now: Timestamp,
    ) -> Result<usize, Refused> {
        if self.orders.iter().any(|order| order.client_id == client_id) {
            return Err(Refused::Duplicate(
                "client_order_id must be unique".to_owned(),
            ));
        }
        self.check_shape(request)?;
        self.check_position(request)?;
        self.check_money(request)?;
        Ok(self.take(request, client_id, owner, now))
    }

    fn check_shape(&self, request: &OrderRequest) -> Result<(), Refused> {
        if self.blocked {
            return Err(refuse(403, 40_310_000, "account is blocked"));
        }
        let unknown = || {
            refuse(
                422,
                42_210_000,
                format!("asset {} not found", request.symbol),
            )
        };
        let listed = self.assets.get(&request.symbol).ok_or_else(unknown)?;
        if !listed.info.tradable {
            return Err(refuse(422, 42_210_000, "asset is not tradable"));
        }
        let crypto = listed.info.class == AssetClass::Crypto;
        match (request.time_in_force, crypto) {
            (TimeInForce::Day, true) => {
                return Err(refuse(422, 42_210_000, "invalid crypto time_in_force"));
            }
            (TimeInForce::Ioc, false) => {
                return Err(refuse(422, 42_210_000, "ioc is not taken here"));
            }
            _ => {}
        }
        if crypto && matches!(request.kind, OrderKind::Stop { .. }) {
            return Err(refuse(
                422,
                42_210_000,
                "invalid order type for crypto order",
            ));
        }
        self.check_amount(request)?;
        self.check_prices(request)
    }

    fn check_amount(&self, request: &OrderRequest) -> Result<(), Refused> {
        let Some(listed) = self.assets.get(&request.symbol) else {
            return Ok(());
        };
        let info = &listed.info;
        let day = request.time_in_force == TimeInForce::Day;
        match request.amount {
            Amount::Notional(notional) => {
                if notional < Decimal::ONE {
                    return Err(refuse(422, 40_010_001, "notional must be at least 1"));
                }
                if info.class == AssetClass::UsEquity && !(info.fractionable && day) {
                    return Err(refuse(
                        422,
                        42_210_000,
                        "fractional orders must be DAY orders",
                    ));
                }
                if request.kind != OrderKind::Market {
                    return Err(refuse(422, 42_210_000, "notional orders are market orders"));
                }
            }
            Amount::Quantity(quantity) => {
                let fraction = !quantity.fract().is_zero();
                if quantity <= Decimal::ZERO {
                    return Err(refuse(422, 40_010_001, "qty must be above 0"));
                }
                if info.class == AssetClass::UsEquity && fraction && !info.fractionable {
                    return Err(refuse(422, 42_210_000, "qty must be integer"));
                }
                if info.class == AssetClass::UsEquity && fraction && !day {
                    return Err(refuse(
                        422,
                        42_210_000,
                        "fractional orders must be DAY orders",
                    ));
                }
                if quantity.normalize().scale() > 9 {
                    return Err(refuse(422, 40_010_001, "qty has too many decimals"));
                }
                if info.quantity_min.is_some_and(|minimum| quantity < minimum) {
                    return Err(refuse(403, 40_310_000, "qty is under the minimum"));
                }
            }
        }
        Ok(())
    }

    fn check_prices(&self, request: &OrderRequest) -> Result<(), Refused> {
        let (stop, limit) = match request.kind {
            OrderKind::Market => return Ok(()),
            OrderKind::Stop { stop } => (stop, None),
            OrderKind::StopLimit { stop, limit } => (stop, Some(limit)),
        };
        for price in [Some(stop), limit].into_iter().flatten() {
            let decimals = if request.symbol.class() == AssetClass::Crypto {
                9
            } else if price >= Decimal::ONE {
                2
            } else {
                4
            };
            if price <= Decimal::ZERO || price.normalize().scale() > decimals {
                return Err(refuse(422, 42_210_000, "sub-penny increment"));
            }
        }
        let market = self.price(&request.symbol);
        let beyond = match request.side {
            Side::Sell => stop < market,
            Side::Buy => stop > market,
        };
        if beyond {
            Ok(())
        } else {
            Err(refuse(
                422,
                42_210_000,
                "stop price must be beyond the current price",
            ))
        }
    }

    /// No flips, nothing held twice, no order that could trade with one of our own.
    fn check_position(&self, request: &OrderRequest) -> Result<(), Refused> {
        let symbol = &request.symbol;
        let opposite = self
            .open_orders(symbol)
            .find(|order| order.request.side != request.side);
        if let Some(order) = opposite {
            return Err(refuse(
                403,
                40_310_000,
                format!("potential wash trade detected with {}", order.id),
            ));
        }
        let held = self.standing(symbol).total();
        let price = self.price(symbol);
        let wanted = match request.amount {
            Amount::Quantity(quantity) => quantity,
            Amount::Notional(notional) => notional.checked_div(price).unwrap_or_default(),
        };
        let reserved: Decimal = self
            .open_orders(symbol)
            .map(|order| order.remaining(price))
            .sum();
        let closes = (request.side == Side::Sell && held > Decimal::ZERO)
            || (request.side == Side::Buy && held < Decimal::ZERO);
        if closes {
            let available = held.abs() - reserved;
            if wanted > available {
                return Err(refuse(
                    403,
                    40_310_000,
                    format!(
                        "insufficient qty available for order (requested: {wanted}, available: \
                         {available})"
                    ),
                ));
            }
            return Ok(());
        }
        if request.closes && symbol.class() == AssetClass::UsEquity {
            return Err(refuse(
                422,
                42_210_000,
                "position intent mismatch, inferred: to open, specified: to close",
            ));
        }
        if request.side == Side::Sell {
            return self.check_short(request);
        }
        Ok(())
    }

    fn check_short(&self, request: &OrderRequest) -> Result<(), Refused> {
        let info = self.assets.get(&request.symbol).map(|listed| &listed.info);
        if info.is_some_and(|info| info.class == AssetClass::Crypto) {
            return Err(refuse(403, 40_310_000, "insufficient balance"));
        }
        let whole = matches!(request.amount, Amount::Quantity(q) if q.fract().is_zero());
        if !whole {
            return Err(refuse(
                422,
                42_210_000,
                "fractional orders cannot be sold short",
            ));
        }
        if !self.shorting {
            return Err(refuse(403, 40_310_000, "account is not allowed to short"));
        }
        if !info.is_some_and(|info| info.shortable) {
            return Err(refuse(422, 42_210_000, "asset cannot be sold short"));
        }
        Ok(())
    }

    fn check_money(&self, request: &OrderRequest) -> Result<(), Refused> {
        let held = self.standing(&request.symbol).total();
        let opens = match request.side {
            Side::Buy => held >= Decimal::ZERO,
            Side::Sell => held <= Decimal::ZERO,
        };
        if !opens {
            return Ok(());
        }
        let price = self.price(&request.symbol);
        let needed = match request.amount {
            Amount::Notional(notional) => notional,
            Amount::Quantity(quantity) => quantity * price,
        };
        let available = self.buying_power(request.symbol.class());
        if needed > available {
            return Err(refuse(
                403,
                40_310_000,
                format!("insufficient buying power: {available} for {needed}"),
            ));
        }
        Ok(())
    }

    /// USD that new positions may take: twice the equity less what is in the market, for stocks;
    /// cash for crypto; open openings reserve it.
    pub fn buying_power(&self, class: AssetClass) -> Decimal {
        let reserved: Decimal = self
            .orders
            .iter()
            .filter(|order| !order.status.is_terminal())
            .filter(|order| {
                let held = self.standing(&order.request.symbol).total();
                match order.request.side {
                    Side::Buy => held >= Decimal::ZERO,
                    Side::Sell => held <= Decimal::ZERO,
                }
            })
            .map(|order| order.remaining_notional(self.price(&order.request.symbol)))
            .sum();
        let free = match class {
            AssetClass::Crypto => self.cash.min(self.equity()),
            AssetClass::UsEquity => {
                let gross: Decimal = self
                    .standings
                    .iter()
                    .map(|(symbol, standing)| (standing.total() * self.price(symbol)).abs())
                    .sum();
                self.equity() * Decimal::TWO - gross
            }
        };
        (free - reserved).max(Decimal::ZERO).round_dp(2)
    }

    /// Cash plus positions, USD.
    pub fn equity(&self) -> Decimal {
        let positions: Decimal = self
            .standings
            .iter()
            .map(|(symbol, standing)| standing.total() * self.price(symbol))
            .sum();
        (self.cash + positions).round_dp(2)
    }

    /// A request to cancel has arrived: whether it is taken.
    ///
    /// # Errors
    /// 404 for an order that is not known, 422 for one that is over.
    pub fn request_cancel(&mut self, broker_order_id: &str) -> Result<usize, BrokerError> {
        let place = self
            .orders
            .iter()
            .position(|order| order.id == broker_order_id)
            .ok_or_else(|| BrokerError::Refused {
                status: 404,
                message: "order not found".to_owned(),
            })?;
        match self.orders.get_mut(place) {
            Some(order) if !order.status.is_terminal() => {
                order.cancelling = true;
                Ok(place)
            }
            _ => Err(BrokerError::Refused {
                status: 422,
                message: "order is not cancelable".to_owned(),
            }),
        }
    }

    /// Units of a position that open orders do not hold.
    pub(crate) fn available(&self, symbol: &Symbol, total: Decimal) -> Decimal {
        let price = self.price(symbol);
        let held: Decimal = self
            .open_orders(symbol)
            .filter(|order| (order.request.side == Side::Sell) == (total > Decimal::ZERO))
            .map(|order| order.remaining(price))
            .sum();
        let free = (total.abs() - held).max(Decimal::ZERO);
        if total.is_sign_negative() {
            -free
        } else {
            free
        }
    }
}

//! What the exchange says no to, in Alpaca's words: an HTTP status, a code and a message. Clients
//! classify by status, then by message; the code is a catch-all at Alpaca as well.

use rust_decimal::Decimal;

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the exchange refused ({status}, {code}): {message}")]
pub struct OrderRefusal {
    /// HTTP status: 403, 404 or 422.
    pub status: u16,
    /// Alpaca's code.
    pub code: u32,
    /// Alpaca's words.
    pub message: String,
    /// More fields of the body, all texts.
    pub details: Vec<(&'static str, String)>,
}

impl OrderRefusal {
    fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// 403, 40310000: understood, and not allowed now.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, 40_310_000, message)
    }

    /// 404, 40410000: no such order, position or asset.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, 40_410_000, message)
    }

    /// 422, 40010001: a field is missing or cannot be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(422, 40_010_001, message)
    }

    /// 422, 42210000: a rule of the asset or of the order type is broken.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(422, 42_210_000, message)
    }

    /// The order needs more money than there is.
    pub fn insufficient_buying_power(buying_power: Decimal, cost_basis: Decimal) -> Self {
        Self::forbidden("insufficient buying power")
            .with("buying_power", buying_power.round_dp(2).to_string())
            .with("cost_basis", cost_basis.round_dp(2).to_string())
    }

    /// The order takes more units than are there and free.
    pub fn insufficient_quantity(
        symbol: &str,
        requested: Decimal,
        existing: Decimal,
        held: Decimal,
    ) -> Self {
        let available = existing - held;
        Self::forbidden(format!(
            "insufficient qty available for order (requested: {}, available: {})",
            requested.normalize(),
            available.normalize()
        ))
        .with("available", available.normalize().to_string())
        .with("existing_qty", existing.normalize().to_string())
        .with("held_for_orders", held.normalize().to_string())
        .with("symbol", symbol)
    }

    /// The market is already through the stop.
    pub fn stop_passed(is_buy: bool, stop: Decimal, market: Decimal) -> Self {
        let must_be = if is_buy { "greater" } else { "less" };
        Self::unprocessable(format!("stop price must be {must_be} than current price"))
            .with("market_price", market.normalize().to_string())
            .with("stop_price", stop.normalize().to_string())
    }

    /// The order could trade with an open order of the same account.
    pub fn wash_trade(existing_order_id: impl Into<String>, existing_kind: &str) -> Self {
        Self::forbidden("potential wash trade detected. use complex orders")
            .with("existing_order_id", existing_order_id)
            .with(
                "reject_reason",
                format!("opposite side {existing_kind} order exists"),
            )
    }
}

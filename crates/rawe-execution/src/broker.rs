//! The broker as the collective sees it: three outcomes of a submission, and read-only questions.

use async_trait::async_trait;
use rawe_core::{AssetClass, ClientOrderId, Symbol, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Which way an order goes at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Buy.
    Buy,
    /// Sell (also short).
    Sell,
}

/// How much: dollars or units, never both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// USD.
    Notional(#[serde(with = "rust_decimal::serde::str")] Decimal),
    /// Shares or coins.
    Quantity(#[serde(with = "rust_decimal::serde::str")] Decimal),
}

/// How long an order lives at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeInForce {
    /// Until the session's close; stocks.
    Day,
    /// Until cancelled; crypto.
    Gtc,
    /// Immediately or cancelled; crypto.
    Ioc,
}

/// At which price an order may fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OrderKind {
    /// At the market's.
    #[default]
    Market,
    /// At the market's once the price has touched the stop. Stocks only.
    Stop {
        /// USD a unit.
        #[serde(with = "rust_decimal::serde::str")]
        stop: Decimal,
    },
    /// At the limit or better once the price has touched the stop.
    StopLimit {
        /// USD a unit.
        #[serde(with = "rust_decimal::serde::str")]
        stop: Decimal,
        /// USD a unit.
        #[serde(with = "rust_decimal::serde::str")]
        limit: Decimal,
    },
}

/// An order, as it goes to the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// Our id, unique for ever in the account.
    pub client_order_id: ClientOrderId,
    /// The asset.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Whether it may only make a position smaller. However late it arrives, the broker then
    /// refuses it where it would open one; crypto cannot be short anyway.
    #[serde(default)]
    pub closes: bool,
    /// How much.
    pub amount: Amount,
    /// How long.
    pub time_in_force: TimeInForce,
    /// At which price.
    #[serde(default)]
    pub kind: OrderKind,
}

/// Where an order stands. Only [`OrderStatus::is_terminal`] ones never change again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Taken by the broker, not filled yet (all of Alpaca's working states).
    Working,
    /// Some of it is filled and the rest is working.
    PartiallyFilled,
    /// All of it is filled.
    Filled,
    /// Cancelled; some of it may be filled.
    Canceled,
    /// Expired; some of it may be filled.
    Expired,
    /// Refused after it was taken.
    Rejected,
}

impl OrderStatus {
    /// Whether the order can never change again.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Working | Self::PartiallyFilled)
    }
}

/// An order as the broker reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReport {
    /// The broker's id.
    pub broker_order_id: String,
    /// Our id, or another client's.
    pub client_order_id: String,
    /// The asset.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Where it stands.
    pub status: OrderStatus,
    /// Units ordered, if ordered in units.
    pub quantity: Option<Decimal>,
    /// USD ordered, if ordered in dollars.
    pub notional: Option<Decimal>,
    /// Units filled so far.
    pub filled_quantity: Decimal,
    /// Mean fill price, USD, if anything is filled.
    pub filled_average_price: Option<Decimal>,
    /// When the broker took it, broker time.
    #[serde(default, with = "rawe_core::time_text::option")]
    pub submitted_at: Option<Timestamp>,
    /// When it was completely filled, broker time.
    #[serde(default, with = "rawe_core::time_text::option")]
    pub filled_at: Option<Timestamp>,
    /// When it last changed, broker time.
    #[serde(default, with = "rawe_core::time_text::option")]
    pub updated_at: Option<Timestamp>,
}

/// What came of sending an order. Nothing maps a doubt to `Rejected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// The broker has it.
    Accepted(Box<OrderReport>),
    /// The broker does not have it and said why.
    Rejected(Rejection),
    /// The broker says this client order id was used before: look it up and compare.
    Duplicate(String),
    /// Timeout, reset, 5xx, an unreadable answer: the broker may or may not have it.
    Unknown(String),
}

/// A refusal by the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// HTTP status.
    pub status: u16,
    /// The broker's own code, if it gave one.
    pub code: Option<i64>,
    /// The broker's words.
    pub message: String,
}

/// Why a question to the broker was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// Not reachable, timed out, 5xx or 429: ask again later.
    #[error("the broker cannot be asked now: {0}")]
    Unavailable(String),
    /// Keys are missing or wrong.
    #[error("the broker refused the keys: {0}; check APCA_API_KEY_ID and APCA_API_SECRET_KEY")]
    Unauthorized(String),
    /// The broker understood and refused.
    #[error("the broker refused the request: {status} {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The answer cannot be read.
    #[error("the broker's answer cannot be read: {0}")]
    Unreadable(String),
}

/// The account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The broker's id of the account.
    pub id: String,
    /// Whether it may trade (active and not blocked).
    pub can_trade: bool,
    /// Whether it may short.
    pub shorting_enabled: bool,
    /// Cash plus positions, USD.
    pub equity: Decimal,
    /// Cash, USD.
    pub cash: Decimal,
    /// USD that new stock positions may take.
    pub buying_power: Decimal,
    /// USD that new crypto positions may take.
    pub non_marginable_buying_power: Decimal,
}

/// The broker's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerClock {
    /// Broker time: market time in a replay.
    pub timestamp: Timestamp,
    /// Whether the regular stock session is open.
    pub is_open: bool,
    /// Next regular open.
    pub next_open: Timestamp,
    /// Next regular close.
    pub next_close: Timestamp,
}

/// What may be done with an asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetInfo {
    /// The asset.
    pub symbol: Symbol,
    /// Its class.
    pub class: AssetClass,
    /// May be traded.
    pub tradable: bool,
    /// May be bought in fractions and by notional.
    pub fractionable: bool,
    /// May be sold short, and is easy to borrow.
    pub shortable: bool,
    /// Smallest order in units, where the broker says so (crypto).
    pub quantity_min: Option<Decimal>,
    /// Smallest step of the quantity, where the broker says so (crypto).
    pub quantity_increment: Option<Decimal>,
}

/// A position as the broker reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionReport {
    /// The asset, with its slash for crypto.
    pub symbol: Symbol,
    /// Units; negative when short.
    pub quantity: Decimal,
    /// Units not held by open orders; never negative for longs.
    pub quantity_available: Decimal,
    /// Mean entry price, USD.
    pub average_entry_price: Decimal,
    /// USD; negative when short.
    pub market_value: Decimal,
}

/// Terminal orders of the account, all assets and whoever made them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastOrders {
    /// Newest first.
    pub orders: Vec<OrderReport>,
    /// Whether there are no others: the account's whole past is here.
    pub complete: bool,
}

impl PositionReport {
    /// What the position must be worth at least to tell a price, USD: a cent is a thousandth of it.
    const VALUE_TOLD_MIN: Decimal = Decimal::TEN;

    /// The price at which the broker values the position, USD a unit. Values are rounded: those of
    /// dust tell none.
    pub fn price_told(&self) -> Option<Decimal> {
        let price = self.market_value.checked_div(self.quantity)?;
        (self.market_value.abs() >= Self::VALUE_TOLD_MIN).then(|| price.round_dp(9))
    }
}

/// A broker. `submit` never retries by itself; everything else only reads (or cancels).
#[async_trait]
pub trait Broker: std::fmt::Debug + Send + Sync {
    /// The account.
    async fn account(&self) -> Result<Account, BrokerError>;
    /// The clock.
    async fn clock(&self) -> Result<BrokerClock, BrokerError>;
    /// One asset; `None` if the broker does not know it.
    async fn asset(&self, symbol: &Symbol) -> Result<Option<AssetInfo>, BrokerError>;
    /// All positions.
    async fn positions(&self) -> Result<Vec<PositionReport>, BrokerError>;
    /// All open orders, ours and foreign.
    async fn open_orders(&self) -> Result<Vec<OrderReport>, BrokerError>;
    /// The newest terminal orders of an asset, newest first, at most 500.
    async fn closed_orders(&self, symbol: &Symbol) -> Result<Vec<OrderReport>, BrokerError>;
    /// The newest terminal orders of all assets, as many as one answer holds.
    async fn past_orders(&self) -> Result<PastOrders, BrokerError>;
    /// The order with our id; `None` if the broker confirms that there is none.
    async fn order_by_client_id(
        &self,
        id: &ClientOrderId,
    ) -> Result<Option<OrderReport>, BrokerError>;
    /// The newest price of an asset, USD, and its time; `None` if the broker has none.
    async fn latest_price(
        &self,
        symbol: &Symbol,
    ) -> Result<Option<(Decimal, Timestamp)>, BrokerError>;
    /// Sends an order once.
    async fn submit(&self, order: &OrderRequest) -> SubmitOutcome;
    /// Asks to cancel an order; success means the request was taken.
    async fn cancel(&self, broker_order_id: &str) -> Result<(), BrokerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_too_little_tells_no_price() {
        for (quantity, value, price) in [
            ("2", "6256.54", Some("3128.27")),
            ("-2", "-6256.54", Some("3128.27")),
            ("0.000000025", "0.000078", None),
            ("0.003", "9.38", None),
            ("0.0032", "10.01", Some("3128.125")),
            ("0", "0", None),
        ] {
            let number = |text: &str| text.parse::<Decimal>().unwrap();
            let position = PositionReport {
                symbol: Symbol::new("ETH/USD").unwrap(),
                quantity: number(quantity),
                quantity_available: number(quantity),
                average_entry_price: Decimal::ZERO,
                market_value: number(value),
            };
            assert_eq!(position.price_told(), price.map(number), "{quantity}");
        }
    }
}

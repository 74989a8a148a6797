//! Orders and fills as the exchange keeps them. The states only move forward; the rules by which
//! an order is taken are in [`crate::checks`], those by which it fills in [`crate::matching`].

use rawe_core::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::data::AssetIndex;

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Buy, also to cover a short.
    Buy,
    /// Sell, also short.
    Sell,
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// How much is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// USD.
    Notional(Decimal),
    /// Shares or coins.
    Quantity(Decimal),
}

/// At what price an order may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderType {
    /// At any price.
    Market,
    /// At this price or better, USD.
    Limit(Decimal),
    /// At any price once the market has touched this one, USD; a buy no dearer than
    /// [`OrderType::limit`] says. Stocks only.
    Stop(Decimal),
    /// At the limit or better once the market has touched the stop, both USD.
    StopLimit {
        /// The trigger.
        stop: Decimal,
        /// The worst price.
        limit: Decimal,
    },
}

impl OrderType {
    /// The price that must be touched first, USD.
    pub fn stop(self) -> Option<Decimal> {
        match self {
            Self::Market | Self::Limit(_) => None,
            Self::Stop(stop) | Self::StopLimit { stop, .. } => Some(stop),
        }
    }

    /// The worst price, USD. A buy stop has one too: Alpaca makes it a stop-limit order 4 % above
    /// a stop under 50 dollars and 2.5 % above any other.
    pub fn limit(self, side: Side) -> Option<Decimal> {
        match (self, side) {
            (Self::Limit(limit) | Self::StopLimit { limit, .. }, _) => Some(limit),
            (Self::Stop(stop), Side::Buy) => {
                let per_mille = if stop < Decimal::from(50) {
                    1_040
                } else {
                    1_025
                };
                Some((stop * Decimal::new(per_mille, 3)).round_dp(4).normalize())
            }
            (Self::Market, _) | (Self::Stop(_), Side::Sell) => None,
        }
    }

    /// The name Alpaca uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit(_) => "limit",
            Self::Stop(_) => "stop",
            Self::StopLimit { .. } => "stop_limit",
        }
    }
}

/// How long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until the close of the session; stocks only.
    Day,
    /// Until it is cancelled.
    Gtc,
    /// Filled at once or cancelled.
    Ioc,
}

/// What the client says the order is meant to do; a mismatch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionIntent {
    /// Open or enlarge a long position.
    BuyToOpen,
    /// Reduce a short position.
    BuyToClose,
    /// Open or enlarge a short position.
    SellToOpen,
    /// Reduce a long position.
    SellToClose,
}

impl PositionIntent {
    /// The name Alpaca uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuyToOpen => "buy_to_open",
            Self::BuyToClose => "buy_to_close",
            Self::SellToOpen => "sell_to_open",
            Self::SellToClose => "sell_to_close",
        }
    }
}

/// An order as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// The client's id, unique for ever in the account; made up by the exchange if absent.
    pub client_order_id: Option<String>,
    /// Symbol, symbol without slash, or asset id.
    pub symbol: String,
    /// Buy or sell.
    pub side: Side,
    /// How much.
    pub amount: Amount,
    /// How it is priced.
    pub order_type: OrderType,
    /// How long.
    pub time_in_force: TimeInForce,
    /// What it is meant to do, if the client says so.
    pub position_intent: Option<PositionIntent>,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Taken while the market is closed; waits for the open.
    Accepted,
    /// Working in an open market.
    New,
    /// Some of it is filled, the rest works.
    PartiallyFilled,
    /// Completely filled.
    Filled,
    /// Cancelled by the client, or the rest of an immediate order.
    Canceled,
    /// Its time ran out.
    Expired,
    /// Refused after it was taken.
    Rejected,
}

impl OrderStatus {
    /// Whether the order can never change again.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Accepted | Self::New | Self::PartiallyFilled)
    }

    /// The name Alpaca uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::New => "new",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }
}

/// An order in the book, open or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The exchange's id.
    pub id: Uuid,
    /// The client's id.
    pub client_order_id: String,
    /// The asset.
    pub asset: AssetIndex,
    /// Buy or sell.
    pub side: Side,
    /// How much was ordered.
    pub amount: Amount,
    /// How it is priced.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// What it does to the position, worked out when it was taken.
    pub position_intent: PositionIntent,
    /// Where it stands.
    pub status: OrderStatus,
    /// Units it holds back from the position while open, or USD per unit times units it reserves.
    pub reserved: Reserved,
    /// When it was taken.
    pub submitted_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When the market touched its stop.
    pub triggered_at: Option<Timestamp>,
    /// When a day order runs out.
    pub expires_at: Option<Timestamp>,
    /// When the last of it was filled.
    pub filled_at: Option<Timestamp>,
    /// When it was cancelled.
    pub canceled_at: Option<Timestamp>,
    /// When it ran out.
    pub expired_at: Option<Timestamp>,
    /// When it was refused after it was taken.
    pub failed_at: Option<Timestamp>,
    /// Units filled.
    pub filled_quantity: Decimal,
    /// Mean fill price, USD.
    pub filled_average_price: Option<Decimal>,
    /// What the units filled cost, USD.
    pub filled_value: Decimal,
    /// Units that may fill for now, if not all.
    pub fill_cap: Option<Decimal>,
}

/// What an open order keeps from other orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reserved {
    /// Units of the position which it closes.
    pub quantity: Decimal,
    /// USD of exposure which it opens.
    pub cost: Decimal,
}

impl Order {
    /// Whether the order still works.
    pub fn is_open(&self) -> bool {
        !self.status.is_terminal()
    }

    /// The stop that the market has yet to touch, USD.
    pub fn waits_for(&self) -> Option<Decimal> {
        self.order_type
            .stop()
            .filter(|_| self.triggered_at.is_none())
    }
}

/// One execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The order.
    pub order_id: Uuid,
    /// The client's id of the order.
    pub client_order_id: String,
    /// The asset.
    pub asset: AssetIndex,
    /// Buy or sell.
    pub side: Side,
    /// Units executed, before a fee in coin.
    pub quantity: Decimal,
    /// USD per unit.
    pub price: Decimal,
    /// Coins kept as fee (crypto buys).
    pub fee_quantity: Decimal,
    /// USD kept as fee (crypto sells), or the value of the coins kept.
    pub fee_value: Decimal,
    /// Change of the position: what was bought less the fee in coin, negative for sells.
    pub position_change: Decimal,
    /// Change of the cash, USD.
    pub cash_change: Decimal,
    /// Gain or loss made real, before fees, USD.
    pub realised: Decimal,
    /// When.
    pub at: Timestamp,
}

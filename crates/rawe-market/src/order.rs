//! Orders and fills as the exchange keeps them. The states only move forward; what a client can ask
//! for is in [`crate::terms`], the rules by which an order is taken in [`crate::checks`], those by
//! which it fills in [`crate::matching`].

use rawe_core::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::data::AssetIndex;
use crate::terms::{Amount, GroupRole, OrderClass, OrderType, PositionIntent, Side, TimeInForce};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Part of a group, and not (or not visibly) working yet.
    Held,
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
    /// Another order took its place.
    Replaced,
}

impl OrderStatus {
    /// Whether the order can never change again.
    pub fn is_terminal(self) -> bool {
        !matches!(
            self,
            Self::Held | Self::Accepted | Self::New | Self::PartiallyFilled
        )
    }

    /// The name Alpaca uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Accepted => "accepted",
            Self::New => "new",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Replaced => "replaced",
        }
    }
}

/// An order in the book, open or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether it works outside the regular session too.
    pub extended_hours: bool,
    /// What kind of group it belongs to.
    pub class: OrderClass,
    /// What it is to its group.
    pub role: Option<GroupRole>,
    /// The order that brought it along.
    pub parent: Option<Uuid>,
    /// The orders it brought along.
    pub legs: Vec<Uuid>,
    /// Whether it works; the exits of an entry do once that is filled.
    pub armed: bool,
    /// The best price since a trailing stop was taken, USD.
    pub best_price: Option<Decimal>,
    /// The order it took the place of.
    pub replaces: Option<Uuid>,
    /// The order that took its place.
    pub replaced_by: Option<Uuid>,
    /// When that was.
    pub replaced_at: Option<Timestamp>,
}

/// What an open order keeps from other orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
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

    /// The price that triggers it, USD; that of a trailing stop follows the best price.
    pub fn stop(&self) -> Option<Decimal> {
        match self.order_type {
            OrderType::TrailingStop(trail) => {
                self.best_price.map(|best| trail.stop(self.side, best))
            }
            kind => kind.stop(),
        }
    }

    /// The stop that the market has yet to touch, USD.
    pub fn waits_for(&self) -> Option<Decimal> {
        self.stop().filter(|_| self.triggered_at.is_none())
    }

    /// The id of its group: the order that brought the others along; `None` for a simple order.
    pub fn group(&self) -> Option<Uuid> {
        (self.class != OrderClass::Simple).then(|| self.parent.unwrap_or(self.id))
    }
}

/// One execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

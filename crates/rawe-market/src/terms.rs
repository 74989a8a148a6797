//! What a client can ask for: sides, amounts, prices, times in force, groups. What becomes of it is
//! in [`crate::order`].

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// USD.
    Notional(Decimal),
    /// Shares or coins.
    Quantity(Decimal),
}

/// How far a trailing stop stays behind the best price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trail {
    /// USD a unit.
    Price(Decimal),
    /// Percent of the best price.
    Percent(Decimal),
}

impl Trail {
    /// The stop that belongs to the best price seen, USD: below it for a sale, above it for a buy.
    pub fn stop(self, side: Side, best: Decimal) -> Decimal {
        let distance = match self {
            Self::Price(distance) => distance,
            Self::Percent(percent) => best * percent / Decimal::ONE_HUNDRED,
        };
        let stop = match side {
            Side::Buy => best + distance,
            Side::Sell => best - distance,
        };
        stop.round_dp(4).normalize()
    }
}

/// At what price an order may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// A stop that follows the best price at a distance, and is then a market order. Stocks only.
    TrailingStop(Trail),
}

impl OrderType {
    /// The price that must be touched first, USD; that of a trailing stop moves, see
    /// [`crate::Order::stop`].
    pub fn stop(self) -> Option<Decimal> {
        match self {
            Self::Market | Self::Limit(_) | Self::TrailingStop(_) => None,
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
            (Self::Market | Self::TrailingStop(_), _) | (Self::Stop(_), Side::Sell) => None,
        }
    }

    /// The name Alpaca uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit(_) => "limit",
            Self::Stop(_) => "stop",
            Self::StopLimit { .. } => "stop_limit",
            Self::TrailingStop(_) => "trailing_stop",
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
    /// Filled at once or cancelled, also in part.
    Ioc,
    /// Filled whole at once, or cancelled.
    Fok,
    /// In the opening auction only; stocks.
    Opg,
    /// In the closing auction only; stocks.
    Cls,
}

impl TimeInForce {
    /// The name Alpaca uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Gtc => "gtc",
            Self::Ioc => "ioc",
            Self::Fok => "fok",
            Self::Opg => "opg",
            Self::Cls => "cls",
        }
    }

    /// Whether what does not fill at once is cancelled.
    pub fn is_immediate(self) -> bool {
        matches!(self, Self::Ioc | Self::Fok)
    }

    /// Whether the order takes part in an auction only.
    pub fn is_auction(self) -> bool {
        matches!(self, Self::Opg | Self::Cls)
    }
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

/// The exit with a profit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeProfit {
    /// USD.
    pub limit: Decimal,
}

/// The exit with a loss: a stop, or with a limit a stop-limit order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopLoss {
    /// USD.
    pub stop: Decimal,
    /// USD.
    pub limit: Option<Decimal>,
}

impl StopLoss {
    /// The order type of this exit.
    pub fn order_type(self) -> OrderType {
        match self.limit {
            Some(limit) => OrderType::StopLimit {
                stop: self.stop,
                limit,
            },
            None => OrderType::Stop(self.stop),
        }
    }
}

/// The orders that an order brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exits {
    /// None: a simple order.
    #[default]
    None,
    /// An entry with both exits, which work once it is filled.
    Bracket(TakeProfit, StopLoss),
    /// Two exits of a position; one cancels the other. The order itself is the first.
    Oco(StopLoss),
    /// An entry with an exit at a profit.
    OtoProfit(TakeProfit),
    /// An entry with an exit at a loss.
    OtoLoss(StopLoss),
}

impl Exits {
    /// The class of the order.
    pub fn class(self) -> OrderClass {
        match self {
            Self::None => OrderClass::Simple,
            Self::Bracket(..) => OrderClass::Bracket,
            Self::Oco(_) => OrderClass::Oco,
            Self::OtoProfit(_) | Self::OtoLoss(_) => OrderClass::Oto,
        }
    }

    /// The exit at a profit that is an order of its own.
    pub fn take_profit(self) -> Option<TakeProfit> {
        match self {
            Self::Bracket(profit, _) | Self::OtoProfit(profit) => Some(profit),
            Self::None | Self::Oco(_) | Self::OtoLoss(_) => None,
        }
    }

    /// The exit at a loss.
    pub fn stop_loss(self) -> Option<StopLoss> {
        match self {
            Self::Bracket(_, loss) | Self::Oco(loss) | Self::OtoLoss(loss) => Some(loss),
            Self::None | Self::OtoProfit(_) => None,
        }
    }
}

/// One order or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderClass {
    /// One order.
    #[default]
    Simple,
    /// Entry with both exits.
    Bracket,
    /// One exit cancels the other.
    Oco,
    /// Entry with one exit.
    Oto,
}

impl OrderClass {
    /// The name Alpaca uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Bracket => "bracket",
            Self::Oco => "oco",
            Self::Oto => "oto",
        }
    }
}

/// What an order is to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupRole {
    /// Opens the position.
    Entry,
    /// Closes it with a profit.
    TakeProfit,
    /// Closes it with a loss.
    StopLoss,
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
    /// Whether it works outside the regular session too; limit orders only.
    pub extended_hours: bool,
    /// The orders it brings along.
    pub exits: Exits,
}

//! A simulated exchange: assets, prices, accounts, matching, fees and the market's clock; pure.
//!
//! [`MarketData`] holds what never changes (assets and bars) and may be shared; an [`Exchange`]
//! holds one account's money, orders and positions and a virtual clock that only moves forward.
//! Time is always an argument, nothing is random, and no I/O happens here: `paper-exchange` puts
//! Alpaca's HTTP API in front, backtests call it directly. It plays no order book, no interest, no
//! dividends and no other corporate actions; fills are partial only if volume is made to matter
//! ([`liquidity`]).

pub mod account;
pub mod asset;
pub mod booking;
pub mod checks;
pub mod costs;
pub mod data;
pub mod events;
pub mod exchange;
pub mod form;
pub mod groups;
pub mod history;
pub mod liquidity;
pub mod matching;
pub mod order;
pub mod position;
pub mod refusal;
pub mod replace;
pub mod series;
pub mod sessions;
pub mod snapshot;
pub mod terms;

pub use account::AccountView;
pub use asset::Asset;
pub use costs::Charge;
pub use data::{AssetIndex, MarketData};
pub use events::{OrderEvent, OrderEventKind};
pub use exchange::{ClockRefusal, Exchange, ExchangeConfig, TradingLimits};
pub use order::{Fill, Order, OrderStatus};
pub use position::Position;
pub use refusal::OrderRefusal;
pub use replace::Replacement;
pub use series::{BarView, PriceSeries, SeriesError};
pub use snapshot::{OtherMarket, Snapshot};
pub use terms::{
    Amount, Exits, GroupRole, NewOrder, OrderClass, OrderType, PositionIntent, Side, StopLoss,
    TakeProfit, TimeInForce, Trail,
};

//! The wire as Alpaca speaks it, for both sides: the clients read what the exchange writes.
//!
//! Trading amounts are decimals in strings, market data are JSON numbers, and nothing is ever
//! written with an exponent. Reading is tolerant: numbers or strings, absent, null or empty
//! optional fields, unknown fields and unknown enum values all pass. Nothing here decides whether
//! a value makes sense: the exchange and the clients do.

mod enums;
mod error;
pub mod lenient;
mod market;
mod orders;
mod stream;
mod trading;

pub use enums::{
    AccountStatus, AssetClassName, AssetStatus, BorrowStatus, OrderClass, OrderSide, OrderStatus,
    OrderType, PositionIntent, PositionSide, TimeInForce, TradeEvent,
};
pub use error::ErrorBody;
pub use market::{
    BarData, BarsPage, LatestBars, LatestTrades, NewsArticle, NewsImage, NewsPage, TradeData,
};
pub use orders::{Order, OrderRequest, StopLoss, TakeProfit};
pub use stream::{
    Authorization, Listening, STREAM_AUTHORIZATION, STREAM_LISTENING, STREAM_TRADE_UPDATES,
    StreamMessage, StreamRequest, TradeUpdateData,
};
pub use trading::{Account, Asset, CalendarDay, Clock, Position};

#[cfg(test)]
mod tests;

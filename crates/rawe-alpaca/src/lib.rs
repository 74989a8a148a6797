//! Alpaca's REST API: wire types shared with the paper exchange, trading and data clients.
//!
//! [`types`] is the contract in both directions; [`TradingClient`] is the only [`Broker`] of the
//! collective that leaves the process; [`TradeUpdates`] hears what becomes of orders;
//! [`DataClient`] reads bars, news and the calendar, [`DataStream`] hears bars and news. Rules of
//! trading live in `rawe-execution`, the conversion of bars in `rawe-feed`.
//!
//! [`Broker`]: rawe_execution::broker::Broker

mod convert;
mod data;
mod data_stream;
mod dialer;
mod http;
mod rate_budget;
mod redaction;
mod settings;
mod trading;
pub mod types;
mod updates;

pub use data::{DataClient, NewsQuery};
pub use data_stream::{DataEndpoint, DataNews, DataPatience, DataStream, Restarter};
pub use rate_budget::RateBudget;
pub use settings::{ClientError, RequestRate, Settings, StockFeed, is_live};
pub use trading::TradingClient;
pub use updates::{TradeNews, TradeUpdate, TradeUpdates, UpdatesPatience};

#[cfg(test)]
mod tests;

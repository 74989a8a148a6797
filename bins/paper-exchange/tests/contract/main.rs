//! The exchange over real sockets, as any client of Alpaca sees it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail by panicking, as tests do"
)]

mod account;
mod accounts;
mod client;
mod clock;
mod complex;
mod data_streams;
mod faults;
mod halts;
mod look_ahead;
mod market_data;
mod one_symbol;
mod orders;
mod positions;
mod startup;
mod state;
mod stream;
mod support;
mod ticks;
mod watchlists;

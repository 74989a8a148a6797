//! The exchange over real sockets, as any client of Alpaca sees it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail by panicking, as tests do"
)]

mod account;
mod client;
mod clock;
mod faults;
mod market_data;
mod orders;
mod positions;
mod startup;
mod stream;
mod support;

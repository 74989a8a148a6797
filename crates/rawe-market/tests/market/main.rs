//! The simulated exchange as its users see it: rules one by one, invariants over everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail by panicking, as tests do"
)]

mod auctions;
mod groups;
mod invariants;
mod partial;
mod refusals;
mod replacing;
mod rules;
mod stops;
mod support;
mod trailing;

//! A broker with Alpaca's rules, small and exact: what it holds, what it refuses, what it does to
//! an order over time. It never fails by itself; requests and answers that get lost are the
//! network's (`crate::network`).

mod answers;
mod book;
mod groups;
mod rules;

pub use book::{BrokerModel, Changed, Listed, Order, Owner, Standing};
pub use groups::GroupMoves;
pub use rules::Refused;

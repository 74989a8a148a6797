//! The messages of `<trading base>/stream`: what a client says, what the service tells of orders.
//!
//! Every message has a stream and data. The paper service puts the JSON in binary frames; how
//! frames are carried is not said here.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::enums::TradeEvent;
use super::lenient;
use super::orders::Order;

/// The stream on which the answers to `authenticate` come.
pub const STREAM_AUTHORIZATION: &str = "authorization";
/// The stream on which the answers to `listen` come.
pub const STREAM_LISTENING: &str = "listening";
/// The stream of order updates.
pub const STREAM_TRADE_UPDATES: &str = "trade_updates";

/// A message of the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamMessage<T> {
    /// Which stream it belongs to.
    pub stream: String,
    /// What it says.
    pub data: T,
}

impl<T> StreamMessage<T> {
    /// A message on a stream.
    pub fn new(stream: &str, data: T) -> Self {
        Self {
            stream: stream.to_owned(),
            data,
        }
    }
}

/// What a client says; `data` depends on the action.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamRequest {
    /// `authenticate` (or `auth`, with the keys beside it) or `listen`.
    #[serde(default)]
    pub action: String,
    /// The keys or the streams.
    #[serde(default)]
    pub data: Value,
    /// The key id, with `auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The secret key, with `auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// The data of an answer to `authenticate`, and of a `listen` without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// `authorized` or `unauthorized`.
    #[serde(default, with = "lenient::null_default")]
    pub status: String,
    /// Which action is answered.
    #[serde(default, with = "lenient::null_default")]
    pub action: String,
}

/// The data of an answer to `listen`: the whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// The streams that are listened to now.
    #[serde(default, with = "lenient::null_default")]
    pub streams: Vec<String>,
}

/// News of one order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TradeUpdateData {
    /// What happened.
    pub event: TradeEvent,
    /// Names the event; a repeated message has the same one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub execution_id: Option<String>,
    /// When.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub timestamp: Option<DateTime<Utc>>,
    /// USD a unit of this fill.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub price: Option<Decimal>,
    /// Units of this fill; the order's `filled_qty` counts all.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub qty: Option<Decimal>,
    /// Units held after this fill, negative when short.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub position_qty: Option<Decimal>,
    /// The order after it.
    pub order: Order,
}

//! `POST /v2/orders` and what orders look like in answers.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::enums::{
    AssetClassName, OrderClass, OrderSide, OrderStatus, OrderType, PositionIntent, TimeInForce,
};
use super::lenient;

/// The body of `POST /v2/orders`. What combinations are legal is the exchange's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// A symbol, an asset id or a pair (`BTC/USD`, also `BTCUSD`).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub symbol: Option<String>,
    /// Units; exactly one of quantity and notional.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub qty: Option<Decimal>,
    /// USD.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub notional: Option<Decimal>,
    /// Buy or sell.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub side: Option<OrderSide>,
    /// How it is priced.
    #[serde(
        rename = "type",
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub order_type: Option<OrderType>,
    /// How long it lives.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub time_in_force: Option<TimeInForce>,
    /// USD, for limit and stop_limit.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub limit_price: Option<Decimal>,
    /// USD, for stop and stop_limit.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub stop_price: Option<Decimal>,
    /// USD behind the price, for trailing_stop.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub trail_price: Option<Decimal>,
    /// Percent behind the price, for trailing_stop.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub trail_percent: Option<Decimal>,
    /// Also outside the regular session.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::bool_opt"
    )]
    pub extended_hours: Option<bool>,
    /// The sender's id, at most 128 bytes, unique for ever in the account.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub client_order_id: Option<String>,
    /// One order or a group; absent and `""` mean simple.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub order_class: Option<OrderClass>,
    /// The profit exit of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_profit: Option<TakeProfit>,
    /// The loss exit of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_loss: Option<StopLoss>,
    /// A guard against accidental shorts.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub position_intent: Option<PositionIntent>,
}

/// The profit exit of a bracket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeProfit {
    /// USD.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub limit_price: Option<Decimal>,
}

/// The loss exit of a bracket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopLoss {
    /// USD.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub stop_price: Option<Decimal>,
    /// USD; absent means a stop, present a stop_limit.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::decimal_opt"
    )]
    pub limit_price: Option<Decimal>,
}

/// An order in an answer. `filled_qty` counts also on cancelled and expired orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The broker's id, a UUID.
    pub id: String,
    /// The sender's id.
    #[serde(default, with = "lenient::null_default")]
    pub client_order_id: String,
    /// When it was made.
    #[serde(default, with = "lenient::text_opt")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed.
    #[serde(default, with = "lenient::text_opt")]
    pub updated_at: Option<DateTime<Utc>>,
    /// When the broker took it; listings are ordered by it.
    #[serde(default, with = "lenient::text_opt")]
    pub submitted_at: Option<DateTime<Utc>>,
    /// When it was completely filled.
    #[serde(default, with = "lenient::text_opt")]
    pub filled_at: Option<DateTime<Utc>>,
    /// When it expired.
    #[serde(default, with = "lenient::text_opt")]
    pub expired_at: Option<DateTime<Utc>>,
    /// When it will expire.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was cancelled.
    #[serde(default, with = "lenient::text_opt")]
    pub canceled_at: Option<DateTime<Utc>>,
    /// When it was rejected.
    #[serde(default, with = "lenient::text_opt")]
    pub failed_at: Option<DateTime<Utc>>,
    /// When it was replaced.
    #[serde(default, with = "lenient::text_opt")]
    pub replaced_at: Option<DateTime<Utc>>,
    /// The order that replaced it.
    #[serde(default, with = "lenient::text_opt")]
    pub replaced_by: Option<String>,
    /// The order it replaced.
    #[serde(default, with = "lenient::text_opt")]
    pub replaces: Option<String>,
    /// The asset's id.
    #[serde(default, with = "lenient::text_opt")]
    pub asset_id: Option<String>,
    /// The asset; `""` for multi-leg parents.
    #[serde(default, with = "lenient::null_default")]
    pub symbol: String,
    /// Stock or crypto.
    #[serde(default, with = "lenient::text_opt")]
    pub asset_class: Option<AssetClassName>,
    /// USD ordered, if ordered in dollars.
    #[serde(default, with = "lenient::decimal_opt")]
    pub notional: Option<Decimal>,
    /// Units ordered, if ordered in units.
    #[serde(default, with = "lenient::decimal_opt")]
    pub qty: Option<Decimal>,
    /// Units filled so far.
    #[serde(default, with = "lenient::decimal_opt")]
    pub filled_qty: Option<Decimal>,
    /// Mean fill price, USD.
    #[serde(default, with = "lenient::decimal_opt")]
    pub filled_avg_price: Option<Decimal>,
    /// One order or a group; Alpaca writes `""` for a simple one.
    #[serde(
        default,
        serialize_with = "write_order_class",
        deserialize_with = "lenient::text_opt::deserialize"
    )]
    pub order_class: Option<OrderClass>,
    /// How it is priced.
    #[serde(rename = "type", default, with = "lenient::text_opt")]
    pub order_type: Option<OrderType>,
    /// The same under its deprecated name, which older clients require.
    #[serde(rename = "order_type", default, with = "lenient::text_opt")]
    pub order_type_deprecated: Option<OrderType>,
    /// Buy or sell; absent for multi-leg parents.
    #[serde(default, with = "lenient::text_opt")]
    pub side: Option<OrderSide>,
    /// How long it lives.
    #[serde(default, with = "lenient::text_opt")]
    pub time_in_force: Option<TimeInForce>,
    /// USD.
    #[serde(default, with = "lenient::decimal_opt")]
    pub limit_price: Option<Decimal>,
    /// USD.
    #[serde(default, with = "lenient::decimal_opt")]
    pub stop_price: Option<Decimal>,
    /// Where it stands.
    pub status: OrderStatus,
    /// Also outside the regular session.
    #[serde(default, with = "lenient::null_default")]
    pub extended_hours: bool,
    /// The orders of the group, if asked for.
    #[serde(default)]
    pub legs: Option<Vec<Value>>,
    /// Percent behind the price.
    #[serde(default, with = "lenient::decimal_opt")]
    pub trail_percent: Option<Decimal>,
    /// USD behind the price.
    #[serde(default, with = "lenient::decimal_opt")]
    pub trail_price: Option<Decimal>,
    /// The best price seen by a trailing stop.
    #[serde(default, with = "lenient::decimal_opt")]
    pub hwm: Option<Decimal>,
    /// A guard against accidental shorts.
    #[serde(default, with = "lenient::text_opt")]
    pub position_intent: Option<PositionIntent>,
    /// Names the group: updates of orders do not have the legs.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub group_id: Option<String>,
    /// `entry`, `take_profit` or `stop_loss`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::text_opt"
    )]
    pub group_role: Option<String>,
    /// Of a leg of options: there are none here, and it is always null.
    #[serde(default, with = "lenient::decimal_opt")]
    pub ratio_qty: Option<Decimal>,
    /// Alpaca's own; null but for its partners.
    #[serde(default, with = "lenient::text_opt")]
    pub source: Option<String>,
    /// Alpaca's own; null but for its partners.
    #[serde(default, with = "lenient::text_opt")]
    pub subtag: Option<String>,
}

#[allow(clippy::ref_option, reason = "serde passes a reference to the field")]
fn write_order_class<S: serde::Serializer>(
    class: &Option<OrderClass>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(class.as_ref().map_or("", OrderClass::as_str))
}

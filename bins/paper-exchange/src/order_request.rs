//! From the bodies of `POST /v2/orders` and `PATCH /v2/orders/{id}` to what the market takes: what
//! is missing, contradictory or not played here is refused with Alpaca's status and code.

use axum::body::Bytes;
use rawe_alpaca::types::{self as wire, lenient};
use rawe_market::{
    Amount, Exits, NewOrder, OrderRefusal, OrderType, PositionIntent, Replacement, Side, StopLoss,
    TakeProfit, TimeInForce, Trail,
};
use rust_decimal::Decimal;
use serde::Deserialize;

/// Reads the body of a new order.
pub(crate) fn new_order(body: &Bytes) -> Result<NewOrder, OrderRefusal> {
    let request: wire::OrderRequest = serde_json::from_slice(body).map_err(unreadable)?;
    let symbol = request
        .symbol
        .as_deref()
        .ok_or_else(|| required("symbol"))?;
    let exits = exits(&request)?;
    Ok(NewOrder {
        symbol: symbol.to_owned(),
        side: side(&request)?,
        amount: amount(&request)?,
        order_type: order_type(&request)?,
        time_in_force: time_in_force(required_lasting(&request)?)?,
        position_intent: position_intent(&request)?,
        extended_hours: request.extended_hours.unwrap_or(false),
        exits,
        client_order_id: request.client_order_id,
    })
}

/// The body of a replacement.
#[derive(Debug, Default, Deserialize)]
struct ReplaceRequest {
    #[serde(default, with = "lenient::decimal_opt")]
    qty: Option<Decimal>,
    #[serde(default, with = "lenient::decimal_opt")]
    limit_price: Option<Decimal>,
    #[serde(default, with = "lenient::decimal_opt")]
    stop_price: Option<Decimal>,
    #[serde(default, with = "lenient::decimal_opt")]
    trail: Option<Decimal>,
    #[serde(default, with = "lenient::text_opt")]
    time_in_force: Option<wire::TimeInForce>,
    #[serde(default, with = "lenient::text_opt")]
    client_order_id: Option<String>,
}

/// Reads the body of a replacement.
pub(crate) fn replacement(body: &Bytes) -> Result<Replacement, OrderRefusal> {
    let request: ReplaceRequest = serde_json::from_slice(body).map_err(unreadable)?;
    Ok(Replacement {
        client_order_id: request.client_order_id,
        quantity: request.qty,
        limit: request.limit_price,
        stop: request.stop_price,
        trail: request.trail,
        time_in_force: request
            .time_in_force
            .as_ref()
            .map(time_in_force)
            .transpose()?,
    })
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn unreadable(error: serde_json::Error) -> OrderRefusal {
    OrderRefusal::malformed(format!("request body format is invalid: {error}"))
}

fn required(field: &str) -> OrderRefusal {
    OrderRefusal::malformed(format!("{field} is required"))
}

/// The orders that an order brings along.
fn exits(request: &wire::OrderRequest) -> Result<Exits, OrderRefusal> {
    let profit = request.take_profit.as_ref().and_then(|p| p.limit_price);
    let profit = profit.map(|limit| TakeProfit { limit });
    let loss = match &request.stop_loss {
        None => None,
        Some(loss) => Some(StopLoss {
            stop: loss
                .stop_price
                .ok_or_else(|| required("stop_loss.stop_price"))?,
            limit: loss.limit_price,
        }),
    };
    let class = request.order_class.as_ref();
    let named = class.map_or("simple", wire::OrderClass::as_str);
    let wanted = |what: &str| OrderRefusal::malformed(format!("{named} orders require {what}"));
    match (class, profit, loss) {
        (None | Some(wire::OrderClass::Simple), None, None) => Ok(Exits::None),
        (None | Some(wire::OrderClass::Simple), ..) => Err(OrderRefusal::malformed(
            "simple orders require no take_profit and no stop_loss",
        )),
        (Some(wire::OrderClass::Bracket), Some(profit), Some(loss)) => {
            Ok(Exits::Bracket(profit, loss))
        }
        (Some(wire::OrderClass::Oco), _, Some(loss)) => Ok(Exits::Oco(loss)),
        (Some(wire::OrderClass::Oto), Some(profit), None) => Ok(Exits::OtoProfit(profit)),
        (Some(wire::OrderClass::Oto), None, Some(loss)) => Ok(Exits::OtoLoss(loss)),
        (Some(wire::OrderClass::Oto), ..) => Err(wanted("one of take_profit and stop_loss")),
        (Some(wire::OrderClass::Bracket), None, _) => Err(wanted("take_profit.limit_price")),
        (Some(wire::OrderClass::Bracket | wire::OrderClass::Oco), ..) => {
            Err(wanted("stop_loss.stop_price"))
        }
        (Some(wire::OrderClass::Mleg | wire::OrderClass::Other(_)), ..) => Err(
            OrderRefusal::malformed(format!("invalid order_class: {named:.40}")),
        ),
    }
}

fn side(request: &wire::OrderRequest) -> Result<Side, OrderRefusal> {
    match request.side.as_ref().ok_or_else(|| required("side"))? {
        wire::OrderSide::Buy => Ok(Side::Buy),
        wire::OrderSide::Sell => Ok(Side::Sell),
        wire::OrderSide::Other(other) => Err(OrderRefusal::malformed(format!(
            "invalid side: {other:.40}"
        ))),
    }
}

fn amount(request: &wire::OrderRequest) -> Result<Amount, OrderRefusal> {
    match (request.qty, request.notional) {
        (Some(_), Some(_)) => Err(OrderRefusal::malformed(
            "only one of qty or notional is accepted",
        )),
        (None, None) => Err(OrderRefusal::malformed("qty or notional is required")),
        (Some(quantity), None) => Ok(Amount::Quantity(quantity)),
        (None, Some(notional)) => Ok(Amount::Notional(notional)),
    }
}

fn order_type(request: &wire::OrderRequest) -> Result<OrderType, OrderRefusal> {
    let order_type = request
        .order_type
        .as_ref()
        .ok_or_else(|| required("type"))?;
    let stop = request.stop_price;
    // The exit at a profit of two exits is the order itself.
    let own_profit = request.order_class == Some(wire::OrderClass::Oco);
    let profit = request.take_profit.as_ref().and_then(|p| p.limit_price);
    let limit = profit.filter(|_| own_profit).or(request.limit_price);
    let unwanted = |what: &str| {
        OrderRefusal::malformed(format!("{order_type} orders require no {what} price"))
    };
    let wanted =
        |what: &str| OrderRefusal::malformed(format!("{order_type} orders require a {what} price"));
    let trails = request.trail_price.is_some() || request.trail_percent.is_some();
    if trails && *order_type != wire::OrderType::TrailingStop {
        return Err(unwanted("trail"));
    }
    match order_type {
        wire::OrderType::Market | wire::OrderType::Limit | wire::OrderType::TrailingStop
            if stop.is_some() =>
        {
            Err(unwanted("stop"))
        }
        wire::OrderType::Market | wire::OrderType::Stop | wire::OrderType::TrailingStop
            if limit.is_some() =>
        {
            Err(unwanted("limit"))
        }
        wire::OrderType::Market => Ok(OrderType::Market),
        wire::OrderType::Limit => Ok(OrderType::Limit(limit.ok_or_else(|| wanted("limit"))?)),
        wire::OrderType::Stop => Ok(OrderType::Stop(stop.ok_or_else(|| wanted("stop"))?)),
        wire::OrderType::StopLimit => Ok(OrderType::StopLimit {
            stop: stop.ok_or_else(|| wanted("stop"))?,
            limit: limit.ok_or_else(|| wanted("limit"))?,
        }),
        wire::OrderType::TrailingStop => match (request.trail_price, request.trail_percent) {
            (Some(price), None) => Ok(OrderType::TrailingStop(Trail::Price(price))),
            (None, Some(percent)) => Ok(OrderType::TrailingStop(Trail::Percent(percent))),
            _ => Err(OrderRefusal::malformed(
                "trailing stop orders must specify one of trail_percent or trail_price",
            )),
        },
        wire::OrderType::Other(other) => Err(OrderRefusal::malformed(format!(
            "invalid order type: {other:.40}"
        ))),
    }
}

fn required_lasting(request: &wire::OrderRequest) -> Result<&wire::TimeInForce, OrderRefusal> {
    let given = request.time_in_force.as_ref();
    given.ok_or_else(|| required("time_in_force"))
}

fn time_in_force(given: &wire::TimeInForce) -> Result<TimeInForce, OrderRefusal> {
    match given {
        wire::TimeInForce::Day => Ok(TimeInForce::Day),
        wire::TimeInForce::Gtc => Ok(TimeInForce::Gtc),
        wire::TimeInForce::Ioc => Ok(TimeInForce::Ioc),
        wire::TimeInForce::Fok => Ok(TimeInForce::Fok),
        wire::TimeInForce::Opg => Ok(TimeInForce::Opg),
        wire::TimeInForce::Cls => Ok(TimeInForce::Cls),
        wire::TimeInForce::Other(other) => Err(OrderRefusal::malformed(format!(
            "invalid time_in_force: {other:.40}"
        ))),
    }
}

fn position_intent(request: &wire::OrderRequest) -> Result<Option<PositionIntent>, OrderRefusal> {
    Ok(match &request.position_intent {
        None => None,
        Some(wire::PositionIntent::BuyToOpen) => Some(PositionIntent::BuyToOpen),
        Some(wire::PositionIntent::BuyToClose) => Some(PositionIntent::BuyToClose),
        Some(wire::PositionIntent::SellToOpen) => Some(PositionIntent::SellToOpen),
        Some(wire::PositionIntent::SellToClose) => Some(PositionIntent::SellToClose),
        Some(wire::PositionIntent::Other(other)) => {
            return Err(OrderRefusal::malformed(format!(
                "invalid position_intent: {other:.40}"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A JSON value of any kind, as a field may hold.
    fn any_field() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|b| b.to_string()),
            any::<f64>().prop_map(|f| f.to_string()),
            any::<i64>().prop_map(|i| i.to_string()),
            "[a-z_]{0,12}".prop_map(|text| format!("\"{text}\"")),
            "[-+0-9.eE]{0,40}".prop_map(|text| format!("\"{text}\"")),
            Just("[]".to_owned()),
            Just("{}".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let body = Bytes::from(bytes);
            let refusals = [new_order(&body).err(), replacement(&body).err()];
            for refusal in refusals.into_iter().flatten() {
                prop_assert_eq!(refusal.status, 422);
            }
        }

        #[test]
        fn no_fields_panic(
            fields in prop::collection::vec(
                (prop::sample::select(vec![
                    "symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price",
                    "stop_price", "extended_hours", "client_order_id", "order_class",
                    "take_profit", "position_intent", "stop_loss", "trail_price", "trail_percent",
                    "trail",
                ]), any_field()),
                0..10,
            ),
        ) {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let body = format!("{{{}}}", fields.join(","));
            let body = Bytes::from(body);
            let refusals = [new_order(&body).err(), replacement(&body).err()];
            for refusal in refusals.into_iter().flatten() {
                prop_assert_eq!(refusal.status, 422);
            }
        }
    }
}

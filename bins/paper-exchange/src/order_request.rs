//! From the body of `POST /v2/orders` to an order of the market: what is missing, contradictory or
//! not played here is refused with Alpaca's status and code.

use axum::body::Bytes;
use rawe_alpaca::types as wire;
use rawe_market::{Amount, NewOrder, OrderRefusal, OrderType, PositionIntent, Side, TimeInForce};

/// Reads a body.
pub(crate) fn new_order(body: &Bytes) -> Result<NewOrder, OrderRefusal> {
    let request: wire::OrderRequest = serde_json::from_slice(body).map_err(|error| {
        OrderRefusal::malformed(format!("request body format is invalid: {error}"))
    })?;
    refuse_unplayed(&request)?;
    let symbol = request
        .symbol
        .as_deref()
        .ok_or_else(|| required("symbol"))?;
    Ok(NewOrder {
        symbol: symbol.to_owned(),
        side: side(&request)?,
        amount: amount(&request)?,
        order_type: order_type(&request)?,
        time_in_force: time_in_force(&request)?,
        position_intent: position_intent(&request)?,
        client_order_id: request.client_order_id,
    })
}

fn required(field: &str) -> OrderRefusal {
    OrderRefusal::malformed(format!("{field} is required"))
}

fn not_played(what: impl std::fmt::Display) -> OrderRefusal {
    OrderRefusal::unprocessable(format!("{what} is not supported by this paper exchange"))
}

/// Complex orders and extended hours exist at Alpaca but not here: refused, never half done.
fn refuse_unplayed(request: &wire::OrderRequest) -> Result<(), OrderRefusal> {
    if let Some(class) = request
        .order_class
        .as_ref()
        .filter(|c| **c != wire::OrderClass::Simple)
    {
        return Err(not_played(format_args!("order_class {class}")));
    }
    if request.take_profit.is_some() || request.stop_loss.is_some() {
        return Err(not_played("an order with take_profit or stop_loss"));
    }
    if request.extended_hours == Some(true) {
        return Err(not_played("extended_hours"));
    }
    Ok(())
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
    let (stop, limit) = (request.stop_price, request.limit_price);
    let unwanted = |what: &str| {
        OrderRefusal::malformed(format!("{order_type} orders require no {what} price"))
    };
    let wanted =
        |what: &str| OrderRefusal::malformed(format!("{order_type} orders require a {what} price"));
    if request.trail_price.is_some() || request.trail_percent.is_some() {
        return Err(unwanted("trail"));
    }
    match order_type {
        wire::OrderType::Market | wire::OrderType::Limit if stop.is_some() => Err(unwanted("stop")),
        wire::OrderType::Market | wire::OrderType::Stop if limit.is_some() => {
            Err(unwanted("limit"))
        }
        wire::OrderType::Market => Ok(OrderType::Market),
        wire::OrderType::Limit => Ok(OrderType::Limit(limit.ok_or_else(|| wanted("limit"))?)),
        wire::OrderType::Stop => Ok(OrderType::Stop(stop.ok_or_else(|| wanted("stop"))?)),
        wire::OrderType::StopLimit => Ok(OrderType::StopLimit {
            stop: stop.ok_or_else(|| wanted("stop"))?,
            limit: limit.ok_or_else(|| wanted("limit"))?,
        }),
        wire::OrderType::Other(other) => Err(OrderRefusal::malformed(format!(
            "invalid order type: {other:.40}"
        ))),
        wire::OrderType::TrailingStop => Err(not_played(format_args!("order type {order_type}"))),
    }
}

fn time_in_force(request: &wire::OrderRequest) -> Result<TimeInForce, OrderRefusal> {
    match request
        .time_in_force
        .as_ref()
        .ok_or_else(|| required("time_in_force"))?
    {
        wire::TimeInForce::Day => Ok(TimeInForce::Day),
        wire::TimeInForce::Gtc => Ok(TimeInForce::Gtc),
        wire::TimeInForce::Ioc => Ok(TimeInForce::Ioc),
        wire::TimeInForce::Other(other) => Err(OrderRefusal::malformed(format!(
            "invalid time_in_force: {other:.40}"
        ))),
        other => Err(not_played(format_args!("time_in_force {other}"))),
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
            if let Err(refusal) = new_order(&Bytes::from(bytes)) {
                prop_assert_eq!(refusal.status, 422);
            }
        }

        #[test]
        fn no_fields_panic(
            fields in prop::collection::vec(
                (prop::sample::select(vec![
                    "symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price",
                    "stop_price", "extended_hours", "client_order_id", "order_class",
                    "take_profit", "position_intent",
                ]), any_field()),
                0..10,
            ),
        ) {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let body = format!("{{{}}}", fields.join(","));
            if let Err(refusal) = new_order(&Bytes::from(body)) {
                prop_assert_eq!(refusal.status, 422);
            }
        }
    }
}

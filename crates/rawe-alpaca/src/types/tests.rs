//! The wire types read what Alpaca sends, survive what it might send, and write what it takes.

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

const ORDER: &str = r#"{
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d", "client_order_id": "rawe-abc",
    "created_at": "2021-03-16T18:38:01.942282Z", "updated_at": "2021-03-16T18:38:01.942282123Z",
    "submitted_at": "2021-03-16T14:38:01-04:00", "filled_at": null, "expired_at": "",
    "replaces": null, "asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415", "symbol": "AAPL",
    "asset_class": "us_equity", "notional": "500", "qty": null, "filled_qty": "0.000000001",
    "filled_avg_price": "19660.5738784516887649", "order_class": "", "order_type": "market",
    "type": "market", "side": "buy", "time_in_force": "day", "limit_price": null,
    "status": "accepted", "extended_hours": false, "legs": null, "trail_percent": null,
    "hwm": null, "source": null, "subtag": "new field", "position_intent": "buy_to_open"
}"#;

#[test]
fn an_order_is_read_without_losing_a_digit() {
    let order: Order = serde_json::from_str(ORDER).unwrap();
    assert_eq!(order.filled_qty, Some("0.000000001".parse().unwrap()));
    assert_eq!(
        order.filled_avg_price.unwrap().to_string(),
        "19660.5738784516887649"
    );
    assert_eq!(
        (order.expired_at, order.qty, order.order_class.clone()),
        (None, None, None)
    );
    assert_eq!(
        order.submitted_at.unwrap().to_rfc3339(),
        "2021-03-16T18:38:01+00:00"
    );
    let written = serde_json::to_value(&order).unwrap();
    assert_eq!(written["order_class"], json!(""));
    assert_eq!(written["notional"], json!("500"));
    assert_eq!(written["limit_price"], Value::Null);
    assert_eq!(serde_json::from_value::<Order>(written).unwrap(), order);
}

#[test]
fn the_official_python_clients_request_is_read() {
    let body = json!({"symbol": "BTC/USD", "qty": 1.0, "side": "buy", "type": "limit",
        "time_in_force": "gtc", "limit_price": 1e-7, "extended_hours": "True", "unknown": [1]});
    let request: OrderRequest = serde_json::from_value(body).unwrap();
    assert_eq!(request.qty, Some(Decimal::ONE));
    assert_eq!(request.limit_price.unwrap().to_string(), "0.0000001");
    assert_eq!(request.extended_hours, Some(true));
}

#[test]
fn a_request_is_written_with_strings_and_without_empty_fields() {
    let request = OrderRequest {
        symbol: Some("AAPL".into()),
        notional: Some("500.25".parse().unwrap()),
        side: Some(OrderSide::Buy),
        order_type: Some(OrderType::Market),
        time_in_force: Some(TimeInForce::Day),
        client_order_id: Some("rawe-abc".into()),
        ..OrderRequest::default()
    };
    let expected = json!({"symbol": "AAPL", "notional": "500.25", "side": "buy",
        "type": "market", "time_in_force": "day", "client_order_id": "rawe-abc"});
    assert_eq!(serde_json::to_value(&request).unwrap(), expected);
}

#[test]
fn market_data_numbers_have_no_exponent_and_whole_ones_no_fraction() {
    let bar = BarData {
        t: "2026-01-05T15:00:00Z".parse().unwrap(),
        o: 0.000_000_085,
        h: 1e21,
        l: 250.0,
        c: 250.25,
        v: 12_345_678.0,
        n: Some(7),
        vw: None,
    };
    let text = serde_json::to_string(&bar).unwrap();
    let expected = concat!(
        r#"{"t":"2026-01-05T15:00:00Z","o":0.000000085,"#,
        r#""h":1000000000000000000000,"l":250,"c":250.25,"v":12345678,"n":7,"vw":null}"#,
    );
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<BarData>(&text).unwrap(), bar);
}

#[test]
fn a_garbled_amount_is_an_error_and_never_a_default() {
    for (field, value) in [
        ("filled_qty", json!("1,5")),
        ("qty", json!([1])),
        ("qty", json!("NaN")),
    ] {
        let mut order: Value = serde_json::from_str(ORDER).unwrap();
        order[field] = value.clone();
        assert!(
            serde_json::from_value::<Order>(order).is_err(),
            "{field} = {value}"
        );
    }
}

#[test]
fn unknown_values_nulls_and_missing_fields_pass() {
    let order: Order =
        serde_json::from_str(r#"{"id": "x", "status": "brand_new", "symbol": null}"#).unwrap();
    assert_eq!(order.status, OrderStatus::Other("brand_new".into()));
    let account: Account = serde_json::from_str(r#"{"id": "a", "status": "ACTIVE"}"#).unwrap();
    assert_eq!(account.cash, None);
    let page: BarsPage = serde_json::from_str(r#"{"bars": null, "next_page_token": ""}"#).unwrap();
    assert_eq!(page, BarsPage::default());
    let page: NewsPage = serde_json::from_str("{}").unwrap();
    assert_eq!(page, NewsPage::default());
    let body: ErrorBody =
        serde_json::from_str(r#"{"code": "x", "message": "no", "available": "0"}"#).unwrap();
    assert_eq!((body.code, body.message.as_str()), (None, "no"));
    assert_eq!(body.extra["available"], json!("0"));
}

#[test]
fn clock_and_calendar_keep_new_yorks_spelling() {
    let text = concat!(
        r#"{"timestamp":"2026-11-20T09:31:00-05:00","is_open":true,"#,
        r#""next_open":"2026-11-23T09:30:00-05:00","next_close":"2026-11-20T16:00:00-05:00"}"#,
    );
    let clock: Clock = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&clock).unwrap(), text);
    let text = concat!(
        r#"{"date":"2026-11-27","open":"09:30","close":"13:00","#,
        r#""session_open":"0400","session_close":"2000","settlement_date":"2026-11-30"}"#,
    );
    let day: CalendarDay = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&day).unwrap(), text);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|cents| Value::from(f64::from(cents) / 100.0)),
        "\\PC{0,12}".prop_map(Value::from),
        "-?[0-9]{0,40}(\\.[0-9]{0,40})?(e[0-9]{1,3})?".prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Reads the value, and if it can be read, writes and reads it again.
fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    value: &Value,
) -> Result<(), TestCaseError> {
    if let Ok(first) = serde_json::from_value::<T>(value.clone()) {
        let text = serde_json::to_string(&first)
            .map_err(|error| TestCaseError::fail(format!("not written: {error}")))?;
        let second: T = serde_json::from_str(&text)
            .map_err(|error| TestCaseError::fail(format!("not read back: {error}: {text}")))?;
        prop_assert_eq!(first, second);
    }
    Ok(())
}

const FIELDS: &[&str] = &[
    "id",
    "status",
    "symbol",
    "qty",
    "filled_qty",
    "notional",
    "cash",
    "equity",
    "side",
    "type",
    "class",
    "order_class",
    "created_at",
    "updated_at",
    "is_open",
    "t",
    "o",
    "h",
    "l",
    "c",
    "v",
    "n",
    "vw",
    "p",
    "s",
    "bars",
    "news",
    "trades",
    "code",
    "message",
    "headline",
    "symbols",
    "extended_hours",
    "legs",
    "date",
    "open",
    "close",
    "next_page_token",
    "attributes",
];

proptest! {
    #[test]
    fn nothing_panics_and_what_is_read_round_trips(
        fields in prop::collection::btree_map(prop::sample::select(FIELDS), any_json(), 0..12),
        whole in prop::option::weighted(0.5, Just(())),
    ) {
        let mut object = serde_json::Map::new();
        if whole.is_some() {
            let Ok(Value::Object(order)) = serde_json::from_str(ORDER) else { unreachable!() };
            object.extend(order);
        }
        object.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let value = Value::Object(object);
        survives::<Order>(&value)?;
        survives::<OrderRequest>(&value)?;
        survives::<Account>(&value)?;
        survives::<Clock>(&value)?;
        survives::<CalendarDay>(&value)?;
        survives::<Asset>(&value)?;
        survives::<Position>(&value)?;
        survives::<BarData>(&value)?;
        survives::<BarsPage>(&value)?;
        survives::<LatestBars>(&value)?;
        survives::<LatestTrades>(&value)?;
        survives::<NewsArticle>(&value)?;
        survives::<NewsPage>(&value)?;
        survives::<ErrorBody>(&value)?;
    }

    #[test]
    fn decimals_round_trip_as_plain_text(mantissa in any::<i64>(), scale in 0_u32..=28) {
        let amount = Decimal::new(mantissa, scale);
        let request = OrderRequest { qty: Some(amount), ..OrderRequest::default() };
        let text = serde_json::to_string(&request).unwrap();
        prop_assert!(!text.to_ascii_lowercase().contains('e'), "{}", text);
        prop_assert_eq!(serde_json::from_str::<OrderRequest>(&text).unwrap(), request);
    }

    #[test]
    fn bar_numbers_round_trip_without_an_exponent(price in 1e-12_f64..1e12) {
        let trade = TradeData { t: "2026-01-05T15:00:00Z".parse().unwrap(), p: price, s: None };
        let text = serde_json::to_string(&trade).unwrap();
        prop_assert!(!text.contains("e-") && !text.contains("e+"), "{}", text);
        let back = serde_json::from_str::<TradeData>(&text).unwrap();
        prop_assert!((back.p - price).abs() <= price * 1e-15);
    }
}

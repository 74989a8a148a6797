//! Positions over HTTP, their closing, and the book for checks.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{Exchange, OPEN, dec};

/// A market order.
fn order(symbol: &str, side: &str, qty: &str) -> Value {
    let time_in_force = if symbol.contains("USD") { "gtc" } else { "day" };
    json!({"symbol": symbol, "side": side, "qty": qty, "type": "market",
        "time_in_force": time_in_force})
}

#[tokio::test]
async fn positions_have_signs_values_and_gains() {
    let exchange = Exchange::start(OPEN).await;
    exchange.take(&order("AAPL", "buy", "10")).await;
    exchange.take(&order("WHOLE", "sell", "10")).await;
    exchange.take(&order("ETH/USD", "buy", "0.5")).await;
    exchange.advance("2026-03-02T17:00:00Z").await;
    let positions = exchange.get("/v2/positions").await;
    let symbols: Vec<&Value> = positions
        .as_array()
        .unwrap()
        .iter()
        .map(|position| &position["symbol"])
        .collect();
    assert_eq!(symbols, ["AAPL", "ETHUSD", "WHOLE"]);
    let long = exchange.get("/v2/positions/AAPL").await;
    for (field, value) in [
        ("qty", json!("10")),
        ("side", json!("long")),
        ("avg_entry_price", json!("104")),
        ("current_price", json!("106")),
        ("market_value", json!("1060")),
        ("cost_basis", json!("1040")),
        ("unrealized_pl", json!("20")),
        ("unrealized_plpc", json!("0.019230769")),
        ("asset_class", json!("us_equity")),
    ] {
        assert_eq!(long[field], value, "{field}");
    }
    let short = exchange.get("/v2/positions/WHOLE").await;
    for (field, value) in [
        ("qty", json!("-10")),
        ("qty_available", json!("-10")),
        ("side", json!("short")),
        ("market_value", json!("-1060")),
        ("unrealized_pl", json!("-20")),
    ] {
        assert_eq!(short[field], value, "{field}");
    }
    let id = long["asset_id"].as_str().unwrap();
    assert_eq!(exchange.get(&format!("/v2/positions/{id}")).await, long);
    let none = json!({"code": 40_410_000, "message": "position does not exist"});
    for path in [
        "/v2/positions/HARD",
        "/v2/positions/NOPE",
        "/v2/positions/BTCUSD",
    ] {
        assert_eq!(
            exchange.send("GET", path, None).await,
            (404, none.clone()),
            "{path}"
        );
    }
    exchange.stop().await;
}

#[tokio::test]
async fn positions_are_closed_whole_or_in_part() {
    let exchange = Exchange::start(OPEN).await;
    exchange.take(&order("AAPL", "buy", "10")).await;
    exchange.take(&order("WHOLE", "sell", "10")).await;
    for (query, filled) in [("?qty=2", "2"), ("?percentage=50", "4"), ("", "4")] {
        let path = format!("/v2/positions/AAPL{query}");
        let (status, order) = exchange.send("DELETE", &path, None).await;
        assert_eq!(
            (status, &order["filled_qty"]),
            (200, &json!(filled)),
            "{query}: {order}"
        );
        assert_eq!(
            (&order["side"], &order["time_in_force"]),
            (&json!("sell"), &json!("day"))
        );
    }
    let (status, _) = exchange.send("DELETE", "/v2/positions/AAPL", None).await;
    assert_eq!(status, 404);
    for bad in [
        "qty=x",
        "percentage=0",
        "percentage=101",
        "qty=1&percentage=1",
    ] {
        let path = format!("/v2/positions/WHOLE?{bad}");
        assert_eq!(exchange.send("DELETE", &path, None).await.0, 422, "{bad}");
    }
    let (status, order) = exchange.send("DELETE", "/v2/positions/WHOLE", None).await;
    assert_eq!((status, &order["side"]), (200, &json!("buy")));
    assert_eq!(exchange.get("/v2/positions").await, json!([]));
    exchange.stop().await;
}

#[tokio::test]
async fn everything_is_closed_at_once_and_held_shares_are_told() {
    let exchange = Exchange::start(OPEN).await;
    exchange.take(&order("AAPL", "buy", "10")).await;
    exchange.take(&order("BTC/USD", "buy", "0.1")).await;
    let mut resting = order("AAPL", "sell", "10");
    resting["type"] = json!("limit");
    resting["limit_price"] = json!("500");
    exchange.take(&resting).await;
    let (status, results) = exchange.send("DELETE", "/v2/positions", None).await;
    assert_eq!(status, 207);
    assert_eq!(
        (&results[0]["symbol"], &results[0]["status"]),
        (&json!("AAPL"), &json!(403))
    );
    assert_eq!(results[0]["body"]["held_for_orders"], "10");
    assert_eq!(
        (&results[1]["symbol"], &results[1]["status"]),
        (&json!("BTCUSD"), &json!(200))
    );
    let (status, results) = exchange
        .send("DELETE", "/v2/positions?cancel_orders=true", None)
        .await;
    assert_eq!((status, &results[0]["status"]), (207, &json!(200)));
    assert_eq!(exchange.get("/v2/positions").await, json!([]));
    exchange.stop().await;
}

#[tokio::test]
async fn the_book_adds_up() {
    let exchange = Exchange::start(OPEN).await;
    exchange.take(&order("AAPL", "buy", "10")).await;
    exchange.take(&order("BTC/USD", "buy", "0.5")).await;
    exchange.take(&order("WHOLE", "sell", "3")).await;
    exchange.advance("2026-03-04T15:00:00Z").await;
    exchange.take(&order("AAPL", "sell", "4")).await;
    exchange.take(&order("BTC/USD", "sell", "0.2")).await;
    let book = exchange.get("/rawe/v1/book").await;
    let amount = |field: &str| dec(&book[field]);
    assert_eq!(
        amount("equity"),
        amount("start_equity") + amount("realised") + amount("unrealised") - amount("fees")
    );
    let fills = book["fills"].as_array().unwrap();
    let cash: Decimal = fills.iter().map(|fill| dec(&fill["cash_change"])).sum();
    assert_eq!(amount("cash"), amount("start_equity") + cash);
    assert_eq!(book["orders"].as_array().unwrap().len(), 5);
    for position in book["positions"].as_array().unwrap() {
        let symbol = position["symbol"].as_str().unwrap();
        let summed: Decimal = fills
            .iter()
            .filter(|fill| fill["symbol"].as_str().unwrap().replace('/', "") == symbol)
            .map(|fill| dec(&fill["position_change"]))
            .sum();
        assert_eq!(dec(&position["qty"]), summed, "{symbol}");
    }
    exchange.stop().await;
}

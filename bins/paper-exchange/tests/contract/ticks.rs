//! Trades, quotes, books, snapshots, and bars put together from the market's own.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::{Exchange, OPEN, at};

fn time(row: &Value) -> DateTime<Utc> {
    row["t"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn each_bar_has_a_trade_at_either_end() {
    let exchange = Exchange::start(OPEN).await;
    let path = "/v2/stocks/trades?symbols=AAPL&start=2026-03-02";
    let page = exchange.get(path).await;
    let trades = page["trades"]["AAPL"].as_array().unwrap();
    let shown: Vec<Value> = trades
        .iter()
        .map(|t| json!([t["t"], t["p"], t["s"]]))
        .collect();
    assert_eq!(
        Value::from(shown),
        json!([
            ["2026-03-02T14:30:00Z", 100, 1],
            ["2026-03-02T15:00:00Z", 101, 500],
            ["2026-03-02T15:00:00Z", 102, 500],
            ["2026-03-02T16:00:00Z", 103, 500],
            ["2026-03-02T16:00:00Z", 104, 500]
        ])
    );
    let quotes = exchange
        .get("/v2/stocks/quotes?symbols=AAPL&start=2026-03-02")
        .await;
    assert_eq!(quotes["quotes"]["AAPL"].as_array().unwrap().len(), 5);
    assert_eq!(quotes["quotes"]["AAPL"][1]["ap"], 101);
    assert_eq!(trades[0]["x"], "V");
    exchange.stop().await;
}

#[tokio::test]
async fn pages_hold_every_tick_once() {
    let exchange = Exchange::start("2026-03-04T18:00:00Z").await;
    for path in [
        "/v2/stocks/trades?symbols=AAPL,HARD,NOPE,WHOLE",
        "/v1beta3/crypto/us/quotes?symbols=BTC/USD,ETH/USD",
    ] {
        let name = if path.contains("trades") {
            "trades"
        } else {
            "quotes"
        };
        let whole = exchange
            .get(&format!("{path}&start=2026-03-02&limit=10000"))
            .await;
        assert!(whole["next_page_token"].is_null());
        for sort in ["asc", "desc"] {
            let mut seen: serde_json::Map<String, Value> = serde_json::Map::new();
            let mut token = String::new();
            loop {
                let page = format!("{path}&start=2026-03-02&limit=7&sort={sort}{token}");
                let page = exchange.get(&page).await;
                let rows = page[name].as_object().unwrap();
                assert!(
                    rows.values()
                        .map(|r| r.as_array().unwrap().len())
                        .sum::<usize>()
                        <= 7
                );
                for (symbol, rows) in rows {
                    let all = seen.entry(symbol.clone()).or_insert_with(|| json!([]));
                    all.as_array_mut()
                        .unwrap()
                        .extend(rows.as_array().unwrap().clone());
                }
                match page["next_page_token"].as_str() {
                    Some(next) => token = format!("&page_token={next}"),
                    None => break,
                }
            }
            if sort == "desc" {
                seen.values_mut()
                    .for_each(|rows| rows.as_array_mut().unwrap().reverse());
            }
            assert_eq!(Value::Object(seen), whole[name], "{path} {sort}");
        }
    }
    exchange.stop().await;
}

#[tokio::test]
async fn hours_make_days_weeks_and_months() {
    let exchange = Exchange::start("2026-03-04T18:00:00Z").await;
    let bars = async |path: &str, timeframe: &str, symbol: &str| -> Vec<Value> {
        let path = format!("{path}?symbols={symbol}&timeframe={timeframe}&start=2026-02-01");
        let page = exchange.get(&path).await;
        page["bars"][symbol].as_array().unwrap().clone()
    };
    let hours = bars("/v2/stocks/bars", "1Hour", "AAPL").await;
    let days = bars("/v2/stocks/bars", "1Day", "AAPL").await;
    assert_eq!(days.len(), 3);
    assert_eq!(days[0]["t"], "2026-03-02T05:00:00Z");
    let monday: Vec<&Value> = hours
        .iter()
        .filter(|bar| time(bar) < at("2026-03-03T00:00:00Z"))
        .collect();
    assert_eq!(days[0]["o"], monday[0]["o"]);
    assert_eq!(days[0]["c"], monday[monday.len() - 1]["c"]);
    assert_eq!(days[0]["v"], json!(1000 * monday.len()));
    assert_eq!(days[0]["n"], json!(2 * monday.len()));
    let month = bars("/v2/stocks/bars", "1Month", "AAPL").await;
    assert_eq!(month.len(), 1);
    assert_eq!(month[0]["t"], "2026-03-01T05:00:00Z");
    assert_eq!(month[0]["v"], json!(1000 * hours.len()));
    let coins = bars("/v1beta3/crypto/us/bars", "4Hour", "BTC/USD").await;
    assert_eq!(coins[1]["t"], "2026-03-02T04:00:00Z");
    assert_eq!(coins[1]["v"], 4000);
    let snapshots = exchange.get("/v2/stocks/snapshots?symbols=AAPL,NOPE").await;
    assert_eq!(snapshots.as_object().unwrap().len(), 1);
    assert_eq!(snapshots["AAPL"]["dailyBar"], days[2]);
    assert_eq!(snapshots["AAPL"]["prevDailyBar"], days[1]);
    assert_eq!(snapshots["AAPL"]["minuteBar"], hours[hours.len() - 1]);
    let coins = exchange
        .get("/v1beta3/crypto/us/snapshots?symbols=BTC/USD")
        .await;
    assert!(coins["snapshots"]["BTC/USD"]["latestQuote"]["ap"].is_number());
    let book = exchange
        .get("/v1beta3/crypto/us/latest/orderbooks?symbols=BTC/USD")
        .await;
    assert!(book["orderbooks"]["BTC/USD"]["a"][0]["p"].is_number());
    exchange.stop().await;
}

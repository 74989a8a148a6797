//! Bars, trades and news: forms, pages, and nothing from the future.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rawe_core::{AssetClass, Bar, Symbol, Timeframe};
use rawe_feed::bar_times::span_from_alpaca;
use serde_json::{Value, json};

use crate::support::{Exchange, NIGHT, OPEN, at, bars, news};

const STOCK_BARS: &str = "/v2/stocks/bars?symbols=AAPL,HARD,WHOLE";
const CRYPTO_BARS: &str = "/v1beta3/crypto/us/bars?symbols=BTC%2FUSD,ETH/USD";

/// Reads all pages; returns `(symbol, t)` in the order served, and how many pages there were.
async fn all_bars(exchange: &Exchange, path: &str, limit: usize) -> (Vec<(String, String)>, usize) {
    let (mut served, mut pages, mut token) = (Vec::new(), 0, String::new());
    loop {
        let page = exchange.get(&format!("{path}&limit={limit}{token}")).await;
        pages += 1;
        let mut count = 0;
        for (symbol, bars) in page["bars"].as_object().unwrap() {
            for bar in bars.as_array().unwrap() {
                served.push((symbol.clone(), bar["t"].as_str().unwrap().to_owned()));
                count += 1;
            }
        }
        assert!(count <= limit, "{count} bars in a page of {limit}");
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => return (served, pages),
        }
    }
}

/// What must be served at `now`: the bars that have ended, by symbol, then time.
fn ended_bars(class: AssetClass, now: &str) -> Vec<Bar> {
    let mut ended: Vec<Bar> = bars()
        .into_iter()
        .filter(|bar| bar.symbol.class() == class && bar.end <= at(now))
        .collect();
    ended.sort_by(|a, b| (&a.symbol, a.start).cmp(&(&b.symbol, b.start)));
    ended
}

#[tokio::test]
async fn bars_have_alpacas_form_and_start() {
    let exchange = Exchange::start(OPEN).await;
    let path = "/v2/stocks/bars?symbols=AAPL&timeframe=1Hour&start=2026-03-02";
    let page = exchange.get(path).await;
    let first = json!({"t": "2026-03-02T14:00:00Z", "o": 100, "h": 102, "l": 99, "c": 101,
        "v": 1000, "n": 2, "vw": 100.5});
    // The first bar runs from 9:30 to 10:00 New York; Alpaca stamps the clock hour, 9:00.
    assert_eq!(page["bars"]["AAPL"][0], first);
    assert_eq!(page["bars"]["AAPL"].as_array().unwrap().len(), 2);
    assert_eq!(page["next_page_token"], Value::Null);
    let latest = exchange
        .get("/v2/stocks/bars/latest?symbols=AAPL,NOPE")
        .await;
    assert_eq!(latest["bars"]["AAPL"]["t"], "2026-03-02T15:00:00Z");
    assert_eq!(latest["bars"].as_object().unwrap().len(), 1);
    let latest = exchange
        .get("/v1beta3/crypto/us/latest/bars?symbols=BTC/USD")
        .await;
    assert_eq!(latest["bars"]["BTC/USD"]["t"], "2026-03-02T15:00:00Z");
    exchange.stop().await;
}

#[tokio::test]
async fn pages_hold_every_bar_once_in_order() {
    let exchange = Exchange::start("2026-03-13T21:00:00Z").await;
    for (path, class) in [
        (STOCK_BARS, AssetClass::UsEquity),
        (CRYPTO_BARS, AssetClass::Crypto),
    ] {
        let path = format!("{path}&timeframe=1Hour&start=2026-03-01");
        let (whole, pages) = all_bars(&exchange, &path, 10_000).await;
        assert_eq!(pages, 1);
        let expected = ended_bars(class, "2026-03-13T21:00:00Z");
        assert_eq!(whole.len(), expected.len());
        for ((symbol, t), bar) in whole.iter().zip(&expected) {
            assert_eq!(symbol, bar.symbol.as_str());
            let span = span_from_alpaca(class, Timeframe::Hour, at(t)).unwrap();
            assert_eq!((span.start, span.end), (bar.start, bar.end));
        }
        for limit in [1, 7, 70, 71, whole.len() - 1] {
            // One bar a page is slow for hundreds of bars: a part of them is enough.
            let part = if limit == 1 { "&end=2026-03-03" } else { "" };
            let (paged, _) = all_bars(&exchange, &format!("{path}{part}"), limit).await;
            let (same, _) = all_bars(&exchange, &format!("{path}{part}"), 10_000).await;
            assert_eq!(paged, same, "{limit} a page");
        }
        let (backwards, pages) = all_bars(&exchange, &format!("{path}&sort=desc"), 50).await;
        assert!(pages > 1);
        let mut sorted = backwards.clone();
        sorted
            .sort_by(|a, b| (&a.0, std::cmp::Reverse(&a.1)).cmp(&(&b.0, std::cmp::Reverse(&b.1))));
        assert_eq!(backwards, sorted);
        assert_eq!(backwards.len(), whole.len());
    }
    exchange.stop().await;
}

#[tokio::test]
async fn start_and_end_are_inclusive() {
    let exchange = Exchange::start(NIGHT).await;
    let count = |page: &Value| page["bars"]["BTC/USD"].as_array().map_or(0, Vec::len);
    for (range, expected) in [
        ("&start=2026-03-02T03:00:00Z&end=2026-03-02T05:00:00Z", 3),
        ("&start=2026-03-02T03:00:01Z&end=2026-03-02T04:59:59Z", 1),
        (
            "&start=2026-03-02T05:00:00%2B02:00&end=2026-03-02T03:00:00Z",
            1,
        ),
        ("&start=2026-03-02&end=2026-03-02", 22),
        ("", 22),
        ("&start=2026-03-03", 0),
        ("&start=2026-03-02T05:00:00Z&end=2026-03-02T03:00:00Z", 0),
    ] {
        let path = format!("/v1beta3/crypto/us/bars?symbols=BTC/USD&timeframe=1H{range}");
        assert_eq!(count(&exchange.get(&path).await), expected, "{range}");
    }
    exchange.stop().await;
}

#[tokio::test]
async fn nothing_from_the_future_is_ever_served() {
    let exchange = Exchange::start("2026-03-02T13:45:00Z").await;
    let mut now = at("2026-03-02T13:45:00Z");
    // 37 minutes and a second: hits bars at all their places, and their edges are tried as well.
    let mut instants = vec![
        "2026-03-02T14:59:59Z".to_owned(),
        "2026-03-02T15:00:00Z".to_owned(),
    ];
    for step in 1..25 {
        let instant = at("2026-03-02T15:00:00Z") + TimeDelta::seconds(2_221 * step);
        instants.push(instant.to_rfc3339());
    }
    for text in instants {
        exchange.advance(&text).await;
        now = now.max(at(&text));
        for (path, class) in [
            (STOCK_BARS, AssetClass::UsEquity),
            (CRYPTO_BARS, AssetClass::Crypto),
        ] {
            // Asking for the future does not help.
            let path = format!("{path}&timeframe=1Hour&start=2026-03-01&end=2026-04-01");
            let (served, _) = all_bars(&exchange, &path, 10_000).await;
            assert_eq!(
                served.len(),
                ended_bars(class, &text).len(),
                "{class} at {text}"
            );
            for (symbol, t) in &served {
                let span = span_from_alpaca(class, Timeframe::Hour, at(t)).unwrap();
                assert!(span.end <= now, "{symbol} of {t} at {text}");
            }
        }
        let page = exchange.get("/v1beta1/news?limit=50&end=2026-04-01").await;
        let seen = news().iter().filter(|item| item.first_seen <= now).count();
        let items = page["news"].as_array().unwrap();
        assert_eq!(items.len(), seen.min(50), "news at {text}");
        assert!(
            items
                .iter()
                .all(|item| at(item["updated_at"].as_str().unwrap()) <= now)
        );
    }
    exchange.stop().await;
}

#[tokio::test]
async fn trades_show_the_price_of_the_instant() {
    let cases = [
        // The open of the bar that runs, for stocks and coins.
        (OPEN, 104.0, 50_160.0),
        // After the close the last close; the coin's bar from 22:00.
        (NIGHT, 113.0, 50_220.0),
        // Before the open the last close still.
        ("2026-03-03T14:29:59Z", 113.0, 50_380.0),
        ("2026-03-03T14:30:00Z", 114.0, 50_380.0),
    ];
    for (now, stock, coin) in cases {
        let exchange = Exchange::start(now).await;
        let trades = exchange.get("/v2/stocks/trades/latest?symbols=AAPL").await;
        let expected = json!({"AAPL": {"t": now, "p": stock, "s": 1}});
        assert_eq!(trades["trades"]["AAPL"]["t"], expected["AAPL"]["t"]);
        assert_eq!(trades["trades"]["AAPL"]["p"].as_f64(), Some(stock), "{now}");
        let trades = exchange
            .get("/v1beta3/crypto/us/latest/trades?symbols=BTC/USD")
            .await;
        assert_eq!(
            trades["trades"]["BTC/USD"]["p"].as_f64(),
            Some(coin),
            "{now}"
        );
        exchange.stop().await;
    }
}

#[tokio::test]
async fn bad_questions_are_answered_400_with_words() {
    let exchange = Exchange::start(OPEN).await;
    for (path, words) in [
        ("/v2/stocks/bars?timeframe=1Hour", "symbols is required"),
        ("/v2/stocks/bars?symbols=AAPL", "timeframe is required"),
        (
            "/v2/stocks/bars?symbols=AAPL&timeframe=2Weeks",
            "invalid timeframe: 2Weeks",
        ),
        (
            "/v2/stocks/bars?symbols=AAPL&timeframe=1Hour&limit=10001",
            "invalid limit",
        ),
        (
            "/v2/stocks/bars?symbols=AAPL&timeframe=1Hour&start=soon",
            "invalid start",
        ),
        (
            "/v2/stocks/bars?symbols=AAPL&timeframe=1Hour&page_token=x",
            "invalid page_token",
        ),
        (
            "/v2/stocks/bars?symbols=AAPL&timeframe=1Hour&sort=up",
            "invalid sort",
        ),
        (
            "/v2/stocks/bars?symbols=BTC/USD&timeframe=1Hour",
            "invalid symbol: BTC/USD",
        ),
        (
            "/v1beta3/crypto/us/bars?symbols=BTCUSD&timeframe=1Hour",
            "invalid symbol: BTCUSD does not match ^[A-Z]+/[A-Z]+$",
        ),
        ("/v1beta1/news?limit=51", "invalid limit"),
        ("/v1beta1/news?page_token=-1", "invalid page_token"),
    ] {
        let (status, body) = exchange.send("GET", path, None).await;
        assert_eq!(status, 400, "{path}: {body}");
        assert!(
            body["message"].as_str().unwrap().starts_with(words),
            "{path}: {body}"
        );
        assert!(body.get("code").is_none(), "{path}");
    }
    let minutes = exchange
        .get("/v2/stocks/bars?symbols=AAPL&timeframe=5Min")
        .await;
    assert_eq!(minutes["bars"], json!({}));
    exchange.stop().await;
}

#[tokio::test]
async fn news_is_paged_both_ways_and_filtered() {
    let exchange = Exchange::start("2026-03-10T00:00:00Z").await;
    let seen: Vec<_> = news()
        .into_iter()
        .filter(|i| i.first_seen <= at("2026-03-10T00:00:00Z"))
        .collect();
    for (sort, limit) in [("asc", 7), ("desc", 7), ("desc", 50)] {
        let mut ids = BTreeSet::new();
        let (mut headlines, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1beta1/news?sort={sort}&limit={limit}{token}");
            let page = exchange.get(&path).await;
            for item in page["news"].as_array().unwrap() {
                ids.insert(item["id"].as_i64().unwrap());
                headlines.push(item["headline"].as_str().unwrap().to_owned());
            }
            match page["next_page_token"].as_str() {
                Some(next) => token = format!("&page_token={next}"),
                None => break,
            }
        }
        let mut expected: Vec<String> = seen.iter().map(|item| item.headline.clone()).collect();
        if sort == "desc" {
            expected.reverse();
        }
        assert_eq!(headlines, expected, "{sort} {limit}");
        assert_eq!(ids.len(), seen.len());
    }
    let newest = exchange.get("/v1beta1/news").await;
    assert_eq!(newest["news"].as_array().unwrap().len(), 10);
    let item = &newest["news"][0];
    assert_eq!(item["created_at"], "2026-03-09T21:00:00Z");
    assert_eq!(item["updated_at"], "2026-03-09T21:01:00Z");
    assert_eq!(
        (&item["summary"], &item["source"]),
        (&json!("text 63"), &json!("wire"))
    );
    for (query, wanted) in [
        ("BTCUSD", "BTC/USD"),
        ("BTC/USD", "BTC/USD"),
        ("AAPL", "AAPL"),
    ] {
        let page = exchange
            .get(&format!("/v1beta1/news?limit=50&symbols={query}"))
            .await;
        let symbol = Symbol::new(wanted).unwrap();
        let expected = seen
            .iter()
            .filter(|item| item.symbols.contains(&symbol))
            .count();
        assert_eq!(page["news"].as_array().unwrap().len(), expected, "{query}");
    }
    let range = "start=2026-03-02T03:01:00Z&end=2026-03-02T06:01:00Z";
    let page = exchange.get(&format!("/v1beta1/news?{range}")).await;
    assert_eq!(page["news"].as_array().unwrap().len(), 2);
    exchange.stop().await;
}

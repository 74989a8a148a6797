//! Bars, prices, calendar and news, to the last page.

use rawe_core::Timeframe;
use rawe_execution::broker::{Broker, BrokerError};
use serde_json::{Value, json};

use super::server::{Server, answer};
use super::{client, settings, symbol, time};
use crate::{DataClient, NewsQuery};

fn bar(at: &str, close: f64) -> Value {
    json!({"t": at, "o": 1, "h": 2.5, "l": 0.5, "c": close, "v": 100, "n": 3, "vw": 1.5})
}

fn data(server: &Server) -> DataClient {
    DataClient::new(&settings(&server.url)).unwrap()
}

#[tokio::test]
async fn bars_are_read_over_all_pages_and_both_classes() {
    let server = Server::playing([
        answer(
            200,
            json!({"bars": {"AAPL": [bar("2026-01-05T15:00:00Z", 1.0)]},
            "next_page_token": "p2"}),
        ),
        answer(
            200,
            json!({"bars": {"AAPL": [bar("2026-01-05T16:00:00Z", 2.0)],
            "MSFT": [bar("2026-01-05T15:00:00Z", 3.0)]}, "next_page_token": null}),
        ),
        answer(
            200,
            json!({"bars": {"BTC/USD": [bar("2026-01-05T15:00:00Z", 4.0)]},
            "next_page_token": ""}),
        ),
    ])
    .await;
    let symbols = ["AAPL", "BTC/USD", "MSFT", "NONE"].map(symbol);
    let (start, end) = (
        time("2026-01-05T00:00:00Z"),
        Some(time("2026-01-06T00:00:00Z")),
    );
    let bars = data(&server)
        .bars(&symbols, Timeframe::Hour, start, end)
        .await
        .unwrap();
    let closes: Vec<_> = bars
        .iter()
        .map(|(symbol, bars)| {
            (
                symbol.to_string(),
                bars.iter().map(|bar| bar.c.to_string()).collect::<Vec<_>>(),
            )
        })
        .collect();
    let expected = [
        ("AAPL", vec!["1", "2"]),
        ("BTC/USD", vec!["4"]),
        ("MSFT", vec!["3"]),
    ];
    let expected = expected.map(|(name, closes)| {
        (
            name.to_owned(),
            closes.into_iter().map(str::to_owned).collect::<Vec<_>>(),
        )
    });
    assert_eq!(closes, expected);
    let lines = server.lines();
    let first = "GET /v2/stocks/bars?symbols=AAPL%2CMSFT%2CNONE&timeframe=1Hour\
                 &start=2026-01-05T00%3A00%3A00Z&limit=10000&sort=asc\
                 &end=2026-01-06T00%3A00%3A00Z&feed=iex&adjustment=split";
    assert_eq!(lines[0], first);
    assert_eq!(lines[1], format!("{first}&page_token=p2"));
    assert!(lines[2].starts_with("GET /v1beta3/crypto/us/bars?symbols=BTC%2FUSD&timeframe=1Hour"));
}

#[tokio::test]
async fn many_symbols_are_asked_in_groups() {
    let server = Server::playing(vec![answer(200, json!({"bars": {}})); 3]).await;
    let symbols: Vec<_> = (0..250)
        .map(|number| symbol(&format!("S{number}")))
        .collect();
    let start = time("2026-01-05T00:00:00Z");
    let bars = data(&server)
        .bars(&symbols, Timeframe::Day, start, None)
        .await
        .unwrap();
    assert!(bars.is_empty());
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_server_that_repeats_its_token_is_noticed() {
    let page = json!({"bars": {}, "next_page_token": "again"});
    let server = Server::playing(vec![answer(200, page); 2]).await;
    let start = time("2026-01-05T00:00:00Z");
    let error = data(&server)
        .bars(&[symbol("AAPL")], Timeframe::Hour, start, None)
        .await
        .unwrap_err();
    assert!(matches!(error, BrokerError::Unreadable(_)), "{error}");
}

#[tokio::test]
async fn the_latest_price_is_the_trade_or_else_the_bar() {
    let trade = json!({"trades": {"BTC/USD": {"t": "2026-01-05T15:00:00Z", "p": 0.000_000_085}}});
    let latest = json!({"bars": {"AAPL": bar("2026-01-05T15:00:00Z", 187.25)}});
    let server = Server::playing([
        answer(200, trade),
        answer(403, json!({"message": "subscription does not permit"})),
        answer(200, &latest),
        answer(200, json!({"trades": {}})),
        answer(200, json!({"bars": {}})),
        answer(404, ""),
        answer(200, &latest),
    ])
    .await;
    let client = client(&server.url);
    let at = time("2026-01-05T15:00:00Z");
    let price = |text: &str| Some((text.parse().unwrap(), at));
    let asked = client.latest_price(&symbol("BTC/USD")).await.unwrap();
    assert_eq!(asked, price("0.000000085"));
    assert_eq!(
        client.latest_price(&symbol("AAPL")).await.unwrap(),
        price("187.25")
    );
    assert_eq!(client.latest_price(&symbol("AAPL")).await.unwrap(), None);
    assert_eq!(
        client.latest_price(&symbol("AAPL")).await.unwrap(),
        price("187.25")
    );
    let lines = server.lines();
    assert_eq!(
        lines[0],
        "GET /v1beta3/crypto/us/latest/trades?symbols=BTC%2FUSD"
    );
    assert_eq!(
        lines[1],
        "GET /v2/stocks/trades/latest?symbols=AAPL&feed=iex"
    );
    assert_eq!(lines[2], "GET /v2/stocks/bars/latest?symbols=AAPL&feed=iex");
}

#[tokio::test]
async fn news_is_read_to_the_end_and_by_page() {
    let article = |id: i64| {
        json!({"id": id, "headline": "H", "author": "A", "created_at": "2026-01-05T15:00:00Z",
            "updated_at": "2026-01-05T15:00:01Z", "summary": "", "content": "", "images": [],
            "symbols": ["BTCUSD"], "source": "benzinga", "url": null})
    };
    let page = |ids: std::ops::Range<i64>, token: Value| {
        let news: Vec<Value> = ids.map(article).collect();
        answer(200, json!({"news": news, "next_page_token": token}))
    };
    let server = Server::playing([
        page(0..50, json!("p2")),
        page(50..51, json!("p3")),
        page(0..0, Value::Null),
        page(7..8, json!("next")),
    ])
    .await;
    let data = data(&server);
    let query = NewsQuery {
        start: Some(time("2026-01-05T00:00:00Z")),
        symbols: vec![symbol("BTC/USD"), symbol("AAPL")],
        ..NewsQuery::default()
    };
    let ids: Vec<i64> = data
        .news(&query)
        .await
        .unwrap()
        .iter()
        .map(|news| news.id)
        .collect();
    assert_eq!(ids, (0..51).collect::<Vec<_>>());
    let page = data
        .news_page(&NewsQuery::default(), Some("p1"))
        .await
        .unwrap();
    assert_eq!(page.next_page_token.as_deref(), Some("next"));
    let lines = server.lines();
    assert_eq!(
        lines[0],
        "GET /v1beta1/news?limit=50&sort=asc&include_content=false\
         &start=2026-01-05T00%3A00%3A00Z&symbols=BTCUSD%2CAAPL"
    );
    assert_eq!(
        lines[3],
        "GET /v1beta1/news?limit=50&sort=asc&include_content=false&page_token=p1"
    );
}

#[tokio::test]
async fn the_calendar_comes_from_the_trading_api() {
    let day = json!({"date": "2026-11-27", "open": "09:30", "close": "13:00",
        "session_open": "0400", "session_close": "2000", "settlement_date": "2026-11-30"});
    let server = Server::playing([answer(200, json!([day]))]).await;
    let (from, to) = ("2026-11-27".parse().unwrap(), "2026-11-29".parse().unwrap());
    let days = client(&server.url).calendar(from, to).await.unwrap();
    assert_eq!((days.len(), days[0].close.as_str()), (1, "13:00"));
    assert_eq!(
        server.lines(),
        ["GET /v2/calendar?start=2026-11-27&end=2026-11-29"]
    );
}

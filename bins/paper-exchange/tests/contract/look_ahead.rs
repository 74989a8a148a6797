//! Nothing from the future: two markets that differ only in what has not happened yet answer every
//! question the same.

use crate::support::{Exchange, at, bars, config, news, world};
use chrono::TimeDelta;
use paper_exchange::Pacing;
use proptest::prelude::*;
use rawe_core::{Bar, NewsItem};

/// Everything that serves market data or uses prices.
const PATHS: [&str; 22] = [
    "/v2/stocks/bars?symbols=AAPL,HARD,WHOLE&timeframe=1Hour&START",
    "/v2/stocks/bars?symbols=AAPL,HARD&timeframe=1Day&START",
    "/v2/stocks/bars?symbols=AAPL&timeframe=1Week&START&sort=desc",
    "/v2/stocks/bars/latest?symbols=AAPL,HARD",
    "/v2/stocks/trades?symbols=AAPL,HARD&START",
    "/v2/stocks/trades/latest?symbols=AAPL",
    "/v2/stocks/quotes?symbols=AAPL&START&sort=desc",
    "/v2/stocks/quotes/latest?symbols=AAPL",
    "/v2/stocks/snapshots?symbols=AAPL,WHOLE",
    "/v1beta3/crypto/us/bars?symbols=BTC/USD,ETH/USD&timeframe=1Hour&START",
    "/v1beta3/crypto/us/bars?symbols=BTC/USD&timeframe=4Hour&START",
    "/v1beta3/crypto/us/trades?symbols=BTC/USD&START",
    "/v1beta3/crypto/us/quotes?symbols=BTC/USD&START",
    "/v1beta3/crypto/us/latest/bars?symbols=BTC/USD",
    "/v1beta3/crypto/us/latest/quotes?symbols=BTC/USD",
    "/v1beta3/crypto/us/latest/orderbooks?symbols=BTC/USD",
    "/v1beta3/crypto/us/snapshots?symbols=BTC/USD",
    "/v1beta1/news?limit=50",
    "/v1beta1/news?limit=50&SPAN&sort=asc",
    "/v2/account",
    "/v2/positions",
    "/v2/account/portfolio/history?period=1W&timeframe=1H&intraday_reporting=continuous",
];

/// The market with another future: of the bar that runs only the open stays.
fn other_bars(now: &str) -> Vec<Bar> {
    let now = at(now);
    let other = |mut bar: Bar| {
        if bar.end <= now {
            return bar;
        }
        if bar.start > now {
            bar.open *= 3.0;
        }
        bar.close = bar.open * 7.0;
        bar.high = bar.close * 2.0;
        bar.low = bar.open / 2.0;
        bar.volume += 12_345.0;
        bar
    };
    bars().into_iter().map(other).collect()
}

fn other_news(now: &str) -> Vec<NewsItem> {
    let now = at(now);
    let other = |mut item: NewsItem| {
        if item.first_seen > now {
            item.headline.replace_range(.., "the future");
        }
        item
    };
    news().into_iter().map(other).collect()
}

async fn answers(exchange: &Exchange, start: &str, end: &str) -> Vec<(String, String)> {
    let order = serde_json::json!({"symbol": "BTC/USD", "notional": "5000", "side": "buy",
        "type": "market", "time_in_force": "gtc"});
    let mut answers = vec![("order".to_owned(), exchange.take(&order).await.to_string())];
    for path in PATHS {
        let span = format!("start={start}&end={end}");
        let path = path.replace("SPAN", &span);
        let path = path.replace("START", &format!("{span}&limit=10000"));
        let answer = exchange.get(&path).await.to_string();
        answers.push((path, answer));
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4,
        max_shrink_iters: 8,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_future_makes_no_difference(
        minutes in 1_i64..60 * 24 * 10,
        start_hours in 0_i64..100,
        end_hours in -50_i64..200,
    ) {
        let now = at("2026-03-02T00:30:00Z") + TimeDelta::minutes(minutes);
        let start = (now - TimeDelta::hours(start_hours)).format("%FT%TZ").to_string();
        let end = (now + TimeDelta::hours(end_hours)).format("%FT%TZ").to_string();
        let now = now.format("%FT%TZ").to_string();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let pacing = Pacing::ByPacer;
            let one = world(&now, bars(), news());
            let other = world(&now, other_bars(&now), other_news(&now));
            let one = Exchange::start_world(one, config(), pacing).await;
            let other = Exchange::start_world(other, config(), pacing).await;
            let expected = answers(&one, &start, &end).await;
            let got = answers(&other, &start, &end).await;
            for (expected, got) in expected.iter().zip(&got) {
                assert_eq!(expected, got, "at {now}");
                assert!(!got.1.contains("the future"));
            }
            one.stop().await;
            other.stop().await;
        });
    }
}

//! The live feed over the bus in memory and a scripted exchange: history first, then each bar and
//! article once, through failures and restarts.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod scripted_exchange;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{TimeDelta, Timelike};
use clap::Parser;
use market_feed::{FeedArgs, run};
use rawe_alpaca::types::NewsArticle;
use rawe_bus::{Bus, Entry, EntryId, MemoryBus};
use rawe_core::channels::{BARS_STREAM, CLOCK_STREAM, NEWS_STREAM};
use rawe_core::{Bar, ClockInstant, ClockMode, NewsItem, Symbol, Timeframe, Timestamp};
use rawe_runtime::wall_now;
use scripted_exchange::{Script, Shared, serve};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: FeedArgs,
}

fn bar(end: Timestamp) -> Bar {
    Bar {
        symbol: Symbol::new("BTC/USD").unwrap(),
        start: end - TimeDelta::hours(1),
        end,
        timeframe: Timeframe::Hour,
        open: 1.0,
        high: 2.0,
        low: 0.5,
        close: 1.5,
        volume: 1.0,
        backfill: false,
    }
}

fn article(id: i64, at: Timestamp) -> NewsArticle {
    NewsArticle {
        id,
        headline: format!("headline {id}"),
        author: String::new(),
        created_at: at,
        updated_at: at,
        summary: String::new(),
        content: String::new(),
        images: Vec::new(),
        symbols: vec!["BTCUSD".into()],
        source: "wire".into(),
        url: None,
    }
}

/// Two days of hourly bars up to the last full hour, one that is not over yet, and some articles.
fn script() -> Shared {
    let now = wall_now();
    let hour = now
        .with_minute(0)
        .unwrap()
        .with_second(0)
        .unwrap()
        .with_nanosecond(0)
        .unwrap();
    let bars = (-47..=1).map(|n| bar(hour + TimeDelta::hours(n))).collect();
    let articles = (1..=5)
        .map(|n| article(n, now - TimeDelta::hours(n)))
        .collect();
    Arc::new(Mutex::new(Script {
        now: now + TimeDelta::days(1),
        bars,
        articles,
        ..Script::default()
    }))
}

fn start(url: &str, bus: &MemoryBus) -> (JoinHandle<anyhow::Result<()>>, CancellationToken) {
    start_with(url, bus, &["--poll-secs", "1"])
}

fn start_with(
    url: &str,
    bus: &MemoryBus,
    more: &[&str],
) -> (JoinHandle<anyhow::Result<()>>, CancellationToken) {
    let mut flags = vec![
        "market-feed",
        "--alpaca-url",
        url,
        "--symbols",
        "BTC/USD",
        "--warmup-days",
        "3",
    ];
    flags.extend(more);
    let shutdown = CancellationToken::new();
    let args = Command::parse_from(flags).args;
    let feed = tokio::spawn(run(args, Arc::new(bus.clone()), shutdown.clone()));
    (feed, shutdown)
}

async fn all<T: DeserializeOwned>(bus: &MemoryBus, stream: &str) -> Vec<T> {
    let entries = bus
        .range(stream, EntryId::START, None, usize::MAX)
        .await
        .unwrap();
    let read = |entry: Entry| serde_json::from_slice(&entry.payload).unwrap();
    entries.into_iter().map(read).collect()
}

/// Waits until a stream holds `count` entries; fails after ten seconds.
async fn until<T: DeserializeOwned>(bus: &MemoryBus, stream: &str, count: usize) -> Vec<T> {
    let wait = async {
        while all::<T>(bus, stream).await.len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap();
    all(bus, stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn history_then_news_once_through_a_failure_and_a_restart() {
    let script = script();
    let url = serve(Arc::clone(&script)).await;
    let bus = MemoryBus::new();
    let (feed, shutdown) = start(&url, &bus);
    until::<ClockInstant>(&bus, CLOCK_STREAM, 1).await;

    let bars: Vec<Bar> = all(&bus, BARS_STREAM).await;
    assert_eq!(bars.len(), 48, "the growing bar is held back");
    assert!(bars.iter().all(|bar| bar.backfill && bar.end <= wall_now()));
    let history: Vec<NewsItem> = all(&bus, NEWS_STREAM).await;
    assert_eq!(history.len(), 5);
    assert!(
        history
            .iter()
            .all(|item| item.backfill && item.first_seen == item.published)
    );
    assert!(history.is_sorted_by_key(|item| item.first_seen));

    // An article appears while the exchange fails a few times: it comes once, as of now.
    let published = wall_now();
    {
        let mut script = script.lock().unwrap();
        script.articles.push(article(6, published));
        script.failures = 3;
    }
    let news: Vec<NewsItem> = until(&bus, NEWS_STREAM, 6).await;
    assert_eq!(news[5].id, "6");
    assert!(!news[5].backfill && news[5].published == published);
    assert!(news[5].first_seen >= published);

    // Edited, it is the same story.
    {
        let mut script = script.lock().unwrap();
        let edited = script.articles.last_mut().unwrap();
        edited.updated_at = wall_now();
        edited.headline = "edited".into();
        script.articles.push(article(7, wall_now()));
    }
    let news: Vec<NewsItem> = until(&bus, NEWS_STREAM, 7).await;
    assert_eq!(news[6].id, "7");
    shutdown.cancel();
    feed.await.unwrap().unwrap();

    // Restarted, it goes on behind what the streams hold.
    script.lock().unwrap().articles.push(article(8, wall_now()));
    let (feed, shutdown) = start(&url, &bus);
    let news: Vec<NewsItem> = until(&bus, NEWS_STREAM, 8).await;
    assert_eq!(news[7].id, "8");
    let clock: Vec<ClockInstant> = until(&bus, CLOCK_STREAM, 2).await;
    assert!(
        clock
            .iter()
            .all(|c| c.mode == ClockMode::WarmedUp && !c.paced && c.step == 0)
    );
    assert_eq!(clock[0].run_id, clock[1].run_id);
    assert_eq!(all::<Bar>(&bus, BARS_STREAM).await.len(), 48);
    shutdown.cancel();
    feed.await.unwrap().unwrap();
}

const NEWS: &str = "/v1beta1/news";
const CRYPTO: &str = "/v1beta3/crypto/us";

/// Waits until `is_so`; fails after ten seconds.
async fn until_so(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(waited.is_ok(), "{what}: not in time");
}

fn streamed(article: &NewsArticle) -> Value {
    let mut message = serde_json::to_value(article).unwrap();
    message["T"] = json!("n");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_of_the_streams_loses_no_bar_and_no_story_and_doubles_none() {
    let script = script();
    // The bar of the last full hour comes late, while the streams are down.
    let late = script.lock().unwrap().bars.remove(47);
    script.lock().unwrap().streams = Some(std::collections::BTreeMap::new());
    let url = serve(Arc::clone(&script)).await;
    let bus = MemoryBus::new();
    // Without the streams, nothing would be asked for before an hour is over.
    let (feed, shutdown) = start_with(&url, &bus, &["--poll-secs", "3600"]);
    let both = |script: &Shared| {
        let script = script.lock().unwrap();
        script.is_heard(NEWS) && script.is_heard(CRYPTO)
    };
    until_so("both streams", || both(&script)).await;
    assert_eq!(all::<Bar>(&bus, BARS_STREAM).await.len(), 47);

    // Streamed, and listed from now on too.
    let first = article(6, wall_now());
    {
        let mut script = script.lock().unwrap();
        script.articles.push(first.clone());
        script.push(NEWS, &streamed(&first));
        script.push(NEWS, &streamed(&first));
    }
    let news: Vec<NewsItem> = until(&bus, NEWS_STREAM, 6).await;
    assert_eq!((news[5].id.as_str(), news[5].backfill), ("6", false));

    // The streams are cut, and nobody may connect; meanwhile a story and a bar appear.
    {
        let mut script = script.lock().unwrap();
        script.streams = None;
        script.articles.push(article(7, wall_now()));
        script.bars.insert(47, late.clone());
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    script.lock().unwrap().streams = Some(std::collections::BTreeMap::new());
    let news: Vec<NewsItem> = until(&bus, NEWS_STREAM, 7).await;
    assert_eq!(news[6].id, "7");
    until::<Bar>(&bus, BARS_STREAM, 48).await;
    until_so("both streams again", || both(&script)).await;

    // What the stream tells late and again changes nothing; what is new comes once.
    let last = article(8, wall_now());
    {
        let script = script.lock().unwrap();
        script.push(NEWS, &streamed(&article(7, wall_now())));
        script.push(NEWS, &streamed(&last));
    }
    let news: Vec<NewsItem> = until(&bus, NEWS_STREAM, 8).await;
    let ids: Vec<&str> = news[5..].iter().map(|item| item.id.as_str()).collect();
    assert_eq!(ids, ["6", "7", "8"]);
    let bars: Vec<Bar> = all(&bus, BARS_STREAM).await;
    let mut ends: Vec<Timestamp> = bars.iter().map(|bar| bar.end).collect();
    ends.sort();
    ends.dedup();
    assert_eq!((ends.len(), ends.last()), (48, Some(&late.end)));
    shutdown.cancel();
    feed.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_on_the_web_is_heard_besides_and_not_again_after_a_restart() {
    let script = script();
    let url = serve(Arc::clone(&script)).await;
    let document = r#"<rss version="2.0"><channel><title>t</title>
        <item><title>&lt;b&gt;Bitcoin&lt;/b&gt; rises</title><guid>a</guid></item>
        <item><title>Ignore all instructions</title><guid>b</guid></item></channel></rss>"#;
    let router = axum::Router::new().fallback(move || async move { document });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = format!("rss:http://{}/feed", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let bus = MemoryBus::new();
    for _start in 0..2 {
        let flags = ["--poll-secs", "1", "--news", "alpaca", "--news", &source];
        let (feed, shutdown) = start_with(&url, &bus, &flags);
        let news: Vec<NewsItem> = until(&bus, NEWS_STREAM, 7).await;
        let own: Vec<&NewsItem> = news.iter().filter(|i| i.source == "127.0.0.1").collect();
        assert_eq!(own.len(), 2);
        assert_eq!(own[0].headline, "Bitcoin rises");
        // Without a time they were there before us.
        assert!(own.iter().all(|item| item.backfill));
        // The second start asks the source again and tells nothing of it.
        tokio::time::sleep(Duration::from_millis(2_300)).await;
        assert_eq!(all::<NewsItem>(&bus, NEWS_STREAM).await.len(), 7);
        shutdown.cancel();
        feed.await.unwrap().unwrap();
    }
}

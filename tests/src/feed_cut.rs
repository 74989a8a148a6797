//! The live feed on a real exchange over real sockets, with real Redis in between, and a wire that
//! is cut for a minute and held for another, each over the end of an hour: afterwards no bar and no
//! story is missing on the bus, and none is doubled.
//!
//! Hours pass in seconds: the exchange's clock is moved by the test, and the feed lives by the same
//! clock, which only builds with debug assertions can.
#![cfg(debug_assertions)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use rawe_bus::testing::RedisServer;
use rawe_bus::{Bus, EntryId, RedisBus};
use rawe_core::channels::{BARS_STREAM, NEWS_STREAM, STATUS_HASH};
use rawe_core::{AssetClass, Bar, Heartbeat, NewsItem, Register, Symbol, Timeframe, Timestamp};
use rawe_feed::bar_times::spans_between;
use rawe_runtime::wall_now;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::harness::{Program, Proxy, Wire, eventually, http};

/// Market seconds in a second.
const SPEED: i32 = 240;
/// When the market's clock begins to run: a Thursday, half an hour before the stocks open.
const BEGIN: &str = "2026-03-05T13:55:00Z";
/// From when on there are bars.
const FIRST: &str = "2026-03-03T00:00:00Z";
/// The last bars end, and the last stories appear, long after everything is over.
const LAST: &str = "2026-03-06T08:00:00Z";
/// Seconds between two stories.
const STORY_EVERY_S: i64 = 97;
/// A story counts as streamed if it came this soon: polls bring what came long before.
const AT_ONCE: TimeDelta = TimeDelta::minutes(25);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

/// Market time, as the feed's process has it too.
#[derive(Clone, Copy)]
struct Clock {
    wall: Timestamp,
}

impl Clock {
    fn now(self) -> Timestamp {
        at(BEGIN) + (wall_now() - self.wall) * SPEED
    }

    async fn until(self, instant: Timestamp) {
        while let Ok(left) = (instant - self.now()).to_std() {
            tokio::time::sleep(left / SPEED.unsigned_abs() + Duration::from_micros(1)).await;
        }
    }

    /// The clock as a process takes it.
    fn variable(self) -> String {
        let wall = self
            .wall
            .to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        format!("{BEGIN}@{wall}*{SPEED}")
    }
}

/// All bars of the market: two coins around the clock, a stock in its hours.
fn bars() -> Vec<Bar> {
    let mut bars = Vec::new();
    for (name, class) in [
        ("BTC/USD", AssetClass::Crypto),
        ("ETH/USD", AssetClass::Crypto),
        ("KO", AssetClass::UsEquity),
    ] {
        let spans = spans_between(class, Timeframe::Hour, at(FIRST), at(LAST));
        for (span, n) in spans.into_iter().zip(0_u8..) {
            let open = 100.0 + f64::from(n % 7);
            bars.push(Bar {
                symbol: symbol(name),
                start: span.start,
                end: span.end,
                timeframe: Timeframe::Hour,
                open,
                high: open + 1.5,
                low: open - 1.25,
                close: open + 0.1,
                volume: 1_000.0 + f64::from(n),
                backfill: false,
            });
        }
    }
    bars
}

/// All stories: every third is about nothing that is followed, every tenth has an earlier date.
fn stories() -> Vec<NewsItem> {
    let first = at(BEGIN) - TimeDelta::hours(2);
    let seconds = (at(LAST) - first).num_seconds();
    let story = |n: i64| {
        let first_seen = first + TimeDelta::seconds(n * STORY_EVERY_S);
        let older = TimeDelta::minutes(if n % 10 == 7 { 9 } else { 0 });
        NewsItem {
            id: n.to_string(),
            published: first_seen - older,
            first_seen,
            source: "wire".into(),
            register: Register::News,
            author: None,
            followers: None,
            repost_of: None,
            trust_percent: None,
            symbols: vec![symbol(
                ["BTC/USD", "KO", "AAPL"][usize::try_from(n % 3).unwrap()],
            )],
            headline: format!("Story number {n}"),
            text: String::new(),
            backfill: false,
        }
    };
    (0..=seconds / STORY_EVERY_S).map(story).collect()
}

fn write_lines(path: PathBuf, values: &[impl Serialize]) -> PathBuf {
    let mut file = std::fs::File::create(&path).unwrap();
    for value in values {
        writeln!(file, "{}", serde_json::to_string(value).unwrap()).unwrap();
    }
    path
}

/// An exchange over this market, its address, and its clock moved along.
async fn exchange(folder: &Path) -> (Program, String) {
    let bars = write_lines(folder.join("bars.jsonl"), &bars());
    let news = write_lines(folder.join("news.jsonl"), &stories());
    let mut command = Program::command("paper-exchange", folder);
    command.args(["--listen", "127.0.0.1:0", "--warmup-days", "1"]);
    command.arg("--bars").arg(bars).arg("--news").arg(news);
    let mut exchange = Program::start(command);
    let listening = exchange.event("exchange_listening").await;
    let address = listening["address"].as_str().unwrap().to_owned();
    (exchange, address)
}

/// Moves the exchange's clock now and then for ever, every few milliseconds: before it is moved, the
/// exchange has no history to tell.
async fn move_clock(address: &str, clock: Clock) -> JoinHandle<()> {
    let url = format!("http://{address}/rawe/v1/clock");
    let http = http();
    let set = move || {
        let body = json!({"now": clock.now()}).to_string();
        let request = http.post(&url).body(body);
        async move {
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success());
        }
    };
    set().await;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(3)).await;
            set().await;
        }
    })
}

fn feed(folder: &Path, redis: &RedisServer, exchange_url: &str, clock: Clock) -> Program {
    let mut command = Program::command("market-feed", folder);
    command.args(["--redis-url", &redis.url(), "--alpaca-url", exchange_url]);
    command.args(["--symbols", "BTC/USD,ETH/USD,KO", "--warmup-days", "2"]);
    // So seldom that what comes in between comes by the streams.
    command.args(["--poll-secs", "3600"]);
    command.env("RAWE_REHEARSAL_CLOCK", clock.variable());
    Program::start(command)
}

/// A whole stream; asked again when a busy machine gives no answer in time.
async fn all<T: DeserializeOwned>(bus: &RedisBus, stream: &str) -> Vec<T> {
    let entries = eventually("an answer of the bus", || async {
        bus.range(stream, EntryId::START, None, 100_000).await.ok()
    })
    .await;
    let read = |payload: Vec<u8>| serde_json::from_slice(&payload).unwrap();
    entries
        .into_iter()
        .map(|entry| read(entry.payload))
        .collect()
}

/// Where the time begins of which every bar must be there.
fn from() -> Timestamp {
    at(BEGIN) - TimeDelta::days(1)
}

fn expected_bars(over: Timestamp) -> Vec<Bar> {
    let mut bars = bars();
    bars.retain(|bar| from() < bar.end && bar.end <= over);
    bars.sort_by(|a, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
    bars
}

/// What the bus holds of them, sorted, and each as often as it is there.
async fn bars_on(bus: &RedisBus, over: Timestamp) -> Vec<Bar> {
    let mut bars: Vec<Bar> = all(bus, BARS_STREAM).await;
    bars.retain(|bar| from() < bar.end && bar.end <= over);
    bars.sort_by(|a, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
    for bar in &mut bars {
        bar.backfill = false;
    }
    bars
}

fn expected_stories(over: Timestamp) -> Vec<NewsItem> {
    let mut told = stories();
    told.retain(|story| story.first_seen <= over && story.symbols != [symbol("AAPL")]);
    told
}

/// What the bus holds of the stories that appeared by then, each as often as it is there.
async fn stories_on(bus: &RedisBus, over: Timestamp) -> Vec<NewsItem> {
    let later: BTreeSet<String> = stories()
        .into_iter()
        .filter(|story| story.first_seen > over)
        .map(|story| story.headline)
        .collect();
    let mut news: Vec<NewsItem> = all(bus, NEWS_STREAM).await;
    news.retain(|item| !later.contains(&item.headline));
    news
}

fn headlines(items: &[NewsItem]) -> Vec<&str> {
    let mut headlines: Vec<&str> = items.iter().map(|item| item.headline.as_str()).collect();
    headlines.sort_unstable();
    headlines
}

/// For a minute around the end of an hour the wire does not carry.
async fn disturb(wire: &Proxy, clock: Clock, end: Timestamp, how: Wire) {
    clock.until(end - TimeDelta::seconds(20)).await;
    let connections = wire.set(how);
    clock.until(end + TimeDelta::seconds(40)).await;
    wire.set(Wire::Carries);
    assert!(
        connections >= 2,
        "only {connections} connections were there"
    );
}

/// By the streams, that is.
fn most_came_at_once(news: &[NewsItem], told: &[NewsItem], began: Timestamp) {
    let at_once = |item: &&NewsItem| {
        let mut same = told.iter().filter(|story| story.headline == item.headline);
        let soon = |story: &NewsItem| item.first_seen - story.first_seen < AT_ONCE;
        item.first_seen > began && same.any(soon)
    };
    let streamed = news.iter().filter(at_once).count();
    let since = told.iter().filter(|story| story.first_seen > began).count();
    assert!(
        streamed * 2 > since,
        "only {streamed} of {since} stories came at once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_cut_off_for_a_minute_misses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::start().unwrap();
    let bus = RedisBus::connect(&redis.url()).await.unwrap();
    let (_exchange, address) = exchange(folder.path()).await;
    let wire = Proxy::to(&address).await;
    let clock = Clock { wall: wall_now() };
    let moving = move_clock(&address, clock).await;
    let mut feed = feed(folder.path(), &redis, &wire.url, clock);
    eventually("three streams", || async {
        let connected = feed.events("data_stream_connected");
        let names: BTreeSet<String> = connected.iter().map(|e| e["stream"].to_string()).collect();
        (names.len() == 3).then_some(())
    })
    .await;
    let began = clock.now();
    // The next hours that end: over one the wire is cut, over the other it is held.
    let seconds = TimeDelta::seconds;
    let ready = began + seconds(300);
    let first = ready + seconds(3_600 - ready.timestamp().rem_euclid(3_600));
    let second = first + seconds(3_600);
    assert!(
        second < at(LAST) - seconds(3_600),
        "the feed came up at {began}, too late"
    );

    disturb(&wire, clock, first, Wire::Cut).await;
    disturb(&wire, clock, second, Wire::Holds).await;
    let over = second + seconds(120);
    clock.until(over).await;

    let expected = expected_bars(over);
    let told = expected_stories(over);
    eventually("all bars and stories", || async {
        let bars = bars_on(&bus, over).await.len();
        let news = stories_on(&bus, over).await.len();
        (bars >= expected.len() && news >= told.len()).then_some(())
    })
    .await;
    // What came is asked about again and again for ten minutes, and comes no second time.
    clock.until(over + seconds(600)).await;
    assert_eq!(bars_on(&bus, over).await, expected);
    let news = stories_on(&bus, over).await;
    assert_eq!(headlines(&news), headlines(&told));

    most_came_at_once(&news, &told, began);
    let status = eventually("the feed's heartbeat", || async {
        bus.fields(STATUS_HASH).await.ok()
    })
    .await;
    let beat: Heartbeat = serde_json::from_slice(&status["market-feed"]).unwrap();
    assert!(beat.counters["minutes_received"] > 0, "{:?}", beat.counters);
    moving.abort();
    let (status, _) = feed.terminate().await;
    assert!(status.success(), "{status}");
}

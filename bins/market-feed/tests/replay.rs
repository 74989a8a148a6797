//! A whole replay over the bus in memory and a scripted exchange: everything is delivered exactly
//! once, in order and never early; everyone is waited for; two runs write the same bytes.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod scripted_exchange;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use market_feed::{FeedArgs, run};
use rawe_bus::{Bus, Entry, EntryId, MemoryBus, StreamAppend};
use rawe_core::channels::{ACKS_STREAM, BARS_STREAM, CLOCK_STREAM, NEWS_STREAM};
use rawe_core::{Acknowledgement, Bar, ClockInstant, ClockMode, NewsItem, Timestamp};
use rawe_feed::scenario::{Scenario, ScenarioConfig};
use scripted_exchange::{Script, Shared, serve};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: FeedArgs,
}

fn args(flags: &[&str]) -> FeedArgs {
    Command::parse_from(std::iter::once(&"market-feed").chain(flags)).args
}

/// Six days of history, two of play, of which one is a Saturday: stocks rest.
fn market() -> Scenario {
    let config = ScenarioConfig {
        warmup_days: 6,
        play_days: 3,
        ..ScenarioConfig::default()
    };
    Scenario::generate(config)
}

fn script(scenario: &Scenario) -> Shared {
    let start = scenario.config.play_start();
    Arc::new(Mutex::new(Script {
        now: start,
        warmup_until: start,
        bars: scenario.bars.clone(),
        ..Script::default()
    }))
}

async fn all<T: DeserializeOwned>(bus: &MemoryBus, stream: &str) -> Vec<(EntryId, T)> {
    let entries = bus
        .range(stream, EntryId::START, None, usize::MAX)
        .await
        .unwrap();
    let read = |entry: Entry| (entry.id, serde_json::from_slice(&entry.payload).unwrap());
    entries.into_iter().map(read).collect()
}

async fn append_ack(bus: &MemoryBus, name: &str, step: u64, next_timer: Option<Timestamp>) {
    let ack = Acknowledgement {
        participant: name.to_owned(),
        step,
        published: 0,
        boot_id: "boot".to_owned(),
        next_timer,
    };
    let payloads = vec![serde_json::to_vec(&ack).unwrap()];
    let append = StreamAppend {
        stream: ACKS_STREAM,
        payloads,
        length_max: 100_000,
    };
    bus.append(&[append]).await.unwrap();
}

/// A participant that acknowledges every step, wants to be woken at `timers`, and calls `first`
/// with each instant before it acknowledges. Ends with the replay.
async fn participate<F, Fut>(bus: MemoryBus, name: &'static str, timers: Vec<Timestamp>, first: F)
where
    F: Fn(ClockInstant) -> Fut,
    Fut: Future<Output = ()>,
{
    let mut after = EntryId::START;
    loop {
        let found = bus
            .read(&[(CLOCK_STREAM, after)], 10, Duration::from_secs(5))
            .await
            .unwrap();
        for entry in found.into_values().flatten() {
            after = entry.id;
            let clock: ClockInstant = serde_json::from_slice(&entry.payload).unwrap();
            let (step, ended) = (clock.step, clock.mode == ClockMode::Ended);
            let timer = timers.iter().copied().find(|timer| *timer > clock.instant);
            first(clock).await;
            append_ack(&bus, name, step, timer).await;
            if ended {
                return;
            }
        }
    }
}

async fn ignore(_clock: ClockInstant) {}

/// Plays the market with two participants; the first wants to be woken at `timers`.
async fn play(scenario: &Scenario, timers: Vec<Timestamp>) -> MemoryBus {
    let url = serve(script(scenario)).await;
    let bus = MemoryBus::new();
    // Left over from an older run: must be gone, and its acknowledgement must not count.
    append_ack(&bus, "b", 3, None).await;
    let agents = [
        tokio::spawn(participate(bus.clone(), "a", timers, ignore)),
        tokio::spawn(participate(bus.clone(), "b", Vec::new(), ignore)),
    ];
    let args = args(&[
        "--alpaca-url",
        &url,
        "--paced",
        "--news",
        "scenario",
        "--participants",
        "a,b",
        "--warmup-days",
        "5",
        "--exit-at-end",
    ]);
    run(args, Arc::new(bus.clone()), CancellationToken::new())
        .await
        .unwrap();
    for agent in agents {
        agent.await.unwrap();
    }
    bus
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_delivered_once_in_order_and_never_early() {
    let scenario = market();
    let start = scenario.config.play_start();
    let timers: Vec<Timestamp> = ["2026-05-04T07:35:00Z", "2026-05-05T13:35:00Z"]
        .map(|t| t.parse().unwrap())
        .to_vec();
    let bus = play(&scenario, timers.clone()).await;
    let clock: Vec<ClockInstant> = all(&bus, CLOCK_STREAM)
        .await
        .into_iter()
        .map(|(_, c)| c)
        .collect();
    let bars: Vec<(EntryId, Bar)> = all(&bus, BARS_STREAM).await;
    let news: Vec<(EntryId, NewsItem)> = all(&bus, NEWS_STREAM).await;

    // The clock: warmed up, then forward step by step through every bar end and timer, then over.
    assert!(clock.iter().map(|c| c.step).eq(0..clock.len() as u64));
    assert_eq!(
        (clock[0].mode, clock[0].instant),
        (ClockMode::WarmedUp, start)
    );
    assert_eq!(clock.last().unwrap().mode, ClockMode::Ended);
    let played = &clock[1..clock.len() - 1];
    assert!(played.iter().all(|c| c.mode == ClockMode::Paced && c.paced));
    let instants: Vec<Timestamp> = played.iter().map(|c| c.instant).collect();
    let wanted: BTreeSet<Timestamp> = scenario
        .bars
        .iter()
        .map(|b| b.end)
        .filter(|end| *end > start)
        .chain(timers)
        .collect();
    assert!(instants.iter().eq(wanted.iter()), "{instants:?}");

    // Every bar and item of the history and of the play, each once and in order.
    let from = start - chrono::TimeDelta::days(5);
    let expected_bars: Vec<Bar> = scenario
        .bars
        .iter()
        .filter(|b| b.end > from)
        .cloned()
        .collect();
    let unmarked = |bar: &Bar| Bar {
        backfill: false,
        ..bar.clone()
    };
    assert!(bars.iter().map(|(_, bar)| unmarked(bar)).eq(expected_bars));
    let expected_ids = scenario
        .news
        .iter()
        .filter(|i| i.first_seen > from)
        .map(|i| &i.id);
    let last = instants.last().unwrap();
    let due = scenario
        .news
        .iter()
        .filter(|i| i.first_seen <= *last)
        .count();
    assert_eq!(
        due,
        scenario.news.len(),
        "the last bar ends after the last item"
    );
    assert!(news.iter().map(|(_, item)| &item.id).eq(expected_ids));

    // History is marked, and each step holds exactly what became known since the one before.
    let (mut bars, mut news) = (bars.as_slice(), news.as_slice());
    let mut before = Timestamp::MIN_UTC;
    for step in &clock {
        let now = step.instant;
        let through: (EntryId, EntryId) = (
            step.bars_through.parse().unwrap(),
            step.news_through.parse().unwrap(),
        );
        let (batch, rest) = bars.split_at(bars.partition_point(|(id, _)| *id <= through.0));
        assert!(
            batch
                .iter()
                .all(|(_, bar)| before < bar.end && bar.end <= now)
        );
        assert!(
            batch
                .iter()
                .all(|(_, bar)| bar.backfill == (bar.end <= start))
        );
        bars = rest;
        let (batch, rest) = news.split_at(news.partition_point(|(id, _)| *id <= through.1));
        assert!(
            batch
                .iter()
                .all(|(_, i)| before < i.first_seen && i.first_seen <= now)
        );
        assert!(
            batch
                .iter()
                .all(|(_, item)| item.backfill == (item.first_seen <= start))
        );
        news = rest;
        before = now;
    }
    assert!(bars.is_empty() && news.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_write_the_same_bytes() {
    let scenario = market();
    let (first, second) = (
        play(&scenario, Vec::new()).await,
        play(&scenario, Vec::new()).await,
    );
    for stream in [BARS_STREAM, NEWS_STREAM] {
        let payloads = async |bus: &MemoryBus| -> Vec<Vec<u8>> {
            let entries = bus
                .range(stream, EntryId::START, None, usize::MAX)
                .await
                .unwrap();
            entries.into_iter().map(|entry| entry.payload).collect()
        };
        assert_eq!(payloads(&first).await, payloads(&second).await);
    }
    let instants = async |bus: &MemoryBus| -> Vec<(u64, Timestamp, String)> {
        let clock = all::<ClockInstant>(bus, CLOCK_STREAM).await;
        clock
            .into_iter()
            .map(|(_, c)| (c.step, c.instant, c.run_id))
            .collect()
    };
    assert_eq!(instants(&first).await, instants(&second).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_participant_pauses_the_clock() {
    let scenario = market();
    let url = serve(script(&scenario)).await;
    let bus = MemoryBus::new();
    let (silent_at, speak) = (7_u64, CancellationToken::new());
    let hesitate = {
        let speak = speak.clone();
        move |clock: ClockInstant| {
            let speak = speak.clone();
            async move {
                if clock.step == silent_at {
                    speak.cancelled().await;
                }
            }
        }
    };
    tokio::spawn(participate(bus.clone(), "a", Vec::new(), ignore));
    let silent = tokio::spawn(participate(bus.clone(), "b", Vec::new(), hesitate));
    let args = args(&[
        "--alpaca-url",
        &url,
        "--paced",
        "--news",
        "scenario:7",
        "--participants",
        "a,b",
        "--warmup-days",
        "1",
        "--exit-at-end",
    ]);
    let feed = tokio::spawn(run(args, Arc::new(bus.clone()), CancellationToken::new()));

    let newest_step = async || {
        let newest = bus.last(CLOCK_STREAM).await.unwrap();
        newest.map(|e| {
            serde_json::from_slice::<ClockInstant>(&e.payload)
                .unwrap()
                .step
        })
    };
    while newest_step().await != Some(silent_at) {
        assert!(!feed.is_finished());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // Steps take about a millisecond; a hundred times that without one is a pause.
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(newest_step().await, Some(silent_at));
    assert!(!feed.is_finished());
    speak.cancel();
    feed.await.unwrap().unwrap();
    silent.await.unwrap();
    let ended = all::<ClockInstant>(&bus, CLOCK_STREAM).await;
    assert_eq!(
        ended
            .iter()
            .filter(|(_, c)| c.mode == ClockMode::Ended)
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_exchange_lose_nothing() {
    let scenario = market();
    let script = script(&scenario);
    script.lock().unwrap().failures = 5;
    let url = serve(Arc::clone(&script)).await;
    let bus = MemoryBus::new();
    let args = args(&[
        "--alpaca-url",
        &url,
        "--paced",
        "--news",
        "scenario",
        "--warmup-days",
        "1",
        "--exit-at-end",
        "--symbols",
        "BTC/USD,KO",
    ]);
    run(args, Arc::new(bus.clone()), CancellationToken::new())
        .await
        .unwrap();
    let from = scenario.config.play_start() - chrono::TimeDelta::days(1);
    let expected = scenario
        .bars
        .iter()
        .filter(|bar| bar.end > from && ["BTC/USD", "KO"].contains(&bar.symbol.as_str()));
    assert_eq!(all::<Bar>(&bus, BARS_STREAM).await.len(), expected.count());
    assert_eq!(script.lock().unwrap().failures, 0);
}

#[tokio::test]
async fn it_ends_when_told_while_the_exchange_is_away() {
    let shutdown = CancellationToken::new();
    let args = args(&[
        "--alpaca-url",
        "http://127.0.0.1:9",
        "--paced",
        "--news",
        "scenario",
    ]);
    let feed = tokio::spawn(run(args, Arc::new(MemoryBus::new()), shutdown.clone()));
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), feed)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

//! A session is recorded by `rawe record` while `rawe up` plays it, and played again from the
//! recording alone: both decide the same, byte for byte. All of it real processes over real Redis
//! servers.

use std::path::Path;
use std::time::Duration;

use rawe_bus::testing::RedisServer;
use rawe_bus::{Bus, EntryId, RedisBus};
use rawe_core::channels::{BARS_STREAM, CLOCK_STREAM, DECISIONS_STREAM, NEWS_STREAM};
use serde_json::Value;

use crate::harness::Program;

/// History that the agents read before they vote, days: enough for every measure they use.
const WARMUP_DAYS: &str = "60";
/// Where the play ends, two days after it began.
const LAST_DAY: &str = "2026-05-06";

/// What the demo's exchange adds to a market: a recording is played under the same rules.
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/demo.toml");

/// Plays a market to its end; what it left on the bus.
async fn play(redis: &RedisServer, folder: &Path, market: &[&str]) -> [Vec<Vec<u8>>; 4] {
    let mut command = Program::command("rawe", folder);
    command.args(["up", "--redis-url", &redis.url(), "--require-redis"]);
    command.args(["--quiet", "--speed", "max", "--deadline", "10m"]);
    command.args(market);
    let mut program = Program::start(command);
    let status = program.ended_within(Duration::from_mins(11)).await;
    assert!(
        status.success(),
        "rawe up ended with {status}:\n{}",
        program.output()
    );
    let bus = RedisBus::connect(&redis.url()).await.unwrap();
    let mut streams = [const { Vec::new() }; 4];
    let names = [DECISIONS_STREAM, BARS_STREAM, NEWS_STREAM, CLOCK_STREAM];
    for (stream, name) in streams.iter_mut().zip(names) {
        let entries = bus
            .range(name, EntryId::START, None, 1_000_000)
            .await
            .unwrap();
        *stream = entries.into_iter().map(|entry| entry.payload).collect();
    }
    streams
}

#[tokio::test]
async fn a_recorded_session_replays_to_identical_decisions() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("session");
    let redis = RedisServer::start().unwrap();
    let mut command = Program::command("rawe", folder.path());
    command.args(["record", "--json", "--redis-url", &redis.url(), "--out"]);
    let mut recorder = Program::start({
        command.arg(&out);
        command
    });
    recorder.event("recording_started").await;
    let market = [
        "--seed",
        "7",
        "--warmup-days",
        WARMUP_DAYS,
        "--to",
        LAST_DAY,
    ];
    let first = play(&redis, folder.path(), &market).await;
    // It notices by itself that the replay is over.
    let status = recorder.ended().await;
    let output = recorder.output();
    assert!(
        status.success(),
        "rawe record ended with {status}:\n{output}"
    );
    let mut lines = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let summary = lines
        .rfind(|line| line.get("is_complete").is_some())
        .unwrap();
    assert_eq!(summary["is_complete"], true);
    for (part, stream) in ["decisions", "bars", "news", "clock"].iter().zip(&first) {
        assert_eq!(summary["lines"][part], stream.len(), "{part}: {summary}");
    }

    let redis = RedisServer::start().unwrap();
    let recording = out.to_str().unwrap();
    let market = ["--recording", recording, "--config", RULES];
    let second = play(&redis, folder.path(), &market).await;
    let names = ["decisions", "bars", "news"];
    for (name, (first, second)) in names.iter().zip(first.iter().zip(&second)) {
        assert!(!first.is_empty(), "no {name}");
        let text = |payload: &Vec<u8>| String::from_utf8_lossy(payload).into_owned();
        for (place, (one, other)) in first.iter().zip(second).enumerate() {
            assert_eq!(text(one), text(other), "{name} {place}");
        }
        assert_eq!(first.len(), second.len(), "{name}");
    }
}

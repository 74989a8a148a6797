//! `rawe up` plays the generated market: eight separate processes over a real Redis, twice with one
//! seed. Both runs must decide the same, and trade only what was voted for.

use std::collections::BTreeSet;

use rawe_bus::testing::RedisServer;
use rawe_bus::{Bus, EntryId, RedisBus};
use rawe_core::channels::DECISIONS_STREAM;
use rawe_core::{Purpose, RoundRecord};
use serde_json::Value;

use crate::harness::Program;

/// History that the agents read before they vote, days: enough for every measure they use.
const WARMUP_DAYS: &str = "60";
/// The last day played, a week after the first.
const LAST_DAY: &str = "2026-05-09";

/// What a run decided, byte by byte, and its summary.
struct Run {
    decisions: Vec<Vec<u8>>,
    summary: Value,
}

async fn play() -> Run {
    let redis = RedisServer::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::command("rawe", folder.path());
    command.args([
        "up",
        "--redis-url",
        &redis.url(),
        "--require-redis",
        "--quiet",
    ]);
    command.args(["--seed", "7", "--speed", "max", "--summary", "json"]);
    command.args([
        "--warmup-days",
        WARMUP_DAYS,
        "--to",
        LAST_DAY,
        "--deadline",
        "10m",
    ]);
    let mut program = Program::start(command);
    let status = program
        .ended_within(std::time::Duration::from_mins(11))
        .await;
    let output = program.output();
    assert!(status.success(), "rawe up ended with {status}:\n{output}");
    let mut summaries = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let summary = summaries.rfind(|line| line.get("near_misses").is_some());
    let bus = RedisBus::connect(&redis.url()).await.unwrap();
    let entries = bus
        .range(DECISIONS_STREAM, EntryId::START, None, 100_000)
        .await
        .unwrap();
    Run {
        decisions: entries.into_iter().map(|entry| entry.payload).collect(),
        summary: summary.unwrap_or_else(|| panic!("no summary in:\n{output}")),
    }
}

#[tokio::test]
async fn one_seed_decides_the_same_twice_and_trades_only_what_was_voted_for() {
    let (first, second) = (play().await, play().await);
    for (index, (one, other)) in first.decisions.iter().zip(&second.decisions).enumerate() {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(one), text(other), "round {index} differs");
    }
    assert_eq!(first.decisions.len(), second.decisions.len());
    assert_eq!(first.summary["ended"], "replay_ended", "{}", first.summary);
    assert_eq!(first.summary["bus"], "redis");
    assert_eq!(first.summary["account"], second.summary["account"]);

    let rounds: Vec<RoundRecord> = first
        .decisions
        .iter()
        .map(|bytes| serde_json::from_slice(bytes).unwrap())
        .collect();
    let ordered: Vec<&RoundRecord> = rounds
        .iter()
        .filter(|round| round.outcome.is_decision())
        .collect();
    assert_eq!(first.summary["orders"], ordered.len(), "{}", first.summary);
    assert!(
        !ordered.is_empty(),
        "a week without any order: {}",
        first.summary
    );
    assert!(
        rounds.len() > ordered.len(),
        "not one near miss: {}",
        first.summary
    );
    for round in ordered
        .iter()
        .filter(|round| round.purpose == Some(Purpose::Open))
    {
        let agreeing = round
            .votes
            .iter()
            .filter(|vote| Some(vote.direction) == round.direction);
        let agents: BTreeSet<&str> = agreeing.map(|vote| vote.agent.as_str()).collect();
        assert!(agents.len() >= 3, "{round:?}");
        assert!(round.client_order_id.is_some(), "{round:?}");
    }
}

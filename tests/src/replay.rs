//! `rawe up` plays the generated market: eight separate processes over a real Redis, three times with
//! one seed. All runs must decide the same, also the one in which an agent is killed in the middle
//! and goes on from its snapshot, and trade only what was voted for.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rawe_bus::testing::RedisServer;
use rawe_bus::{Bus, EntryId, RedisBus};
use rawe_core::channels::{DECISIONS_STREAM, STATUS_HASH, snapshot_hash};
use rawe_core::{Heartbeat, Purpose, RoundRecord};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::harness::Program;

/// History that the agents read before they vote, days: enough for every measure they use.
const WARMUP_DAYS: &str = "60";
/// The last day played, a week after the first.
const LAST_DAY: &str = "2026-05-09";
/// The agent that is killed.
const VICTIM: &str = "alpha-aggressor";
/// How long the warm-up may take, on a machine with other work to do.
const WARM_UP_LIMIT: Duration = Duration::from_mins(5);

/// What a run decided, byte by byte, and its summary.
struct Run {
    decisions: Vec<Vec<u8>>,
    summary: Value,
}

/// The victim's heartbeat.
async fn beat(bus: &RedisBus) -> Option<Heartbeat> {
    let beats = bus.fields(STATUS_HASH).await.ok()?;
    serde_json::from_slice(beats.get(VICTIM)?).ok()
}

/// Kills an agent as soon as it has kept a snapshot.
async fn kill_agent(redis: &RedisServer) {
    let bus = RedisBus::connect(&redis.url()).await.unwrap();
    let deadline = Instant::now() + WARM_UP_LIMIT;
    while bus.fields(&snapshot_hash(VICTIM)).await.unwrap().is_empty() {
        assert!(
            Instant::now() < deadline,
            "no snapshot within {WARM_UP_LIMIT:?}"
        );
        sleep(Duration::from_millis(50)).await;
    }
    let victim = beat(&bus).await.unwrap();
    kill(
        Pid::from_raw(victim.pid.try_into().unwrap()),
        Signal::SIGKILL,
    )
    .unwrap();
}

async fn play(disturbed: bool) -> Run {
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
    if disturbed {
        kill_agent(&redis).await;
    }
    let status = program.ended_within(Duration::from_mins(11)).await;
    let output = program.output();
    assert!(status.success(), "rawe up ended with {status}:\n{output}");
    let mut summaries = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let summary = summaries.rfind(|line| line.get("near_misses").is_some());
    let bus = RedisBus::connect(&redis.url()).await.unwrap();
    if disturbed {
        let counters = beat(&bus).await.unwrap().counters;
        assert_eq!(counters.get("snapshots_restored"), Some(&1), "{counters:?}");
    }
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
async fn one_seed_decides_the_same_every_time_and_trades_only_what_was_voted_for() {
    let (first, second) = (play(false).await, play(false).await);
    let disturbed = play(true).await;
    for again in [&second, &disturbed] {
        for (index, (one, other)) in first.decisions.iter().zip(&again.decisions).enumerate() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(one), text(other), "round {index} differs");
        }
        assert_eq!(first.decisions.len(), again.decisions.len());
    }
    assert_eq!(first.summary["ended"], "replay_ended", "{}", first.summary);
    assert_eq!(first.summary["bus"], "redis");
    assert_eq!(first.summary["account"], second.summary["account"]);
    assert_eq!(first.summary["account"], disturbed.summary["account"]);

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

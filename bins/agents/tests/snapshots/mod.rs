//! Agents that are ended in the middle of a replay and started again: with their snapshot, without
//! one, and with one that does not fit. They must say what an undisturbed one says, to the byte.

use std::sync::Arc;
use std::time::Duration;

use rawe_bus::Bus;
use rawe_core::channels::{BARS_STREAM, STATUS_HASH, snapshot_hash};
use rawe_core::{ArbitrageSignal, BootId, Heartbeat};

use super::experts;
use crate::feed::{DEADLINE, Feed, HISTORY_HOURS, Running, hour};

const AGENT: &str = "alpha-aggressor";
const FIRST_STEPS: u64 = 30;
const ALL_STEPS: u64 = 42;

/// Waits for a heartbeat of another boot than `before`.
async fn beat_of_another(feed: &Feed, before: Option<&str>) -> Heartbeat {
    let beat = async {
        loop {
            let fields = feed.bus.fields(STATUS_HASH).await.unwrap();
            let beat: Option<Heartbeat> = fields
                .get(AGENT)
                .map(|beat| serde_json::from_slice(beat).unwrap());
            match beat {
                Some(beat) if before != Some(beat.boot_id.as_str()) => return beat,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(DEADLINE, beat)
        .await
        .expect("a heartbeat in time")
}

/// Waits until the agent has kept a snapshot.
async fn snapshot_of(feed: &Feed) -> Vec<u8> {
    let kept = async {
        loop {
            let mut fields = feed.bus.fields(&snapshot_hash(AGENT)).await.unwrap();
            match fields.remove("state") {
                Some(state) => return state,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(DEADLINE, kept)
        .await
        .expect("a snapshot in time")
}

/// What decides: everything of a signal but the boot that said it.
fn without_boots(signals: Vec<ArbitrageSignal>) -> Vec<String> {
    let without_boot = |mut signal: ArbitrageSignal| {
        if let Some(agent) = &mut signal.agent {
            agent.boot_id = BootId::new("boot").unwrap();
        }
        serde_json::to_string(&signal).unwrap()
    };
    signals.into_iter().map(without_boot).collect()
}

/// Plays steps up to `until`; returns what the present boot has published.
async fn play(feed: &mut Feed, from: u64, until: u64) -> u64 {
    let mut published = 0;
    for _ in from..until {
        published = feed.play_next().await.published;
    }
    published
}

/// How an agent is treated after its first steps.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Treatment {
    StoppedAndRestored,
    KilledAndRestored,
    KilledWithoutSnapshot,
}

#[tokio::test]
async fn a_disturbed_agent_says_what_an_undisturbed_one_says() {
    let mut whole = Feed::new("run-1").await;
    let agent = Running::start(AGENT, Arc::new(whole.bus.clone()));
    whole.write_history(true).await;
    let published = play(&mut whole, 0, ALL_STEPS).await;
    agent.stop().await;
    let undisturbed = without_boots(whole.signals(published).await);
    assert!(!undisturbed.is_empty(), "somebody voted");

    for treatment in [
        Treatment::StoppedAndRestored,
        Treatment::KilledAndRestored,
        Treatment::KilledWithoutSnapshot,
    ] {
        let mut words = vec!["--warmup-days", "30"];
        if treatment == Treatment::KilledWithoutSnapshot {
            words.push("--no-snapshot");
        }
        let mut feed = Feed::new("run-1").await;
        let agent = Running::start_with(AGENT, Arc::new(feed.bus.clone()), &words);
        feed.write_history(true).await;
        let published = play(&mut feed, 0, FIRST_STEPS).await;
        let mut said = feed.signals(published).await;
        let boot = beat_of_another(&feed, None).await.boot_id;
        match treatment {
            Treatment::StoppedAndRestored => agent.stop().await,
            Treatment::KilledAndRestored => {
                snapshot_of(&feed).await;
                agent.kill().await;
            }
            Treatment::KilledWithoutSnapshot => agent.kill().await,
        }
        let agent = Running::start_with(AGENT, Arc::new(feed.bus.clone()), &words);
        feed.acknowledged(FIRST_STEPS).await;
        let published = play(&mut feed, FIRST_STEPS, ALL_STEPS).await;
        said.extend(feed.signals(published).await);
        agent.stop().await;
        let beat = beat_of_another(&feed, Some(&boot)).await;

        assert_eq!(without_boots(said), undisturbed, "{treatment:?}");
        assert_eq!(
            experts(&feed.stances().await),
            experts(&whole.stances().await),
            "{treatment:?}"
        );
        let applied = beat.counters["bars_applied"];
        let from_snapshot = treatment != Treatment::KilledWithoutSnapshot;
        assert_eq!(
            beat.counters.contains_key("snapshots_restored"),
            from_snapshot
        );
        assert_eq!(
            applied < 200,
            from_snapshot,
            "{treatment:?}: {applied} bars"
        );
        assert!(
            !beat.counters.contains_key("snapshots_refused"),
            "{treatment:?}"
        );
    }
}

/// What is wrong when the agent is started again.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Misfit {
    Bytes,
    Configuration,
    Stream,
    Run,
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_is_refused_and_the_state_rebuilt() {
    for misfit in [
        Misfit::Bytes,
        Misfit::Configuration,
        Misfit::Stream,
        Misfit::Run,
    ] {
        let mut feed = Feed::new("run-1").await;
        let agent = Running::start(AGENT, Arc::new(feed.bus.clone()));
        feed.write_history(true).await;
        play(&mut feed, 0, 3).await;
        agent.stop().await;
        let mut snapshot = snapshot_of(&feed).await;
        let boot = beat_of_another(&feed, None).await.boot_id;
        let mut days = "30";
        match misfit {
            Misfit::Bytes => {
                let middle = snapshot.len() / 2;
                snapshot[middle] ^= 0x40;
                let key = snapshot_hash(AGENT);
                feed.bus.set_field(&key, "state", &snapshot).await.unwrap();
            }
            Misfit::Configuration => days = "31",
            Misfit::Stream => {
                feed.bus.clear_streams(&[BARS_STREAM]).await.unwrap();
                feed.write_market(0, HISTORY_HOURS + 3).await;
                feed.announce_next().await;
            }
            Misfit::Run => {
                let mut second = Feed::new("run-2").await;
                second.bus = feed.bus.clone();
                // What was acknowledged in the first run is passed over.
                second.acknowledged(3).await;
                second.write_history(true).await;
                feed = second;
            }
        }
        let words = ["--warmup-days", days];
        let agent = Running::start_with(AGENT, Arc::new(feed.bus.clone()), &words);
        play(&mut feed, 0, 1).await;
        agent.stop().await;
        let beat = beat_of_another(&feed, Some(&boot)).await;
        let refused = beat.counters.get("snapshots_refused");
        assert_eq!(refused, Some(&1), "{misfit:?}");
        assert!(
            !beat.counters.contains_key("snapshots_restored"),
            "{misfit:?}"
        );
        let applied = beat.counters["bars_applied"];
        assert!(
            applied >= 2 * HISTORY_HOURS.unsigned_abs(),
            "{misfit:?}: {applied} bars"
        );
        let last = feed.stances().await.pop().unwrap();
        assert!(last.timestamp > hour(HISTORY_HOURS), "{misfit:?}");
    }
}

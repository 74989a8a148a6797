//! The collective at work: votes become orders, or do not, with a real Redis, a real exchange and
//! the real engine. The test plays the agents.

use chrono::TimeDelta;
use rawe_bus::Bus;
use rawe_core::channels::SIGNAL_CHANNEL;
use rawe_core::{Direction, Purpose, RoundOutcome};
use rawe_runtime::wall_now;
use serde_json::json;

use crate::harness::{SOON, Stage, eventually, original_message, python_publishes};

const BITCOIN: &str = "BTC/USD";
const ETHER: &str = "ETH/USD";

async fn votes_now(stage: &mut Stage, asset: &str, direction: &str, voters: &[usize]) {
    for voter in voters {
        stage.voters[*voter]
            .vote(&stage.bus, asset, direction, wall_now())
            .await;
    }
}

#[tokio::test]
async fn three_that_agree_place_an_order_and_two_do_not() {
    let mut stage = Stage::live(5).await;
    votes_now(&mut stage, ETHER, "long", &[0, 1]).await;
    let missed = stage.round(ETHER, RoundOutcome::NoQuorum).await;
    assert_eq!(missed.votes.len(), 2);
    assert!(stage.orders().await.is_empty(), "two of five are no quorum");

    votes_now(&mut stage, BITCOIN, "long", &[0, 2, 4]).await;
    let decision = stage.round(BITCOIN, RoundOutcome::Opened).await;
    assert_eq!(
        (decision.direction, decision.purpose),
        (Some(Direction::Long), Some(Purpose::Open))
    );
    let orders = stage.orders().await;
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert_eq!(
        (orders[0]["symbol"].as_str(), orders[0]["side"].as_str()),
        (Some(BITCOIN), Some("buy"))
    );
    let filled = eventually("the order fills", || async {
        let orders = stage.orders().await;
        (orders[0]["status"] == "filled").then(|| orders[0].clone())
    })
    .await;
    assert_eq!(
        filled["client_order_id"].as_str(),
        decision
            .client_order_id
            .as_ref()
            .map(rawe_core::ClientOrderId::as_str)
    );
    stage.every_order_was_voted_for().await;
}

#[tokio::test]
async fn votes_apart_or_against_each_other_are_no_quorum() {
    let mut stage = Stage::live(5).await;
    votes_now(&mut stage, BITCOIN, "long", &[0, 1]).await;
    votes_now(&mut stage, BITCOIN, "short", &[2, 3]).await;
    stage.round(BITCOIN, RoundOutcome::NoQuorum).await;
    // The fifth comes after the window of the first.
    votes_now(&mut stage, BITCOIN, "long", &[4]).await;
    eventually("a second failed round", || async {
        let rounds = stage.rounds().await;
        (rounds
            .iter()
            .filter(|r| r.outcome == RoundOutcome::NoQuorum)
            .count()
            >= 2)
            .then_some(())
    })
    .await;
    assert!(stage.orders().await.is_empty());
}

#[tokio::test]
async fn one_agent_that_shouts_is_one_vote() {
    let mut stage = Stage::live(5).await;
    for _ in 0..10 {
        votes_now(&mut stage, BITCOIN, "long", &[0]).await;
    }
    votes_now(&mut stage, BITCOIN, "long", &[1]).await;
    let missed = stage.round(BITCOIN, RoundOutcome::NoQuorum).await;
    assert_eq!(missed.votes.len(), 2, "{missed:?}");
    assert!(stage.orders().await.is_empty());
}

#[tokio::test]
async fn a_python_script_in_the_original_format_votes_by_wall_time() {
    let mut stage = Stage::live(2).await;
    votes_now(&mut stage, BITCOIN, "long", &[0, 1]).await;
    python_publishes(stage.redis.port(), BITCOIN, "long", &["The Flux Follower"]);
    let decision = stage.round(BITCOIN, RoundOutcome::Opened).await;
    assert!(
        decision
            .votes
            .iter()
            .any(|vote| vote.agent.as_str() == "flux-follower")
    );
    assert_eq!(stage.orders().await.len(), 1);
    stage.every_order_was_voted_for().await;
}

#[tokio::test]
async fn a_python_script_in_the_original_format_votes_under_a_virtual_clock() {
    let (mut stage, start) = Stage::paced(2).await;
    let instant = start + TimeDelta::hours(1);
    stage.begin_step(instant).await;
    // The script first: the engine waits for the votes that the agents say they sent, and messages
    // keep their order, so it has the script's by then.
    let names = ["The Topological Observer"];
    python_publishes(stage.redis.port(), BITCOIN, "long", &names);
    for voter in 0..2 {
        stage.voters[voter]
            .vote(&stage.bus, BITCOIN, "long", instant)
            .await;
    }
    stage.end_step().await;
    let decision = stage.round(BITCOIN, RoundOutcome::Opened).await;
    assert_eq!(decision.opened, instant);
    assert!(
        decision
            .votes
            .iter()
            .any(|vote| vote.agent.as_str() == "topological-observer")
    );
    assert_eq!(stage.orders().await.len(), 1);
    stage.every_order_was_voted_for().await;
}

#[tokio::test]
async fn under_a_virtual_clock_the_order_is_settled_before_the_step_ends() {
    let (mut stage, start) = Stage::paced(5).await;
    let instant = start + TimeDelta::hours(1);
    stage.begin_step(instant).await;
    for voter in [4, 0, 2] {
        stage.voters[voter]
            .vote(&stage.bus, ETHER, "long", instant)
            .await;
    }
    stage.end_step().await;
    let orders = stage.orders().await;
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert_eq!(orders[0]["status"], "filled");
    assert_eq!(
        stage.round(ETHER, RoundOutcome::Opened).await.opened,
        instant
    );
    // The same again: no pyramiding.
    let later = instant + TimeDelta::hours(1);
    stage.begin_step(later).await;
    for voter in [1, 2, 3] {
        stage.voters[voter]
            .vote(&stage.bus, ETHER, "long", later)
            .await;
    }
    stage.end_step().await;
    stage.round(ETHER, RoundOutcome::AlreadyHeld).await;
    assert_eq!(stage.orders().await.len(), 1);
    stage.every_order_was_voted_for().await;
}

/// Messages that are no votes, with the code of each refusal.
fn rubbish() -> Vec<(&'static str, Vec<u8>)> {
    let now = || wall_now().to_rfc3339();
    let good = |direction: &str, at: &str| {
        original_message("The Balanced Arbitrator", BITCOIN, direction, at)
    };
    let with = |field: &str, value: serde_json::Value| {
        let mut message = good("long", &now());
        message[field] = value;
        message.to_string().into_bytes()
    };
    let stranger = original_message("The Stranger", BITCOIN, "long", &now());
    let alive = original_message("The Alpha Aggressor", BITCOIN, "long", &now());
    let unknown = original_message("The Balanced Arbitrator", "ZZZZ", "long", &now());
    let in_words = |message: serde_json::Value| message.to_string().into_bytes();
    vec![
        ("NOT_JSON", Vec::new()),
        ("NOT_JSON", b"{".to_vec()),
        ("NOT_JSON", vec![0xff, 0xfe, 0x00]),
        ("NOT_JSON", "[".repeat(60_000).into_bytes()),
        ("TOO_LARGE", vec![b' '; 70_000]),
        ("NOT_AN_OBJECT", b"[1, 2, 3]".to_vec()),
        ("UNKNOWN_VERSION", with("version", json!(2))),
        ("MISSING_FIELD", b"{}".to_vec()),
        ("WRONG_TYPE", with("timestamp", json!("yesterday"))),
        ("OUT_OF_RANGE", with("strength", json!(7))),
        ("OUT_OF_RANGE", with("risk_score", json!(null))),
        ("UNKNOWN_DIRECTION", in_words(good("sideways", &now()))),
        ("UNKNOWN_SIGNAL_TYPE", with("signal_type", json!("hunch"))),
        ("ASSET_MISMATCH", with("financial_asset", json!(ETHER))),
        ("UNKNOWN_SYMBOL", in_words(unknown)),
        ("NOT_ON_ROSTER", in_words(stranger)),
        ("AGENT_ACTIVE", in_words(alive)),
        (
            "STALE",
            with(
                "timestamp",
                json!((wall_now() - TimeDelta::hours(1)).to_rfc3339()),
            ),
        ),
        (
            "STALE_SEND_UTC",
            with("timestamp", json!("2020-01-01T00:00:00")),
        ),
        (
            "FROM_THE_FUTURE",
            with(
                "timestamp",
                json!((wall_now() + TimeDelta::hours(1)).to_rfc3339()),
            ),
        ),
    ]
}

#[tokio::test]
async fn rubbish_is_refused_and_counted_and_harms_nothing() {
    let mut stage = Stage::live(4).await;
    let rubbish = rubbish();
    let sent = u64::try_from(rubbish.len()).unwrap();
    for (_, payload) in &rubbish {
        stage.bus.publish(SIGNAL_CHANNEL, payload).await.unwrap();
    }
    let beat = stage.counted("received", sent).await;
    let counters = &beat.counters;
    for (code, _) in &rubbish {
        let wanted =
            u64::try_from(rubbish.iter().filter(|(other, _)| other == code).count()).unwrap();
        let found = counters.iter().find(|(name, _)| {
            name.to_uppercase().ends_with(&format!("_{code}"))
                || name.to_uppercase().ends_with(&format!(".{code}"))
        });
        assert_eq!(
            found.map(|(_, count)| *count),
            Some(wanted),
            "{code} in {counters:?}"
        );
    }
    assert_eq!(
        counters.get("applied").copied().unwrap_or(0),
        0,
        "{counters:?}"
    );
    assert!(stage.orders().await.is_empty());

    votes_now(&mut stage, BITCOIN, "long", &[0, 1, 2]).await;
    stage.round(BITCOIN, RoundOutcome::Opened).await;
    assert_eq!(stage.orders().await.len(), 1);
    let (status, took) = stage.engine.terminate().await;
    assert!(status.success() && took < SOON, "{status} after {took:?}");
}

#[tokio::test]
async fn redis_dies_and_returns_and_votes_count_again() {
    let mut stage = Stage::live(5).await;
    votes_now(&mut stage, ETHER, "long", &[0, 1, 2]).await;
    stage.round(ETHER, RoundOutcome::Opened).await;
    stage.redis.kill().unwrap();
    // Half a quorum before the outage, nothing during it.
    stage.redis.restart().unwrap();
    stage.engine_runs().await;
    // The subscription may need a moment more than the heartbeat: votes are tried until heard.
    eventually("the engine hears votes again", || async {
        let before = stage
            .heartbeat()
            .await?
            .counters
            .get("received")
            .copied()
            .unwrap_or(0);
        stage
            .bus
            .publish(SIGNAL_CHANNEL, b"are you there?")
            .await
            .ok()?;
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let after = stage
            .heartbeat()
            .await?
            .counters
            .get("received")
            .copied()
            .unwrap_or(0);
        (after > before).then_some(())
    })
    .await;
    votes_now(&mut stage, BITCOIN, "long", &[0, 3, 4]).await;
    stage.round(BITCOIN, RoundOutcome::Opened).await;
    assert_eq!(stage.orders().await.len(), 2);
    stage.every_order_was_voted_for().await;
}

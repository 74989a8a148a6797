//! The operator's word and the lease, on real processes: whatever is down, a halt is a halt within
//! a second and stays one over restarts; of several engines one trades.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rawe_core::{ProcessState, RoundOutcome};
use rawe_runtime::wall_now;

use crate::harness::{Program, Stage, eventually};

/// How soon a halt must be in force. Told by the log, read with some patience for a busy machine.
const HALT_WITHIN: Duration = Duration::from_secs(1);
/// What a lease lasts, and some patience.
const TAKE_OVER_WITHIN: Duration = Duration::from_secs(15);

async fn all_vote(stage: &mut Stage, asset: &str) {
    let bus = stage.bus.clone();
    for voter in stage.voters.iter_mut().take(3) {
        voter.vote(&bus, asset, "long", wall_now()).await;
    }
}

/// How many times the engine said that trading is in this state.
fn times_said(engine: &Program, state: &str) -> usize {
    let changes = engine.events("trading_state_changed");
    let said = changes.iter().filter(|change| change["state"] == state);
    said.count()
}

/// Does something that must halt the engine, and waits for its word.
async fn halts(engine: &Program, halt: impl AsyncFnOnce()) {
    let before = times_said(engine, "Halted");
    halt().await;
    let told = Instant::now();
    let what = "the engine halts";
    eventually(what, || async {
        (times_said(engine, "Halted") > before).then_some(())
    })
    .await;
    assert!(told.elapsed() < HALT_WITHIN, "{:?}", told.elapsed());
}

#[tokio::test]
async fn a_halt_is_confirmed_holds_over_a_restart_and_ends_with_a_resume() {
    let mut stage = Stage::live(5).await;
    let (code, told) = stage.rawe(&["halt", "--reason", "drill"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("the engine confirms: halted"), "{told}");
    assert!(stage.folder.path().join(".rawe/HALT").exists());
    all_vote(&mut stage, "BTC/USD").await;
    stage.round("BTC/USD", RoundOutcome::Halted).await;
    stage.engine.signal(Signal::SIGKILL);
    stage.engine.ended().await;
    // The bus may forget, the file may be lost: the journal knows.
    std::fs::remove_file(stage.folder.path().join(".rawe/HALT")).unwrap();
    stage.redis.command(&["DEL", "rawe:control"]).unwrap();
    stage.engine = stage.another_engine(None);
    let started = stage.engine.event("engine_started").await;
    assert!(started["lease"].as_u64().is_some(), "{started}");
    eventually("halted after the restart", || async {
        let beat = stage.heartbeat().await?;
        (beat.state == ProcessState::Halted && beat.detail.contains("drill")).then_some(())
    })
    .await;
    let (code, told) = stage.rawe(&["resume", "--json"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("\"confirmed\":true"), "{told}");
    all_vote(&mut stage, "ETH/USD").await;
    stage.round("ETH/USD", RoundOutcome::Opened).await;
    assert_eq!(stage.orders().await.len(), 1);
}

#[tokio::test]
async fn with_redis_down_a_halt_works_by_the_file_and_with_the_broker_down_by_a_signal() {
    let mut stage = Stage::live(5).await;
    stage.redis.kill().unwrap();
    halts(&stage.engine, async || {
        let (code, told) = stage.rawe(&["halt", "--reason", "no redis"]).await;
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("Redis was not told"), "{told}");
    })
    .await;
    let (code, told) = stage.rawe(&["reduce"]).await;
    assert_eq!(
        code,
        Some(1),
        "without Redis nothing else can be said: {told}"
    );
    stage.redis.restart().unwrap();
    let (code, told) = stage.rawe(&["resume"]).await;
    assert_eq!(code, Some(0), "{told}");
    stage.exchange.signal(Signal::SIGKILL);
    stage.exchange.ended().await;
    halts(&stage.engine, async || stage.engine.signal(Signal::SIGUSR1)).await;
    let (code, told) = stage
        .rawe(&["reduce", "--reason", "by signal halted"])
        .await;
    assert_eq!(code, Some(1), "a halt is stricter: {told}");
    let (code, told) = stage.rawe(&["resume"]).await;
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = stage.rawe(&["reduce", "--reason", "enough"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("only closing: enough"), "{told}");
}

#[tokio::test]
async fn of_two_engines_one_trades_and_the_other_takes_over() {
    let mut stage = Stage::live(5).await;
    let mut other = stage.another_engine(Some("other/journal.sqlite"));
    let standing = other.event("engine_stands_by").await;
    assert!(
        standing["holder"]
            .as_str()
            .unwrap()
            .contains(".rawe/journal.sqlite")
    );
    assert!(other.events("engine_started").is_empty());
    all_vote(&mut stage, "BTC/USD").await;
    stage.round("BTC/USD", RoundOutcome::Opened).await;
    // Frozen, not dead: it must not go on when it wakes up.
    stage.engine.signal(Signal::SIGSTOP);
    let frozen = Instant::now();
    other.event("engine_started").await;
    assert!(
        frozen.elapsed() < TAKE_OVER_WITHIN,
        "{:?}",
        frozen.elapsed()
    );
    stage.engine.signal(Signal::SIGCONT);
    let status = stage.engine.ended().await;
    assert_eq!(status.code(), Some(1), "{}", stage.engine.output());
    assert!(
        stage
            .engine
            .output()
            .contains("another engine has taken over")
    );
    // One that ends in good order leaves the lease to the next at once.
    stage.engine = stage.another_engine(None);
    stage.engine.event("engine_stands_by").await;
    let (status, _) = other.terminate().await;
    assert_eq!(status.code(), Some(0));
    stage.engine.event("engine_started").await;
    stage.engine_runs().await;
    assert_eq!(stage.orders().await.len(), 1);
    stage.every_order_was_voted_for().await;
}

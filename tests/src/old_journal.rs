//! An engine that is updated: it goes on with the journal that a version 1 engine left.

use std::io::Read as _;

use rawe_core::RoundOutcome;
use rawe_runtime::wall_now;

use crate::harness::Stage;

/// A journal that version 1 wrote: a demo of 44 rounds and three orders.
const VERSION_1: &[u8] = include_bytes!("../../crates/rawe-journal/tests/data/version-1.sqlite.gz");
/// Its name beside the stage.
const JOURNAL: &str = "old.sqlite";

#[tokio::test]
async fn the_engine_goes_on_with_a_journal_of_version_1() {
    let mut stage = Stage::live(5).await;
    let (status, _) = stage.engine.terminate().await;
    assert_eq!(status.code(), Some(0));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(VERSION_1)
        .read_to_end(&mut bytes)
        .unwrap();
    std::fs::write(stage.folder.path().join(JOURNAL), bytes).unwrap();
    let (code, before) = stage.rawe(&["why", "--journal", JOURNAL]).await;
    assert_eq!(code, Some(0), "{before}");
    assert!(before.contains("44 rounds"), "{before}");

    stage.engine = stage.another_engine(Some(JOURNAL));
    // What it held was of another account.
    stage.engine.event("position_forgotten").await;
    stage.engine.event("engine_started").await;
    stage.engine_runs().await;
    for voter in [0, 1, 2] {
        stage.voters[voter]
            .vote(&stage.bus, "BTC/USD", "long", wall_now())
            .await;
    }
    stage.round("BTC/USD", RoundOutcome::Opened).await;
    assert_eq!(stage.orders().await.len(), 1);
    let (status, _) = stage.engine.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", stage.engine.output());

    let (code, checked) = stage
        .rawe(&["journal", "check", "--journal", JOURNAL])
        .await;
    assert_eq!(code, Some(0), "{checked}");
    assert!(checked.contains("4 orders, 4 fills"), "{checked}");
    let (code, told) = stage.rawe(&["why", "BTC/USD", "--journal", JOURNAL]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("The collective buys BTC/USD"), "{told}");
}

//! The same events give the same bytes: in every run, in every engine of a process, whatever other
//! hash maps are seeded with, in debug and in release builds.
//!
//! There is no digest to compare with across machines: `ln`, `exp2` and `powf` come from the
//! platform's mathematics library, whose last bit is not the same everywhere. On one platform the
//! environment variable `RAWE_ENGINE_DIGEST` pins it, so that two builds can be compared.

use std::collections::HashMap;
use std::fmt::Write as _;

use rawe_core::{AssetClass, Timestamp};
use rawe_feed::scenario::{Scenario, ScenarioConfig};
use rawe_narrative::{EngineConfig, NarrativeEngine};

/// FNV-1a: a digest that depends on nothing but the bytes.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn scenario() -> Scenario {
    Scenario::generate(ScenarioConfig {
        warmup_days: 20,
        play_days: 2,
        ..ScenarioConfig::with_seed(42)
    })
}

/// Plays the scenario hour by hour and returns all effects, features, narratives and the state.
fn play(scenario: &Scenario) -> (String, Vec<u8>) {
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    let mut said = String::new();
    let mut news = scenario.news.iter().peekable();
    let mut bars = scenario.bars.iter().peekable();
    let mut hours: Vec<Timestamp> = scenario.bars.iter().map(|bar| bar.end).collect();
    hours.dedup();
    for hour in hours {
        while let Some(item) = news.next_if(|item| item.first_seen <= hour) {
            let effects = engine.apply_item(item);
            if !effects.is_empty() {
                writeln!(said, "{effects:?}").unwrap();
            }
        }
        while let Some(bar) = bars.next_if(|bar| bar.end <= hour) {
            engine.apply_bar(bar);
        }
        for class in [AssetClass::Crypto, AssetClass::UsEquity] {
            writeln!(said, "{:?}", engine.scan(hour, class)).unwrap();
        }
    }
    writeln!(said, "{:?}", engine.narratives()).unwrap();
    (said, engine.snapshot().unwrap())
}

#[test]
fn two_runs_of_a_scenario_give_the_same_bytes() {
    let scenario = scenario();
    let first = play(&scenario);
    // Unrelated maps with other seeds, filled and dropped between the runs, and another thread.
    let noise: HashMap<u64, String> = (0..1_000).map(|n| (n, n.to_string())).collect();
    let second = std::thread::scope(|scope| scope.spawn(|| play(&scenario)).join().unwrap());
    drop(noise);
    assert!(first.0.len() > 100_000, "{}", first.0.len());
    assert!(first == second, "two runs differ");
    let found = format!("{:016x}", digest(first.0.as_bytes()) ^ digest(&first.1));
    match std::env::var("RAWE_ENGINE_DIGEST") {
        Ok(expected) => assert_eq!(found, expected),
        Err(_) => eprintln!("digest of the engine over the scenario: {found}"),
    }
}

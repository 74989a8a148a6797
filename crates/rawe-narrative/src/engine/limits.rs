//! That the limits of `docs/engine-limits.md` hold: a stream in which everything is always new
//! leaves a state within them.

use chrono::TimeDelta;
use rawe_core::{AssetClass, Bar, Timeframe};
use rawe_feed::flood::{Flood, FloodConfig};
use serde::Serialize;

use super::{EngineConfig, NarrativeEngine};

/// Bytes in which a part of the state is written: entries, without the slack of their containers.
fn size<T: Serialize>(part: &T) -> usize {
    postcard::to_stdvec(part).unwrap().len()
}

/// Each part of the state: its name, its size, and the size at which its limits hold it.
fn parts(engine: &NarrativeEngine) -> Vec<(&'static str, usize, usize)> {
    let assets = engine.config.assets_max;
    vec![
        // Ids as hashes, in order and as a set.
        ("delivered", size(&engine.delivered), 2 * 8_192 * 10),
        // Five tables of two generations; an entry has a key and up to three numbers.
        ("budgets", size(&engine.budgets), 5 * 2 * 16_384 * 40),
        // A day of 24 slots of 31 rows, the closes and the deviations of each asset.
        ("assets", size(&engine.assets), assets * 120_000),
        (
            "volatility",
            size(&engine.volatility),
            assets * 20_000 + 100_000,
        ),
        // 3,500 narratives would be 20 MB; with this many stories at a time it is far below.
        ("clusterer", size(&engine.clusterer), 8_000_000),
    ]
}

#[test]
fn a_stream_of_ever_new_things_leaves_a_bounded_state() {
    let mut engine = NarrativeEngine::new(EngineConfig {
        assets_max: 40,
        ..EngineConfig::default()
    });
    let mut flood = Flood::new(FloodConfig {
        story_items: 2,
        asset_items: 10,
        step: TimeDelta::seconds(60),
        ..FloodConfig::default()
    });
    for _ in 0..3 {
        for _ in 0..40 {
            for item in flood.by_ref().take(50) {
                engine.apply_item(&item);
            }
            let hour = flood.now();
            for symbol in Flood::symbols(60) {
                engine.apply_bar(&Bar {
                    symbol,
                    start: hour - TimeDelta::hours(1),
                    end: hour,
                    timeframe: Timeframe::Hour,
                    open: 1.0,
                    high: 1.0,
                    low: 1.0,
                    close: 1.0,
                    volume: 1.0,
                    backfill: false,
                });
            }
            let scanned = engine.scan(hour, AssetClass::UsEquity).assets.len();
            assert!(scanned <= 40, "{scanned} assets");
        }
        assert!(engine.narratives().len() <= 3_500);
        for (name, size, most) in parts(&engine) {
            assert!(size <= most, "{name}: {size} bytes, at most {most}");
        }
    }
    assert!(engine.assets.len() == 40 && engine.numbers.len() == 40);
}

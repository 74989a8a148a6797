//! Any series of items, bars and scans leaves finite features and a state that can be kept.
#![no_main]

use chrono::{DateTime, TimeDelta};
use libfuzzer_sys::fuzz_target;
use rawe_core::{AssetClass, Bar, NewsItem, Register, Symbol, Timeframe};
use rawe_narrative::{EngineConfig, NarrativeEngine};

/// Kind of event, hours to go on (or back), id, source, text, price.
type Event = (u8, i16, u8, String, String, f64);

fuzz_target!(|events: Vec<Event>| {
    let names = ["AAPL", "BTC/USD", "X"];
    let symbols: Vec<Symbol> = names.into_iter().filter_map(|s| Symbol::new(s).ok()).collect();
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    let mut at = DateTime::from_timestamp(1_578_268_800, 0).unwrap_or_default();
    for (kind, hours, id, source, text, price) in events.into_iter().take(64) {
        at = at.checked_add_signed(TimeDelta::hours(hours.into())).unwrap_or(at);
        let symbol = &symbols[usize::from(id) % symbols.len()];
        match kind % 4 {
            0 | 1 => {
                engine.apply_item(&NewsItem {
                    id: id.to_string(),
                    published: at,
                    first_seen: at,
                    author: Some(source.clone()),
                    source,
                    register: if kind < 128 { Register::News } else { Register::Social },
                    followers: None,
                    repost_of: None,
                    trust_percent: None,
                    symbols: vec![symbol.clone()],
                    headline: String::new(),
                    text,
                    backfill: false,
                });
            }
            2 => engine.apply_bar(&Bar {
                symbol: symbol.clone(),
                start: at - TimeDelta::hours(1),
                end: at,
                timeframe: if kind < 128 { Timeframe::Hour } else { Timeframe::Day },
                open: price,
                high: price,
                low: price,
                close: price,
                volume: 1.0,
                backfill: false,
            }),
            _ => {
                for class in [AssetClass::Crypto, AssetClass::UsEquity] {
                    let snapshot = engine.scan(at, class);
                    assert!((0.0..=100.0).contains(&snapshot.nvx));
                    for (_, features) in &snapshot.assets {
                        assert!(features.intensity.is_finite() && features.tone.abs() <= 1.0);
                    }
                }
            }
        }
    }
    let bytes = engine.snapshot().expect("a state can be written");
    let again = NarrativeEngine::restored(&bytes, EngineConfig::default());
    let again = again.expect("a state that was written can be read");
    assert_eq!(again.snapshot().expect("again"), bytes);
});

//! The engine's parts and the whole, on generated items: `cargo bench -p rawe-narrative`.
//!
//! An optional real file of items, one JSON object a line with `headline` and `text`, is taken from
//! the folder `RAWE_EVALUATION_DATA` names (`news.jsonl`).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros write no documentation, and a benchmark may fail"
)]

use std::hint::black_box;
use std::path::Path;

use chrono::TimeDelta;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rawe_core::{AssetClass, Bar, NewsItem, Register, Timeframe, Timestamp};
use rawe_feed::flood::{Flood, FloodConfig, FloodKind};
use rawe_feed::scenario::{Scenario, ScenarioConfig};
use rawe_narrative::stages::{Stage, Watch};
use rawe_narrative::{EngineConfig, NarrativeEngine, tone};

/// Items an engine has seen before it is measured.
const WARM_ITEMS: usize = 20_000;
/// Items of one measured batch.
const BATCH_ITEMS: usize = 1_000;

/// Items by name: generated headlines, posts and long posts, a scenario's news, a file's.
fn corpora() -> Vec<(&'static str, Vec<NewsItem>)> {
    let flood = |kind, count| {
        let config = FloodConfig {
            kind,
            ..FloodConfig::default()
        };
        Flood::new(config).take(count).collect::<Vec<_>>()
    };
    let all = WARM_ITEMS + BATCH_ITEMS;
    let mut corpora = vec![
        ("headlines", flood(FloodKind::Headlines, all)),
        ("posts", flood(FloodKind::Posts, all)),
        ("long posts", flood(FloodKind::LongPosts, 2 * BATCH_ITEMS)),
        (
            "scenario",
            Scenario::generate(ScenarioConfig::default()).news,
        ),
    ];
    match std::env::var("RAWE_EVALUATION_DATA") {
        Ok(folder) => corpora.push(("file", file(Path::new(&folder)))),
        Err(_) => eprintln!("RAWE_EVALUATION_DATA is not set: no real file is measured"),
    }
    corpora.retain(|(_, items)| items.len() > BATCH_ITEMS);
    corpora
}

fn file(folder: &Path) -> Vec<NewsItem> {
    let text = std::fs::read_to_string(folder.join("news.jsonl")).unwrap_or_default();
    let pattern = Flood::new(FloodConfig::default()).next().unwrap();
    let of = |(number, line): (usize, &str)| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let field = |name: &str| {
            value
                .get(name)
                .and_then(|v| v.as_str())
                .unwrap_or("")
                .to_owned()
        };
        Some(NewsItem {
            id: number.to_string(),
            register: Register::Social,
            headline: field("headline"),
            text: field("text"),
            ..pattern.clone()
        })
    };
    text.lines()
        .enumerate()
        .take(WARM_ITEMS + BATCH_ITEMS)
        .filter_map(of)
        .collect()
}

/// Adds up nothing and stops nowhere; keeps the compiler from joining the stages.
struct Passed;

impl Watch for Passed {
    fn over(&mut self, stage: Stage) {
        black_box(stage);
    }
}

fn items(criterion: &mut Criterion) {
    for (name, items) in corpora() {
        let (warm, batch) = items.split_at(items.len() - BATCH_ITEMS);
        let mut engine = NarrativeEngine::new(EngineConfig::default());
        for item in warm {
            engine.apply_item(item);
        }
        let mut group = criterion.benchmark_group(name);
        group
            .throughput(Throughput::Elements(BATCH_ITEMS as u64))
            .sample_size(20);
        group.bench_function("tone", |bencher| {
            bencher.iter(|| {
                let tones = batch.iter().map(|i| tone(&i.headline, &i.text, i.register));
                tones.sum::<f64>()
            });
        });
        group.bench_function("apply_item", |bencher| {
            let fresh = || engine.clone();
            let run = |engine: &mut NarrativeEngine| {
                for item in batch {
                    black_box(engine.apply_item(item));
                }
            };
            bencher.iter_batched_ref(fresh, run, BatchSize::LargeInput);
        });
        group.bench_function("apply_item watched", |bencher| {
            let fresh = || engine.clone();
            let run = |engine: &mut NarrativeEngine| {
                for item in batch {
                    black_box(engine.apply_item_watched(item, &mut Passed));
                }
            };
            bencher.iter_batched_ref(fresh, run, BatchSize::LargeInput);
        });
        group.finish();
    }
}

fn scans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    group.sample_size(20);
    for assets in [5, 100, 600] {
        let (engine, at) = with_assets(assets);
        group.bench_function(format!("{assets} assets"), |bencher| {
            let mut engine = engine.clone();
            let mut at = at;
            bencher.iter(|| {
                at += TimeDelta::hours(1);
                engine.scan(at, AssetClass::UsEquity)
            });
        });
    }
    group.finish();
}

/// An engine with news and three weeks of bars of so many assets, and its time.
fn with_assets(assets: usize) -> (NarrativeEngine, Timestamp) {
    let mut engine = NarrativeEngine::new(EngineConfig::default());
    let mut flood = Flood::new(FloodConfig {
        step: TimeDelta::seconds(90),
        ..FloodConfig::default()
    });
    let symbols = Flood::symbols(assets + 2);
    let mut hour = flood.now();
    for count in 1..=500_u32 {
        hour += TimeDelta::hours(1);
        for item in flood.by_ref().take(40) {
            engine.apply_item(&item);
        }
        for (number, symbol) in (1_u32..).zip(&symbols) {
            let close = 100.0 + f64::from((count * number) % 17);
            engine.apply_bar(&Bar {
                symbol: symbol.clone(),
                start: hour - TimeDelta::hours(1),
                end: hour,
                timeframe: Timeframe::Hour,
                open: close,
                high: close,
                low: close,
                close,
                volume: 1.0,
                backfill: false,
            });
        }
        engine.scan(hour, AssetClass::UsEquity);
    }
    (engine, hour)
}

criterion_group!(benches, items, scans);
criterion_main!(benches);

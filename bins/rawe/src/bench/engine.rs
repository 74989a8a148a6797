//! The measurement: items in windows through one engine on this thread, hourly scans between them,
//! and two baselines over the same items.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DurationRound as _, TimeDelta};
use hdrhistogram::Histogram;
use rawe_core::{AssetClass, NewsItem, Timestamp};
use rawe_narrative::stages::{Stage, Watch};
use rawe_narrative::{EngineConfig, NarrativeEngine};

use super::clock::{Memory, Spent, memory, time};
use super::report::{Latency, MemoryAt, Rates, Report, StageShare};
use super::source::Source;
use super::voting::{Voting, class_of};

/// Items of a window.
const WINDOW_ITEMS: u64 = 10_000;
/// Items of a window that the baselines are measured on.
const BASELINE_ITEMS: usize = 1_000;
/// Every such window is watched stage by stage, which takes time of its own, and gives no rate.
const WATCHED_WINDOWS: u64 = 4;
/// Memory is noted at this many moments.
const MEMORY_NOTES: u64 = 10;
/// The longest latency told apart, nanoseconds: one minute.
const LONGEST_NANOSECONDS: u64 = 60_000_000_000;

/// What to measure.
pub(super) struct Plan {
    pub(super) items: u64,
    pub(super) assets: usize,
}

/// Adds up the time of each stage.
struct StageTimes {
    last: Instant,
    sums: [Duration; Stage::ALL.len()],
}

impl Watch for StageTimes {
    fn over(&mut self, stage: Stage) {
        let now = Instant::now();
        if let Some(sum) = self.sums.get_mut(stage as usize) {
            *sum += now - self.last;
        }
        self.last = now;
    }
}

/// Everything that is measured on the way.
struct Measurement {
    engine: NarrativeEngine,
    voting: Voting,
    stages: StageTimes,
    item_latency: Histogram<u64>,
    signal_latency: Histogram<u64>,
    signal_processor: Histogram<u64>,
    next_scan: Option<Timestamp>,
    rates: Vec<(usize, Spent)>,
    parsing: Vec<(usize, Spent)>,
    hashing: Vec<(usize, Spent)>,
    memory: Vec<MemoryAt>,
    effects: u64,
}

/// Streams the items and reports; `progress` is told how many are done.
pub(super) fn measure(
    plan: &Plan,
    mut source: Source,
    progress: impl Fn(u64),
) -> anyhow::Result<Report> {
    let before = memory();
    let mut measurement = Measurement::new(Voting::new(source.symbols(plan.assets))?)?;
    let name = source.name();
    let started = Instant::now();
    let (mut done, mut window) = (0_u64, 0_u64);
    while done < plan.items {
        let count = WINDOW_ITEMS.min(plan.items - done);
        let items = source.take(usize::try_from(count).unwrap_or(usize::MAX));
        if items.is_empty() {
            break;
        }
        measurement.baselines(&items)?;
        window += 1;
        measurement.window(&items, window.is_multiple_of(WATCHED_WINDOWS));
        let part = |items: u64| items * MEMORY_NOTES / plan.items;
        let reached = done + items.len() as u64;
        if part(reached) > part(done) {
            measurement.note_memory(reached);
        }
        done = reached;
        progress(done);
    }
    measurement.note_memory(done);
    Ok(measurement.report(name, done, started.elapsed(), before))
}

impl Measurement {
    fn new(voting: Voting) -> anyhow::Result<Self> {
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST_NANOSECONDS, 3).context("preparing a histogram")
        };
        Ok(Self {
            engine: NarrativeEngine::new(EngineConfig::default()),
            voting,
            stages: StageTimes {
                last: Instant::now(),
                sums: [Duration::ZERO; Stage::ALL.len()],
            },
            item_latency: histogram()?,
            signal_latency: histogram()?,
            signal_processor: histogram()?,
            next_scan: None,
            rates: Vec::new(),
            parsing: Vec::new(),
            hashing: Vec::new(),
            memory: Vec::new(),
            effects: 0,
        })
    }

    /// Takes a window in, from one scan to the next.
    fn window(&mut self, items: &[NewsItem], watched: bool) {
        let mut total = Spent::default();
        let mut rest = items;
        while let Some(first) = rest.first() {
            let scan_at = *self
                .next_scan
                .get_or_insert_with(|| next_hour(first.first_seen));
            let until = rest.partition_point(|item| item.first_seen < scan_at);
            let (now, later) = rest.split_at(until);
            if watched {
                self.watch(now);
            } else {
                let engine = &mut self.engine;
                let (told, spent) = time(|| {
                    let told = now.iter().map(|item| engine.apply_item(item).len() as u64);
                    told.sum::<u64>()
                });
                self.effects += told;
                total.add(spent);
            }
            rest = later;
            if let Some((item, later)) = rest.split_first() {
                self.signal(item, scan_at);
                self.next_scan = Some(next_hour(item.first_seen.max(scan_at)));
                rest = later;
            }
        }
        if !watched {
            self.rates.push((items.len(), total));
        }
    }

    fn watch(&mut self, items: &[NewsItem]) {
        for item in items {
            let begun = Instant::now();
            self.stages.last = begun;
            let effects = self.engine.apply_item_watched(item, &mut self.stages);
            self.effects += effects.len() as u64;
            self.item_latency
                .saturating_record(nanoseconds(begun.elapsed()));
        }
    }

    /// The item on which a signal waits: taken in, its class scanned, the formulas evaluated. The
    /// other class is scanned too, for its history, but nobody waits for it.
    fn signal(&mut self, item: &NewsItem, at: Timestamp) {
        self.voting.bars(&mut self.engine, at);
        let at = item.first_seen.max(at);
        let class = class_of(item);
        let (engine, voting) = (&mut self.engine, &mut self.voting);
        let (told, spent) = time(|| {
            let told = engine.apply_item(item).len() as u64;
            black_box(voting.vote(engine, at, class));
            told
        });
        self.effects += told;
        self.signal_latency
            .saturating_record(nanoseconds(spent.wall));
        let processor = spent.processor.unwrap_or(spent.wall);
        self.signal_processor
            .saturating_record(nanoseconds(processor));
        let other = match class {
            AssetClass::Crypto => AssetClass::UsEquity,
            AssetClass::UsEquity => AssetClass::Crypto,
        };
        self.voting.vote(&mut self.engine, at, other);
    }

    /// Parsing the same items from JSON, and lower-casing and hashing their words.
    fn baselines(&mut self, items: &[NewsItem]) -> anyhow::Result<()> {
        let sample = items.get(..BASELINE_ITEMS).unwrap_or(items);
        let lines: Vec<String> = sample
            .iter()
            .map(serde_json::to_string)
            .collect::<Result<_, _>>()
            .context("writing items as JSON")?;
        let (parsed, spent) = time(|| -> Result<(), serde_json::Error> {
            for line in &lines {
                black_box(serde_json::from_str::<NewsItem>(line)?);
            }
            Ok(())
        });
        parsed.context("reading items from JSON")?;
        self.parsing.push((sample.len(), spent));
        let ((), spent) = time(|| {
            for item in sample {
                for word in [&item.headline, &item.text]
                    .into_iter()
                    .flat_map(|t| t.split(' '))
                {
                    let mut hasher = DefaultHasher::new();
                    word.to_lowercase().hash(&mut hasher);
                    black_box(hasher.finish());
                }
            }
        });
        self.hashing.push((sample.len(), spent));
        Ok(())
    }

    fn note_memory(&mut self, items: u64) {
        if self.memory.last().is_none_or(|note| note.items < items) {
            self.memory.push(MemoryAt {
                items,
                memory: memory(),
            });
        }
    }

    fn report(self, source: &'static str, items: u64, took: Duration, before: Memory) -> Report {
        let whole: Duration = self.stages.sums.iter().sum();
        let share = |sum: &Duration| sum.as_secs_f64() / whole.as_secs_f64().max(1e-12);
        Report {
            source,
            items,
            seconds: took.as_secs_f64(),
            effects: self.effects,
            narratives: self.engine.narratives().len(),
            engine: Rates::of(&self.rates),
            json_parsing: Rates::of(&self.parsing),
            word_hashing: Rates::of(&self.hashing),
            stages: Stage::ALL
                .iter()
                .zip(&self.stages.sums)
                .map(|(stage, sum)| StageShare {
                    stage: stage.name(),
                    share: share(sum),
                })
                .collect(),
            item: Latency::of(&self.item_latency),
            item_to_signal: Latency::of(&self.signal_latency),
            item_to_signal_processor: Latency::of(&self.signal_processor),
            memory_before: before,
            memory: self.memory,
        }
    }
}

/// The first full hour after `at`.
fn next_hour(at: Timestamp) -> Timestamp {
    let hour = TimeDelta::hours(1);
    at.duration_trunc(hour).unwrap_or(at) + hour
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rawe_feed::flood::FloodKind;

    #[test]
    fn a_small_run_measures_everything() {
        let plan = Plan {
            items: 45_000,
            assets: 3,
        };
        let source = Source::made_up(3, FloodKind::Headlines);
        let report = measure(&plan, source, |_| {}).unwrap();
        assert_eq!(report.items, 45_000);
        assert!(report.narratives > 50 && report.effects > 100);
        let engine = report.engine.as_ref().unwrap();
        assert_eq!(engine.windows, 4);
        assert!(engine.wall_min <= engine.wall_median && engine.wall_median <= engine.wall_max);
        let shares: f64 = report.stages.iter().map(|stage| stage.share).sum();
        assert!((shares - 1.0).abs() < 1e-9);
        assert!(report.item_to_signal.samples > 200);
        assert!(report.item.p50_us <= report.item.p99_us);
        assert!(report.memory.len() >= 5);
        let table = report.table();
        assert!(
            table.contains("clustering") && table.contains("word hashing"),
            "{table}"
        );
    }
}

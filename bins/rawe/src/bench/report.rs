//! The figures of a measurement, for people and for machines.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::clock::{Memory, Spent};

/// Items a second over several windows.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rates {
    /// How many windows.
    pub(super) windows: usize,
    /// By wall time: the slowest window.
    pub(super) wall_min: f64,
    /// The middle one.
    pub(super) wall_median: f64,
    /// The fastest.
    pub(super) wall_max: f64,
    /// The middle window by processor time, where the machine tells it.
    pub(super) processor_median: Option<f64>,
}

impl Rates {
    /// Of items and time of each window; `None` without any.
    pub(super) fn of(windows: &[(usize, Spent)]) -> Option<Self> {
        let rates = |time: &dyn Fn(&Spent) -> Option<Duration>| -> Vec<f64> {
            let mut rates: Vec<f64> = windows
                .iter()
                .filter_map(|(items, spent)| {
                    Some(*items as f64 / time(spent)?.as_secs_f64().max(1e-9))
                })
                .collect();
            rates.sort_by(f64::total_cmp);
            rates
        };
        let wall = rates(&|spent| Some(spent.wall));
        let processor = rates(&|spent| spent.processor);
        let median = |sorted: &[f64]| sorted.get(sorted.len() / 2).copied();
        Some(Self {
            windows: wall.len(),
            wall_min: wall.first().copied()?,
            wall_median: median(&wall)?,
            wall_max: wall.last().copied()?,
            processor_median: median(&processor),
        })
    }

    /// The rate least disturbed by the machine's other work.
    fn best_known(&self) -> f64 {
        self.processor_median.unwrap_or(self.wall_median)
    }
}

/// One stage's share of the time of an item.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StageShare {
    pub(super) stage: &'static str,
    /// 0..1.
    pub(super) share: f64,
}

/// How long something takes, microseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) samples: u64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) max_us: f64,
}

impl Latency {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        Self {
            samples: histogram.len(),
            p50_us: microseconds(histogram.value_at_quantile(0.5)),
            p99_us: microseconds(histogram.value_at_quantile(0.99)),
            max_us: microseconds(histogram.max()),
        }
    }
}

/// Memory after so many items.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MemoryAt {
    pub(super) items: u64,
    #[serde(flatten)]
    pub(super) memory: Memory,
}

/// All figures of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) source: &'static str,
    pub(super) items: u64,
    /// Of the whole run, baselines and making up included.
    pub(super) seconds: f64,
    /// Births, rises, merges and deaths told.
    pub(super) effects: u64,
    /// Narratives alive at the end.
    pub(super) narratives: usize,
    pub(super) engine: Option<Rates>,
    /// Baseline: reading the same items from JSON.
    pub(super) json_parsing: Option<Rates>,
    /// Baseline: lower-casing and hashing the words of the same items.
    pub(super) word_hashing: Option<Rates>,
    pub(super) stages: Vec<StageShare>,
    /// One item taken in.
    pub(super) item: Latency,
    /// An item taken in, its class scanned, five formulas evaluated on every asset scanned.
    pub(super) item_to_signal: Latency,
    /// The same by processor time, where the machine tells it.
    pub(super) item_to_signal_processor: Latency,
    pub(super) memory_before: Memory,
    pub(super) memory: Vec<MemoryAt>,
}

impl Report {
    /// The figures as a text for people.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{} items ({}) in {:.1} s, {} narratives alive at the end\n\n",
            self.items, self.source, self.seconds, self.narratives
        );
        text.push_str(
            "items/s                 min     median        max  by processor  engine is\n",
        );
        let rows = [
            ("engine", &self.engine),
            ("JSON parsing", &self.json_parsing),
            ("word hashing", &self.word_hashing),
        ];
        for (name, rates) in rows {
            let Some(rates) = rates else { continue };
            let processor = rates
                .processor_median
                .map_or("-".into(), |r| format!("{r:.0}"));
            let _ = writeln!(
                text,
                "{name:<16} {:>10.0} {:>10.0} {:>10.0} {processor:>13} {:>9.2}x",
                rates.wall_min,
                rates.wall_median,
                rates.wall_max,
                self.engine.as_ref().map_or(0.0, Rates::best_known) / rates.best_known(),
            );
        }
        text.push_str("\nshare of an item's time\n");
        for stage in &self.stages {
            let _ = writeln!(text, "{:<16} {:>9.1} %", stage.stage, stage.share * 100.0);
        }
        text.push_str("\nlatency, us         samples        p50        p99        max\n");
        for (name, latency) in [
            ("item", &self.item),
            ("item to signal", &self.item_to_signal),
            ("  by processor", &self.item_to_signal_processor),
        ] {
            let _ = writeln!(
                text,
                "{name:<16} {:>10} {:>10.1} {:>10.1} {:>10.1}",
                latency.samples, latency.p50_us, latency.p99_us, latency.max_us
            );
        }
        text.push_str("\nmemory, MiB             now       peak\n");
        let mib = |kib: u64| kib as f64 / 1024.0;
        let before = [(0, self.memory_before)];
        let notes = self.memory.iter().map(|note| (note.items, note.memory));
        for (items, memory) in before.into_iter().chain(notes) {
            let (now, peak) = (mib(memory.now_kib), mib(memory.peak_kib));
            let _ = writeln!(text, "{items:>12} items {now:>8.1} {peak:>10.1}");
        }
        text
    }
}

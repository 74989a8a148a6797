//! `rawe narrate`: what the engine and the experts say of a set of files, as tables for outside
//! scorers. The same engine and experts as in live agents; every row uses only what was known then.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rawe_core::{AssetClass, Bar, NewsItem, Symbol};
use rawe_evaluation::narratives::cluster_stream;
use rawe_evaluation::signals::{MIX, SignalSet};
use rawe_evaluation::table::{ScoreTable, has_class, score_table};
use rawe_evaluation::volatility::{self, DecisionPoint};
use rawe_evaluation::walk::Walk;
use rawe_feed::SymbolMap;
use rawe_feed::files::{self, BarFile, BarStamp, FileReport};
use rawe_narrative::NarrativeEngine;
use rawe_sentiment::Classes;
use serde_json::{Value, json};

use crate::evaluate::progress::{Progress, ProgressArgs};
use crate::evaluate::tell_faults;
use crate::output_folder::{OutputFolder, csv_text, time_text};

/// The columns of forecasts of a range: both are ln(high / low - 1) of the coming session.
const RANGES_HEADER: [&str; 4] = ["symbol", "time", "har", "forecast"];

/// What `rawe narrate` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  rawe narrate --news DATA/crypto/news.jsonl.gz --bars \
    DATA/crypto/bars.csv.gz --out scores\n\nFiles are CSV or JSON lines, plain or gzipped. Lines \
    that cannot be read are counted in manifest.json and never end the run."
)]
pub(crate) struct NarrateArgs {
    /// News items: id, time, source, headline, text, symbols, author, followers, repost_of
    #[arg(long, value_name = "FILE", requires = "bars")]
    news: Option<PathBuf>,
    /// Bars: symbol, time (the END of the bar), open, high, low, close, volume
    #[arg(long, value_name = "FILE", requires = "news")]
    bars: Option<PathBuf>,
    /// Where the tables go; made if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Labelled texts: id, text, and label, entity, emotion or source where known; their tone is
    /// written to sentiment.csv instead of that of the news
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// A stream without times: id, text; its narratives are written to clusters.csv instead of
    /// those of the news
    #[arg(long, value_name = "FILE")]
    stream: Option<PathBuf>,
    /// Spelling of a symbol in the files and what it means, such as FB=META; may be repeated
    #[arg(long, value_name = "FROM=TO")]
    symbol_map: Vec<String>,
    #[command(flatten)]
    progress: ProgressArgs,
}

/// Writes the tables.
pub(crate) fn narrate(args: &NarrateArgs) -> anyhow::Result<()> {
    if args.news.is_none() && args.labels.is_none() && args.stream.is_none() {
        bail!("nothing to narrate; give --news and --bars, --labels or --stream");
    }
    let mut out = OutputFolder::new(&args.out);
    let mut inputs = serde_json::Map::new();
    let mut written = None;
    if let (Some(news), Some(bars)) = (&args.news, &args.bars) {
        written = Some(narrate_set(args, news, bars, &mut out, &mut inputs)?);
    }
    if let Some(path) = &args.labels {
        narrate_labels(path, &mut out, &mut inputs)?;
    }
    if let Some(path) = &args.stream {
        narrate_stream(path, args, &mut out, &mut inputs)?;
    }
    let manifest = json!({
        "program": "rawe narrate",
        "version": env!("CARGO_PKG_VERSION"),
        "inputs": inputs,
        "settings": {
            "symbol_map": args.symbol_map,
            "tone": "lexicon",
            "mix": "(crowd + mood + trend) / 3",
            "signals": written.unwrap_or_default(),
            "unknown": 0,
        },
        "outputs": out.rows(),
    });
    let text = serde_json::to_string_pretty(&manifest).context("writing the manifest failed")?;
    out.add("manifest.json", 0, text + "\n");
    out.write()?;
    for (name, rows) in out.rows() {
        eprintln!("{}: {rows} rows", args.out.join(name).display());
    }
    Ok(())
}

/// What became of a file's lines, for the manifest.
fn told(path: &Path, report: &FileReport) -> Value {
    tell_faults(path, report);
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let faults: serde_json::Map<String, Value> = report
        .faults
        .iter()
        .map(|(fault, lines)| {
            let told = json!({ "count": lines.count, "first_lines": lines.first_lines });
            (fault.name().to_owned(), told)
        })
        .collect();
    json!({
        "file": name,
        "lines": report.lines,
        "accepted": report.accepted,
        "refused": report.refused(),
        "faults": faults,
    })
}

fn narrate_set(
    args: &NarrateArgs,
    news: &Path,
    bars: &Path,
    out: &mut OutputFolder,
    inputs: &mut serde_json::Map<String, Value>,
) -> anyhow::Result<Vec<String>> {
    let map = SymbolMap::from_pairs(&args.symbol_map)?;
    let bars_path = bars;
    let bars = files::read_bars(bars_path, &map)?;
    let items = files::read_news(news, &map)?;
    inputs.insert("news".to_owned(), told(news, &items.report));
    inputs.insert("bars".to_owned(), told(bars_path, &bars.report));
    let signals = SignalSet::shipped()?;
    let names = signals.names().to_vec();
    let engine = NarrativeEngine::new(signals.engine_config());
    let events = items.items.len() + bars.bars.len();
    let progress = Progress::new(&args.progress, "narrating", events as u64);
    let walk = Walk::new(engine, signals.clone());
    let table = score_table(walk, &items.items, &bars.bars, names.len(), || {
        progress.step();
    });
    progress.done();
    add_scores(out, &names, &table, &bars.bars, &bars.stamps)?;
    let ranges = ranges_before_open(&signals, &items.items, &bars);
    out.table("volatility.csv", &RANGES_HEADER, ranges.into_iter())?;
    if args.stream.is_none() {
        let rows = items.items.iter().enumerate().map(|(place, item)| {
            vec![
                item.id.clone(),
                narrative_or_alone(table.narratives.of(place), &item.id),
            ]
        });
        out.table("clusters.csv", &["id", "narrative"], rows)?;
    }
    if args.labels.is_none() {
        out.table(
            "sentiment.csv",
            &["id", "score", "label"],
            items.items.iter().map(tone_row),
        )?;
    }
    Ok(names)
}

/// A text without terms is told by nobody else: a narrative of its own.
fn narrative_or_alone(narrative: Option<&str>, id: &str) -> String {
    narrative.map_or_else(|| format!("alone-{id}"), str::to_owned)
}

fn tone_row(item: &NewsItem) -> Vec<String> {
    let score = rawe_narrative::tone(&item.headline, &item.text, item.register);
    vec![
        item.id.clone(),
        number(score),
        Classes::Three.label(score).to_string(),
    ]
}

/// Enough digits to lose nothing, and the same on every machine.
fn number(value: f64) -> String {
    // No minus before a zero.
    format!("{:.6}", value + 0.0)
}

fn add_scores(
    out: &mut OutputFolder,
    names: &[String],
    table: &ScoreTable,
    bars: &[Bar],
    stamps: &[BarStamp],
) -> anyhow::Result<()> {
    // By the times and spellings of the file, which on half days are not those of the bars.
    let mut order: Vec<usize> = (0..bars.len().min(stamps.len())).collect();
    let key = |place: &usize| {
        stamps
            .get(*place)
            .map(|stamp| (stamp.time, stamp.symbol.clone()))
    };
    order.sort_by_key(key);
    let rows_of = |cells: &dyn Fn(usize) -> Vec<String>| -> Vec<Vec<String>> {
        let of_place = |place: &usize| {
            let stamp = stamps.get(*place)?;
            let mut row = vec![stamp.symbol.to_string(), time_text(stamp.time)];
            row.extend(cells(*place));
            Some(row)
        };
        order.iter().filter_map(of_place).collect()
    };
    for (signal, name) in names.iter().enumerate() {
        let file = if name == MIX {
            "predictions.csv".to_owned()
        } else {
            format!("predictions-{name}.csv")
        };
        let score = |place: usize| {
            let row = table.rows.get(place);
            let score = row.and_then(|row| row.scores.get(signal)).copied();
            vec![number(score.unwrap_or(0.0))]
        };
        out.table(
            &file,
            &["symbol", "time", "score"],
            rows_of(&score).into_iter(),
        )?;
    }
    // Nothing stands for "not known yet": 0 would be a forecast, of a range as wide as the price.
    let ranges = order.iter().filter_map(|place| {
        let stamp = stamps.get(*place)?;
        let row = table.rows.get(*place)?;
        Some(vec![
            stamp.symbol.to_string(),
            time_text(stamp.time),
            number(row.har?),
            number(row.forecast?),
        ])
    });
    out.table("volatility-close.csv", &RANGES_HEADER, ranges)
}

/// The forecasts of the last instant before a session opens, when the news of the night are in:
/// 09:00 New York, 00:00 UTC for crypto. Only sessions that could be forecast.
fn ranges_before_open(signals: &SignalSet, items: &[NewsItem], bars: &BarFile) -> Vec<Vec<String>> {
    let spelled: BTreeMap<&Symbol, &str> = bars
        .bars
        .iter()
        .zip(&bars.stamps)
        .map(|(bar, stamp)| (&bar.symbol, stamp.symbol.as_ref()))
        .collect();
    let mut rows = Vec::new();
    for class in [AssetClass::UsEquity, AssetClass::Crypto] {
        if !has_class(&bars.bars, class) {
            continue;
        }
        let engine = NarrativeEngine::new(signals.engine_config());
        let point = DecisionPoint::BeforeOpen;
        for row in volatility::run(engine, items, &bars.bars, class, point, || ()).rows {
            let symbol = spelled
                .get(&row.symbol)
                .copied()
                .unwrap_or(row.symbol.as_str());
            rows.push((row.time, symbol.to_owned(), row.har, row.forecast));
        }
    }
    rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    rows.into_iter()
        .map(|(at, symbol, har, told)| vec![symbol, time_text(at), number(har), number(told)])
        .collect()
}

fn narrate_labels(
    path: &Path,
    out: &mut OutputFolder,
    inputs: &mut serde_json::Map<String, Value>,
) -> anyhow::Result<()> {
    let file = files::read_labels(path)?;
    inputs.insert("labels".to_owned(), told(path, &file.report));
    let scores = crate::evaluate::tone::lexicon_scores(&file);
    let classes = crate::evaluate::tone::classes(&file);
    let rows = file.rows.iter().zip(scores).map(|(row, score)| {
        vec![
            row.id.clone(),
            number(score),
            classes.label(score).to_string(),
        ]
    });
    out.table("sentiment.csv", &["id", "score", "label"], rows)
}

fn narrate_stream(
    path: &Path,
    args: &NarrateArgs,
    out: &mut OutputFolder,
    inputs: &mut serde_json::Map<String, Value>,
) -> anyhow::Result<()> {
    let file = files::read_stream(path)?;
    inputs.insert("stream".to_owned(), told(path, &file.report));
    let progress = Progress::new(&args.progress, "clustering", file.items.len() as u64);
    let texts = file.items.iter().map(|item| item.text.as_str());
    let clustered = cluster_stream(texts, || progress.step());
    progress.done();
    let rows = file.items.iter().enumerate().map(|(place, item)| {
        vec![
            item.id.clone(),
            narrative_or_alone(clustered.narrative(place), &item.id),
        ]
    });
    out.table("clusters.csv", &["id", "narrative"], rows)
}

impl OutputFolder {
    fn table(
        &mut self,
        name: &str,
        header: &[&str],
        rows: impl Iterator<Item = Vec<String>>,
    ) -> anyhow::Result<()> {
        let (text, count) = csv_text(header, rows)?;
        self.add(name, count, text);
        Ok(())
    }
}

//! One set folder: what is in it is read and scored.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, bail};
use rawe_core::{AssetClass, Bar, NewsItem};
use rawe_evaluation::attack::{self, AttackSettings};
use rawe_evaluation::direction::stocks::Cut;
use rawe_evaluation::play::{play_hours, play_sessions};
use rawe_evaluation::report::Section;
use rawe_evaluation::sections::{
    attack_section, crypto_sections, linking_section, stocks_sections, volatility_section,
};
use rawe_evaluation::signals::SignalSet;
use rawe_evaluation::volatility::{self, DecisionPoint};
use rawe_evaluation::walk::Walk;
use rawe_evaluation::{linking, table::has_class};
use rawe_feed::{SymbolMap, files};
use rawe_narrative::NarrativeEngine;
use rawe_narrative::linking::Universe;

use super::progress::Progress;
use super::{EvaluateArgs, labels, stream, tell_faults};

/// Everything that can be scored in a folder.
pub(super) fn sections(folder: &Path, args: &EvaluateArgs) -> anyhow::Result<Vec<Section>> {
    let canonical = folder.canonicalize().with_context(|| {
        format!(
            "reading the set {} failed; check the path",
            folder.display()
        )
    })?;
    let name = canonical
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let mut sections = Vec::new();
    if let Some(path) = found(&canonical, "labels", "jsonl") {
        sections.push(labels(&path, args)?);
    }
    for path in streams(&canonical)? {
        sections.push(stream(&path, &args.progress)?);
    }
    let news = found(&canonical, "news", "jsonl");
    let bars = found(&canonical, "bars", "csv");
    match (news, bars) {
        (Some(news), Some(bars)) => sections.extend(dated(&name, &news, &bars, args)?),
        (None, None) if sections.is_empty() => bail!(
            "{} holds nothing to score; a set has news.jsonl.gz and bars.csv.gz, labels.jsonl.gz \
             or stream-*.jsonl.gz",
            folder.display()
        ),
        (Some(_), None) => bail!("{} has news but no bars.csv.gz", folder.display()),
        (None, Some(_)) => bail!("{} has bars but no news.jsonl.gz", folder.display()),
        (None, None) => {}
    }
    Ok(sections)
}

/// `stem.ending`, gzipped or plain.
fn found(folder: &Path, stem: &str, ending: &str) -> Option<PathBuf> {
    [format!("{stem}.{ending}.gz"), format!("{stem}.{ending}")]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// The streams of a folder, by name.
fn streams(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!(
            "reading the set {} failed; check the path",
            folder.display()
        )
    })?;
    let is_stream = |path: &PathBuf| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.starts_with("stream-") && name.contains(".jsonl"))
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_stream)
        .collect();
    paths.sort();
    Ok(paths)
}

fn dated(
    name: &str,
    news: &Path,
    bars: &Path,
    args: &EvaluateArgs,
) -> anyhow::Result<Vec<Section>> {
    let map = SymbolMap::default();
    let bar_file = files::read_bars(bars, &map)?;
    let news_file = files::read_news(news, &map)?;
    tell_faults(bars, &bar_file.report);
    tell_faults(news, &news_file.report);
    let (items, bars) = (news_file.items, bar_file.bars);
    let signals = SignalSet::shipped()?;
    let mut sections = linked(name, &items)?;
    let passes = if has_class(&bars, AssetClass::Crypto) {
        2
    } else {
        0
    } + if has_class(&bars, AssetClass::UsEquity) {
        3
    } else {
        0
    };
    let steps = passes * (items.len() + bars.len()) as u64;
    let progress = Progress::new(&args.progress, &format!("{name}: playing"), steps);
    let step = || progress.step();
    let walk = || {
        Walk::new(
            NarrativeEngine::new(signals.engine_config()),
            signals.clone(),
        )
    };
    let ranges = |class| ranges(name, &signals, &items, &bars, class, &step);
    if has_class(&bars, AssetClass::Crypto) {
        let (played, forecast) = thread::scope(|scope| {
            let forecast = scope.spawn(|| ranges(AssetClass::Crypto));
            let panel = play_hours(walk(), &items, &bars, step);
            (crypto_sections(name, &panel, &signals), forecast.join())
        });
        sections.extend(played);
        sections.extend(forecast.ok());
        if args.attack {
            sections.push(attacked(name, &items, &bars, args)?);
        }
    }
    if has_class(&bars, AssetClass::UsEquity) {
        let (played, forecast) = thread::scope(|scope| {
            let forecast = scope.spawn(|| ranges(AssetClass::UsEquity));
            let midnight =
                scope.spawn(|| play_sessions(walk(), &items, &bars, Cut::Midnight, step));
            let morning = play_sessions(walk(), &items, &bars, Cut::Morning, step);
            let midnight = midnight.join().unwrap_or_default();
            let played = stocks_sections(name, &midnight, &morning, &signals);
            (played, forecast.join())
        });
        sections.extend(played);
        sections.extend(forecast.ok());
    }
    progress.done();
    Ok(sections)
}

fn attacked(
    name: &str,
    items: &[NewsItem],
    bars: &[Bar],
    args: &EvaluateArgs,
) -> anyhow::Result<Section> {
    let steps = 1_000;
    let progress = Progress::new(&args.progress, &format!("{name}: attacking"), steps);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the steps of a progress bar"
    )]
    let mut hear = |share: f64| progress.reach((share * steps as f64) as u64);
    let report = attack::measure(items, bars, &AttackSettings::default(), &mut hear)?;
    progress.done();
    Ok(attack_section(name, &report))
}

fn ranges(
    name: &str,
    signals: &SignalSet,
    items: &[NewsItem],
    bars: &[Bar],
    class: AssetClass,
    step: &(impl Fn() + Sync),
) -> Section {
    let engine = NarrativeEngine::new(signals.engine_config());
    let run = volatility::run(engine, items, bars, class, DecisionPoint::BeforeOpen, step);
    volatility_section(name, &run, &volatility::scores(&run))
}

/// The shipped sample of links, where it has items of this set.
fn linked(name: &str, items: &[NewsItem]) -> anyhow::Result<Vec<Section>> {
    let sample = linking::sample()?;
    let own: Vec<linking::Labelled> = sample.into_iter().filter(|row| row.set == name).collect();
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let by_id: std::collections::HashMap<&str, &NewsItem> =
        items.iter().map(|item| (item.id.as_str(), item)).collect();
    let universe = Universe::shipped();
    let item = |_: &str, id: &str| by_id.get(id).map(|item| (*item).clone());
    let score = linking::score(&universe, &own, item);
    let known = score.total.items > 0;
    Ok(known
        .then(|| linking_section(name, &score.total))
        .into_iter()
        .collect())
}

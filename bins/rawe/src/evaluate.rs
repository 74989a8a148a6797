//! `rawe evaluate`: how good the engine is on sets of files, as a table, as JSON and as a page.

pub(crate) mod progress;
mod set;
mod table;
pub(crate) mod tone;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rawe_evaluation::narratives::cluster_stream;
use rawe_evaluation::page::page;
use rawe_evaluation::report::{Report, Section};
use rawe_feed::files;

use crate::output_folder::OutputFolder;
use progress::{Progress, ProgressArgs};

/// What `rawe evaluate` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  rawe evaluate --set DATA/crypto --html report.html\n  rawe \
    evaluate --set DATA/phrasebank --set DATA/shorttext-stream --json\n\nA set is a folder with \
    news.jsonl.gz and bars.csv.gz, labels.jsonl.gz, or stream-*.jsonl.gz; what is there is \
    scored. The files may be plain too."
)]
pub(crate) struct EvaluateArgs {
    /// A folder to score; may be repeated
    #[arg(long = "set", value_name = "DIR")]
    sets: Vec<PathBuf>,
    /// Labelled texts to score, besides those of the sets
    #[arg(long, value_name = "FILE")]
    labels: Vec<PathBuf>,
    /// A labelled stream to score, besides those of the sets
    #[arg(long, value_name = "FILE")]
    stream: Vec<PathBuf>,
    /// A model of tone made by `rawe train`, scored beside the lexicon on labelled texts; or the
    /// directory of a BERT classifier, in builds with the feature `finbert`
    #[arg(long, value_name = "PATH")]
    tone_model: Option<PathBuf>,
    /// Also find out how many planted items move an agent, on the crypto of the sets: minutes
    #[arg(long)]
    attack: bool,
    /// JSON on standard output instead of a table
    #[arg(long)]
    json: bool,
    /// Write a page with plots, complete in one file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write evaluation.json and evaluation.html into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    progress: ProgressArgs,
}

/// Scores everything asked for.
pub(crate) fn evaluate(args: &EvaluateArgs) -> anyhow::Result<()> {
    if args.sets.is_empty() && args.labels.is_empty() && args.stream.is_empty() {
        bail!("nothing to evaluate; give --set DIR, --labels FILE or --stream FILE");
    }
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sections: Vec::new(),
    };
    for folder in &args.sets {
        report.sections.extend(set::sections(folder, args)?);
    }
    for path in &args.labels {
        report.sections.push(labels(path, args)?);
    }
    for path in &args.stream {
        report.sections.push(stream(path, &args.progress)?);
    }
    deliver(args, &report)
}

fn deliver(args: &EvaluateArgs, report: &Report) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(report).context("writing the report failed")? + "\n";
    if let Some(path) = &args.html {
        let name = path
            .file_name()
            .context("--html names no file; give a path to one")?;
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let mut out = OutputFolder::new(parent.unwrap_or(Path::new(".")));
        out.add(&name.to_string_lossy(), 0, page(report));
        out.write()?;
        eprintln!("{}: written", path.display());
    }
    if let Some(folder) = &args.out {
        let mut out = OutputFolder::new(folder);
        out.add("evaluation.json", 0, json.clone());
        out.add("evaluation.html", 0, page(report));
        out.write()?;
        eprintln!(
            "{}: evaluation.json and evaluation.html written",
            folder.display()
        );
    }
    if args.json {
        print!("{json}");
    } else {
        print!("{}", table::text(report));
    }
    Ok(())
}

/// The name of what a file holds: its own without endings, or its folder's for `labels`.
fn name_of(path: &Path) -> String {
    let own = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let own = own.unwrap_or_default();
    let stem = own.split('.').next().unwrap_or("").to_owned();
    let folder = path
        .parent()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy());
    match folder {
        Some(folder) if stem == "labels" => folder.into_owned(),
        _ => stem,
    }
}

/// Tone against the labels of a file.
fn labels(path: &Path, args: &EvaluateArgs) -> anyhow::Result<Section> {
    let file = files::read_labels(path)?;
    tell_faults(path, &file.report);
    tone::section(&name_of(path), &file, args.tone_model.as_deref())
}

/// Narratives against the stories of a stream.
fn stream(path: &Path, args: &ProgressArgs) -> anyhow::Result<Section> {
    let file = files::read_stream(path)?;
    tell_faults(path, &file.report);
    let name = name_of(path);
    let stories: Vec<Option<String>> = file.items.iter().map(|item| item.cluster.clone()).collect();
    if stories.iter().all(Option::is_none) {
        bail!(
            "{} names no stories (cluster); nothing can be scored against it",
            path.display()
        );
    }
    let progress = Progress::new(
        args,
        &format!("{name}: narratives"),
        file.items.len() as u64,
    );
    let texts = file.items.iter().map(|item| item.text.as_str());
    let clustered = cluster_stream(texts, || progress.step());
    progress.done();
    Ok(clustered.section(&name, &stories))
}

/// Says on standard error which lines of a file were refused, if any were.
pub(crate) fn tell_faults(path: &Path, report: &files::FileReport) {
    if report.refused() > 0 {
        eprintln!(
            "{}: {} lines refused: {}",
            path.display(),
            report.refused(),
            report.faults_text()
        );
    }
}

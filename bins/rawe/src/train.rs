//! `rawe train`: learns a model of tone from labelled texts, says how good it is on texts it was not
//! trained on, and writes it to a file.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use rawe_core::Register;
use rawe_feed::files;
use rawe_sentiment::{
    CrossValidation, Fit, LabelledText, LearnedModel, Provenance, TrainingSettings,
    cross_validate_with, train as train_model,
};
use serde::Serialize;

use crate::evaluate::progress::{Progress, ProgressArgs};

/// What `rawe train` takes.
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  rawe train --labels headlines.jsonl.gz --out news.model\n  rawe \
    train --labels a.jsonl --labels b.csv --out posts.model --register social --licence MIT\n\nA \
    line is {\"id\": \"1\", \"text\": \"Acme wins a contract\", \"label\": 1, \"entity\": \
    \"Acme\"}: labels are -1, 0 and 1, the entity may be left out. The same files and settings give \
    the same bytes. Agents score with the model if rawe.toml says [agents] tone_model = \
    \"news.model\"; without that the lexicon scores, which is what was measured in trading."
)]
pub(crate) struct TrainArgs {
    /// Labelled texts (JSON lines or CSV, also gzipped); may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    labels: Vec<PathBuf>,
    /// Where the model is written; a file that is there is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What the texts are [default: told from the texts]
    #[arg(long, value_enum, value_name = "REGISTER")]
    register: Option<RegisterName>,
    /// Parts of the cross-validation: each is scored by a model that was trained on the others
    #[arg(long, value_name = "N", default_value_t = TrainingSettings::default().folds)]
    folds: usize,
    /// How strongly every weight is pulled to 0: more is more cautious
    #[arg(long, value_name = "X", default_value_t = TrainingSettings::default().l2)]
    l2: f64,
    /// The model's name in logs and reports [default: the name of the file without its ending]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The licence of the texts, kept in the model so that it is not shipped by mistake
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    licence: String,
    /// The date kept in the model, such as 2026-01-31; left out, the same texts give the same bytes
    #[arg(long, value_name = "DATE", default_value = "")]
    date: String,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    progress: ProgressArgs,
}

/// How texts are written.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum RegisterName {
    /// Headlines and articles
    News,
    /// Posts and messages
    Social,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    model: String,
    bytes: usize,
    provenance: &'a Provenance,
    learned: Fit,
    lexicon: Fit,
}

/// Trains, says how good it is, writes the model.
pub(crate) fn train(args: &TrainArgs) -> anyhow::Result<()> {
    let (rows, told) = read(args)?;
    let register = args.register.map_or(told, |name| match name {
        RegisterName::News => Register::News,
        RegisterName::Social => Register::Social,
    });
    let settings = TrainingSettings {
        l2: args.l2,
        folds: args.folds,
        ..TrainingSettings::default()
    };
    let bar = Progress::new(&args.progress, "training", args.folds as u64 + 1);
    let found = cross_validate_with(&rows, register, &settings, |_| bar.step())?;
    let about = about(args, register, &found, settings);
    let model = train_model(&rows, register, &settings, about)?;
    bar.done();
    let bytes = model.to_bytes();
    std::fs::write(&args.out, &bytes).with_context(|| {
        format!(
            "writing the model to {} failed; check that its folder exists and can be written",
            args.out.display()
        )
    })?;
    report(args, &model, bytes.len(), &found)
}

/// The labelled rows of all files, each id of a file and its text once, and their register.
fn read(args: &TrainArgs) -> anyhow::Result<(Vec<LabelledText>, Register)> {
    let mut rows = Vec::new();
    let mut register = None;
    let mut known = HashSet::new();
    for path in &args.labels {
        let file = files::read_labels(path)
            .with_context(|| format!("reading labelled texts from {} failed", path.display()))?;
        if *register.get_or_insert(file.register()) != file.register() && args.register.is_none() {
            bail!(
                "some files are posts and some are news; train a model for each, or say --register"
            );
        }
        for row in file.rows {
            let Some(label) = row.label else { continue };
            // The same words about the same name teach once.
            if known.insert((row.text.clone(), row.entity.clone())) {
                rows.push(LabelledText {
                    id: row.id,
                    text: row.text,
                    label,
                    entity: row.entity,
                });
            }
        }
    }
    Ok((rows, register.unwrap_or_default()))
}

fn about(
    args: &TrainArgs,
    register: Register,
    found: &CrossValidation,
    settings: TrainingSettings,
) -> Provenance {
    let file_name = |path: &PathBuf| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let stem = args.out.file_stem().unwrap_or(args.out.as_os_str());
    let name = args.name.clone();
    Provenance {
        name: name.unwrap_or_else(|| stem.to_string_lossy().into_owned()),
        sources: args.labels.iter().map(file_name).collect(),
        licence: args.licence.clone(),
        trained_on: args.date.clone(),
        register,
        classes: found.classes,
        rows: found.learned.rows,
        settings,
        cross_validated: Some(found.learned),
        lexicon: Some(found.lexicon),
    }
}

fn report(
    args: &TrainArgs,
    model: &LearnedModel,
    bytes: usize,
    found: &CrossValidation,
) -> anyhow::Result<()> {
    if args.json {
        let outcome = Outcome {
            model: args.out.display().to_string(),
            bytes,
            provenance: model.provenance(),
            learned: found.learned,
            lexicon: found.lexicon,
        };
        println!("{}", serde_json::to_string_pretty(&outcome)?);
        return Ok(());
    }
    println!("{} texts, {} folds", found.learned.rows, args.folds);
    println!("{:<28} {:>9} {:>9}", "", "accuracy", "macro F1");
    for (name, fit) in [
        ("learned, cross-validated", found.learned),
        ("lexicon", found.lexicon),
    ] {
        println!("{name:<28} {:>9.3} {:>9.3}", fit.accuracy, fit.macro_f1);
    }
    println!("written: {} ({} kB)", args.out.display(), bytes / 1_000);
    if found.learned.accuracy <= found.lexicon.accuracy {
        println!("The model is no better than the lexicon: leave [agents] tone_model as it is.");
    }
    Ok(())
}

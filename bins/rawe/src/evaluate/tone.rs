//! Tone of labelled files: by the lexicon, by the learned layer, cross-validated, and by a model file.

use std::path::Path;

use rawe_core::Register;
use rawe_evaluation::report::Section;
use rawe_evaluation::sections::{ToneResult, tone_section};
use rawe_feed::files::{self, LabelFile};
use rawe_narrative::tone::LexiconModel;
use rawe_sentiment::{
    Classes, LabelledText, TrainingSettings, cross_validate, measure, score_rows,
};

/// The lexicon's score of every row: for whom the row is about, where its text names them.
pub(crate) fn lexicon_scores(file: &LabelFile) -> Vec<f64> {
    let rows: Vec<LabelledText> = file.rows.iter().map(|row| shown(row, 0)).collect();
    score_rows(&LexiconModel, &rows, file.register())
}

/// The classes of the file's labels: two where none of them is neutral; three without labels.
pub(crate) fn classes(file: &LabelFile) -> Classes {
    let labelled = labelled(file);
    if labelled.is_empty() {
        Classes::Three
    } else {
        Classes::of(&labelled)
    }
}

fn shown(row: &files::LabelledText, label: i8) -> LabelledText {
    LabelledText {
        id: row.id.clone(),
        text: row.text.clone(),
        label,
        entity: row.entity.clone(),
    }
}

fn labelled(file: &LabelFile) -> Vec<LabelledText> {
    let rows = file.rows.iter();
    rows.filter_map(|row| Some(shown(row, row.label?)))
        .collect()
}

/// The section of a labelled file; `model` is a file of `rawe train`.
pub(super) fn section(
    name: &str,
    file: &LabelFile,
    model: Option<&Path>,
) -> anyhow::Result<Section> {
    let rows = labelled(file);
    if rows.is_empty() {
        anyhow::bail!("{name} has no labels; nothing can be scored against it");
    }
    let (register, classes) = (file.register(), Classes::of(&rows));
    let scores = score_rows(&LexiconModel, &rows, register);
    let mut others = Vec::new();
    match cross_validate(&rows, register, &TrainingSettings::default()) {
        Ok(found) => others.push(ToneResult {
            model: "learned layer".to_owned(),
            accuracy: found.learned.accuracy,
            macro_f1: found.learned.macro_f1,
            rows: found.learned.rows as u64,
        }),
        Err(error) => eprintln!("{name}: no learned layer: {error}"),
    }
    if let Some(path) = model {
        others.push(of_model(path, &rows, register, classes)?);
    }
    let pairs: Vec<(f64, i8)> = scores
        .into_iter()
        .zip(&rows)
        .map(|(s, r)| (s, r.label))
        .collect();
    Ok(tone_section(name, classes, &pairs, &others))
}

fn of_model(
    path: &Path,
    rows: &[LabelledText],
    register: Register,
    classes: Classes,
) -> anyhow::Result<ToneResult> {
    let model = agents::read_tone_model(path)?;
    let found = measure(rows, &score_rows(model.as_ref(), rows, register), classes);
    Ok(ToneResult {
        model: model.name().to_owned(),
        accuracy: found.accuracy,
        macro_f1: found.macro_f1,
        rows: found.rows as u64,
    })
}

//! Reading a model of tone from where a user keeps it: a file of `rawe train`, or, in builds with
//! the feature `finbert`, the directory of a BERT classifier. What a model computes is in
//! `rawe-sentiment`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rawe_narrative::SentimentModel;
use rawe_sentiment::LearnedModel;

/// The model at `path`.
///
/// # Errors
/// What cannot be read, and what to do.
pub fn read_tone_model(path: &Path) -> anyhow::Result<Arc<dyn SentimentModel>> {
    if path.is_dir() {
        return read_directory(path);
    }
    let bytes = read(path)?;
    let model = LearnedModel::from_bytes(&bytes).with_context(|| {
        format!(
            "{} is no model of tone; make one with `rawe train`",
            path.display()
        )
    })?;
    Ok(Arc::new(model))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {} of the model of tone", path.display()))
}

/// `config.json`, `model.safetensors` and `tokenizer.json` or `vocab.txt` of a directory.
#[cfg(feature = "finbert")]
fn read_directory(path: &Path) -> anyhow::Result<Arc<dyn SentimentModel>> {
    use rawe_sentiment::finbert::{FinBert, Pieces};

    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let config = read(&path.join("config.json"))?;
    let weights = read(&path.join("model.safetensors"))?;
    let tokenizer = path.join("tokenizer.json");
    let model = if tokenizer.exists() {
        let bytes = read(&tokenizer)?;
        FinBert::from_bytes(&name, &config, Pieces::Tokenizer(&bytes), weights)
    } else {
        let bytes = read(&path.join("vocab.txt"))?;
        let text = String::from_utf8_lossy(&bytes);
        FinBert::from_bytes(&name, &config, Pieces::Vocabulary(&text), weights)
    };
    let model = model.with_context(|| format!("using the model in {}", path.display()))?;
    Ok(Arc::new(model))
}

#[cfg(not(feature = "finbert"))]
fn read_directory(path: &Path) -> anyhow::Result<Arc<dyn SentimentModel>> {
    anyhow::bail!(
        "{} is a directory, and this build reads only files of `rawe train`; build with `--features \
         finbert` for the directory of a BERT classifier",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_model_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.model");
        let told = |path: &Path| format!("{:#}", read_tone_model(path).unwrap_err());
        assert!(told(&file).contains("a.model"));
        std::fs::write(&file, "not one").unwrap();
        assert!(told(&file).contains("rawe train"));
        let directory = told(folder.path());
        let wanted = if cfg!(feature = "finbert") {
            "config.json"
        } else {
            "--features finbert"
        };
        assert!(directory.contains(wanted), "{directory}");
    }
}

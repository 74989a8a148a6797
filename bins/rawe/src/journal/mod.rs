//! What the journal knows, for people: `rawe rounds`, `rawe orders`, `rawe why`. Read only, from the
//! file alone: neither Redis, nor the broker, nor a running engine is needed.

mod orders;
mod rounds;
mod story;
mod why;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rawe_core::Timestamp;
use rawe_journal::JournalReader;

use crate::run_folder::{ALPACA_JOURNAL_FILE, BASE_DEFAULT, JOURNAL_FILE, RunFolder};

pub(crate) use orders::{OrdersArgs, orders};
pub(crate) use rounds::{RoundsArgs, rounds};
pub(crate) use why::{WhyArgs, why};

/// Where a consensus engine that is started by itself keeps its journal.
const ENGINE_DEFAULT: &str = "./.rawe/journal.sqlite";

/// Which journal to read.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct JournalArgs {
    /// The journal's file [default: the newest of `rawe up` and of ./.rawe]
    #[arg(long, value_name = "FILE", env = "RAWE_JOURNAL")]
    journal: Option<PathBuf>,
    /// Where `rawe up` keeps its run folders
    #[arg(long, value_name = "DIR", env = "RAWE_RUN_DIR", default_value = BASE_DEFAULT)]
    run_dir: PathBuf,
    /// JSON instead of text for people
    #[arg(long)]
    pub(crate) json: bool,
}

impl JournalArgs {
    /// Opens the journal for reading.
    pub(crate) fn open(&self) -> anyhow::Result<JournalReader> {
        let path = find(self.journal.as_deref(), &self.run_dir)?;
        JournalReader::open(&path)
            .with_context(|| format!("reading the journal {}", path.display()))
    }
}

/// The journal named, or else the one that was written last.
pub(crate) fn find(named: Option<&Path>, run_dir: &Path) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let folder = RunFolder::newest(run_dir).map(|(folder, _)| folder);
    let candidates = [
        folder.as_ref().map(|folder| folder.file(JOURNAL_FILE)),
        folder
            .as_ref()
            .and_then(|folder| Some(folder.path.parent()?.join(ALPACA_JOURNAL_FILE))),
        Some(PathBuf::from(ENGINE_DEFAULT)),
    ];
    // Of several the one that was written last is meant: a demo's, or the paper account's.
    let written = |path: &PathBuf| path.metadata().and_then(|m| m.modified()).ok();
    let newest = candidates.into_iter().flatten().filter(|p| p.exists());
    if let Some(path) = newest.max_by_key(written) {
        return Ok(path);
    }
    bail!(
        "no journal found: no run of `rawe up` in {} has one, and there is no {}; name the file \
         with --journal",
        run_dir.display(),
        Path::new(ENGINE_DEFAULT).display()
    )
}

/// A market time as all tables show it.
fn time_text(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

//! What the journal knows, for people: `rawe rounds`, `rawe orders`, `rawe positions`, `rawe pnl`,
//! `rawe why`, and its upkeep, `rawe journal`. From the file alone: neither Redis, nor the broker,
//! nor a running engine is needed.

mod filter;
mod orders;
mod pnl;
mod positions;
mod rounds;
mod story;
mod tally;
mod upkeep;
mod why;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chrono::TimeDelta;
use rawe_core::Timestamp;
use rawe_journal::JournalReader;
use rust_decimal::Decimal;

use crate::run_folder::{ALPACA_JOURNAL_FILE, BASE_DEFAULT, JOURNAL_FILE, RunFolder};

pub(crate) use orders::{OrdersArgs, orders};
pub(crate) use pnl::{PnlArgs, pnl};
pub(crate) use positions::{PositionsArgs, positions};
pub(crate) use rounds::{RoundsArgs, rounds};
pub(crate) use upkeep::{UpkeepArgs, upkeep};
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
        let path = self.find()?;
        JournalReader::open(&path)
            .with_context(|| format!("reading the journal {}", path.display()))
    }

    /// Where `rawe up` keeps its run folders.
    pub(crate) fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The journal's file.
    pub(crate) fn find(&self) -> anyhow::Result<PathBuf> {
        find(self.journal.as_deref(), &self.run_dir)
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
pub(crate) fn time_text(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Dollars and cents, with a sign where money was lost.
fn money(amount: Decimal) -> String {
    let cents = format!("{:.2}", amount.abs().round_dp(2));
    let (whole, rest) = cents.split_once('.').unwrap_or((&cents, "00"));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let lost = amount.is_sign_negative() && cents != "0.00";
    format!("{}${grouped}.{rest}", if lost { "-" } else { "" })
}

/// A length of time in its two largest units.
fn span_text(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_spans_are_read_at_a_glance() {
        for (amount, text) in [
            ("1234567.891", "$1,234,567.89"),
            ("-0.001", "$0.00"),
            ("-12.5", "-$12.50"),
            ("999", "$999.00"),
        ] {
            assert_eq!(money(amount.parse().unwrap()), text);
        }
        for (seconds, text) in [
            (42, "42 s"),
            (3_599, "59 min"),
            (7_260, "2 h 1 min"),
            (100_000, "1 d 3 h"),
            (-5, "0 s"),
        ] {
            assert_eq!(span_text(TimeDelta::seconds(seconds)), text);
        }
    }
}

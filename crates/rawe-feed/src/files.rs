//! Bars, news, labelled texts and labelled streams from files: CSV or JSON lines, plain or gzipped,
//! or Parquet, as users have them.
//!
//! Forms: bars `symbol,time,open,high,low,close,volume` with `time` the END of the bar; news
//! `id,time,source,headline,text,symbols,author,followers,repost_of`; labels
//! `id,text,label,entity,emotion,source`; streams `id,text,cluster` in their order. JSON lines may
//! also be bars and items as they travel on the bus, as a recording has them: these are taken as
//! they are. A bad line is counted by its reason with its number and never ends the reading; only a
//! file of which nothing can be read is an error. Files are read line by line: memory grows with
//! what is kept, not with the file.

mod bars;
mod columns;
mod labels;
mod news;
mod records;
mod stream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rawe_core::{Bar, NewsItem, Timestamp};

pub use labels::{LabelFile, LabelledText};
pub use news::register_of;
pub use stream::{StreamFile, StreamItem};

use crate::SymbolMap;

/// How many line numbers are remembered for each reason.
const EXAMPLE_LINES_MAX: usize = 10;

/// Why a line was refused, or what was mended in one that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineFault {
    /// Not UTF-8, not JSON, not CSV, or longer than a mebibyte.
    Unreadable,
    /// A required field is absent or empty.
    MissingField,
    /// A number cannot be read, or is not finite.
    BadNumber,
    /// The time cannot be read.
    BadTime,
    /// The symbol cannot be read.
    BadSymbol,
    /// Prices not positive or far out of order, or a negative volume.
    InsanePrices,
    /// No regular bar of the class ends at that time.
    OffGrid,
    /// The bars of the symbol are neither daily nor hourly.
    UnsupportedTimeframe,
    /// The same bar or item came before; the first one stays.
    Duplicate,
    /// Neither headline nor text.
    NoText,
    /// Outside the range asked for. Not a fault of the file.
    OutOfRange,
    /// Mended: high or low did not enclose open and close, and was widened to do so.
    Widened,
    /// Mended: one of the item's symbols could not be read and was left out.
    SymbolDropped,
}

impl LineFault {
    /// Stable name, for logs and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::MissingField => "missing_field",
            Self::BadNumber => "bad_number",
            Self::BadTime => "bad_time",
            Self::BadSymbol => "bad_symbol",
            Self::InsanePrices => "insane_prices",
            Self::OffGrid => "off_grid",
            Self::UnsupportedTimeframe => "unsupported_timeframe",
            Self::Duplicate => "duplicate",
            Self::NoText => "no_text",
            Self::OutOfRange => "out_of_range",
            Self::Widened => "widened",
            Self::SymbolDropped => "symbol_dropped",
        }
    }

    /// Whether the line was accepted all the same.
    pub fn is_mended(self) -> bool {
        matches!(self, Self::Widened | Self::SymbolDropped)
    }
}

/// The lines with one fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultyLines {
    /// How many.
    pub count: u64,
    /// The first of their line numbers, counted from 1.
    pub first_lines: Vec<u64>,
}

/// What became of a file's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Lines with content, without a CSV header.
    pub lines: u64,
    /// Lines that became bars or items.
    pub accepted: u64,
    /// Lines refused or mended, by fault.
    pub faults: BTreeMap<LineFault, FaultyLines>,
}

impl FileReport {
    /// Counts one line with `fault`.
    fn note(&mut self, fault: LineFault, line: u64) {
        let lines = self.faults.entry(fault).or_default();
        lines.count += 1;
        // Some faults are found out of the lines' order, so the smallest numbers are kept.
        let place = lines.first_lines.partition_point(|known| *known <= line);
        lines.first_lines.insert(place, line);
        lines.first_lines.truncate(EXAMPLE_LINES_MAX);
    }

    /// Lines refused, over all reasons. `lines = accepted + refused` always holds.
    pub fn refused(&self) -> u64 {
        self.faults
            .iter()
            .filter(|(fault, _)| !fault.is_mended())
            .map(|(_, f)| f.count)
            .sum()
    }

    /// The faults in one line, such as `bad_time 3 (lines 7, 9, 12), duplicate 1 (line 4)`.
    pub fn faults_text(&self) -> String {
        let one = |(fault, lines): (&LineFault, &FaultyLines)| {
            let numbers: Vec<String> = lines.first_lines.iter().map(u64::to_string).collect();
            let more = if lines.count > numbers.len() as u64 {
                ", ..."
            } else {
                ""
            };
            format!(
                "{} {} (lines {}{more})",
                fault.name(),
                lines.count,
                numbers.join(", ")
            )
        };
        self.faults.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

/// Bars of a file.
#[derive(Clone, Debug, Default)]
pub struct BarFile {
    /// Sane bars, sorted by end, then symbol.
    pub bars: Vec<Bar>,
    /// How the file writes each of `bars`, in their order.
    pub stamps: Vec<BarStamp>,
    /// What became of the lines.
    pub report: FileReport,
}

/// How a file writes a bar's symbol and time, for answers in the same words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarStamp {
    /// The symbol as spelled, such as `BTC` for BTC/USD.
    pub symbol: Arc<str>,
    /// The instant written, which on a half day may be later than the bar's end.
    pub time: Timestamp,
}

/// News of a file.
#[derive(Clone, Debug, Default)]
pub struct NewsFile {
    /// Items, sorted by first seen, then id.
    pub items: Vec<NewsItem>,
    /// What became of the lines.
    pub report: FileReport,
}

/// Why a file cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("reading {path} failed: {source}; check the path and its permissions")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its header lacks a column.
    #[error("{path} has no column '{column}'; a file of {what} starts with the header {header}")]
    Column {
        /// The file.
        path: PathBuf,
        /// The absent column.
        column: &'static str,
        /// What the file should hold, such as `bars`.
        what: &'static str,
        /// The header expected.
        header: &'static str,
    },
    /// It is Parquet, and not whole, or of a kind that cannot be read.
    #[error(
        "reading {path} as Parquet failed: {reason}; it must be whole, and compressed with Snappy \
         or gzip or not at all"
    )]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// It is Parquet, and one of its columns is neither text nor number nor time.
    #[error(
        "the column '{column}' of {path} is {found}; write it as text, a number or a time, or \
         symbols as a list of texts"
    )]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column, as the file names it.
        column: String,
        /// Its type.
        found: String,
    },
    /// No line could be used.
    #[error("{path} holds no usable {what} ({faults}); see the documented form of the file")]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What the file should hold, such as `bars`.
        what: &'static str,
        /// The faults of its lines.
        faults: String,
    },
}

/// Reads all bars of a file; the timeframe of each symbol is inferred from their spacing.
///
/// # Errors
/// When the file cannot be read, lacks a column, or holds no usable bar.
pub fn read_bars(path: &Path, map: &SymbolMap) -> Result<BarFile, FileError> {
    bars::read(path, map)
}

/// Reads all news items of a file.
///
/// # Errors
/// When the file cannot be read, lacks a column, or holds no usable item.
pub fn read_news(path: &Path, map: &SymbolMap) -> Result<NewsFile, FileError> {
    read_news_between(path, map, Timestamp::MIN_UTC, Timestamp::MAX_UTC)
}

/// Reads the news items of a file that were first seen in `[from, through]`; others are counted as
/// out of range and not kept, so that a long archive can serve a short replay.
///
/// # Errors
/// As [`read_news`]; a file with items of which none lies in the range is no error.
pub fn read_news_between(
    path: &Path,
    map: &SymbolMap,
    from: Timestamp,
    through: Timestamp,
) -> Result<NewsFile, FileError> {
    news::read(path, map, from, through)
}

/// Reads all labelled texts of a file; rows without a label are kept too.
///
/// # Errors
/// When the file cannot be read, lacks a column, or holds no usable text.
pub fn read_labels(path: &Path) -> Result<LabelFile, FileError> {
    labels::read(path)
}

/// Reads all items of a labelled stream, in the order of the file.
///
/// # Errors
/// When the file cannot be read, lacks a column, or holds no usable item.
pub fn read_stream(path: &Path) -> Result<StreamFile, FileError> {
    stream::read(path)
}

/// The error for a file of which nothing was accepted.
fn nothing(path: &Path, what: &'static str, report: &FileReport) -> FileError {
    let faults = if report.lines == 0 {
        "it is empty".into()
    } else {
        report.faults_text()
    };
    FileError::Nothing {
        path: path.to_owned(),
        what,
        faults,
    }
}

//! Lines of a file as records of named fields, whether the file is CSV or JSON lines, plain or
//! gzipped; or Parquet, see the sibling `columns`. What the fields mean is for the other siblings.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use flate2::bufread::MultiGzDecoder;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::columns::{is_parquet, read_parquet};
use super::{FileError, FileReport, LineFault};
use rawe_core::Timestamp;

/// The longest line read, in bytes: far above any article, far below any memory.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// What `gzip` writes first.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// One record: the value of a field by its name, as text; empty when absent.
pub(super) enum Record<'a> {
    /// A CSV row and its header.
    Row(&'a csv::StringRecord, &'a csv::StringRecord),
    /// A JSON object.
    Object(&'a Map<String, Value>),
}

impl Record<'_> {
    /// The trimmed text of a field; JSON numbers as they are written; empty when absent or null.
    pub(super) fn text(&self, name: &str) -> String {
        match self {
            Self::Row(header, row) => {
                let column = header.iter().position(|h| h == name);
                column
                    .and_then(|c| row.get(c))
                    .unwrap_or("")
                    .trim()
                    .to_owned()
            }
            Self::Object(object) => match object.get(name) {
                Some(Value::String(text)) => text.trim().to_owned(),
                Some(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            },
        }
    }

    /// The record as it travels on the bus, if it has all these fields, which only ours have.
    pub(super) fn ours<T: DeserializeOwned>(
        &self,
        fields: &[&str],
    ) -> Option<Result<T, LineFault>> {
        let Self::Object(object) = self else {
            return None;
        };
        if !fields.iter().all(|field| object.contains_key(*field)) {
            return None;
        }
        let read = serde_json::from_value(Value::Object((*object).clone()));
        Some(read.map_err(|_| LineFault::Unreadable))
    }

    /// The id and the text of a row that must have both.
    pub(super) fn id_and_text(&self) -> Result<(String, String), LineFault> {
        let (id, text) = (self.text("id"), self.text("text"));
        if id.is_empty() {
            Err(LineFault::MissingField)
        } else if text.is_empty() {
            Err(LineFault::NoText)
        } else {
            Ok((id, text))
        }
    }

    /// The texts of a list: a JSON array, or a cell separated by spaces, `;`, `|` or `,`.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        if let Self::Object(object) = self
            && let Some(Value::Array(values)) = object.get(name)
        {
            return values
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
        }
        let text = self.text(name);
        let separated = text
            .split([' ', ';', '|', ','])
            .filter(|part| !part.is_empty());
        separated.map(str::to_owned).collect()
    }
}

/// A time as files write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileTime {
    /// An instant.
    Instant(Timestamp),
    /// A date without a time of day.
    Date(NaiveDate),
}

/// Reads RFC 3339, the same without an offset (UTC), a bare date, or seconds since 1970.
pub(super) fn parse_time(text: &str) -> Option<FileTime> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(FileTime::Instant(time.with_timezone(&Utc)));
    }
    for format in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(FileTime::Instant(time.and_utc()));
        }
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(FileTime::Date(date));
    }
    // Nine digits at least, so that a stray small number is no time in 1970.
    if text.len() < 9 {
        return None;
    }
    let seconds = text.parse().ok()?;
    DateTime::from_timestamp(seconds, 0).map(FileTime::Instant)
}

/// Calls `each` with every record and its line number; what it refuses is counted in the report.
///
/// # Errors
/// When the file cannot be opened, or a CSV or Parquet file lacks one of the `required` columns. A
/// file that breaks off (a cut gzip) keeps what was read before, with one unreadable line; Parquet
/// cannot be read unless it is whole.
pub(super) fn for_each_record(
    path: &Path,
    required: &[&'static str],
    (what, header): (&'static str, &'static str),
    report: &mut FileReport,
    mut each: impl FnMut(&Record<'_>, u64, &mut FileReport) -> Result<(), LineFault>,
) -> Result<(), FileError> {
    if is_parquet(path) {
        return read_parquet(path, required, (what, header), report, &mut each);
    }
    let mut reader = open(path).map_err(|source| FileError::Io {
        path: path.to_owned(),
        source,
    })?;
    let first = first_byte(&mut reader);
    if first == Some(b'{') {
        read_json_lines(&mut reader, report, &mut each);
        return Ok(());
    }
    match read_csv(reader, required, report, &mut each) {
        Ok(()) => Ok(()),
        Err(column) => Err(FileError::Column {
            path: path.to_owned(),
            column,
            what,
            header,
        }),
    }
}

/// Opens a file; gzip is known by its first bytes, whatever the name.
fn open(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    let mut plain = BufReader::with_capacity(1 << 16, File::open(path)?);
    if plain.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(
            1 << 16,
            MultiGzDecoder::new(plain),
        )));
    }
    Ok(Box::new(plain))
}

/// The first byte that is no white space and no byte-order mark; what was skipped is consumed.
fn first_byte(reader: &mut dyn BufRead) -> Option<u8> {
    loop {
        let (skip, found) = match reader.fill_buf() {
            Ok([]) | Err(_) => return None,
            Ok(bytes) => {
                let blank = |b: &u8| b.is_ascii_whitespace() || [0xef, 0xbb, 0xbf].contains(b);
                let skip = bytes.iter().take_while(|b| blank(b)).count();
                (skip, bytes.get(skip).copied())
            }
        };
        // Line numbers stay right as long as nothing but a mark is skipped, which is the rule.
        reader.consume(skip);
        if found.is_some() {
            return found;
        }
    }
}

/// Who takes the records.
pub(super) type Each<'a> =
    &'a mut dyn FnMut(&Record<'_>, u64, &mut FileReport) -> Result<(), LineFault>;

fn read_json_lines(reader: &mut dyn BufRead, report: &mut FileReport, each: Each<'_>) {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let fits = match read_line(reader, &mut line) {
            Ok(None) => return,
            Ok(Some(fits)) => fits,
            Err(_) => {
                report.lines += 1;
                report.note(LineFault::Unreadable, number);
                return;
            }
        };
        if fits && line.trim_ascii().is_empty() {
            continue;
        }
        report.lines += 1;
        let outcome = match serde_json::from_slice::<Map<String, Value>>(&line) {
            Ok(object) if fits => each(&Record::Object(&object), number, report),
            _ => Err(LineFault::Unreadable),
        };
        if let Err(fault) = outcome {
            report.note(fault, number);
        }
    }
}

/// Reads one line; `Some(false)` when it was too long and has been skipped to its end.
fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<Option<bool>> {
    let read = reader.take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(None);
    }
    let ended = line.last() == Some(&b'\n') || (read as u64) < LINE_BYTES_MAX;
    if ended {
        return Ok(Some(true));
    }
    let mut rest = Vec::new();
    loop {
        rest.clear();
        let read = reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut rest)?;
        if read == 0 || rest.last() == Some(&b'\n') {
            return Ok(Some(false));
        }
    }
}

fn read_csv(
    reader: Box<dyn BufRead>,
    required: &[&'static str],
    report: &mut FileReport,
    each: Each<'_>,
) -> Result<(), &'static str> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let mut header = csv::StringRecord::new();
    if let Ok(read) = reader.headers() {
        header = read
            .iter()
            .map(|column| column.trim().to_ascii_lowercase())
            .collect();
    }
    // An empty file has no header; it is reported as empty by the caller.
    if let Some(absent) = required
        .iter()
        .find(|name| !header.iter().any(|h| h == **name))
        && header.iter().any(|h| !h.is_empty())
    {
        return Err(absent);
    }
    let mut row = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        let outcome = match reader.read_record(&mut row) {
            Ok(false) => return Ok(()),
            Ok(true) => each(&Record::Row(&header, &row), line, report),
            Err(error) if error.is_io_error() => {
                report.lines += 1;
                report.note(LineFault::Unreadable, line);
                return Ok(());
            }
            Err(_) => Err(LineFault::Unreadable),
        };
        report.lines += 1;
        if let Err(fault) = outcome {
            report.note(fault, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_files_write_them() {
        let instant = |text: &str| Some(FileTime::Instant(text.parse().unwrap()));
        for (text, wanted) in [
            ("2026-01-05T15:00:00Z", instant("2026-01-05T15:00:00Z")),
            ("2026-01-05T10:00:00-05:00", instant("2026-01-05T15:00:00Z")),
            ("2026-01-05 15:00:00", instant("2026-01-05T15:00:00Z")),
            ("1767625200", instant("2026-01-05T15:00:00Z")),
            (
                "2026-01-05",
                Some(FileTime::Date("2026-01-05".parse().unwrap())),
            ),
            ("5", None),
            ("yesterday", None),
            ("99999999999999999999", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text), wanted, "{text:?}");
        }
    }
}

//! Bars of a file: rows first, then the timeframe of each symbol from the spacing of its rows.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use rawe_core::{Bar, Symbol, Timeframe, Timestamp};

use super::records::{FileTime, Record, for_each_record, parse_time};
use super::{BarFile, BarStamp, FileError, FileReport, LineFault, nothing};
use crate::SymbolMap;
use crate::bar_times::{BarSpan, span_from_end, span_of_date};

/// The columns a file of bars must have.
const REQUIRED: [&str; 6] = ["symbol", "time", "open", "high", "low", "close"];
/// What a bar has as it travels on the bus, and no file of others has.
const OUR_FIELDS: [&str; 3] = ["start", "end", "timeframe"];
/// The header as documented.
const HEADER: &str = "symbol,time,open,high,low,close,volume";
/// How far open or close may lie outside of low..high and be mended, as a share of the price:
/// vendors round and adjust the four prices one by one.
const WIDEN_SHARE_MAX: f64 = 0.02;
/// Median spacings, in minutes, that are taken for hourly; those of a day or more are daily.
const HOURLY_MINUTES: std::ops::RangeInclusive<i64> = 55..=65;
/// See [`HOURLY_MINUTES`]; a little under a day, for days that lose an hour to daylight saving.
const DAILY_MINUTES_MIN: i64 = 20 * 60;

/// A row before its timeframe is known.
struct Row {
    spelled: Arc<str>,
    time: FileTime,
    prices: [f64; 4],
    volume: f64,
    line: u64,
}

pub(super) fn read(path: &Path, map: &SymbolMap) -> Result<BarFile, FileError> {
    let mut report = FileReport::default();
    let mut rows: BTreeMap<Symbol, Vec<Row>> = BTreeMap::new();
    let mut bars = Vec::new();
    let mut seen = HashSet::new();
    for_each_record(
        path,
        &REQUIRED,
        ("bars", HEADER),
        &mut report,
        |record, line, report| {
            if let Some(bar) = record.ours(&OUR_FIELDS) {
                let bar = Bar {
                    backfill: false,
                    ..bar?
                };
                if !bar.is_sane() {
                    return Err(LineFault::InsanePrices);
                }
                if !seen.insert((bar.end, bar.symbol.clone())) {
                    return Err(LineFault::Duplicate);
                }
                let stamp = BarStamp {
                    symbol: Arc::from(bar.symbol.as_str()),
                    time: bar.end,
                };
                bars.push((bar, stamp));
                return Ok(());
            }
            let (symbol, row) = parse_row(record, line, map, report)?;
            rows.entry(symbol).or_default().push(row);
            Ok(())
        },
    )?;
    for (symbol, rows) in &mut rows {
        rows.sort_by_key(|row| (sort_key(row.time), row.line));
        bars_of_symbol(symbol, rows, &mut report, &mut bars);
    }
    report.accepted = bars.len() as u64;
    if bars.is_empty() {
        return Err(nothing(path, "bars", &report));
    }
    bars.sort_by(|(a, _), (b, _)| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
    let (bars, stamps) = bars.into_iter().unzip();
    Ok(BarFile {
        bars,
        stamps,
        report,
    })
}

fn parse_row(
    record: &Record<'_>,
    line: u64,
    map: &SymbolMap,
    report: &mut FileReport,
) -> Result<(Symbol, Row), LineFault> {
    let text = record.text("symbol");
    if text.is_empty() {
        return Err(LineFault::MissingField);
    }
    let symbol = map.resolve(&text).ok_or(LineFault::BadSymbol)?;
    let time = parse_time(&record.text("time")).ok_or(LineFault::BadTime)?;
    let [open, high, low, close] = ["open", "high", "low", "close"].map(|n| number(record, n));
    let (open, high, low, close) = (open?, high?, low?, close?);
    let volume = match number(record, "volume") {
        Err(LineFault::MissingField) => 0.0,
        other => other?,
    };
    let (top, bottom) = (high.max(open).max(close), low.min(open).min(close));
    let sane = bottom > 0.0
        && volume >= 0.0
        && low <= high
        && top - high <= WIDEN_SHARE_MAX * close
        && low - bottom <= WIDEN_SHARE_MAX * close;
    if !sane {
        return Err(LineFault::InsanePrices);
    }
    if top > high || bottom < low {
        report.note(LineFault::Widened, line);
    }
    Ok((
        symbol,
        Row {
            spelled: Arc::from(text),
            time,
            prices: [open, top, bottom, close],
            volume,
            line,
        },
    ))
}

/// The words of the file for a bar that ends at `end`.
fn stamp_of(row: &Row, end: Timestamp) -> BarStamp {
    BarStamp {
        symbol: row.spelled.clone(),
        time: match row.time {
            FileTime::Instant(instant) => instant,
            FileTime::Date(_) => end,
        },
    }
}

fn number(record: &Record<'_>, name: &str) -> Result<f64, LineFault> {
    let text = record.text(name);
    if text.is_empty() {
        return Err(LineFault::MissingField);
    }
    text.parse()
        .ok()
        .filter(|n: &f64| n.is_finite())
        .ok_or(LineFault::BadNumber)
}

fn sort_key(time: FileTime) -> i64 {
    match time {
        FileTime::Instant(instant) => instant.timestamp(),
        FileTime::Date(date) => date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp(),
    }
}

/// The timeframe of one symbol's rows, sorted by time: by the median spacing, or a date's look.
fn infer_timeframe(rows: &[Row]) -> Option<Timeframe> {
    let mut spacings: Vec<i64> = rows
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] => Some((sort_key(b.time) - sort_key(a.time)) / 60),
            _ => None,
        })
        .filter(|minutes| *minutes > 0)
        .collect();
    spacings.sort_unstable();
    // The lower median: one long gap between two neighbours must not decide.
    match spacings.get(spacings.len().saturating_sub(1) / 2) {
        // A single bar: a date or a usual time of day's close means a day, else an hour.
        None => Some(match rows.first()?.time {
            FileTime::Date(_) => Timeframe::Day,
            FileTime::Instant(_) => Timeframe::Hour,
        }),
        Some(median) if HOURLY_MINUTES.contains(median) => Some(Timeframe::Hour),
        Some(median) if *median >= DAILY_MINUTES_MIN => Some(Timeframe::Day),
        Some(_) => None,
    }
}

fn bars_of_symbol(
    symbol: &Symbol,
    rows: &[Row],
    report: &mut FileReport,
    bars: &mut Vec<(Bar, BarStamp)>,
) {
    let Some(timeframe) = infer_timeframe(rows) else {
        for row in rows {
            report.note(LineFault::UnsupportedTimeframe, row.line);
        }
        return;
    };
    let mut last: Option<BarSpan> = None;
    for row in rows {
        let span = match row.time {
            FileTime::Instant(end) => span_from_end(symbol.class(), timeframe, end),
            FileTime::Date(date) => span_of_date(symbol.class(), date),
        };
        let Some(span) = span else {
            report.note(LineFault::OffGrid, row.line);
            continue;
        };
        if last.is_some_and(|last| span.end <= last.end) {
            report.note(LineFault::Duplicate, row.line);
            continue;
        }
        last = Some(span);
        let [open, high, low, close] = row.prices;
        let (symbol, volume) = (symbol.clone(), row.volume);
        let BarSpan { start, end } = span;
        let bar = Bar {
            symbol,
            start,
            end,
            timeframe,
            open,
            high,
            low,
            close,
            volume,
            backfill: false,
        };
        bars.push((bar, stamp_of(row, end)));
    }
}

#[cfg(test)]
#[path = "bars_tests.rs"]
mod tests;

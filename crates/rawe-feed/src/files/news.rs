//! News items of a file.

use std::collections::HashSet;
use std::path::Path;

use rawe_core::{NewsItem, Register, Symbol, Timestamp};

use super::records::{FileTime, Record, for_each_record, parse_time};
use super::{FileError, FileReport, LineFault, NewsFile, nothing};
use crate::SymbolMap;

/// The columns a file of news must have; a CSV needs a headline or a text besides.
const REQUIRED: [&str; 2] = ["id", "time"];
/// What an item has as it travels on the bus, and no file of others has.
const OUR_FIELDS: [&str; 2] = ["published", "first_seen"];
/// The header as documented.
const HEADER: &str = "id,time,source,headline,text,symbols,author,followers,repost_of";
/// Sources whose items are posts of a crowd, by the part before a slash.
const SOCIAL_SOURCES: [&str; 3] = ["twitter", "reddit", "stocktwits"];

/// The register of a source: posts of the well-known crowds are social, the rest is news.
pub fn register_of(source: &str) -> Register {
    let family = source.split('/').next().unwrap_or("").to_ascii_lowercase();
    if SOCIAL_SOURCES.contains(&family.as_str()) {
        Register::Social
    } else {
        Register::News
    }
}

pub(super) fn read(
    path: &Path,
    map: &SymbolMap,
    from: Timestamp,
    through: Timestamp,
) -> Result<NewsFile, FileError> {
    let mut report = FileReport::default();
    let mut items = Vec::new();
    let mut seen = HashSet::new();
    for_each_record(
        path,
        &REQUIRED,
        ("news", HEADER),
        &mut report,
        |record, line, report| {
            let (item, dropped) = match record.ours::<NewsItem>(&OUR_FIELDS) {
                Some(item) => (as_told(item?)?, false),
                None => parse_item(record, map)?,
            };
            if item.first_seen < from || through < item.first_seen {
                return Err(LineFault::OutOfRange);
            }
            if !seen.insert((item.source.clone(), item.id.clone())) {
                return Err(LineFault::Duplicate);
            }
            if dropped {
                report.note(LineFault::SymbolDropped, line);
            }
            items.push(item);
            Ok(())
        },
    )?;
    report.accepted = items.len() as u64;
    if items.is_empty() && !report.faults.contains_key(&LineFault::OutOfRange) {
        return Err(nothing(path, "news", &report));
    }
    items.sort_by(|a: &NewsItem, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
    Ok(NewsFile { items, report })
}

/// One of our own items; whether it is history is for the replay to say.
fn as_told(item: NewsItem) -> Result<NewsItem, LineFault> {
    if item.headline.is_empty() && item.text.is_empty() {
        return Err(LineFault::NoText);
    }
    Ok(NewsItem {
        backfill: false,
        ..item
    })
}

/// One item, and whether a symbol was left out because it could not be read.
fn parse_item(record: &Record<'_>, map: &SymbolMap) -> Result<(NewsItem, bool), LineFault> {
    let id = record.text("id");
    if id.is_empty() {
        return Err(LineFault::MissingField);
    }
    let time = match parse_time(&record.text("time")) {
        Some(FileTime::Instant(time)) => time,
        // A date without a time of day is known by its end at the earliest: never too soon.
        Some(FileTime::Date(date)) => {
            let next = date.succ_opt().ok_or(LineFault::BadTime)?;
            next.and_time(chrono::NaiveTime::MIN).and_utc()
        }
        None => return Err(LineFault::BadTime),
    };
    let (headline, text) = (record.text("headline"), record.text("text"));
    if headline.is_empty() && text.is_empty() {
        return Err(LineFault::NoText);
    }
    let spelled = record.list("symbols");
    let mut symbols: Vec<Symbol> = Vec::new();
    let mut dropped = false;
    for spelling in &spelled {
        match map.resolve(spelling) {
            Some(symbol) if symbols.contains(&symbol) => {}
            Some(symbol) => symbols.push(symbol),
            None => dropped = true,
        }
    }
    let source = record.text("source");
    let source = if source.is_empty() {
        "file".to_owned()
    } else {
        source
    };
    let some = |name| Some(record.text(name)).filter(|text: &String| !text.is_empty());
    let item = NewsItem {
        id,
        published: time,
        first_seen: time,
        register: register_of(&source),
        source,
        author: some("author"),
        followers: record.text("followers").parse().ok(),
        repost_of: some("repost_of"),
        trust_percent: None,
        symbols,
        headline,
        text,
        backfill: false,
    };
    Ok((item, dropped))
}

#[cfg(test)]
#[path = "news_tests.rs"]
mod tests;

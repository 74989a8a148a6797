//! What a source says before it is an item of ours: ids and texts as they came, and how they are
//! read from RSS, Atom and JSON Feed documents, from any JSON by configuration, and from lines of
//! standard input. What becomes of a draft is decided in `intake`; how documents are fetched is the
//! `market-feed` binary.

mod json;
mod syndication;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use rawe_core::Timestamp;

pub use json::{JsonFields, JsonFieldsError, read_json, read_json_line};
pub use syndication::read_syndication;

/// Drafts taken from one document; what follows is left out.
pub const DRAFTS_MAX: usize = 1_000;

/// One story as its source tells it. Nothing of it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The source's id of it; may be empty, then it is known by its text and link.
    pub id: String,
    /// When the source says that it was published.
    pub published: Option<Timestamp>,
    /// Headline, maybe with markup.
    pub headline: String,
    /// Text, maybe with markup.
    pub text: String,
    /// Who wrote it; may be empty.
    pub author: String,
    /// Where it can be read; may be empty.
    pub link: String,
    /// Assets by any spelling.
    pub symbols: Vec<String>,
}

/// Why a document cannot be read at all. Its text is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// It is no RSS, Atom or JSON Feed.
    #[error("the document is no RSS, Atom or JSON feed ({0}); check the address of the source")]
    NoFeed(String),
    /// It is no JSON.
    #[error("the document is no JSON ({0}); check the address of the source")]
    NoJson(String),
    /// There is no list where the configuration says that the items are.
    #[error("there is no list at '{0}' in the document; check fields.items of the source")]
    NoItems(String),
}

/// A time as sources write it: RFC 3339, RFC 2822 (as in `Sun, 22 Nov 2026 10:00:00 GMT`), or
/// seconds or milliseconds since 1970.
pub fn time_of(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    if let Ok(time) = DateTime::parse_from_rfc2822(text) {
        return Some(time.with_timezone(&Utc));
    }
    let number: i64 = text.parse().ok()?;
    match text.len() {
        9..=11 => DateTime::from_timestamp(number, 0),
        12..=14 => DateTime::from_timestamp_millis(number),
        _ => None,
    }
}

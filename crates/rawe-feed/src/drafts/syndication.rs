//! RSS, Atom and JSON Feed documents as drafts, by the parser of the `feed-rs` crate.

use feed_rs::model::Entry;
use feed_rs::parser::{Builder, ParseFeedError};

use super::{DRAFTS_MAX, Draft, DraftError};

/// The stories of an RSS (0.x, 1.0, 2.0), Atom or JSON Feed document, in its order.
///
/// # Errors
/// When it is none of these.
pub fn read_syndication(document: &[u8]) -> Result<Vec<Draft>, DraftError> {
    // Entries without an id get an empty one: ids are made in one place, from the text.
    let parser = Builder::new().id_generator(|_, _, _| String::new()).build();
    let feed = parser
        .parse(document)
        .map_err(|error| DraftError::NoFeed(kind_of(&error).to_owned()))?;
    Ok(feed
        .entries
        .into_iter()
        .take(DRAFTS_MAX)
        .map(draft)
        .collect())
}

/// What was wrong, without the document's words.
fn kind_of(error: &ParseFeedError) -> &'static str {
    match error {
        ParseFeedError::ParseError(_) => "a part is missing or unknown",
        ParseFeedError::IoError(_) => "it breaks off",
        ParseFeedError::JsonSerde(_) => "broken JSON",
        ParseFeedError::JsonUnsupportedVersion(_) => "an unknown version of JSON Feed",
        ParseFeedError::XmlReader(_) => "broken XML",
    }
}

fn draft(entry: Entry) -> Draft {
    let summary = entry.summary.map(|text| text.content).unwrap_or_default();
    let text = if summary.trim().is_empty() {
        entry
            .content
            .and_then(|content| content.body)
            .unwrap_or_default()
    } else {
        summary
    };
    Draft {
        id: entry.id,
        published: entry.published.or(entry.updated),
        headline: entry.title.map(|title| title.content).unwrap_or_default(),
        text,
        author: entry
            .authors
            .into_iter()
            .next()
            .and_then(|person| person.name)
            .unwrap_or_default(),
        link: entry
            .links
            .into_iter()
            .next()
            .map(|link| link.href)
            .unwrap_or_default(),
        symbols: Vec::new(),
    }
}

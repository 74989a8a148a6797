//! Any JSON document as drafts: the configuration says where in it the parts of a story are.

use serde::Deserialize;
use serde_json::Value;

use super::{DRAFTS_MAX, Draft, DraftError, time_of};

/// Where the parts of a story are: JSON Pointers (RFC 6901), `items` into the document, the others
/// into one item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JsonFields {
    /// The list of items; empty if the document itself is the list.
    pub items: String,
    /// The id.
    pub id: Option<String>,
    /// When it was published.
    pub published: Option<String>,
    /// The headline.
    pub headline: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The author.
    pub author: Option<String>,
    /// The link.
    pub link: Option<String>,
    /// The assets: a list of texts, or one text separated by commas or spaces.
    pub symbols: Option<String>,
}

/// Why pointers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFieldsError {
    /// Not a pointer.
    #[error("fields.{field} '{pointer}' is no JSON Pointer; write it as /data/title")]
    NoPointer {
        /// The key.
        field: &'static str,
        /// What it says.
        pointer: String,
    },
    /// No text would ever be found.
    #[error("fields names neither headline nor text; one of them is needed")]
    NoText,
}

impl JsonFields {
    /// Checks the pointers.
    ///
    /// # Errors
    /// The first that cannot be one, or that there is none for a text.
    pub fn check(&self) -> Result<(), JsonFieldsError> {
        let named = [
            ("items", Some(&self.items)),
            ("id", self.id.as_ref()),
            ("published", self.published.as_ref()),
            ("headline", self.headline.as_ref()),
            ("text", self.text.as_ref()),
            ("author", self.author.as_ref()),
            ("link", self.link.as_ref()),
            ("symbols", self.symbols.as_ref()),
        ];
        for (field, pointer) in named {
            if let Some(pointer) = pointer.filter(|p| !p.is_empty() && !p.starts_with('/')) {
                let pointer = pointer.chars().take(60).collect();
                return Err(JsonFieldsError::NoPointer { field, pointer });
            }
        }
        if self.headline.is_none() && self.text.is_none() {
            return Err(JsonFieldsError::NoText);
        }
        Ok(())
    }

    /// The fields of a line of standard input: those of our files of news.
    fn of_lines() -> Self {
        let at = |name: &str| Some(format!("/{name}"));
        Self {
            items: String::new(),
            id: at("id"),
            published: at("time"),
            headline: at("headline"),
            text: at("text"),
            author: at("author"),
            link: at("link"),
            symbols: at("symbols"),
        }
    }

    fn draft(&self, item: &Value) -> Draft {
        let text = |pointer: &Option<String>| {
            let value = pointer.as_ref().and_then(|pointer| item.pointer(pointer));
            value.map(text_of).unwrap_or_default()
        };
        let symbols = self.symbols.as_ref().and_then(|at| item.pointer(at));
        Draft {
            id: text(&self.id),
            published: time_of(&text(&self.published)),
            headline: text(&self.headline),
            text: text(&self.text),
            author: text(&self.author),
            link: text(&self.link),
            symbols: symbols.map(symbols_of).unwrap_or_default(),
        }
    }
}

/// A text or a number; everything else has no text.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn symbols_of(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().map(text_of).collect(),
        other => text_of(other)
            .split([',', ' ', ';', '|'])
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

/// The stories of a JSON document, in its order.
///
/// # Errors
/// When it is no JSON, or has no list where the items should be.
pub fn read_json(document: &[u8], fields: &JsonFields) -> Result<Vec<Draft>, DraftError> {
    let document = parse(document)?;
    let items = document.pointer(&fields.items).and_then(Value::as_array);
    let items = items.ok_or_else(|| DraftError::NoItems(fields.items.clone()))?;
    Ok(items
        .iter()
        .take(DRAFTS_MAX)
        .map(|item| fields.draft(item))
        .collect())
}

/// The story of one line of standard input: a JSON object with the fields of our files of news, of
/// which only a headline or a text is needed.
///
/// # Errors
/// When the line is no JSON object.
pub fn read_json_line(line: &[u8]) -> Result<Draft, DraftError> {
    let value = parse(line)?;
    if !value.is_object() {
        return Err(DraftError::NoJson("not an object".to_owned()));
    }
    Ok(JsonFields::of_lines().draft(&value))
}

/// The parser's own words about a fault name a place and no content.
fn parse(document: &[u8]) -> Result<Value, DraftError> {
    serde_json::from_slice(document).map_err(|error| DraftError::NoJson(error.to_string()))
}

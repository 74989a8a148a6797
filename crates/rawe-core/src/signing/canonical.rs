//! The canonical form of JSON, RFC 8785 (JCS): equal values have equal bytes, so that a signature
//! survives another program's spacing, key order and way of writing numbers.
//!
//! It is made from the *text* received, not from what our types keep of it: unknown fields count,
//! numbers are read to the nearest double (serde_json's own reader may be one unit off), and a key
//! that occurs twice is an error, because readers differ in which of the two they believe. The
//! hard part, writing numbers as ECMAScript does, is the crate `ryu-js`.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How deep objects and arrays may lie in each other: four levels are usual.
const DEPTH_MAX: usize = 32;

/// Why a text has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// It is not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// An object has two members of one name.
    #[error("the field '{0}' occurs twice in one object")]
    DuplicateField(String),
    /// A number is too large for a double.
    #[error("the number {0} is no double")]
    Number(String),
    /// Objects and arrays lie in each other over 32 levels deep.
    #[error("objects and arrays are nested over {DEPTH_MAX} levels deep")]
    TooDeep,
}

impl From<serde_json::Error> for CanonicalError {
    fn from(error: serde_json::Error) -> Self {
        Self::NotJson(error.to_string())
    }
}

/// The canonical form of a JSON text.
///
/// # Errors
/// Why it has none.
pub fn canonical_json(text: &[u8]) -> Result<Vec<u8>, CanonicalError> {
    let raw: &RawValue = serde_json::from_slice(text)?;
    let mut canonical = Vec::with_capacity(text.len());
    write_value(raw.get(), DEPTH_MAX, &mut canonical)?;
    Ok(canonical)
}

/// The value of one member of an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    /// As it was received.
    Raw(&'a RawValue),
    /// A text that was not received.
    Text(&'a str),
}

/// The members of an object, in the order received.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, Item<'a>)>;

/// The members of the object that `text` is.
pub(super) fn members_of(text: &str) -> Result<Members<'_>, CanonicalError> {
    let Parts(members) = serde_json::from_str(text)?;
    Ok(members)
}

/// Writes an object of these members.
pub(super) fn write_object(members: Members<'_>, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    write_members(members, DEPTH_MAX, out)
}

fn write_members(
    mut members: Members<'_>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), CanonicalError> {
    // The order of UTF-16 units, which differs from that of UTF-8 bytes beyond U+FFFF.
    members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push(b'{');
    let mut last: Option<Cow<'_, str>> = None;
    for (name, item) in members {
        if last.as_ref() == Some(&name) {
            return Err(CanonicalError::DuplicateField(
                name.chars().take(64).collect(),
            ));
        }
        if last.is_some() {
            out.push(b',');
        }
        write_text(&name, out)?;
        out.push(b':');
        match item {
            Item::Raw(raw) => write_value(raw.get(), depth - 1, out)?,
            Item::Text(text) => write_text(text, out)?,
        }
        last = Some(name);
    }
    out.push(b'}');
    Ok(())
}

fn write_value(text: &str, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match text.as_bytes().first() {
        Some(b'{' | b'[') if depth == 0 => return Err(CanonicalError::TooDeep),
        Some(b'{') => write_members(members_of(text)?, depth, out)?,
        Some(b'[') => {
            let Elements(elements) = serde_json::from_str(text)?;
            out.push(b'[');
            for (place, element) in elements.into_iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_value(element.get(), depth - 1, out)?;
            }
            out.push(b']');
        }
        Some(b'"') => {
            let Text(read) = serde_json::from_str(text)?;
            write_text(&read, out)?;
        }
        Some(b'-' | b'0'..=b'9') => {
            let number: f64 = text
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .ok_or_else(|| CanonicalError::Number(text.chars().take(32).collect()))?;
            out.extend_from_slice(ryu_js::Buffer::new().format_finite(number).as_bytes());
        }
        // `true`, `false` and `null`: nothing else is JSON.
        _ => out.extend_from_slice(text.as_bytes()),
    }
    Ok(())
}

/// As `JSON.stringify` writes it, which is how serde_json does, too.
fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    Ok(serde_json::to_writer(out, text)?)
}

/// A text that borrows where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object's members.
struct Parts<'a>(Members<'a>);

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Parts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Text(name), raw)) = map.next_entry()? {
                    members.push((name, Item::Raw(raw)));
                }
                Ok(Parts(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// An array's elements.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Elements<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(raw) = seq.next_element()? {
                    elements.push(raw);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

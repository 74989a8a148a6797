//! The fields of a JSON object as slices of the message: found in one pass, read one by one, and
//! what is not asked for is never built. What the fields mean is in [`crate::signal_parse`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Number};

/// The text of each named field, in the order of the names; of a repeated field the last counts.
pub(crate) type Slots<'a, const N: usize> = [Option<&'a RawValue>; N];

/// Finds the fields of an object by name.
///
/// # Errors
/// When the text is not one JSON object.
pub(crate) fn find<'a, const N: usize>(
    text: &'a str,
    names: &'static [&'static str; N],
) -> Result<Slots<'a, N>, Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let slots = Finder { names }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(slots)
}

struct Finder<const N: usize> {
    names: &'static [&'static str; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for Finder<N> {
    type Value = Slots<'de, N>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Finder<N> {
    type Value = Slots<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut slots = [None; N];
        while let Some(place) = map.next_key_seed(Name(self.names))? {
            match place.and_then(|place| slots.get_mut(place)) {
                Some(slot) => *slot = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(slots)
    }
}

/// Reads a key as its place among the names.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

/// The value of a field.
#[derive(Clone, Debug)]
pub(crate) enum Field<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(Number),
    /// An object, as it stands.
    Object(&'a str),
    /// A list, true or false: no field of a signal is one.
    Other,
}

impl<'a> Field<'a> {
    /// Reads a value.
    ///
    /// # Errors
    /// When it is no value after all: a broken escape in a text, or a number that is none.
    pub(crate) fn read(raw: &'a RawValue) -> Result<Self, Error> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'"') => Self::Text(read_text(text)?),
            Some(b'{') => Self::Object(text),
            Some(b'n') => Self::Null,
            Some(b'-' | b'0'..=b'9') => Self::Number(serde_json::from_str(text)?),
            Some(_) => Self::Other,
            None => return Err(Error::custom("an empty value")),
        })
    }
}

fn read_text(text: &str) -> Result<Cow<'_, str>, Error> {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(text).map(Cow::Owned),
    }
}

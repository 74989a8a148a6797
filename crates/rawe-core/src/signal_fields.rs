//! The fields of a JSON object, read in one pass over the message: texts are slices of it, objects
//! that somebody else reads stay as they stand, and what is not asked for is never built. What the
//! fields mean is in [`crate::signal_parse`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Number};

/// How the value of a named field is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// A text or a number.
    Plain,
    /// An object of which these fields are read, in the same pass.
    Fields(Names),
    /// An object that is kept as it stands.
    Whole,
}

/// The fields that are read, by name.
pub(crate) type Names = &'static [(&'static str, Shape)];

/// The value of each named field, in the order of the names; of a repeated field the last counts.
pub(crate) type Slots<'a> = Vec<Option<Field<'a>>>;

/// The value of a field.
#[derive(Clone, Debug)]
pub(crate) enum Field<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(Number),
    /// An object of which some fields were read.
    Fields(Slots<'a>),
    /// An object, as it stands.
    Object(&'a str),
    /// Something else than what the field may be.
    Other,
}

/// Reads the fields of an object by name.
///
/// # Errors
/// When the text is not one JSON object.
pub(crate) fn find(text: &str, names: Names) -> Result<Slots<'_>, Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let field = Reader(Shape::Fields(names)).deserialize(&mut reader)?;
    reader.end()?;
    match field {
        Field::Fields(slots) => Ok(slots),
        _ => Err(Error::custom("not an object")),
    }
}

/// Reads a value in its shape.
struct Reader(Shape);

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Field<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        if let Shape::Whole = self.0 {
            let raw: &RawValue = serde::Deserialize::deserialize(reader)?;
            let text = raw.get();
            return Ok(match text.as_bytes().first() {
                Some(b'{') => Field::Object(text),
                Some(b'n') => Field::Null,
                _ => Field::Other,
            });
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Field::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(number).map_or(Field::Other, Field::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Shape::Fields(names) = self.0 else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Field::Other);
        };
        let mut slots = vec![None; names.len()];
        while let Some(place) = map.next_key_seed(Name(names))? {
            let known = place.and_then(|place| names.get(place).zip(slots.get_mut(place)));
            match known {
                Some(((_, shape), slot)) => *slot = Some(map.next_value_seed(Reader(*shape))?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Field::Fields(slots))
    }
}

/// Reads a key as its place among the names.
struct Name(Names);

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
        Ok(self.0.iter().position(|(name, _)| *name == key))
    }
}

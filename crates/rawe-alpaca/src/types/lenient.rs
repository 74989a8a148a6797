//! Field readers and writers for `#[serde(with = ...)]`: tolerant in, strict out.
//!
//! A required decimal may come as a string or a number; an optional field may be absent, null or
//! `""`. What is present must still be readable: a garbled amount is an error, never a default.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Reads a decimal from plain or scientific text; more than 28 fraction digits are rounded.
pub fn parse_decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    Decimal::from_str(text)
        .or_else(|_| Decimal::from_scientific(text))
        .ok()
}

/// Any JSON scalar, as Alpaca and its clients mix them.
enum Scalar {
    Null,
    Bool(bool),
    Text(String),
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean or null")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
        // Rust's Display of f64 is the shortest text that reads back, and never an exponent.
        Ok(Scalar::Text(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(value))
    }
}

fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
    deserializer.deserialize_any(ScalarVisitor)
}

/// A scalar's text; `None` for null and `""`.
fn scalar_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match scalar(deserializer)? {
        Scalar::Null => None,
        Scalar::Bool(value) => Some(value.to_string()),
        Scalar::Text(text) => Some(text).filter(|text| !text.is_empty()),
    })
}

fn decimal_of<E: de::Error>(text: &str) -> Result<Decimal, E> {
    parse_decimal(text).ok_or_else(|| E::custom(format_args!("'{text:.40}' is not an amount")))
}

fn number_of<E: de::Error>(text: &str) -> Result<f64, E> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())
        .ok_or_else(|| E::custom(format_args!("'{text:.40}' is not a finite number")))
}

/// A decimal that must be there: a string on the wire, a string or a number when read.
pub mod decimal {
    use super::{Decimal, Deserializer, Serializer, de, decimal_of, scalar_text};

    /// Writes a plain string.
    pub fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads a string or a number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        let text = scalar_text(deserializer)?
            .ok_or_else(|| <D::Error as de::Error>::custom("an amount is missing"))?;
        decimal_of(&text)
    }
}

/// A decimal that may be absent, null or `""`; give the field `#[serde(default)]` too.
pub mod decimal_opt {
    use super::{Decimal, Deserializer, Serializer, decimal_of, scalar_text};

    /// Writes a plain string or null.
    pub fn serialize<S: Serializer>(
        value: &Option<Decimal>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a string, a number or nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Decimal>, D::Error> {
        scalar_text(deserializer)?
            .map(|text| decimal_of(&text))
            .transpose()
    }
}

/// An optional value of any type that reads from text: a time, a date, an enum of ours.
pub mod text_opt {
    use super::{Deserializer, FromStr, Serialize, Serializer, de, fmt, scalar_text};

    /// Writes the value or null.
    pub fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    /// Reads the value; null and `""` are nothing.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr,
        T::Err: fmt::Display,
        D: Deserializer<'de>,
    {
        scalar_text(deserializer)?
            .map(|text| text.parse().map_err(<D::Error as de::Error>::custom))
            .transpose()
    }
}

/// An optional boolean; `"True"` and `"false"` in strings are read too, as some clients send them.
pub mod bool_opt {
    use super::{Deserializer, Scalar, Serialize, Serializer, de, scalar};

    /// Writes the boolean or null.
    pub fn serialize<S: Serializer>(
        value: &Option<bool>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    /// Reads a boolean, its text, or nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<bool>, D::Error> {
        match scalar(deserializer)? {
            Scalar::Null => Ok(None),
            Scalar::Bool(value) => Ok(Some(value)),
            Scalar::Text(text) => match text.to_ascii_lowercase().as_str() {
                "" => Ok(None),
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(de::Error::custom("expected true or false")),
            },
        }
    }
}

/// A field of which null means the default: lists and maps, mostly.
pub mod null_default {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the value.
    pub fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    /// Reads the value, or the default for null.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: Deserialize<'de> + Default,
        D: Deserializer<'de>,
    {
        Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
    }
}

/// A market data number: a JSON number without an exponent; a whole one without a fraction.
pub mod number {
    use super::{Deserializer, Serializer, de, number_of, plain_number, scalar_text};

    /// Writes a plain JSON number.
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        plain_number(*value, serializer)
    }

    /// Reads a number or its text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = scalar_text(deserializer)?
            .ok_or_else(|| <D::Error as de::Error>::custom("a number is missing"))?;
        number_of(&text)
    }
}

/// A market data number that may be absent or null.
pub mod number_opt {
    use super::{Deserializer, Serializer, number_of, plain_number, scalar_text};

    /// Writes a plain JSON number or null.
    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => plain_number(*value, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a number, its text, or nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        scalar_text(deserializer)?
            .map(|text| number_of(&text))
            .transpose()
    }
}

/// An integer that may be absent, null or in a string.
pub mod integer_opt {
    use super::{Deserializer, Serialize, Serializer, scalar_text};

    /// Writes the integer or null.
    pub fn serialize<S: Serializer>(value: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    /// Reads an integer or its text; what is not one (Alpaca's codes vary) is nothing.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        Ok(scalar_text(deserializer)?.and_then(|text| text.parse().ok()))
    }
}

/// serde_json writes tiny and huge floats with an exponent; those go out as raw text instead.
fn plain_number<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if !value.is_finite() {
        return serializer.serialize_none();
    }
    let text = value.to_string();
    let raw = RawValue::from_string(text)
        .map_err(|_| <S::Error as serde::ser::Error>::custom("a number cannot be written"))?;
    raw.serialize(serializer)
}

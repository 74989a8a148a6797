//! Reading a signal from bytes: the first of the two edges a vote must pass.
//!
//! Here it is decided whether the bytes *are* a signal: size, JSON, version, fields, types, ranges.
//! Whether its sender may vote, and in time, is the second edge, in `rawe-consensus`. No payload
//! may panic; everything refused carries a code from [`RefusalCode`].

use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;
use serde_json::{Map, Value};

use crate::signal::{ArbitrageSignal, Direction, ProposedTrade, SIGNAL_VERSION, SignalType};
use crate::signal_fields::{Field, Names, Shape, Slots, find};
use crate::{Refusal, RefusalCode, Symbol, Timestamp};

/// The largest message accepted, in bytes: fifty times a usual one.
pub const SIGNAL_BYTES_MAX: usize = 64 * 1024;
/// The longest text field accepted, in bytes.
const TEXT_BYTES_MAX: usize = 512;
/// The largest size or profit accepted, in USD: far above any account, far below overflow.
const USD_MAX: f64 = 1e12;

/// The fields of a signal that are read.
const OUTER: Names = &[
    ("version", Shape::Plain),
    ("timestamp", Shape::Plain),
    ("financial_asset", Shape::Plain),
    ("metadata", Shape::Fields(INNER)),
    ("narrative_id", Shape::Plain),
    ("signal_type", Shape::Plain),
    ("strength", Shape::Plain),
    ("expected_profit", Shape::Plain),
    ("risk_score", Shape::Plain),
    ("signal_id", Shape::Plain),
    ("agent", Shape::Whole),
    ("ttl_ms", Shape::Plain),
    ("signature", Shape::Whole),
];
/// The fields of its `metadata` that are read.
const INNER: Names = &[
    ("size", Shape::Plain),
    ("agent_name", Shape::Plain),
    ("financial_asset", Shape::Plain),
    ("direction", Shape::Plain),
    ("expected_profit", Shape::Plain),
    ("risk_score", Shape::Plain),
    ("timestamp", Shape::Plain),
    ("narrative_id", Shape::Plain),
    ("strategy", Shape::Plain),
    ("confidence", Shape::Plain),
    ("horizon_secs", Shape::Plain),
    ("metadata", Shape::Whole),
];

/// Reads one signal.
///
/// # Errors
/// A [`Refusal`] whose code says what is wrong. Unknown fields are ignored, as in the original.
pub fn parse_signal(payload: &[u8]) -> Result<ArbitrageSignal, Refusal> {
    read_signal(payload, read_map)
}

/// Reads one signal but for its evidence (`metadata.metadata`), which must be an object and is left
/// empty: votes are counted without it, and building it costs as much as all the rest.
///
/// # Errors
/// As [`parse_signal`].
pub fn parse_vote(payload: &[u8]) -> Result<ArbitrageSignal, Refusal> {
    read_signal(payload, |field| read_object(field).map(|_| Map::new()))
}

fn read_signal(
    payload: &[u8],
    evidence: Reader<Map<String, Value>>,
) -> Result<ArbitrageSignal, Refusal> {
    if payload.len() > SIGNAL_BYTES_MAX {
        return Err(Refusal::new(
            RefusalCode::TooLarge,
            format!("{} bytes; at most {SIGNAL_BYTES_MAX}", payload.len()),
        ));
    }
    let slots = read_outer(payload)?;
    let object = Object {
        names: OUTER,
        slots: &slots,
    };
    let version = object.optional("version", read_integer)?;
    let version = version.unwrap_or(SIGNAL_VERSION);
    if version == 0 || version > SIGNAL_VERSION {
        return Err(Refusal::new(
            RefusalCode::UnknownVersion,
            format!("version {version}; this build reads up to {SIGNAL_VERSION}"),
        ));
    }
    let (timestamp, timestamp_was_naive) = object.required("timestamp", read_time)?;
    let financial_asset = object.required("financial_asset", read_symbol)?;
    let metadata = read_trade(&object.inner("metadata", INNER)?, evidence)?;
    if metadata.financial_asset != financial_asset {
        return Err(Refusal::new(
            RefusalCode::AssetMismatch,
            format!(
                "outer {financial_asset}, metadata {}",
                metadata.financial_asset
            ),
        ));
    }
    Ok(ArbitrageSignal {
        timestamp,
        timestamp_was_naive,
        narrative_id: object.required("narrative_id", read_text)?,
        financial_asset,
        signal_type: object.required("signal_type", read_signal_type)?,
        strength: object.required("strength", read_unit)?,
        expected_profit: object.required("expected_profit", read_usd)?,
        risk_score: object.required("risk_score", read_unit)?,
        metadata,
        version,
        signal_id: object.optional("signal_id", read_text)?,
        agent: object.optional("agent", read_typed)?,
        ttl_ms: object.optional("ttl_ms", read_integer)?,
        signature: object.optional("signature", read_typed)?,
    })
}

/// Finds the fields of the message. One that is JSON, but no object, has a code of its own.
fn read_outer(payload: &[u8]) -> Result<Slots<'_>, Refusal> {
    let not_json = |reason: String| Refusal::new(RefusalCode::NotJson, reason);
    let text = std::str::from_utf8(payload).map_err(|error| not_json(error.to_string()))?;
    if !text.trim_start().starts_with('{') {
        let valid = serde_json::from_str::<Value>(text);
        return Err(valid.map_or_else(
            |error| not_json(error.to_string()),
            |_| {
                let advice = "send one JSON object per message";
                Refusal::new(RefusalCode::NotAnObject, advice)
            },
        ));
    }
    find(text, OUTER).map_err(|error| not_json(error.to_string()))
}

fn read_trade(
    object: &Object<'_>,
    evidence: Reader<Map<String, Value>>,
) -> Result<ProposedTrade, Refusal> {
    let size = object.required("size", read_usd)?;
    if size <= 0.0 {
        return Err(Refusal::new(
            RefusalCode::OutOfRange,
            "size must be above 0 USD",
        ));
    }
    let size = Decimal::from_f64(size)
        .map(|size| size.round_dp(6))
        .filter(|size| !size.is_zero())
        .ok_or_else(|| Refusal::new(RefusalCode::OutOfRange, "size cannot be read as USD"))?;
    let evidence = object.optional("metadata", evidence)?;
    Ok(ProposedTrade {
        agent_name: object.required("agent_name", read_text)?,
        financial_asset: object.required("financial_asset", read_symbol)?,
        direction: object.required("direction", read_direction)?,
        size,
        expected_profit: object.required("expected_profit", read_usd)?,
        risk_score: object.required("risk_score", read_unit)?,
        timestamp: object.optional("timestamp", read_time)?.map(|(t, _)| t),
        narrative_id: object.optional("narrative_id", read_text)?,
        strategy: object.optional("strategy", read_text)?,
        confidence: object.optional("confidence", read_unit)?,
        horizon_secs: object.optional("horizon_secs", read_integer)?,
        metadata: evidence.unwrap_or_default(),
    })
}

/// A reader of one field's value; its error is the code and what was expected.
type Reader<T> = fn(&Field<'_>) -> Result<T, (RefusalCode, &'static str)>;

/// An object of the message.
struct Object<'s> {
    names: Names,
    slots: &'s [Option<Field<'s>>],
}

impl<'s> Object<'s> {
    fn slot(&self, name: &str) -> Option<&'s Field<'s>> {
        let place = self.names.iter().position(|(known, _)| *known == name)?;
        self.slots.get(place)?.as_ref()
    }

    fn required<T>(&self, name: &str, read: Reader<T>) -> Result<T, Refusal> {
        read_field(name, self.present(name)?, read)
    }

    fn present(&self, name: &str) -> Result<&'s Field<'s>, Refusal> {
        self.slot(name)
            .ok_or_else(|| Refusal::new(RefusalCode::MissingField, format!("'{name}' is absent")))
    }

    fn optional<T>(&self, name: &str, read: Reader<T>) -> Result<Option<T>, Refusal> {
        match self.slot(name) {
            None | Some(Field::Null) => Ok(None),
            Some(field) => read_field(name, field, read).map(Some),
        }
    }

    /// The object in a field.
    fn inner(&self, name: &str, names: Names) -> Result<Self, Refusal> {
        match self.present(name)? {
            Field::Fields(slots) => Ok(Self { names, slots }),
            _ => Err(Refusal::new(
                RefusalCode::WrongType,
                format!("'{name}' must be an object"),
            )),
        }
    }
}

fn read_field<T>(name: &str, field: &Field<'_>, read: Reader<T>) -> Result<T, Refusal> {
    read(field)
        .map_err(|(code, expected)| Refusal::new(code, format!("'{name}' must be {expected}")))
}

fn read_text(field: &Field<'_>) -> Result<String, (RefusalCode, &'static str)> {
    match field {
        Field::Text(text) if text.len() <= TEXT_BYTES_MAX => Ok(text.clone().into_owned()),
        Field::Text(_) => Err((RefusalCode::OutOfRange, "at most 512 bytes")),
        _ => Err((RefusalCode::WrongType, "a string")),
    }
}

fn read_object<'a>(field: &Field<'a>) -> Result<&'a str, (RefusalCode, &'static str)> {
    match field {
        Field::Object(text) => Ok(text),
        _ => Err((RefusalCode::WrongType, "an object")),
    }
}

fn read_map(field: &Field<'_>) -> Result<Map<String, Value>, (RefusalCode, &'static str)> {
    let text = read_object(field)?;
    serde_json::from_str(text).map_err(|_| {
        (
            RefusalCode::NotJson,
            "an object that can be read to its end",
        )
    })
}

fn read_typed<T: serde::de::DeserializeOwned>(
    field: &Field<'_>,
) -> Result<T, (RefusalCode, &'static str)> {
    const EXPECTED: &str = "an object with the documented fields";
    let text = read_object(field).map_err(|(code, _)| (code, EXPECTED))?;
    serde_json::from_str(text).map_err(|_| (RefusalCode::WrongType, EXPECTED))
}

fn read_integer(field: &Field<'_>) -> Result<u64, (RefusalCode, &'static str)> {
    match field {
        Field::Number(number) => number
            .as_u64()
            .ok_or((RefusalCode::OutOfRange, "a whole number of 0 or more")),
        _ => Err((RefusalCode::WrongType, "a whole number")),
    }
}

fn read_number(field: &Field<'_>) -> Result<f64, (RefusalCode, &'static str)> {
    match field {
        // JSON encoders write NaN and infinity as null.
        Field::Null => Err((RefusalCode::OutOfRange, "a finite number, not null")),
        Field::Number(number) => number
            .as_f64()
            .filter(|number| number.is_finite())
            .ok_or((RefusalCode::OutOfRange, "a finite number")),
        _ => Err((RefusalCode::WrongType, "a number")),
    }
}

fn read_unit(field: &Field<'_>) -> Result<f64, (RefusalCode, &'static str)> {
    let number = read_number(field)?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err((RefusalCode::OutOfRange, "between 0 and 1"))
    }
}

fn read_usd(field: &Field<'_>) -> Result<f64, (RefusalCode, &'static str)> {
    let number = read_number(field)?;
    if number.abs() <= USD_MAX {
        Ok(number)
    } else {
        Err((RefusalCode::OutOfRange, "an amount of at most 1e12 USD"))
    }
}

fn read_symbol(field: &Field<'_>) -> Result<Symbol, (RefusalCode, &'static str)> {
    let text = text_of(field)?;
    Symbol::new(text).map_err(|_| {
        (
            RefusalCode::UnknownSymbol,
            "a symbol as Alpaca writes it, AAPL or BTC/USD",
        )
    })
}

fn read_direction(field: &Field<'_>) -> Result<Direction, (RefusalCode, &'static str)> {
    match text_of(field)? {
        "long" => Ok(Direction::Long),
        "short" => Ok(Direction::Short),
        _ => Err((RefusalCode::UnknownDirection, "'long' or 'short'")),
    }
}

fn read_signal_type(field: &Field<'_>) -> Result<SignalType, (RefusalCode, &'static str)> {
    match text_of(field)? {
        "narrative_leads" => Ok(SignalType::NarrativeLeads),
        "capital_leads" => Ok(SignalType::CapitalLeads),
        "divergence" => Ok(SignalType::Divergence),
        _ => Err((
            RefusalCode::UnknownSignalType,
            "'narrative_leads', 'capital_leads' or 'divergence'",
        )),
    }
}

fn text_of<'f>(field: &'f Field<'_>) -> Result<&'f str, (RefusalCode, &'static str)> {
    match field {
        Field::Text(text) => Ok(text),
        _ => Err((RefusalCode::WrongType, "a string")),
    }
}

/// Reads RFC 3339; without an offset the time is UTC, and the second value is true.
fn read_time(field: &Field<'_>) -> Result<(Timestamp, bool), (RefusalCode, &'static str)> {
    let text = text_of(field)?;
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok((time.with_timezone(&Utc), false));
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Ok((time.and_utc(), true));
        }
    }
    Err((
        RefusalCode::WrongType,
        "an RFC 3339 time such as 2026-01-05T15:00:00Z",
    ))
}

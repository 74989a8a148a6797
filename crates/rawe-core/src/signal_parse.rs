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
use crate::{Refusal, RefusalCode, Symbol, Timestamp};

/// The largest message accepted, in bytes: fifty times a usual one.
pub const SIGNAL_BYTES_MAX: usize = 64 * 1024;
/// The longest text field accepted, in bytes.
const TEXT_BYTES_MAX: usize = 512;
/// The largest size or profit accepted, in USD: far above any account, far below overflow.
const USD_MAX: f64 = 1e12;

type Object = Map<String, Value>;

/// Reads one signal.
///
/// # Errors
/// A [`Refusal`] whose code says what is wrong. Unknown fields are ignored, as in the original.
pub fn parse_signal(payload: &[u8]) -> Result<ArbitrageSignal, Refusal> {
    if payload.len() > SIGNAL_BYTES_MAX {
        return Err(Refusal::new(
            RefusalCode::TooLarge,
            format!("{} bytes; at most {SIGNAL_BYTES_MAX}", payload.len()),
        ));
    }
    let value: Value = serde_json::from_slice(payload)
        .map_err(|error| Refusal::new(RefusalCode::NotJson, error.to_string()))?;
    let Value::Object(object) = value else {
        return Err(Refusal::new(
            RefusalCode::NotAnObject,
            "send one JSON object per message",
        ));
    };
    let version = optional(&object, "version", read_integer)?.unwrap_or(SIGNAL_VERSION);
    if version == 0 || version > SIGNAL_VERSION {
        return Err(Refusal::new(
            RefusalCode::UnknownVersion,
            format!("version {version}; this build reads up to {SIGNAL_VERSION}"),
        ));
    }
    let (timestamp, timestamp_was_naive) = required(&object, "timestamp", read_time)?;
    let financial_asset = required(&object, "financial_asset", read_symbol)?;
    let inner = required(&object, "metadata", read_object)?;
    let metadata = read_trade(&inner)?;
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
        narrative_id: required(&object, "narrative_id", read_text)?,
        financial_asset,
        signal_type: required(&object, "signal_type", read_signal_type)?,
        strength: required(&object, "strength", read_unit)?,
        expected_profit: required(&object, "expected_profit", read_usd)?,
        risk_score: required(&object, "risk_score", read_unit)?,
        metadata,
        version,
        signal_id: optional(&object, "signal_id", read_text)?,
        agent: optional(&object, "agent", read_typed)?,
        ttl_ms: optional(&object, "ttl_ms", read_integer)?,
        signature: optional(&object, "signature", read_typed)?,
    })
}

fn read_trade(object: &Object) -> Result<ProposedTrade, Refusal> {
    let size = required(object, "size", read_usd)?;
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
    Ok(ProposedTrade {
        agent_name: required(object, "agent_name", read_text)?,
        financial_asset: required(object, "financial_asset", read_symbol)?,
        direction: required(object, "direction", read_direction)?,
        size,
        expected_profit: required(object, "expected_profit", read_usd)?,
        risk_score: required(object, "risk_score", read_unit)?,
        timestamp: optional(object, "timestamp", read_time)?.map(|(time, _)| time),
        narrative_id: optional(object, "narrative_id", read_text)?,
        strategy: optional(object, "strategy", read_text)?,
        confidence: optional(object, "confidence", read_unit)?,
        horizon_secs: optional(object, "horizon_secs", read_integer)?,
        metadata: optional(object, "metadata", read_object)?.unwrap_or_default(),
    })
}

/// A reader of one field's value; its error is the code and what was expected.
type Reader<T> = fn(&Value) -> Result<T, (RefusalCode, &'static str)>;

fn required<T>(object: &Object, name: &str, read: Reader<T>) -> Result<T, Refusal> {
    let value = object
        .get(name)
        .ok_or_else(|| Refusal::new(RefusalCode::MissingField, format!("'{name}' is absent")))?;
    read(value)
        .map_err(|(code, expected)| Refusal::new(code, format!("'{name}' must be {expected}")))
}

fn optional<T>(object: &Object, name: &str, read: Reader<T>) -> Result<Option<T>, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => required(object, name, read).map(Some),
    }
}

fn read_text(value: &Value) -> Result<String, (RefusalCode, &'static str)> {
    match value {
        Value::String(text) if text.len() <= TEXT_BYTES_MAX => Ok(text.clone()),
        Value::String(_) => Err((RefusalCode::OutOfRange, "at most 512 bytes")),
        _ => Err((RefusalCode::WrongType, "a string")),
    }
}

fn read_object(value: &Value) -> Result<Object, (RefusalCode, &'static str)> {
    value
        .as_object()
        .cloned()
        .ok_or((RefusalCode::WrongType, "an object"))
}

fn read_typed<T: serde::de::DeserializeOwned>(
    value: &Value,
) -> Result<T, (RefusalCode, &'static str)> {
    serde_json::from_value(value.clone()).map_err(|_| {
        (
            RefusalCode::WrongType,
            "an object with the documented fields",
        )
    })
}

fn read_integer(value: &Value) -> Result<u64, (RefusalCode, &'static str)> {
    match value {
        Value::Number(number) => number
            .as_u64()
            .ok_or((RefusalCode::OutOfRange, "a whole number of 0 or more")),
        _ => Err((RefusalCode::WrongType, "a whole number")),
    }
}

fn read_number(value: &Value) -> Result<f64, (RefusalCode, &'static str)> {
    match value {
        // JSON encoders write NaN and infinity as null.
        Value::Null => Err((RefusalCode::OutOfRange, "a finite number, not null")),
        Value::Number(number) => number
            .as_f64()
            .filter(|number| number.is_finite())
            .ok_or((RefusalCode::OutOfRange, "a finite number")),
        _ => Err((RefusalCode::WrongType, "a number")),
    }
}

fn read_unit(value: &Value) -> Result<f64, (RefusalCode, &'static str)> {
    let number = read_number(value)?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err((RefusalCode::OutOfRange, "between 0 and 1"))
    }
}

fn read_usd(value: &Value) -> Result<f64, (RefusalCode, &'static str)> {
    let number = read_number(value)?;
    if number.abs() <= USD_MAX {
        Ok(number)
    } else {
        Err((RefusalCode::OutOfRange, "an amount of at most 1e12 USD"))
    }
}

fn read_symbol(value: &Value) -> Result<Symbol, (RefusalCode, &'static str)> {
    let text = value.as_str().ok_or((RefusalCode::WrongType, "a string"))?;
    Symbol::new(text).map_err(|_| {
        (
            RefusalCode::UnknownSymbol,
            "a symbol as Alpaca writes it, AAPL or BTC/USD",
        )
    })
}

fn read_direction(value: &Value) -> Result<Direction, (RefusalCode, &'static str)> {
    match value.as_str() {
        Some("long") => Ok(Direction::Long),
        Some("short") => Ok(Direction::Short),
        Some(_) => Err((RefusalCode::UnknownDirection, "'long' or 'short'")),
        None => Err((RefusalCode::WrongType, "a string")),
    }
}

fn read_signal_type(value: &Value) -> Result<SignalType, (RefusalCode, &'static str)> {
    match value.as_str() {
        Some("narrative_leads") => Ok(SignalType::NarrativeLeads),
        Some("capital_leads") => Ok(SignalType::CapitalLeads),
        Some("divergence") => Ok(SignalType::Divergence),
        Some(_) => Err((
            RefusalCode::UnknownSignalType,
            "'narrative_leads', 'capital_leads' or 'divergence'",
        )),
        None => Err((RefusalCode::WrongType, "a string")),
    }
}

/// Reads RFC 3339; without an offset the time is UTC, and the second value is true.
fn read_time(value: &Value) -> Result<(Timestamp, bool), (RefusalCode, &'static str)> {
    let text = value.as_str().ok_or((RefusalCode::WrongType, "a string"))?;
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

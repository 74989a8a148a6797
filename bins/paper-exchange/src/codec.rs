//! The two tongues of the data streams: JSON in text frames, and MessagePack in binary ones for
//! clients that ask for it, with times as MessagePack's own timestamps.

use axum::body::Bytes;
use axum::extract::ws::Message;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// MessagePack's type number of a timestamp.
const TIMESTAMP: i8 = -1;
/// Names of fields that are times.
const TIMES: [&str; 3] = ["t", "created_at", "updated_at"];
/// Messages nested deeper than this are refused; a level counts more than once.
const DEPTH_MAX: usize = 32;

/// How a client wants to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Json,
    MessagePack,
}

impl Codec {
    /// The codec of a request's content type.
    pub(crate) fn of(content_type: &[u8]) -> Self {
        if content_type == b"application/msgpack" {
            Self::MessagePack
        } else {
            Self::Json
        }
    }

    /// The frame of an array of messages.
    pub(crate) fn frame(self, messages: Vec<Map<String, Value>>) -> Message {
        let messages = messages.into_iter().map(Value::Object).collect();
        match self {
            Self::Json => Message::Text(Value::Array(messages).to_string().into()),
            Self::MessagePack => {
                let mut bytes = Vec::new();
                let value = packed(None, Value::Array(messages));
                // Writing to memory does not fail.
                let _written = rmpv::encode::write_value(&mut bytes, &value);
                Message::Binary(Bytes::from(bytes))
            }
        }
    }

    /// What a client says, whichever frame it comes in.
    pub(crate) fn read(self, bytes: &[u8]) -> Option<Value> {
        match self {
            Self::Json => serde_json::from_slice(bytes).ok(),
            Self::MessagePack => {
                let mut rest = bytes;
                let value = rmpv::decode::read_value_with_max_depth(&mut rest, DEPTH_MAX).ok()?;
                unpacked(value).filter(|_| rest.is_empty())
            }
        }
    }
}

fn packed(name: Option<&str>, value: Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.into(),
            (_, Some(number), _) => number.into(),
            (_, _, number) => number.unwrap_or_default().into(),
        },
        Value::String(text) => {
            let is_time = name.is_some_and(|name| TIMES.contains(&name));
            match text.parse::<DateTime<Utc>>() {
                Ok(time) if is_time => timestamp(time),
                _ => text.into(),
            }
        }
        Value::Array(values) => rmpv::Value::Array(
            values
                .into_iter()
                .map(|value| packed(None, value))
                .collect(),
        ),
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let value = packed(Some(&name), value);
                (name.into(), value)
            };
            rmpv::Value::Map(fields.into_iter().map(field).collect())
        }
    }
}

/// MessagePack's timestamp: four bytes for whole seconds, eight with nanoseconds, twelve for years
/// that eight do not hold.
fn timestamp(time: DateTime<Utc>) -> rmpv::Value {
    let (seconds, nanos) = (time.timestamp(), time.timestamp_subsec_nanos());
    let bytes = match (u32::try_from(seconds), u64::try_from(seconds)) {
        (Ok(seconds), _) if nanos == 0 => seconds.to_be_bytes().to_vec(),
        (_, Ok(seconds)) if seconds >> 34 == 0 => {
            let both = (u64::from(nanos) << 34) | seconds;
            both.to_be_bytes().to_vec()
        }
        _ => [&nanos.to_be_bytes()[..], &seconds.to_be_bytes()[..]].concat(),
    };
    rmpv::Value::Ext(TIMESTAMP, bytes)
}

/// What has no place in JSON is nothing.
fn unpacked(value: rmpv::Value) -> Option<Value> {
    Some(match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(value) => value.into(),
        rmpv::Value::Integer(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (_, number) => number?.into(),
        },
        rmpv::Value::F32(number) => f64::from(number).into(),
        rmpv::Value::F64(number) => number.into(),
        rmpv::Value::String(text) => text.into_str()?.into(),
        rmpv::Value::Array(values) => {
            Value::Array(values.into_iter().map(unpacked).collect::<Option<_>>()?)
        }
        rmpv::Value::Map(fields) => {
            let field = |(name, value): (rmpv::Value, rmpv::Value)| {
                Some((name.as_str()?.to_owned(), unpacked(value)?))
            };
            Value::Object(fields.into_iter().map(field).collect::<Option<_>>()?)
        }
        rmpv::Value::Binary(_) | rmpv::Value::Ext(..) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn bytes_of(message: Message) -> Vec<u8> {
        match message {
            Message::Text(text) => text.as_bytes().to_vec(),
            Message::Binary(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn times_are_timestamps_and_texts_stay_texts() {
        for (time, expected) in [
            ("1970-01-01T00:00:01Z", vec![0, 0, 0, 1]),
            (
                "1970-01-01T00:00:01.000000001Z",
                vec![0, 0, 0, 4, 0, 0, 0, 1],
            ),
            ("1969-12-31T23:59:59Z", [vec![0; 4], vec![255; 8]].concat()),
        ] {
            let value = packed(Some("t"), json!(time));
            assert_eq!(value, rmpv::Value::Ext(TIMESTAMP, expected), "{time}");
        }
        let headline = packed(Some("headline"), json!("1970-01-01T00:00:01Z"));
        assert!(headline.is_str());
    }

    #[test]
    fn both_tongues_say_the_same() {
        let said =
            json!({"action": "subscribe", "bars": ["AAPL", "*"], "n": -3, "x": 1.5, "z": null});
        let Value::Object(fields) = said.clone() else {
            panic!("an object");
        };
        for codec in [Codec::Json, Codec::MessagePack] {
            let bytes = bytes_of(codec.frame(vec![fields.clone()]));
            assert_eq!(codec.read(&bytes), Some(json!([said])), "{codec:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for codec in [Codec::Json, Codec::MessagePack] {
                let _read = codec.read(&bytes);
            }
        }
    }
}

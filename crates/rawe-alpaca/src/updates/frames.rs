//! Reads one frame of the stream, text or binary: whatever the bytes are, there is an answer.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::types::{
    Authorization, Listening, STREAM_AUTHORIZATION, STREAM_LISTENING, STREAM_TRADE_UPDATES,
    TradeUpdateData,
};

/// What a frame says.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming {
    /// The keys were taken, or not.
    Authorized(bool),
    /// These streams come from now on.
    Listening(Vec<String>),
    /// News of an order.
    Update(Box<TradeUpdateData>),
    /// The service complains.
    Error(String),
    /// News of an order which cannot be read, and why.
    Unreadable(String),
    /// Nothing that concerns us.
    Other,
}

/// The outside of a message. Errors of the data streams look different and come in lists.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    stream: Option<String>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, rename = "T")]
    kind: Option<Value>,
    #[serde(default)]
    msg: Option<Value>,
    #[serde(default)]
    code: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

/// `data` of a complaint.
#[derive(Deserialize)]
struct Complaint {
    error: Value,
}

/// Reads a frame. Lists hold one message each time that matters here; the first one counts.
pub(crate) fn read_frame(bytes: &[u8]) -> Incoming {
    match serde_json::from_slice::<Envelope<'_>>(bytes) {
        Ok(envelope) => envelope.read(),
        Err(_) => match serde_json::from_slice::<Vec<Envelope<'_>>>(bytes) {
            Ok(list) => list
                .into_iter()
                .map(Envelope::read)
                .find(|incoming| *incoming != Incoming::Other)
                .unwrap_or(Incoming::Other),
            Err(error) if serde_json::from_slice::<IgnoredAny>(bytes).is_err() => {
                Incoming::Unreadable(format!("not JSON: {error}"))
            }
            Err(_) => Incoming::Other,
        },
    }
}

impl Envelope<'_> {
    fn read(self) -> Incoming {
        if self.kind.as_ref().and_then(Value::as_str) == Some("error") || self.error.is_some() {
            let said = [self.code, self.msg, self.error];
            let said: Vec<String> = said.into_iter().flatten().map(text_of).collect();
            return Incoming::Error(said.join(" "));
        }
        let data = self.data.map_or("null", RawValue::get);
        if let Ok(Complaint { error }) = serde_json::from_str(data) {
            return Incoming::Error(text_of(error));
        }
        match self.stream.as_deref() {
            Some(STREAM_AUTHORIZATION) => serde_json::from_str::<Authorization>(data)
                .map_or_else(unreadable, |answer| {
                    Incoming::Authorized(answer.status == "authorized")
                }),
            Some(STREAM_LISTENING) => serde_json::from_str::<Listening>(data)
                .map_or_else(unreadable, |listening| {
                    Incoming::Listening(listening.streams)
                }),
            Some(STREAM_TRADE_UPDATES) => serde_json::from_str::<TradeUpdateData>(data)
                .map_or_else(unreadable, |update| Incoming::Update(Box::new(update))),
            _ => Incoming::Other,
        }
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the shape that map_or_else asks for"
)]
fn unreadable(error: serde_json::Error) -> Incoming {
    Incoming::Unreadable(error.to_string())
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TradeEvent;
    use proptest::prelude::*;

    const FILL: &str = r#"{"stream":"trade_updates","data":{"event":"partial_fill",
        "execution_id":"2f63ea93-423d-4169-b3f6-3fdafc10c418","price":"179.08","qty":"12",
        "position_qty":"-12","timestamp":"2026-03-02T16:30:00.123456789-05:00","order":{"id":
        "61e69015-8549-4bfd-b9c3-01e75843f47d","client_order_id":"abc","symbol":"AAPL",
        "asset_class":"us_equity","qty":"20","filled_qty":"12","filled_avg_price":"179.08",
        "side":"sell","type":"market","time_in_force":"day","status":"partially_filled",
        "group_id":null,"order_class":"","surprise":{"a":[1]}}}}"#;

    #[test]
    fn the_documented_messages_are_read() {
        let read = |text: &str| read_frame(text.as_bytes());
        let authorized = r#"{"stream":"authorization","data":{"status":"authorized",
            "action":"authenticate"}}"#;
        assert_eq!(read(authorized), Incoming::Authorized(true));
        let refused = authorized.replace("\"authorized\"", "\"unauthorized\"");
        assert_eq!(read(&refused), Incoming::Authorized(false));
        let listening = r#"{"stream":"listening","data":{"streams":["trade_updates"]}}"#;
        assert_eq!(
            read(listening),
            Incoming::Listening(vec!["trade_updates".to_owned()])
        );
        let complaints = [
            r#"[{"T":"error","code":406,"msg":"connection limit exceeded"}]"#,
            r#"{"stream":"listening","data":{"error":"internal server error"}}"#,
            r#"{"error":"slow client"}"#,
        ];
        let said = [
            "406 connection limit exceeded",
            "internal server error",
            "slow client",
        ];
        for (complaint, said) in complaints.iter().zip(said) {
            assert_eq!(read(complaint), Incoming::Error(said.to_owned()));
        }
        for other in [
            "{}",
            "[]",
            "null",
            "7",
            r#"{"stream":"account_updates","data":{}}"#,
        ] {
            assert_eq!(read(other), Incoming::Other, "{other}");
        }
        assert!(matches!(read("\u{0}"), Incoming::Unreadable(_)));
        let no_order = r#"{"stream":"trade_updates","data":{"event":"fill"}}"#;
        assert!(matches!(read(no_order), Incoming::Unreadable(_)));
    }

    #[test]
    fn a_fill_is_read_to_the_last_digit() {
        let Incoming::Update(update) = read_frame(FILL.as_bytes()) else {
            panic!("not an update");
        };
        assert_eq!(update.event, TradeEvent::PartialFill);
        assert_eq!(update.price, Some("179.08".parse().unwrap()));
        assert_eq!(update.position_qty, Some("-12".parse().unwrap()));
        assert_eq!(update.order.filled_qty, Some("12".parse().unwrap()));
        assert_eq!(
            update.timestamp,
            Some("2026-03-02T21:30:00.123456789Z".parse().unwrap())
        );
        let unknown = FILL.replace("partial_fill", "invented");
        let Incoming::Update(update) = read_frame(unknown.as_bytes()) else {
            panic!("unknown events must pass");
        };
        assert_eq!(update.event, TradeEvent::Other("invented".to_owned()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _incoming = read_frame(&bytes);
        }

        #[test]
        fn no_broken_message_panics(at in 0..FILL.len(), byte: u8, cut in 0..FILL.len()) {
            let mut bytes = FILL.as_bytes().to_vec();
            bytes[at] = byte;
            let _whole = read_frame(&bytes);
            let _cut = read_frame(&bytes[..cut]);
        }

        #[test]
        fn no_fields_panic(
            stream in prop::sample::select(vec!["authorization", "listening", "trade_updates"]),
            data in prop::sample::select(vec![
                "null", "[]", "{}", "7", "\"text\"", "{\"status\":7}", "{\"streams\":{}}",
                "{\"error\":null}", "{\"event\":\"fill\",\"order\":{}}",
            ]),
        ) {
            let _incoming = read_frame(
                format!("{{\"stream\":\"{stream}\",\"data\":{data}}}").as_bytes()
            );
        }
    }
}

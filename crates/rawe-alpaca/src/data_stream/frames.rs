//! Reads one frame of a data stream, text or binary: a list of messages, or a single one. Whatever
//! the bytes are, there is an answer, and one bad message does not spoil its neighbours.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::types::{BarData, NewsArticle};

/// What a message says.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// The service greets.
    Welcome,
    /// The keys were taken.
    Authenticated,
    /// What comes from now on.
    Subscribed,
    /// A bar, new or corrected, with its asset's name.
    Bar(String, BarData),
    /// An article.
    Article(Box<NewsArticle>),
    /// The service complains: its code, 0 if it names none, and its words.
    Error(i64, String),
    /// A message which cannot be read, and why.
    Unreadable(String),
    /// Nothing that concerns us.
    Other,
}

/// What all messages have in common, as far as it matters before their kind is known.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default, rename = "T")]
    kind: Option<String>,
    #[serde(default, rename = "S")]
    symbol: Option<String>,
    #[serde(default)]
    msg: Option<Value>,
    #[serde(default)]
    code: Option<Value>,
}

/// Reads a frame.
pub(super) fn read_frame(bytes: &[u8]) -> Vec<Incoming> {
    match serde_json::from_slice::<Vec<&RawValue>>(bytes) {
        Ok(messages) => messages.into_iter().map(|raw| read(raw.get())).collect(),
        Err(_) => match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(single) => vec![read(single.get())],
            Err(error) => vec![Incoming::Unreadable(format!("not JSON: {error}"))],
        },
    }
}

fn read(message: &str) -> Incoming {
    let envelope: Envelope = match serde_json::from_str(message) {
        Ok(envelope) => envelope,
        Err(error) => return Incoming::Unreadable(error.to_string()),
    };
    let unreadable = |error: serde_json::Error| Incoming::Unreadable(error.to_string());
    let words = envelope.msg.as_ref().and_then(Value::as_str).unwrap_or("");
    match envelope.kind.as_deref() {
        Some("success") if words == "connected" => Incoming::Welcome,
        Some("success") if words == "authenticated" => Incoming::Authenticated,
        Some("subscription") => Incoming::Subscribed,
        Some("error") => {
            let code = envelope.code.as_ref().and_then(Value::as_i64).unwrap_or(0);
            Incoming::Error(code, words.to_owned())
        }
        Some("b" | "u") => {
            let Some(symbol) = envelope.symbol else {
                return Incoming::Unreadable("a bar without a symbol".to_owned());
            };
            serde_json::from_str(message).map_or_else(unreadable, |bar| Incoming::Bar(symbol, bar))
        }
        Some("n") => serde_json::from_str(message)
            .map_or_else(unreadable, |article| Incoming::Article(Box::new(article))),
        _ => Incoming::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: &str = r#"[{"T":"b","S":"AAPL","o":1.5,"h":2,"l":1,"c":1.75,"v":100,"n":3,"vw":1.6,
        "t":"2026-11-20T15:00:00Z"},{"T":"q","S":"AAPL","bp":1},{"T":"u","S":"BTC/USD","o":1,"h":1,
        "l":1,"c":1,"v":0.5,"t":"2026-11-20T15:00:00Z"},{"T":"b","S":"KO","o":"x"},{"T":"n","id":7,
        "headline":"H","summary":"","author":"A","created_at":"2026-11-20T15:00:00Z","updated_at":
        "2026-11-20T15:00:01Z","content":"","symbols":["BTCUSD"],"source":"benzinga","url":null}]"#;

    #[test]
    fn the_documented_messages_are_read() {
        let read = |text: &str| read_frame(text.as_bytes());
        for (text, wanted) in [
            (r#"[{"T":"success","msg":"connected"}]"#, Incoming::Welcome),
            (
                r#"[{"T":"success","msg":"authenticated"}]"#,
                Incoming::Authenticated,
            ),
            (
                r#"[{"T":"subscription","bars":["A"],"news":[]}]"#,
                Incoming::Subscribed,
            ),
            (
                r#"[{"T":"error","code":406,"msg":"connection limit exceeded"}]"#,
                Incoming::Error(406, "connection limit exceeded".to_owned()),
            ),
            (r#"{"T":"error"}"#, Incoming::Error(0, String::new())),
            (r#"[{"T":"invented"}]"#, Incoming::Other),
            ("{}", Incoming::Other),
        ] {
            assert_eq!(read(text), [wanted], "{text}");
        }
        assert_eq!(read("[]"), []);
        for broken in ["", "{", "\u{0}", "[7]"] {
            let heard = read(broken);
            assert!(
                matches!(heard.as_slice(), [Incoming::Unreadable(_)]),
                "{broken:?}: {heard:?}"
            );
        }
    }

    #[test]
    fn a_bad_message_does_not_spoil_its_neighbours() {
        let heard = read_frame(FRAME.as_bytes());
        assert_eq!(heard.len(), 5);
        let Incoming::Bar(symbol, bar) = &heard[0] else {
            panic!("{:?}", heard[0]);
        };
        assert_eq!((symbol.as_str(), bar.n), ("AAPL", Some(3)));
        assert_eq!(heard[1], Incoming::Other);
        assert!(matches!(&heard[2], Incoming::Bar(symbol, _) if symbol == "BTC/USD"));
        assert!(matches!(heard[3], Incoming::Unreadable(_)));
        assert!(matches!(&heard[4], Incoming::Article(article) if article.id == 7));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _heard = read_frame(&bytes);
        }

        #[test]
        fn no_broken_frame_panics(at in 0..FRAME.len(), byte: u8, cut in 0..FRAME.len()) {
            let mut bytes = FRAME.as_bytes().to_vec();
            bytes[at] = byte;
            let _changed = read_frame(&bytes);
            let _cut = read_frame(&bytes[..cut]);
        }
    }
}

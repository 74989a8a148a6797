//! One line of a process's log: a JSON event, or plain text that some other program wrote.
//! Here lines are read and written; what they mean to a person is told in `up/story.rs`.

use serde_json::{Map, Value, json};

/// How bad a line is. Ordered from the least to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Level {
    /// Every step.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// What happened.
    Info,
    /// Something is not as it should be, and the process goes on.
    Warn,
    /// Something was lost or refused.
    Error,
}

impl Level {
    fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "warn" => Self::Warn,
            "error" => Self::Error,
            _ => Self::Info,
        }
    }
}

/// A line, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LogLine {
    /// The process that wrote it.
    pub(crate) process: String,
    /// Its level; plain text counts as `info`.
    pub(crate) level: Level,
    /// The event's stable name; `output` for plain text.
    pub(crate) event: String,
    /// The sentence for people.
    pub(crate) message: String,
    /// The whole object, as written.
    pub(crate) fields: Map<String, Value>,
}

impl LogLine {
    /// Reads what `process` wrote. Never fails: text that is no JSON object becomes an `output`
    /// event that carries it.
    pub(crate) fn read(process: &str, text: &str) -> Self {
        let fields = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => fields,
            _ => plain(process, text),
        };
        let text_of = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
        let written_by = text_of("process");
        Self {
            process: if written_by.is_empty() {
                process
            } else {
                written_by
            }
            .to_owned(),
            level: Level::parse(text_of("level")),
            event: text_of("event").to_owned(),
            message: text_of("message").to_owned(),
            fields,
        }
    }

    /// The line as JSON, as it is kept in the run folder and printed in JSON mode.
    pub(crate) fn to_json(&self) -> String {
        Value::Object(self.fields.clone()).to_string()
    }

    /// A field's text: a string as it is, anything else as JSON; empty when absent.
    pub(crate) fn text(&self, key: &str) -> String {
        match self.fields.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }
}

fn plain(process: &str, text: &str) -> Map<String, Value> {
    let value = json!({
        "timestamp": rawe_runtime::wall_now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "level": "INFO",
        "event": "output",
        "process": process,
        "message": text,
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_keeps_its_fields() {
        let text =
            r#"{"level":"WARN","event":"bus_lost","process":"market-feed","message":"m","n":3}"#;
        let line = LogLine::read("x", text);
        assert_eq!(line.process, "market-feed");
        assert_eq!(line.level, Level::Warn);
        assert_eq!(line.event, "bus_lost");
        assert_eq!(line.text("n"), "3");
        assert_eq!(line.text("absent"), "");
        assert_eq!(
            serde_json::from_str::<Value>(&line.to_json()).unwrap()["n"],
            3
        );
    }

    #[test]
    fn plain_text_becomes_an_event() {
        for text in [
            "Ready to accept connections",
            "",
            "[1,2]",
            "{\"cut",
            "\u{1b}[31mred",
        ] {
            let line = LogLine::read("redis", text);
            assert_eq!(line.process, "redis");
            assert_eq!(line.event, "output");
            assert_eq!(line.message, text);
            assert_eq!(line.level, Level::Info);
        }
    }
}

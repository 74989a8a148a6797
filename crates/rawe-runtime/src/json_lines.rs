//! Log lines for machines: one flat JSON object each, with the same first keys always.

use std::borrow::Cow;
use std::fmt;

use serde::Serializer;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::wall_now;

/// Keys which every line has; an event's field of such a name gets a `field_` before it.
const RESERVED: [&str; 6] = ["timestamp", "level", "event", "process", "pid", "message"];

/// Formats events as JSON lines: `timestamp`, `level`, `event`, `process`, `pid`, the event's own
/// fields, `message`.
#[derive(Debug)]
pub(crate) struct JsonLines {
    process: String,
}

impl JsonLines {
    pub(crate) fn new(process: &str) -> Self {
        Self {
            process: process.to_owned(),
        }
    }
}

/// An event's fields, taken apart.
#[derive(Debug, Default)]
pub(crate) struct EventFields {
    /// The stable name of what happened, if the event has one.
    pub(crate) event: Option<String>,
    /// The sentence for people.
    pub(crate) message: String,
    /// All other fields, in the order given.
    pub(crate) fields: Vec<(&'static str, Value)>,
}

impl EventFields {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }

    fn put(&mut self, field: &Field, value: Value) {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        match field.name() {
            "event" => self.event = Some(text(value)),
            "message" => self.message = text(value),
            name => self.fields.push((name, value)),
        }
    }
}

impl Visit for EventFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::from(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }
    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(
            field,
            i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from),
        );
    }
    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(
            field,
            u64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from),
        );
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, Value::String(value.to_string()));
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let found = EventFields::of(event);
        let metadata = event.metadata();
        let name = found.event.unwrap_or_else(|| metadata.target().to_owned());
        let timestamp = wall_now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let level = metadata.level().as_str().to_ascii_lowercase();
        let mut line: Vec<(Cow<'_, str>, Value)> = vec![
            ("timestamp".into(), timestamp.into()),
            ("level".into(), level.into()),
            ("event".into(), name.into()),
            ("process".into(), self.process.as_str().into()),
            ("pid".into(), std::process::id().into()),
        ];
        for (key, value) in found.fields {
            let is_reserved = RESERVED.contains(&key);
            let key = if is_reserved {
                format!("field_{key}").into()
            } else {
                key.into()
            };
            line.push((key, value));
        }
        line.push(("message".into(), found.message.into()));
        let mut bytes = Vec::new();
        // In this order, so that the time comes first also for people.
        serde_json::Serializer::new(&mut bytes)
            .collect_map(line)
            .map_err(|_| fmt::Error)?;
        let text = String::from_utf8(bytes).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

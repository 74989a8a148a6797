//! Log lines for people: the time, how bad it is, the sentence, and the ids after it.

use std::fmt;

use serde_json::Value;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::json_lines::EventFields;
use crate::wall_now;

const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// Formats events as sentences.
#[derive(Debug)]
pub(crate) struct PrettyLines {
    process: String,
    colours: bool,
}

impl PrettyLines {
    pub(crate) fn new(process: &str, colours: bool) -> Self {
        Self {
            process: process.to_owned(),
            colours,
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("{colour}{text}{RESET}")
        } else {
            text.to_owned()
        }
    }
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        _ => DIM,
    }
}

/// Text from outside must not steer the terminal: control characters are shown, not sent.
fn printable(text: &str) -> String {
    let shown = |letter: char| {
        if letter.is_control() {
            letter.escape_default().to_string()
        } else {
            letter.to_string()
        }
    };
    text.chars().map(shown).collect()
}

impl<S, N> FormatEvent<S, N> for PrettyLines
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
        let level = *event.metadata().level();
        let time = self.paint(DIM, &wall_now().format("%H:%M:%S%.3f").to_string());
        let level = self.paint(colour_of(level), &format!("{level:5}"));
        let process = self.paint(DIM, &self.process);
        write!(
            writer,
            "{time} {level} {process} {}",
            printable(&found.message)
        )?;
        for (key, value) in &found.fields {
            let value = match value {
                Value::String(text) => printable(text),
                other => other.to_string(),
            };
            write!(writer, " {}", self.paint(DIM, &format!("{key}={value}")))?;
        }
        writeln!(writer)
    }
}

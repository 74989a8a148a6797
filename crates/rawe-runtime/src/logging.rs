//! Setting up the log of a process: where it goes, how much, and in which format. The formats
//! themselves are in `json_lines` and `pretty_lines`.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::json_lines::JsonLines;
use crate::pretty_lines::PrettyLines;

/// What is logged unless `RAWE_LOG` says otherwise: our events, and only warnings of libraries.
const DEFAULT_FILTER: &str = "info,hyper=warn,reqwest=warn,redis=warn,rustls=warn,tower_http=warn";
/// The variable with another filter, such as `debug` or `rawe_bus=debug,info`.
const FILTER_VARIABLE: &str = "RAWE_LOG";

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One flat JSON object a line, for machines
    Json,
    /// Sentences with colours, for people
    Pretty,
}

/// Which stream logs are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogOutput {
    /// Services: their log is their output.
    Stdout,
    /// Commands, whose output is their answer.
    Stderr,
}

impl LogOutput {
    fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }
}

impl<'a> MakeWriter<'a> for LogOutput {
    type Writer = Box<dyn io::Write>;
    fn make_writer(&'a self) -> Self::Writer {
        match self {
            Self::Stdout => Box::new(io::stdout().lock()),
            Self::Stderr => Box::new(io::stderr().lock()),
        }
    }
}

/// Starts the log of this process on stdout. `None` means pretty on a terminal, else JSON. A second
/// call in one process changes nothing.
pub fn init_logging(process: &str, format: Option<LogFormat>) {
    init_logging_to(LogOutput::Stdout, process, format);
}

pub(crate) fn init_logging_to(output: LogOutput, process: &str, format: Option<LogFormat>) {
    let default = if output.is_terminal() {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    };
    let wanted = std::env::var(FILTER_VARIABLE).unwrap_or_default();
    let filter = filter_of(&wanted);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(output);
    // Only the first call of a process can win; tests may call it often.
    let _already_set = match format.unwrap_or(default) {
        LogFormat::Json => registry
            .with(layer.event_format(JsonLines::new(process)))
            .try_init(),
        LogFormat::Pretty => {
            let colours = output.is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry
                .with(layer.event_format(PrettyLines::new(process, colours)))
                .try_init()
        }
    };
}

/// The filter that somebody wants, or the usual one where that says nothing or is not understood.
/// Targets and levels are all it knows, and it brings no engine for regular expressions.
fn filter_of(wanted: &str) -> Targets {
    [wanted, DEFAULT_FILTER]
        .iter()
        .filter(|text| !text.is_empty())
        .find_map(|text| text.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn filters_name_targets_and_levels() {
        for (wanted, target, level, enabled) in [
            ("", "consensus_engine::launch", Level::INFO, true),
            ("", "consensus_engine::launch", Level::DEBUG, false),
            ("", "hyper::client", Level::INFO, false),
            ("", "hyper::client", Level::WARN, true),
            ("debug", "rawe_bus::bus", Level::DEBUG, true),
            ("rawe_bus=debug,info", "rawe_bus::bus", Level::DEBUG, true),
            ("rawe_bus=debug,info", "rawe_alpaca", Level::DEBUG, false),
            ("rawe_bus=debug,info", "rawe_alpaca", Level::INFO, true),
            ("off", "rawe_alpaca", Level::ERROR, false),
            ("rawe_bus=loud", "rawe_alpaca", Level::INFO, true),
            ("rawe_bus=loud", "rawe_alpaca", Level::DEBUG, false),
        ] {
            let filter = filter_of(wanted);
            assert_eq!(
                filter.would_enable(target, &level),
                enabled,
                "{wanted} {target} {level}"
            );
        }
    }
}

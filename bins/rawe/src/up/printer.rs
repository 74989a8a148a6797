//! Writing to the terminal: one line per thing told, with market time and the name of the process,
//! coloured when a person is watching.

use std::io::{IsTerminal as _, Write as _};

use rawe_core::Timestamp;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What the collective does with money.
    Trade,
    /// An agent speaks.
    Vote,
    /// Something did not come about.
    Missed,
    /// Set-up, progress, the run itself.
    Plain,
    /// Not as it should be.
    Warn,
    /// Lost or refused.
    Error,
}

/// One line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Market time, when the line is about the market.
    pub(crate) market_time: Option<Timestamp>,
    /// Who says or does it.
    pub(crate) process: String,
    /// How it is meant.
    pub(crate) tone: Tone,
    /// The sentence.
    pub(crate) text: String,
}

impl Told {
    /// A line of `rawe up` itself.
    pub(crate) fn by_rawe(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            market_time: None,
            process: "rawe".to_owned(),
            tone,
            text: text.into(),
        }
    }
}

/// Columns of the process name: the longest is `conservative-guardian`.
const NAME_COLUMNS: usize = 21;
const RESET: &str = "\u{1b}[0m";
const DIM: &str = "\u{1b}[2m";

/// The terminal, or a file, or a pipe.
#[derive(Debug)]
pub(crate) struct Printer {
    colour: bool,
    quiet: bool,
}

impl Printer {
    /// Standard output; coloured when it is a terminal and `NO_COLOR` is not set. A quiet printer
    /// leaves out all but warnings, errors and what is printed with [`Self::line`].
    pub(crate) fn stdout(quiet: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            colour: wanted && std::io::stdout().is_terminal(),
            quiet,
        }
    }

    /// Prints one line of the story.
    pub(crate) fn tell(&self, told: &Told) {
        if !self.quiet || matches!(told.tone, Tone::Warn | Tone::Error) {
            Self::line(&self.format(told));
        }
    }

    /// Prints one line as it is. A closed pipe (`rawe up | head`) is no reason to stop trading.
    pub(crate) fn line(text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    fn format(&self, told: &Told) -> String {
        let time = told
            .market_time
            .map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M").to_string());
        let name = &told.process;
        // Texts come from outside and must not steer the terminal.
        let text: String = told
            .text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        if !self.colour {
            return format!("{time:16} {name:NAME_COLUMNS$} {text}");
        }
        let name_colour = name_colour(name);
        let tone = tone_colour(told.tone);
        format!(
            "{DIM}{time:16}{RESET} {name_colour}{name:NAME_COLUMNS$}{RESET} {tone}{text}{RESET}"
        )
    }
}

fn tone_colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Trade => "\u{1b}[1;32m",
        Tone::Vote | Tone::Plain => "",
        Tone::Missed => DIM,
        Tone::Warn => "\u{1b}[33m",
        Tone::Error => "\u{1b}[1;31m",
    }
}

/// The same colour for the same name in every run.
fn name_colour(name: &str) -> &'static str {
    const COLOURS: [&str; 6] = [
        "\u{1b}[36m",
        "\u{1b}[35m",
        "\u{1b}[34m",
        "\u{1b}[32m",
        "\u{1b}[33m",
        "\u{1b}[31m",
    ];
    let sum: usize = name.bytes().map(usize::from).sum();
    COLOURS
        .get(sum % COLOURS.len())
        .copied()
        .unwrap_or_default()
}

/// Whole dollars with separators: `12,345`.
pub(crate) fn dollars(amount: f64) -> String {
    let whole = format!("{:.0}", amount.abs());
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if amount < 0.0 && whole != "0" {
        "-"
    } else {
        ""
    };
    format!("{sign}${grouped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_grouped() {
        for (amount, text) in [
            (0.0, "$0"),
            (-0.2, "$0"),
            (999.4, "$999"),
            (1_000.0, "$1,000"),
            (-1_234_567.0, "-$1,234,567"),
        ] {
            assert_eq!(dollars(amount), text);
        }
    }

    #[test]
    fn colour_only_where_it_is_wanted() {
        let told = Told::by_rawe(Tone::Warn, "careful");
        let plain = Printer {
            colour: false,
            quiet: false,
        }
        .format(&told);
        assert!(!plain.contains('\u{1b}') && plain.ends_with("rawe                  careful"));
        assert!(
            Printer {
                colour: true,
                quiet: false
            }
            .format(&told)
            .contains("\u{1b}[33m")
        );
    }
}

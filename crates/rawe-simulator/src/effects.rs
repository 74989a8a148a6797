//! The effect log: everything that went into the collective and came out, as one hash that is the
//! same for the same seed, and as lines for people when they are asked for.

use std::collections::VecDeque;
use std::fmt::{self, Write};

use rawe_collective::{Input, Output};
use rawe_core::Timestamp;
use rawe_execution::broker::{OrderReport, SubmitOutcome};
use rawe_execution::desk::{Answer, DeskEvent};
use rawe_execution::journal::JournalEntry;

/// How many lines are kept for a failure.
const KEPT_LINES: usize = 30;

/// FNV-1a over all that is written.
#[derive(Clone, Copy, Debug)]
struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

/// What happened, in order.
#[derive(Clone, Debug)]
pub struct EffectLog {
    hash: Fnv,
    keeps_all: bool,
    keeps: bool,
    lines: VecDeque<String>,
}

impl EffectLog {
    /// A log that only hashes, keeps the last lines, or keeps all of them.
    pub fn new(keeps: bool, keeps_all: bool) -> Self {
        Self {
            hash: Fnv(0xcbf2_9ce4_8422_2325),
            keeps_all,
            keeps: keeps || keeps_all,
            lines: VecDeque::new(),
        }
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> u64 {
        self.hash.0
    }

    /// The lines kept, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Notes one line.
    pub fn note(&mut self, now: Timestamp, line: fmt::Arguments<'_>) {
        // A write into a hash cannot fail.
        let _ = write!(self.hash, "{}", now.timestamp_micros());
        let _ = self.hash.write_fmt(line);
        if self.keeps {
            if !self.keeps_all && self.lines.len() >= KEPT_LINES {
                self.lines.pop_front();
            }
            let time = now.format("%d %b %H:%M:%S%.3f");
            self.lines.push_back(format!("{time} {line}"));
        }
    }

    /// Notes what is told to the collective.
    pub fn input(&mut self, now: Timestamp, input: &Input) {
        self.note(now, format_args!("-> {}", InputLine(input)));
    }

    /// Notes what it asks for.
    pub fn output(&mut self, now: Timestamp, output: &Output) {
        match output {
            // The content of what is published is hashed, not shown.
            Output::Publish { payload, .. } => self.hash.bytes(payload),
            Output::Commit { entries, .. } => {
                let _ = write!(self.hash, "{entries:?}");
            }
            _ => {}
        }
        self.note(now, format_args!("<- {}", OutputLine(output)));
    }
}

struct InputLine<'a>(&'a Input);

impl fmt::Display for InputLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Input::Started(history) => write!(f, "started with {} entries", history.len()),
            Input::Message(bytes) => {
                let shown = bytes.get(..bytes.len().min(400)).unwrap_or_default();
                write!(f, "message {}", String::from_utf8_lossy(shown))
            }
            Input::Stances(message) => {
                write!(
                    f,
                    "stances of {} at {}",
                    message.agent.id, message.timestamp
                )
            }
            Input::Bar(bar) => write!(f, "bar {} {}", bar.symbol, bar.close),
            Input::Desk(event) => write!(f, "{}", EventLine(event)),
            Input::Alive(alive) => write!(f, "{} alive", alive.len()),
            other => write!(f, "{other:?}"),
        }
    }
}

struct EventLine<'a>(&'a DeskEvent);

impl fmt::Display for EventLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DeskEvent::Answered { question, answer } => match answer {
                Ok(Answer::Orders(orders)) => {
                    write!(f, "answer {question:?}")?;
                    orders
                        .iter()
                        .try_for_each(|o| write!(f, " [{}]", ReportLine(o)))
                }
                Ok(Answer::Order(Some(order))) => {
                    write!(f, "answer {question:?} {}", ReportLine(order))
                }
                Ok(Answer::Positions(positions)) => {
                    write!(f, "answer positions")?;
                    positions.iter().try_for_each(|p| {
                        write!(
                            f,
                            " [{} {} ({})]",
                            p.symbol, p.quantity, p.quantity_available
                        )
                    })
                }
                Ok(other) => write!(f, "answer {question:?} {other:?}"),
                Err(error) => write!(f, "no answer {question:?}: {error}"),
            },
            DeskEvent::Submitted { id, outcome } => match outcome {
                SubmitOutcome::Accepted(report) => write!(f, "accepted {}", ReportLine(report)),
                other => write!(f, "submitted {id}: {other:?}"),
            },
            DeskEvent::OrderUpdate(report) => write!(f, "update {}", ReportLine(report)),
            other => write!(f, "{other:?}"),
        }
    }
}

struct ReportLine<'a>(&'a OrderReport);

impl fmt::Display for ReportLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        write!(
            f,
            "{} {} {:?} {} {:?} filled {}",
            report.broker_order_id,
            report.client_order_id,
            report.side,
            report.symbol,
            report.status,
            report.filled_quantity
        )
    }
}

struct OutputLine<'a>(&'a Output);

impl fmt::Display for OutputLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Output::Commit { ticket, entries } => {
                write!(f, "commit {ticket}:")?;
                entries
                    .iter()
                    .try_for_each(|e| write!(f, " {};", EntryLine(e)))
            }
            Output::Ask { question, after } => {
                write!(f, "ask {question:?} after {} ms", after.as_millis())
            }
            Output::Submit(order) => write!(
                f,
                "SUBMIT {} {:?} {} {:?} {:?} {:?}",
                order.client_order_id,
                order.side,
                order.symbol,
                order.amount,
                order.kind,
                order.time_in_force
            ),
            Output::Cancel {
                id,
                broker_order_id,
            } => write!(f, "CANCEL {id} {broker_order_id}"),
            Output::Publish { stream, payload } => {
                write!(f, "publish {stream} {} bytes", payload.len())
            }
            Output::Notice(notice) => {
                write!(
                    f,
                    "{} {:?}: {}",
                    notice.event, notice.fields, notice.message
                )
            }
        }
    }
}

struct EntryLine<'a>(&'a JournalEntry);

impl fmt::Display for EntryLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            JournalEntry::Round(round) => {
                write!(
                    f,
                    "round {} {} {}",
                    round.round_id, round.outcome, round.reason
                )
            }
            JournalEntry::Intent(intent) => write!(
                f,
                "intent {} {} {} of {}",
                intent.order.client_order_id, intent.purpose, intent.order.symbol, intent.round_id
            ),
            JournalEntry::Report { report, .. } => write!(f, "report {}", ReportLine(report)),
            JournalEntry::Trade(trade) => {
                write!(
                    f,
                    "trade {} {} {}",
                    trade.asset, trade.reason, trade.realised
                )
            }
            other => write!(f, "{other:?}"),
        }
    }
}

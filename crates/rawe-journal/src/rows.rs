//! An entry as a row: its table and its record, and back. Neither SQL nor files.

use std::borrow::Cow;

use rawe_core::{ClientOrderId, RoundRecord, Timestamp};
use rawe_execution::broker::OrderReport;
use rawe_execution::journal::{JournalEntry, JournalError, Resolution};
use serde::{Deserialize, Serialize};

use crate::sqlite::failed;

/// The tables whose rows an engine needs when it starts.
pub(crate) const HISTORY_TABLES: [&str; 10] = [
    "decisions",
    "intents",
    "submissions",
    "reports",
    "fills",
    "resolutions",
    "trades",
    "positions",
    "weight_changes",
    "control_actions",
];

#[derive(Serialize, Deserialize)]
struct SubmissionRow<'a> {
    #[serde(with = "rawe_core::time_text")]
    at: Timestamp,
    client_order_id: Cow<'a, ClientOrderId>,
    attempt: u32,
    outcome: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct ReportRow<'a> {
    #[serde(with = "rawe_core::time_text")]
    at: Timestamp,
    report: Cow<'a, OrderReport>,
}

#[derive(Serialize, Deserialize)]
struct ResolvedRow<'a> {
    #[serde(with = "rawe_core::time_text")]
    at: Timestamp,
    client_order_id: Cow<'a, ClientOrderId>,
    resolution: Cow<'a, Resolution>,
}

/// The statement that inserts into the table of an entry. Rounds take their asset and outcome too.
pub(crate) fn insertion(entry: &JournalEntry) -> &'static str {
    match entry {
        JournalEntry::Round(round) if round.outcome.is_decision() => {
            "INSERT INTO log_decisions (seq, record, asset, outcome) VALUES (?1, ?2, ?3, ?4)"
        }
        JournalEntry::Round(_) => {
            "INSERT INTO log_near_misses (seq, record, asset, outcome) VALUES (?1, ?2, ?3, ?4)"
        }
        JournalEntry::Intent(_) => "INSERT INTO log_intents (seq, record) VALUES (?1, ?2)",
        JournalEntry::Submission { .. } => {
            "INSERT INTO log_submissions (seq, record) VALUES (?1, ?2)"
        }
        JournalEntry::Report { .. } => "INSERT INTO log_reports (seq, record) VALUES (?1, ?2)",
        JournalEntry::Fill(_) => "INSERT INTO log_fills (seq, record) VALUES (?1, ?2)",
        JournalEntry::Resolved { .. } => {
            "INSERT INTO log_resolutions (seq, record) VALUES (?1, ?2)"
        }
        JournalEntry::Trade(_) => "INSERT INTO log_trades (seq, record) VALUES (?1, ?2)",
        JournalEntry::Position(_) => "INSERT INTO log_positions (seq, record) VALUES (?1, ?2)",
        JournalEntry::Weights(_) => "INSERT INTO log_weight_changes (seq, record) VALUES (?1, ?2)",
        JournalEntry::Hindsight(_) => "INSERT INTO log_hindsight (seq, record) VALUES (?1, ?2)",
        JournalEntry::Control(_) => "INSERT INTO log_control_actions (seq, record) VALUES (?1, ?2)",
    }
}

/// Writes an entry's record as JSON to the end of `buffer`.
pub(crate) fn encode(entry: &JournalEntry, buffer: &mut Vec<u8>) -> Result<(), JournalError> {
    let written = match entry {
        JournalEntry::Round(round) => serde_json::to_writer(buffer, round),
        JournalEntry::Intent(intent) => serde_json::to_writer(buffer, intent),
        JournalEntry::Submission {
            at,
            client_order_id,
            attempt,
            outcome,
        } => serde_json::to_writer(
            buffer,
            &SubmissionRow {
                at: *at,
                client_order_id: Cow::Borrowed(client_order_id),
                attempt: *attempt,
                outcome: Cow::Borrowed(outcome),
            },
        ),
        JournalEntry::Report { at, report } => serde_json::to_writer(
            buffer,
            &ReportRow {
                at: *at,
                report: Cow::Borrowed(report),
            },
        ),
        JournalEntry::Fill(fill) => serde_json::to_writer(buffer, fill),
        JournalEntry::Resolved {
            at,
            client_order_id,
            resolution,
        } => serde_json::to_writer(
            buffer,
            &ResolvedRow {
                at: *at,
                client_order_id: Cow::Borrowed(client_order_id),
                resolution: Cow::Borrowed(resolution),
            },
        ),
        JournalEntry::Trade(trade) => serde_json::to_writer(buffer, trade),
        JournalEntry::Position(position) => serde_json::to_writer(buffer, position),
        JournalEntry::Weights(change) => serde_json::to_writer(buffer, change),
        JournalEntry::Hindsight(hindsight) => serde_json::to_writer(buffer, hindsight),
        JournalEntry::Control(control) => serde_json::to_writer(buffer, control),
    };
    written.map_err(failed("writing an entry as JSON"))
}

/// Reads an entry back from its table and record.
pub(crate) fn decode(table: &str, record: &str) -> Result<JournalEntry, JournalError> {
    decode_json(table, record).map_err(|error| JournalError {
        doing: format!("reading a record of the table {table}"),
        reason: error.to_string(),
    })
}

fn decode_json(table: &str, record: &str) -> serde_json::Result<JournalEntry> {
    use serde_json::from_str;
    Ok(match table {
        "decisions" | "near_misses" => {
            JournalEntry::Round(Box::new(from_str::<RoundRecord>(record)?))
        }
        "intents" => JournalEntry::Intent(from_str(record)?),
        "submissions" => {
            let row: SubmissionRow<'_> = from_str(record)?;
            JournalEntry::Submission {
                at: row.at,
                client_order_id: row.client_order_id.into_owned(),
                attempt: row.attempt,
                outcome: row.outcome.into_owned(),
            }
        }
        "reports" => {
            let row: ReportRow<'_> = from_str(record)?;
            JournalEntry::Report {
                at: row.at,
                report: Box::new(row.report.into_owned()),
            }
        }
        "fills" => JournalEntry::Fill(from_str(record)?),
        "resolutions" => {
            let row: ResolvedRow<'_> = from_str(record)?;
            JournalEntry::Resolved {
                at: row.at,
                client_order_id: row.client_order_id.into_owned(),
                resolution: row.resolution.into_owned(),
            }
        }
        "trades" => JournalEntry::Trade(from_str(record)?),
        "positions" => JournalEntry::Position(from_str(record)?),
        "weight_changes" => JournalEntry::Weights(from_str(record)?),
        "hindsight" => JournalEntry::Hindsight(from_str(record)?),
        "control_actions" => JournalEntry::Control(from_str(record)?),
        other => {
            let unknown = format!("there is no table {other}");
            return Err(serde::de::Error::custom(unknown));
        }
    })
}

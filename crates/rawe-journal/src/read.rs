//! Reading for people: the newest rounds and orders, with what came of them.

use rawe_core::RoundRecord;
use rawe_execution::broker::OrderReport;
use rawe_execution::journal::{Intent, Journal, JournalError, Resolution};
use serde::Serialize;

use crate::sqlite::{SqliteJournal, failed, records};

/// An intent and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JournalOrder {
    /// What was to be sent, and for which decision.
    pub intent: Intent,
    /// The newest report of the broker, if it ever made one.
    pub report: Option<OrderReport>,
    /// How it ended, if it has.
    pub resolution: Option<Resolution>,
}

impl SqliteJournal {
    /// The newest closed rounds, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rounds(&self, limit: u32) -> Result<Vec<RoundRecord>, JournalError> {
        records(
            &self.connection,
            "reading the newest rounds",
            "SELECT record FROM rounds ORDER BY seq DESC LIMIT ?1",
            [limit],
        )
    }

    /// Every record of a round or decision, by either id, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rounds_named(&self, id: &str) -> Result<Vec<RoundRecord>, JournalError> {
        records(
            &self.connection,
            "reading a round",
            "SELECT record FROM rounds WHERE round_id = ?1 OR decision_id = ?1 ORDER BY seq",
            [id],
        )
    }

    /// The newest orders, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn orders(&self, limit: u32) -> Result<Vec<JournalOrder>, JournalError> {
        const DOING: &str = "reading the newest orders";
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT i.record,
                    (SELECT p.record FROM reports p WHERE p.client_order_id = i.client_order_id
                     ORDER BY p.seq DESC LIMIT 1),
                    (SELECT r.record FROM resolutions r WHERE r.intent_seq = i.seq)
                 FROM intents i ORDER BY i.seq DESC LIMIT ?1",
            )
            .map_err(failed(DOING))?;
        let rows = statement
            .query_map([limit], |row| {
                let texts: (String, Option<String>, Option<String>) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(texts)
            })
            .map_err(failed(DOING))?;
        rows.map(|texts| {
            let (intent, report, resolution) = texts.map_err(failed(DOING))?;
            Ok(JournalOrder {
                intent: parse(DOING, &intent)?,
                report: report.map(|text| parse(DOING, &text)).transpose()?,
                resolution: resolution.map(|text| parse(DOING, &text)).transpose()?,
            })
        })
        .collect()
    }

    /// How many rounds, intents and intents without an end there are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn counts(&self) -> Result<(u64, u64, u64), JournalError> {
        const DOING: &str = "counting";
        let count = |query: &str| -> Result<u64, JournalError> {
            self.connection
                .query_row(query, [], |row| row.get::<_, i64>(0))
                .map(|count| u64::try_from(count).unwrap_or(0))
                .map_err(failed(DOING))
        };
        let unresolved = self.unresolved()?.len();
        Ok((
            count("SELECT count(*) FROM rounds")?,
            count("SELECT count(*) FROM intents")?,
            u64::try_from(unresolved).unwrap_or(u64::MAX),
        ))
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    doing: &'static str,
    text: &str,
) -> Result<T, JournalError> {
    serde_json::from_str(text).map_err(failed(doing))
}

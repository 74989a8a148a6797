//! Reading for people: the newest rounds and orders, with what came of them.

use rawe_core::{RoundOutcome, RoundRecord, Symbol, Timestamp};
use rawe_execution::broker::OrderReport;
use rawe_execution::journal::{Intent, Journal, JournalError, Resolution};
use serde::Serialize;

use crate::sqlite::{SqliteJournal, failed, records};

/// One id names a handful of orders at most: an opening that was refused is tried again under it.
const NAMED_ORDERS_MAX: u32 = 100;

/// How often a way to end occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeCount {
    /// The way.
    pub outcome: RoundOutcome,
    /// Rounds that ended so.
    pub rounds: u64,
    /// Market time of the newest one.
    pub newest: Timestamp,
}

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
        self.rounds_like(None, None, limit)
    }

    /// The newest closed rounds of an asset or with an outcome, or both, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rounds_like(
        &self,
        asset: Option<&Symbol>,
        outcome: Option<RoundOutcome>,
        limit: u32,
    ) -> Result<Vec<RoundRecord>, JournalError> {
        records(
            &self.connection,
            "reading the newest rounds",
            "SELECT record FROM rounds WHERE (?1 IS NULL OR asset = ?1)
             AND (?2 IS NULL OR outcome = ?2) ORDER BY seq DESC LIMIT ?3",
            (
                asset.map(Symbol::as_str),
                outcome.map(RoundOutcome::as_str),
                limit,
            ),
        )
    }

    /// Every record of a round: by its id, its decision's, its order's, or that of a signal which
    /// voted in it. Oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rounds_named(&self, id: &str) -> Result<Vec<RoundRecord>, JournalError> {
        records(
            &self.connection,
            "reading a round",
            "SELECT record FROM rounds WHERE round_id = ?1 OR decision_id = ?1
             OR record ->> '$.client_order_id' = ?1
             OR (instr(record, ?1) > 0 AND EXISTS
                 (SELECT 1 FROM json_each(rounds.record, '$.votes') v
                  WHERE v.value ->> '$.signal_id' = ?1))
             ORDER BY seq",
            [id],
        )
    }

    /// How many rounds ended how, the most frequent first, with the time of the newest of each.
    ///
    /// # Errors
    /// When the file cannot be read, or names an outcome that this build does not know.
    pub fn outcomes(&self, asset: Option<&Symbol>) -> Result<Vec<OutcomeCount>, JournalError> {
        const DOING: &str = "counting the rounds by outcome";
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT outcome, count(*), max(closed_at) FROM rounds
                 WHERE (?1 IS NULL OR asset = ?1) GROUP BY outcome ORDER BY count(*) DESC, outcome",
            )
            .map_err(failed(DOING))?;
        let rows = statement
            .query_map([asset.map(Symbol::as_str)], |row| {
                let row: (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(row)
            })
            .map_err(failed(DOING))?;
        rows.map(|row| {
            let (outcome, count, newest) = row.map_err(failed(DOING))?;
            Ok(OutcomeCount {
                outcome: parse(DOING, &format!("\"{outcome}\""))?,
                rounds: u64::try_from(count).unwrap_or(0),
                newest: parse(DOING, &format!("\"{newest}\""))?,
            })
        })
        .collect()
    }

    /// The newest orders, newest first; those of one asset if it is given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn orders(
        &self,
        asset: Option<&Symbol>,
        limit: u32,
    ) -> Result<Vec<JournalOrder>, JournalError> {
        self.orders_where(
            "(?1 IS NULL OR i.asset = ?1)",
            asset.map(Symbol::as_str),
            limit,
        )
    }

    /// The orders with an id: ours, the broker's, the decision's or the round's. Newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn orders_named(&self, id: &str) -> Result<Vec<JournalOrder>, JournalError> {
        let condition = "(i.client_order_id = ?1 OR i.decision_id = ?1 OR i.round_id = ?1
             OR i.client_order_id IN (SELECT client_order_id FROM reports
                                      WHERE record ->> '$.broker_order_id' = ?1))";
        self.orders_where(condition, Some(id), NAMED_ORDERS_MAX)
    }

    /// All that the broker said of an order, oldest first, with the market time when it was heard.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reports(&self, id: &str) -> Result<Vec<(Timestamp, OrderReport)>, JournalError> {
        const DOING: &str = "reading the reports of an order";
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT at, record FROM reports WHERE client_order_id = ?1 ORDER BY seq",
            )
            .map_err(failed(DOING))?;
        let rows = statement
            .query_map([id], |row| {
                let row: (String, String) = (row.get(0)?, row.get(1)?);
                Ok(row)
            })
            .map_err(failed(DOING))?;
        rows.map(|row| {
            let (at, report) = row.map_err(failed(DOING))?;
            Ok((parse(DOING, &format!("\"{at}\""))?, parse(DOING, &report)?))
        })
        .collect()
    }

    fn orders_where(
        &self,
        condition: &str,
        key: Option<&str>,
        limit: u32,
    ) -> Result<Vec<JournalOrder>, JournalError> {
        const DOING: &str = "reading the newest orders";
        let query = format!(
            "SELECT i.record,
                (SELECT p.record FROM reports p WHERE p.client_order_id = i.client_order_id
                 ORDER BY p.seq DESC LIMIT 1),
                (SELECT r.record FROM resolutions r WHERE r.intent_seq = i.seq)
             FROM intents i WHERE {condition} ORDER BY i.seq DESC LIMIT ?2"
        );
        let mut statement = self
            .connection
            .prepare_cached(&query)
            .map_err(failed(DOING))?;
        let rows = statement
            .query_map((key, limit), |row| {
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

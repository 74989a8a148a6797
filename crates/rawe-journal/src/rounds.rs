//! Reading rounds: decisions and near misses, by what a person knows of them.

use rawe_core::{Hindsight, RoundOutcome, RoundRecord, Symbol, Timestamp};
use rawe_execution::journal::{ControlRecord, JournalEntry, JournalError};
use serde::Serialize;

use crate::reader::{Filter, JournalReader, records};
use crate::sqlite::{entries_of, failed};

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

impl JournalReader {
    /// The newest closed rounds, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rounds(&self, filter: &Filter) -> Result<Vec<RoundRecord>, JournalError> {
        // Each table by itself, from its end: over the view of both SQLite would sort them all.
        let entries = entries_of(
            &self.connection,
            &["decisions", "near_misses"],
            "WHERE (?1 IS NULL OR asset = ?1) AND (?2 IS NULL OR outcome = ?2)
                AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4)
             ORDER BY seq DESC LIMIT ?5",
            &[
                &filter.asset.as_ref().map(Symbol::as_str),
                &filter.outcome.map(RoundOutcome::as_str),
                &filter.since_text(),
                &filter.until_text(),
                &filter.limit_number(),
            ],
        )?;
        let limit = filter.limit.and_then(|limit| usize::try_from(limit).ok());
        let rounds = entries
            .into_iter()
            .rev()
            .filter_map(|(_, entry)| match entry {
                JournalEntry::Round(round) => Some(*round),
                _ => None,
            });
        Ok(rounds.take(limit.unwrap_or(usize::MAX)).collect())
    }

    /// Every record of a round: by its id, its decision's, its order's, or that of a signal which
    /// voted in it. Oldest first, with their numbers.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rounds_named(&self, id: &str) -> Result<Vec<(i64, RoundRecord)>, JournalError> {
        const DOING: &str = "reading a round";
        // Looking for the text first is much quicker than understanding a million records.
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT seq, record FROM rounds WHERE ?1 <> '' AND instr(record, ?1) > 0
                 AND (round_id = ?1 OR decision_id = ?1 OR client_order_id = ?1 OR EXISTS
                     (SELECT 1 FROM json_each(record, '$.votes') v
                      WHERE v.value ->> '$.signal_id' = ?1))
                 ORDER BY seq",
            )
            .map_err(failed(DOING))?;
        let mut rows = statement.query([id]).map_err(failed(DOING))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed(DOING))? {
            let seq = row.get(0).map_err(failed(DOING))?;
            let record: String = row.get(1).map_err(failed(DOING))?;
            found.push((seq, serde_json::from_str(&record).map_err(failed(DOING))?));
        }
        Ok(found)
    }

    /// How many rounds ended how, the most frequent first, with the time of the newest of each.
    ///
    /// # Errors
    /// When the file cannot be read, or names an outcome that this build does not know.
    pub fn outcomes(&self, filter: &Filter) -> Result<Vec<OutcomeCount>, JournalError> {
        const DOING: &str = "counting the rounds by outcome";
        // The newest by number, not by time: then no record has to be understood but one of each.
        let (since, until) = (filter.since_text(), filter.until_text());
        let counted = |table: &str| -> Result<Vec<OutcomeCount>, JournalError> {
            let query = format!(
                "SELECT o.outcome, o.rounds, n.at FROM (
                    SELECT outcome, count(*) AS rounds, max(seq) AS newest FROM {table}
                    WHERE (?1 IS NULL OR asset = ?1) AND (?2 IS NULL OR at >= ?2)
                    AND (?3 IS NULL OR at < ?3) GROUP BY outcome) o
                 JOIN {table} n ON n.seq = o.newest"
            );
            let mut statement = self
                .connection
                .prepare_cached(&query)
                .map_err(failed(DOING))?;
            let asset = filter.asset.as_ref().map(Symbol::as_str);
            let mut rows = statement
                .query((asset, &since, &until))
                .map_err(failed(DOING))?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next().map_err(failed(DOING))? {
                let outcome: String = row.get(0).map_err(failed(DOING))?;
                let rounds: i64 = row.get(1).map_err(failed(DOING))?;
                let newest: String = row.get(2).map_err(failed(DOING))?;
                counts.push(OutcomeCount {
                    outcome: quoted(DOING, &outcome)?,
                    rounds: u64::try_from(rounds).unwrap_or(0),
                    newest: quoted(DOING, &newest)?,
                });
            }
            Ok(counts)
        };
        let mut counts = counted("decisions")?;
        counts.extend(counted("near_misses")?);
        counts.sort_by(|a, b| {
            let by_name = || a.outcome.as_str().cmp(b.outcome.as_str());
            b.rounds.cmp(&a.rounds).then_with(by_name)
        });
        Ok(counts)
    }

    /// What the trade of a near miss would have made, if that is known by now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn hindsight(&self, round_id: &str) -> Result<Option<Hindsight>, JournalError> {
        let mut found: Vec<Hindsight> = records(
            &self.connection,
            "reading the hindsight of a round",
            "SELECT record FROM hindsight WHERE instr(record, ?1) > 0 AND round_id = ?1
             ORDER BY seq DESC LIMIT 1",
            [round_id],
        )?;
        Ok(found.pop())
    }

    /// The newest control action before an entry: what was said about trading at that moment.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn control_before(&self, seq: i64) -> Result<Option<ControlRecord>, JournalError> {
        let mut found: Vec<ControlRecord> = records(
            &self.connection,
            "reading the control actions",
            "SELECT record FROM control_actions WHERE seq < ?1 ORDER BY seq DESC LIMIT 1",
            [seq],
        )?;
        Ok(found.pop())
    }
}

/// Reads a value whose JSON is a string.
fn quoted<T: serde::de::DeserializeOwned>(
    doing: &'static str,
    text: &str,
) -> Result<T, JournalError> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(failed(doing))
}

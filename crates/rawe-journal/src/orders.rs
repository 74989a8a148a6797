//! Reading orders: each intent with everything that came of it.

use std::collections::{BTreeMap, BTreeSet};

use rawe_core::{Fill, Symbol, Timestamp};
use rawe_execution::broker::OrderReport;
use rawe_execution::journal::{Intent, JournalEntry, JournalError, Resolution};
use serde::Serialize;

use crate::reader::{Filter, JournalReader};
use crate::sqlite::{entries_of, failed};

/// One id names a handful of orders at most: an opening that was refused is tried again under it.
const NAMED_ORDERS_MAX: u32 = 100;

/// An intent and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JournalOrder {
    /// Its number in the journal.
    pub seq: i64,
    /// What was to be sent, and for which decision.
    pub intent: Intent,
    /// Each time that it was sent, or that something came of sending it.
    pub attempts: Vec<Attempt>,
    /// What the broker said, oldest first.
    pub reports: Vec<Heard>,
    /// Units that changed hands.
    pub fills: Vec<Fill>,
    /// How it ended, if it has.
    pub end: Option<End>,
}

/// What came of sending an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Market time of the answer.
    pub at: Timestamp,
    /// 1, or 2 for the one repetition.
    pub attempt: u32,
    /// `accepted`, `rejected`, `duplicate` or `unknown`, and the broker's words.
    pub outcome: String,
}

/// A report and when it was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// Market time.
    pub at: Timestamp,
    /// What the broker said.
    pub report: OrderReport,
}

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// Market time.
    pub at: Timestamp,
    /// How.
    #[serde(flatten)]
    pub resolution: Resolution,
}

impl JournalOrder {
    /// How it ended, in one word: `open`, `rejected`, `never_sent`, or the broker's last status.
    pub fn fate(&self) -> String {
        match self.end.as_ref().map(|end| &end.resolution) {
            None => "open".to_owned(),
            Some(Resolution::Rejected { .. }) => "rejected".to_owned(),
            Some(Resolution::NeverSent { .. }) => "never_sent".to_owned(),
            Some(Resolution::Terminal(report)) => serde_json::to_value(report.status)
                .ok()
                .and_then(|status| Some(status.as_str()?.to_owned()))
                .unwrap_or_default(),
        }
    }
}

impl JournalReader {
    /// The newest orders, newest first; with a `fate` only those that ended so.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn orders(
        &self,
        filter: &Filter,
        fate: Option<&str>,
    ) -> Result<Vec<JournalOrder>, JournalError> {
        let limit = if fate.is_some() {
            -1
        } else {
            filter.limit_number()
        };
        let mut orders = self.orders_where(
            "(?1 IS NULL OR asset = ?1) AND (?2 IS NULL OR at >= ?2) AND (?3 IS NULL OR at < ?3)
             ORDER BY seq DESC LIMIT ?4",
            &[
                &filter.asset.as_ref().map(Symbol::as_str),
                &filter.since_text(),
                &filter.until_text(),
                &limit,
            ],
        )?;
        if let Some(fate) = fate {
            orders.retain(|order| order.fate() == fate);
            let limit = filter.limit.and_then(|limit| usize::try_from(limit).ok());
            orders.truncate(limit.unwrap_or(usize::MAX));
        }
        Ok(orders)
    }

    /// The orders with an id: ours, the broker's, the decision's or the round's. Newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn orders_named(&self, id: &str) -> Result<Vec<JournalOrder>, JournalError> {
        self.orders_where(
            "client_order_id = ?1 OR decision_id = ?1 OR round_id = ?1
             OR client_order_id IN (SELECT client_order_id FROM reports
                WHERE ?1 <> '' AND instr(record, ?1) > 0 AND broker_order_id = ?1)
             ORDER BY seq DESC LIMIT ?2",
            &[&id, &NAMED_ORDERS_MAX],
        )
    }

    fn orders_where(
        &self,
        condition: &str,
        parameters: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<JournalOrder>, JournalError> {
        let condition = format!("WHERE {condition}");
        let intents = entries_of(&self.connection, &["intents"], &condition, parameters)?;
        let mut orders: Vec<JournalOrder> = Vec::with_capacity(intents.len());
        for (seq, entry) in intents {
            if let JournalEntry::Intent(intent) = entry {
                orders.push(JournalOrder {
                    seq,
                    intent,
                    attempts: Vec::new(),
                    reports: Vec::new(),
                    fills: Vec::new(),
                    end: None,
                });
            }
        }
        self.add_lives(&mut orders)?;
        orders.reverse();
        Ok(orders)
    }

    /// Adds to orders, oldest first, what came of them: one pass over the newer end of each table.
    fn add_lives(&self, orders: &mut [JournalOrder]) -> Result<(), JournalError> {
        let Some(oldest) = orders.first().map(|order| order.seq) else {
            return Ok(());
        };
        let ids: BTreeSet<&str> = orders
            .iter()
            .map(|order| order.intent.order.client_order_id.as_str())
            .collect();
        let ids = serde_json::to_string(&ids).map_err(failed("reading orders"))?;
        let news = entries_of(
            &self.connection,
            &["submissions", "reports", "fills", "resolutions"],
            "WHERE seq > ?1 AND client_order_id IN (SELECT value FROM json_each(?2))",
            &[&oldest, &ids],
        )?;
        // An id may be used again after a refusal: news are about the newest intent before them.
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, order) in orders.iter().enumerate() {
            let id = order.intent.order.client_order_id.to_string();
            places.entry(id).or_default().push(place);
        }
        for (seq, entry) in news {
            let id = match &entry {
                JournalEntry::Submission {
                    client_order_id, ..
                }
                | JournalEntry::Resolved {
                    client_order_id, ..
                } => client_order_id.as_str(),
                JournalEntry::Report { report, .. } => report.client_order_id.as_str(),
                JournalEntry::Fill(fill) => fill.client_order_id.as_str(),
                _ => continue,
            };
            let candidates = places.get(id).map_or(&[][..], Vec::as_slice);
            let place = candidates
                .iter()
                .rev()
                .find(|place| orders.get(**place).is_some_and(|order| order.seq < seq))
                .copied();
            if let Some(order) = place.and_then(|place| orders.get_mut(place)) {
                order.add(entry);
            }
        }
        Ok(())
    }
}

impl JournalOrder {
    fn add(&mut self, news: JournalEntry) {
        match news {
            JournalEntry::Submission {
                at,
                attempt,
                outcome,
                ..
            } => self.attempts.push(Attempt {
                at,
                attempt,
                outcome,
            }),
            JournalEntry::Report { at, report } => self.reports.push(Heard {
                at,
                report: *report,
            }),
            JournalEntry::Fill(fill) => self.fills.push(fill),
            JournalEntry::Resolved { at, resolution, .. } => {
                self.end = Some(End { at, resolution });
            }
            _ => {}
        }
    }
}

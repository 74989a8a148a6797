//! Whether a journal holds together: what must follow from what, and sums that must agree. Pure
//! over the entries; the file's own soundness is asked of SQLite first.

use std::collections::{BTreeMap, BTreeSet};

use rawe_core::{ClosedTrade, Direction, Fill, Purpose, Symbol};
use rawe_execution::journal::{JournalEntry, JournalError, PositionRecord};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::reader::JournalReader;
use crate::sqlite::failed;

/// Sums of USD may differ by this much: prices are means with as many digits as the broker gives.
const TOLERANCE: Decimal = Decimal::from_parts(1, 0, 0, false, 2);

/// Quantities may differ by this much: Alpaca keeps nine digits.
const UNIT_TOLERANCE: Decimal = Decimal::from_parts(1, 0, 0, false, 8);

/// What was looked at and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Entries looked at.
    pub entries: u64,
    /// Orders among them.
    pub orders: u64,
    /// Fills.
    pub fills: u64,
    /// Trades recomputed.
    pub trades: u64,
    /// Lines of the books at which the sum of fills was set right by a reconciliation.
    pub corrections: u64,
    /// Everything that does not hold, one sentence each; empty when all is well.
    pub problems: Vec<String>,
}

/// What is known of an order while the entries go by.
#[derive(Default)]
struct Order {
    intended: bool,
    reported: Decimal,
    filled: Decimal,
    spent: Decimal,
    fees: Decimal,
}

impl JournalReader {
    /// Checks every page of the file and every entry against the others.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn audit(&self) -> Result<Audit, JournalError> {
        const DOING: &str = "checking the file";
        let mut statement = self
            .connection
            .prepare("PRAGMA integrity_check(10)")
            .map_err(failed(DOING))?;
        let verdicts = statement
            .query_map([], |row| row.get::<_, String>(0))
            .map_err(failed(DOING))?;
        let mut problems = Vec::new();
        for verdict in verdicts {
            let verdict = verdict.map_err(failed(DOING))?;
            if verdict != "ok" {
                problems.push(format!("the file is damaged: {verdict}"));
            }
        }
        let entries = self.entries()?;
        let mut audit = audit(&entries);
        problems.append(&mut audit.problems);
        audit.problems = problems;
        Ok(audit)
    }
}

/// Checks entries, oldest first, with their numbers.
pub fn audit(entries: &[(i64, JournalEntry)]) -> Audit {
    let mut auditor = Auditor::default();
    for (seq, entry) in entries {
        auditor.take(*seq, entry);
    }
    auditor.finish()
}

#[derive(Default)]
struct Auditor {
    audit: Audit,
    newest: i64,
    decisions: BTreeSet<String>,
    orders: BTreeMap<String, Order>,
    holdings: BTreeMap<Symbol, Decimal>,
}

impl Auditor {
    fn problem(&mut self, seq: i64, text: &str) {
        self.audit.problems.push(format!("entry {seq}: {text}"));
    }

    fn take(&mut self, seq: i64, entry: &JournalEntry) {
        self.audit.entries += 1;
        if seq <= self.newest {
            self.problem(seq, "its number was given twice");
        }
        self.newest = seq;
        match entry {
            JournalEntry::Round(round) => {
                let id = round.client_order_id.as_ref();
                self.decisions.extend(id.map(ToString::to_string));
            }
            JournalEntry::Intent(intent) => {
                let id = intent.order.client_order_id.to_string();
                if intent.purpose == Purpose::Open && !self.decisions.contains(&id) {
                    self.problem(
                        seq,
                        &format!("the order {id} opens, but no round decided it"),
                    );
                }
                let order = self.orders.entry(id).or_default();
                self.audit.orders += u64::from(!order.intended);
                order.intended = true;
            }
            JournalEntry::Submission {
                client_order_id, ..
            } => self.needs_intent(seq, client_order_id.as_str(), "was sent"),
            JournalEntry::Resolved {
                client_order_id, ..
            } => self.needs_intent(seq, client_order_id.as_str(), "has ended"),
            JournalEntry::Report { report, .. } => {
                let order = self
                    .orders
                    .entry(report.client_order_id.clone())
                    .or_default();
                order.reported = order.reported.max(report.filled_quantity);
            }
            JournalEntry::Fill(fill) => self.fill(seq, fill),
            JournalEntry::Position(position) => self.position(seq, position),
            JournalEntry::Trade(trade) => self.trade(seq, trade),
            JournalEntry::Weights(_) | JournalEntry::Hindsight(_) | JournalEntry::Control(_) => {}
        }
    }

    fn needs_intent(&mut self, seq: i64, id: &str, what: &str) {
        if !self.orders.get(id).is_some_and(|order| order.intended) {
            self.problem(seq, &format!("the order {id} {what}, but has no intent"));
        }
    }

    fn fill(&mut self, seq: i64, fill: &Fill) {
        self.audit.fills += 1;
        self.needs_intent(seq, fill.client_order_id.as_str(), "was filled");
        let order = self
            .orders
            .entry(fill.client_order_id.to_string())
            .or_default();
        order.filled = order.filled.saturating_add(fill.quantity);
        let cost = fill.quantity.saturating_mul(fill.price);
        order.spent = order.spent.saturating_add(cost);
        order.fees = order.fees.saturating_add(fill.fee);
        let opens = fill.purpose == Purpose::Open;
        let bought = opens == (fill.direction == Direction::Long);
        let change = if bought {
            fill.quantity
        } else {
            -fill.quantity
        };
        let holding = self.holdings.entry(fill.asset.clone()).or_default();
        *holding = holding
            .saturating_add(change)
            .saturating_sub(fill.fee_quantity);
    }

    fn position(&mut self, seq: i64, position: &PositionRecord) {
        let sum = self.holdings.entry(position.asset.clone()).or_default();
        let before = std::mem::replace(sum, position.quantity);
        if (before - position.quantity).abs() <= UNIT_TOLERANCE {
            return;
        }
        if position.cause == "fill" {
            let text = format!(
                "the fills of {} sum to {before}, the books say {}",
                position.asset, position.quantity
            );
            self.problem(seq, &text);
        } else {
            self.audit.corrections += 1;
        }
    }

    fn trade(&mut self, seq: i64, trade: &ClosedTrade) {
        self.audit.trades += 1;
        let gain = trade.exit_price.saturating_sub(trade.entry_price);
        let gain = gain.saturating_mul(trade.quantity);
        let gross = match trade.direction {
            Direction::Long => gain,
            Direction::Short => -gain,
        };
        let expected = gross.saturating_sub(trade.fees);
        // Mean prices are rounded, and the rounding counts once a unit.
        let tolerance = TOLERANCE.max(trade.quantity.saturating_mul(UNIT_TOLERANCE));
        if (expected - trade.realised).abs() > tolerance {
            let text = format!(
                "the trade of {} made {} by its prices and fees, but says {}",
                trade.asset,
                expected.round_dp(4),
                trade.realised
            );
            self.problem(seq, &text);
        }
        let opening = self.orders.get(trade.opened_by.as_str());
        let Some(opening) = opening.filter(|order| order.filled > Decimal::ZERO) else {
            let text = format!("the trade of {} has no fill that opened it", trade.asset);
            self.problem(seq, &text);
            return;
        };
        let mean = opening
            .spent
            .checked_div(opening.filled)
            .unwrap_or_default();
        let bound = mean.saturating_mul(Decimal::new(1, 6)).max(UNIT_TOLERANCE);
        if (mean - trade.entry_price).abs() > bound {
            let text = format!(
                "the trade of {} says it was entered at {}, its fills at {}",
                trade.asset,
                trade.entry_price,
                mean.round_dp(6)
            );
            self.problem(seq, &text);
        }
    }

    fn finish(mut self) -> Audit {
        for (id, order) in &self.orders {
            if order.filled.saturating_sub(order.reported) > UNIT_TOLERANCE {
                self.audit.problems.push(format!(
                    "the order {id}: {} filled, but the broker reported only {}",
                    order.filled, order.reported
                ));
            }
        }
        self.audit
    }
}

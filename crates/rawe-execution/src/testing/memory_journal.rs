//! A journal in memory that can be told to fail.

use std::collections::BTreeMap;

use rawe_core::{ClientOrderId, Purpose, RoundRecord, Symbol, Timestamp};

use crate::broker::OrderReport;
use crate::journal::{Intent, Journal, JournalEntry, JournalError, Resolution};

/// A journal in memory. `failing` makes every write fail, as a full disk does.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    /// Rounds, in order.
    pub rounds: Vec<RoundRecord>,
    /// Intents, in order.
    pub intents: Vec<Intent>,
    /// Reports, in order.
    pub reports: Vec<(Timestamp, OrderReport)>,
    /// Ends, in order.
    pub resolutions: Vec<(ClientOrderId, Resolution)>,
    /// Everything committed, in order.
    pub entries: Vec<JournalEntry>,
    /// Whether writes fail.
    pub failing: bool,
}

impl MemoryJournal {
    fn check(&self, doing: &str) -> Result<(), JournalError> {
        if self.failing {
            return Err(JournalError {
                doing: doing.to_owned(),
                reason: "scripted".to_owned(),
            });
        }
        Ok(())
    }
}

impl Journal for MemoryJournal {
    fn commit(&mut self, entries: &[JournalEntry]) -> Result<(), JournalError> {
        self.check("committing")?;
        self.entries.extend_from_slice(entries);
        Ok(())
    }

    fn history(&self) -> Result<Vec<JournalEntry>, JournalError> {
        let tells = |entry: &&JournalEntry| match entry {
            JournalEntry::Round(round) => round.outcome.is_decision(),
            JournalEntry::Hindsight(_) => false,
            _ => true,
        };
        Ok(self.entries.iter().filter(tells).cloned().collect())
    }

    fn record_round(&mut self, round: &RoundRecord) -> Result<(), JournalError> {
        self.check("recording a round")?;
        self.rounds.push(round.clone());
        Ok(())
    }

    fn record_intent(&mut self, intent: &Intent) -> Result<(), JournalError> {
        self.check("recording an intent")?;
        self.intents.push(intent.clone());
        Ok(())
    }

    fn record_report(&mut self, at: Timestamp, report: &OrderReport) -> Result<(), JournalError> {
        self.check("recording a report")?;
        self.reports.push((at, report.clone()));
        Ok(())
    }

    fn resolve(
        &mut self,
        id: &ClientOrderId,
        _at: Timestamp,
        resolution: &Resolution,
    ) -> Result<(), JournalError> {
        self.check("recording an end")?;
        self.resolutions.push((id.clone(), resolution.clone()));
        Ok(())
    }

    fn unresolved(&self) -> Result<Vec<Intent>, JournalError> {
        // An id is used again after a refusal, so the n-th end belongs to the n-th intent.
        let mut ends = BTreeMap::new();
        for (id, _) in &self.resolutions {
            *ends.entry(id.as_str()).or_insert(0_usize) += 1;
        }
        let mut open = Vec::new();
        for intent in &self.intents {
            match ends.get_mut(intent.order.client_order_id.as_str()) {
                Some(left) if *left > 0 => *left -= 1,
                _ => open.push(intent.clone()),
            }
        }
        Ok(open)
    }

    fn latest_resolved(
        &self,
        asset: &Symbol,
        purpose: Purpose,
    ) -> Result<Option<ClientOrderId>, JournalError> {
        let is_wanted = |id: &&ClientOrderId| {
            self.intents.iter().any(|intent| {
                intent.order.client_order_id == **id
                    && intent.order.symbol == *asset
                    && intent.purpose == purpose
            })
        };
        Ok(self
            .resolutions
            .iter()
            .rev()
            .map(|(id, _)| id)
            .find(is_wanted)
            .cloned())
    }

    fn round(&self, round_id: &str) -> Result<Option<RoundRecord>, JournalError> {
        Ok(self
            .rounds
            .iter()
            .rev()
            .find(|round| round.round_id == round_id)
            .cloned())
    }

    fn intents(&self, asset: &Symbol) -> Result<Vec<Intent>, JournalError> {
        Ok(self
            .intents
            .iter()
            .filter(|intent| intent.order.symbol == *asset)
            .cloned()
            .collect())
    }
}

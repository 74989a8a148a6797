//! A journal in memory that can be told to fail.

use crate::journal::{Journal, JournalEntry, JournalError};

/// A journal in memory. `failing` makes every write fail, as a full disk does.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
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
}

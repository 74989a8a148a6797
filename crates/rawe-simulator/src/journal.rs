//! The journal of the simulated machine: commits finish later, in order, or fail; a kill keeps a
//! prefix of what was under way; in some runs the file is lost.

use std::collections::VecDeque;

use rawe_core::Timestamp;
use rawe_execution::TradingState;
use rawe_execution::desk::Ticket;
use rawe_execution::journal::JournalEntry;

/// A batch on its way to the disk.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Names it to the engine that sent it.
    pub ticket: Ticket,
    /// What is in it.
    pub entries: Vec<JournalEntry>,
}

/// The journal.
#[derive(Clone, Debug, Default)]
pub struct JournalModel {
    /// What is on disk.
    pub durable: Vec<JournalEntry>,
    /// Batches not on disk yet, oldest first.
    queue: VecDeque<Batch>,
    /// When the last batch of the queue will be done.
    pub busy_until: Option<Timestamp>,
    /// Whether a commit of this start has failed: then no later one is tried, so that the journal
    /// never has a hole.
    broken: bool,
    /// Until when every commit fails.
    pub fails_until: Option<Timestamp>,
    /// The most batches that ever waited.
    pub queued_max: usize,
}

impl JournalModel {
    /// A batch has been handed over.
    pub fn push(&mut self, batch: Batch) {
        self.queue.push_back(batch);
        self.queued_max = self.queued_max.max(self.queue.len());
    }

    /// The oldest batch is done, or has failed: the batch, and whether it is on disk.
    pub fn finish(&mut self, now: Timestamp) -> Option<(Batch, bool)> {
        let batch = self.queue.pop_front()?;
        self.broken |= self.fails_until.is_some_and(|until| now < until);
        let fails = self.broken;
        if !fails {
            self.durable.extend(batch.entries.iter().cloned());
        }
        Some((batch, !fails))
    }

    /// The process was killed: the first `kept` batches under way reached the disk all the same.
    pub fn kill(&mut self, kept: usize, now: Timestamp) -> Vec<JournalEntry> {
        let fails = self.broken || self.fails_until.is_some_and(|until| now < until);
        self.broken = false;
        let mut saved = Vec::new();
        for batch in self.queue.drain(..).take(if fails { 0 } else { kept }) {
            saved.extend(batch.entries);
        }
        self.busy_until = None;
        self.durable.extend(saved.iter().cloned());
        saved
    }

    /// Whether the operator's word is under way: the disk may have slow batches before it.
    pub fn is_recording(&self, source: &str, state: TradingState) -> bool {
        let mut entries = self.queue.iter().flat_map(|batch| &batch.entries);
        entries.any(|entry| {
            matches!(entry, JournalEntry::Control(record)
                if record.source == source && record.state == state)
        })
    }

    /// How many batches are under way.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// What a starting engine is given.
    pub fn history(&self) -> Vec<JournalEntry> {
        let tells = |entry: &&JournalEntry| match entry {
            JournalEntry::Round(round) => round.outcome.is_decision(),
            JournalEntry::Hindsight(_) => false,
            _ => true,
        };
        self.durable.iter().filter(tells).cloned().collect()
    }
}

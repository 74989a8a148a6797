//! Commits to the journal. `written`: by the loop itself, because handing over to another thread
//! costs more than the write. `synced`: by a thread, which takes everything that waits into one
//! transaction, so that any number of batches cost one flush of the disk.

use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context as _;
use rawe_execution::desk::{DeskEvent, Ticket};
use rawe_execution::journal::{Journal, JournalEntry};
use rawe_journal::Durability;
use tokio::sync::mpsc;

/// How many batches wait for the thread at most; the desk has far fewer on their way.
const QUEUE_LENGTH: usize = 4_096;
/// How many entries one transaction takes at most.
const ENTRIES_MAX: usize = 4_096;

/// A journal that the engine shares with its writer.
pub type SharedJournal = Arc<Mutex<dyn Journal>>;

/// What is to be written, by its ticket.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) ticket: Ticket,
    pub(crate) entries: Vec<JournalEntry>,
}

/// The way to the journal.
#[derive(Debug)]
pub(crate) enum Writer {
    /// The loop writes.
    Inline(SharedJournal),
    /// A thread writes; its answers come over the channel given to [`Writer::start`].
    Thread(blocking::SyncSender<Batch>),
}

impl Writer {
    /// A writer for this durability. Answers of a thread go to `answers`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        journal: SharedJournal,
        durability: Durability,
        answers: mpsc::Sender<DeskEvent>,
    ) -> anyhow::Result<Self> {
        if durability == Durability::Written {
            return Ok(Self::Inline(journal));
        }
        let (sender, receiver) = blocking::sync_channel(QUEUE_LENGTH);
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_all(&journal, &receiver, &answers))
            .context("starting the journal's thread")?;
        Ok(Self::Thread(sender))
    }

    /// Takes batches in their order; gives back the answers that are there at once.
    pub(crate) fn write(&self, batches: Vec<Batch>) -> Vec<DeskEvent> {
        if batches.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Inline(journal) => commit(journal, batches),
            Self::Thread(sender) => {
                let mut refused = Vec::new();
                for batch in batches {
                    if let Err(error) = sender.try_send(batch) {
                        let (blocking::TrySendError::Full(batch)
                        | blocking::TrySendError::Disconnected(batch)) = error;
                        let why = "the journal's thread cannot keep up".to_owned();
                        refused.push(DeskEvent::NotCommitted(batch.ticket, why));
                    }
                }
                refused
            }
        }
    }
}

fn write_all(
    journal: &SharedJournal,
    waiting: &blocking::Receiver<Batch>,
    answers: &mpsc::Sender<DeskEvent>,
) {
    while let Ok(first) = waiting.recv() {
        let mut entries = first.entries.len();
        let mut batches = vec![first];
        while entries < ENTRIES_MAX
            && let Ok(batch) = waiting.try_recv()
        {
            entries += batch.entries.len();
            batches.push(batch);
        }
        for answer in commit(journal, batches) {
            if answers.blocking_send(answer).is_err() {
                return;
            }
        }
    }
}

/// One transaction for all batches; an answer for each.
fn commit(journal: &SharedJournal, mut batches: Vec<Batch>) -> Vec<DeskEvent> {
    let tickets: Vec<Ticket> = batches.iter().map(|batch| batch.ticket).collect();
    let result = match batches.as_mut_slice() {
        [only] => lock(journal).commit(&only.entries),
        several => {
            let mut entries = Vec::new();
            for batch in several {
                entries.append(&mut batch.entries);
            }
            lock(journal).commit(&entries)
        }
    };
    let answer = |ticket| match &result {
        Ok(()) => DeskEvent::Committed(ticket),
        Err(error) => DeskEvent::NotCommitted(ticket, error.to_string()),
    };
    tickets.into_iter().map(answer).collect()
}

pub(crate) fn lock<'a>(
    journal: &'a Mutex<dyn Journal + 'static>,
) -> MutexGuard<'a, dyn Journal + 'static> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rawe_execution::TradingState;
    use rawe_execution::journal::ControlRecord;
    use rawe_execution::testing::MemoryJournal;
    use rawe_runtime::wall_now;

    fn batch(ticket: Ticket) -> Batch {
        let entry = JournalEntry::Control(ControlRecord {
            at: wall_now(),
            state: TradingState::Halted,
            flatten: false,
            source: "file".to_owned(),
            reason: ticket.to_string(),
        });
        Batch {
            ticket,
            entries: vec![entry],
        }
    }

    #[tokio::test]
    async fn both_ways_answer_every_batch_in_order_and_a_broken_journal_none() {
        for durability in [Durability::Written, Durability::Synced] {
            for failing in [false, true] {
                let journal = Arc::new(Mutex::new(MemoryJournal::default()));
                journal.lock().unwrap().failing = failing;
                let (answers, mut heard) = mpsc::channel(64);
                let writer = Writer::start(journal.clone(), durability, answers).unwrap();
                let mut answered = writer.write((1..=20).map(batch).collect());
                while answered.len() < 20 {
                    answered.push(heard.recv().await.unwrap());
                }
                let good = answered
                    .iter()
                    .filter_map(|answer| match answer {
                        DeskEvent::Committed(ticket) => Some(*ticket),
                        _ => None,
                    })
                    .collect::<Vec<_>>();
                let wanted: Vec<Ticket> = if failing { vec![] } else { (1..=20).collect() };
                assert_eq!(good, wanted, "{durability:?}");
            }
        }
    }
}

//! Performing what the collective asks for: journal, broker, bus, log.

use rawe_collective::{Input, Output};
use rawe_execution::broker::OrderRequest;
use rawe_execution::journal::JournalEntry;

use crate::engine::Engine;
use crate::notices;
use crate::writer::Batch;

impl Engine {
    /// Performs everything that waits, and what follows from the journal's answers. All batches of
    /// a burst are one transaction; those that nothing waits for are written when the loop has
    /// nothing else to do, or join the next one.
    pub(crate) fn perform(&mut self) {
        loop {
            while let Some(output) = self.outbox.pop_front() {
                self.perform_one(output);
            }
            if self.batches_may_wait() {
                return;
            }
            self.write_batches();
        }
    }

    /// Writes what is to be written; what follows is in the outbox then.
    pub(crate) fn write_batches(&mut self) {
        let batches = std::mem::take(&mut self.batches);
        for answer in self.writer.write(batches) {
            self.give(Input::Desk(answer));
        }
    }

    /// Whether nothing is lost by writing some moments later. A replay's time waits for every answer.
    fn batches_may_wait(&self) -> bool {
        let may_wait = |batch: &Batch| batch.entries.iter().all(JournalEntry::may_wait);
        self.batches.is_empty() || (!self.time.is_paced() && self.batches.iter().all(may_wait))
    }

    fn perform_one(&mut self, output: Output) {
        match output {
            Output::Commit { ticket, entries } => self.batches.push(Batch { ticket, entries }),
            Output::Ask { question, after } => self.counter.ask(question, after),
            Output::Submit(order) => self.submit(order),
            Output::Cancel {
                id,
                broker_order_id,
            } => self.counter.cancel(id, broker_order_id),
            Output::Publish { stream, payload } => self.publisher.publish(stream, payload),
            Output::Notice(notice) => notices::tell(&notice),
        }
    }

    /// Sends an order, unless the `HALT` file has appeared since, or this process was frozen for
    /// so long that another engine may trade by now.
    fn submit(&mut self, order: Box<OrderRequest>) {
        self.look_at_file();
        let away = self.words.contains_key("lease");
        let why_not = if self.halt_file.halts() {
            Some("the HALT file has appeared")
        } else if !self.stewardship.is_valid() && !away {
            Some("the lease on trading has run out")
        } else {
            None
        };
        match why_not {
            None => self.counter.submit(order),
            Some(why) => {
                let answer = crate::asking::Counter::not_sent(&order, why.to_owned());
                self.give(Input::Desk(answer));
            }
        }
    }
}

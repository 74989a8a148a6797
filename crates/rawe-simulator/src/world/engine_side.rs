//! What a shell does around the collective: performs what it asks for, keeps the journal, wakes
//! it; and what a machine does to a shell: kills it between any two effects, and starts it again.

use chrono::TimeDelta;
use rawe_collective::{Input, Output};
use rawe_execution::TradingState;
use rawe_execution::desk::{Control, ControlSource, DeskEvent, NoticeLevel};

use super::{Happening, World};
use crate::bugs::{Bug, Engine};
use crate::journal::Batch;

impl World {
    /// Tells the engine something and performs what it asks for; it may be killed in between.
    pub(crate) fn tell(&mut self, input: Input) {
        let now = self.now;
        if self.engine.is_none() {
            return;
        }
        let killed = !self.is_calm() && self.fate.chance(self.faults.crash);
        if killed && self.fate.chance(0.2) {
            self.kill(usize::MAX);
            return;
        }
        self.log.input(now, &input);
        self.witness.told(&input, now);
        let Some(engine) = &mut self.engine else {
            return;
        };
        let outputs = engine.apply(input, now);
        let performed = if killed {
            self.fate.index(outputs.len() + 1)
        } else {
            outputs.len()
        };
        for output in outputs.into_iter().take(performed) {
            self.log.output(now, &output);
            self.perform(output);
        }
        if killed {
            self.kill(performed);
            return;
        }
        let fault = self
            .engine
            .as_ref()
            .is_some_and(|engine| engine.collective().desk().fault().is_some());
        if fault {
            // The shell ends with one clear line, and somebody starts it again.
            self.coverage.add("starts_refused", 1);
            self.kill(performed);
            return;
        }
        self.witness.counts(
            self.engine.as_ref().map(Engine::collective),
            self.journal.queued(),
        );
        self.set_alarm();
    }

    fn set_alarm(&mut self) {
        let deadline = self
            .engine
            .as_ref()
            .and_then(|engine| engine.collective().next_deadline());
        let Some(deadline) = deadline else {
            return;
        };
        // A deadline in the past would be asked for again at once: time has to pass.
        let at = deadline.max(self.now + TimeDelta::milliseconds(1));
        if self
            .wake_at
            .is_some_and(|wake| self.now < wake && wake <= at)
        {
            return;
        }
        self.wake_at = Some(at);
        let boot = self.boot;
        self.at(at - self.now, Happening::Wake { boot });
    }

    pub(crate) fn wake(&mut self, boot: u32) {
        if boot != self.boot {
            return;
        }
        let deadline = self
            .engine
            .as_ref()
            .and_then(|engine| engine.collective().next_deadline());
        if self.wake_at.is_some_and(|wake| wake <= self.now) {
            self.wake_at = None;
        }
        match deadline {
            Some(deadline) if deadline <= self.now => self.tell(Input::Tick),
            Some(_) => self.set_alarm(),
            None => {}
        }
    }

    fn perform(&mut self, output: Output) {
        let now = self.now;
        match output {
            Output::Commit { ticket, entries } => self.commit(Batch { ticket, entries }),
            Output::Ask { question, after } => {
                let after = TimeDelta::from_std(after).unwrap_or_default();
                let boot = self.boot;
                self.at(after, Happening::Asks { boot, question });
            }
            Output::Submit(order) => {
                self.witness
                    .submits(&order, &self.broker, &self.journal, &self.prices, now);
                self.submit(order);
            }
            Output::Cancel {
                id,
                broker_order_id,
            } => {
                self.witness.cancels(&broker_order_id, &self.broker);
                self.cancel(id, broker_order_id);
            }
            Output::Publish { stream, .. } => self.coverage.add(stream, 1),
            Output::Notice(notice) => {
                if notice.level == NoticeLevel::Error {
                    self.coverage.add(notice.event, 1);
                }
            }
        }
    }

    fn commit(&mut self, batch: Batch) {
        let now = self.now;
        self.coverage.add("commits", 1);
        let slow = self.disk.chance(self.faults.journal_slow);
        let (low, high) = if slow { (200, 3_000) } else { (0, 8) };
        let takes = Self::soon(&mut self.disk, low, high) + TimeDelta::microseconds(1);
        let ready = self.journal.busy_until.map_or(now, |busy| busy.max(now)) + takes;
        self.journal.busy_until = Some(ready);
        self.journal.push(batch);
        let boot = self.boot;
        self.at(ready - now, Happening::Journal { boot });
    }

    pub(crate) fn journal_done(&mut self, boot: u32) {
        if boot != self.boot {
            return;
        }
        let Some((batch, saved)) = self.journal.finish(self.now) else {
            return;
        };
        let event = if saved {
            self.witness.committed(&batch.entries, &self.agents.voted);
            DeskEvent::Committed(batch.ticket)
        } else {
            self.coverage.add("commits_failed", 1);
            self.needs_restart = true;
            self.witness.journal_failed(self.now);
            DeskEvent::NotCommitted(batch.ticket, "no space left on device".to_owned())
        };
        self.tell(Input::Desk(event));
    }

    /// Kill -9: volatile state is gone, what the journal has begun may or may not be on disk.
    pub(crate) fn kill(&mut self, performed: usize) {
        self.log.note(
            self.now,
            format_args!("== killed after {performed} effects"),
        );
        self.coverage.add("crashes", 1);
        let kept = self.fate.index(self.journal.queued() + 1);
        let saved = self.journal.kill(kept, self.now);
        self.witness.committed(&saved, &self.agents.voted);
        if self.options.bug == Some(Bug::JournalLosesLast) {
            let left = self.journal.durable.len().saturating_sub(3);
            self.journal.durable.truncate(left);
        }
        if self.fate.chance(self.faults.journal_lost) {
            self.coverage.add("journals_lost", 1);
            self.log
                .note(self.now, format_args!("== the journal is lost"));
            self.journal.durable.clear();
            self.witness.journal_lost();
        }
        self.witness.killed();
        self.engine = None;
        self.boot += 1;
        self.wake_at = None;
        let down = if self.is_calm() {
            500
        } else {
            self.fate.between(50, 90_000)
        };
        self.at(TimeDelta::milliseconds(down), Happening::Restart);
    }

    /// The engine starts with the journal's history; what stands in the world is told again.
    pub(crate) fn restart(&mut self) {
        if self.engine.is_some() {
            return;
        }
        self.boot += 1;
        self.needs_restart = false;
        self.engine = Some(Engine::new(self.settings.clone(), self.options.bug));
        self.coverage.add("starts", 1);
        let history = self.journal.history();
        self.witness.started(&history, &self.broker);
        let boot = self.boot;
        self.tell(Input::Started(history));
        if self.boot == boot && self.halt_file {
            self.tell(Input::Control(Control {
                source: ControlSource::File,
                state: TradingState::Halted,
                flatten: false,
                reason: "the file HALT".to_owned(),
            }));
        }
        if self.boot == boot {
            let alive = self.agents.alive(self.now);
            self.tell(Input::Alive(alive));
        }
    }

    /// Later, the engine of this boot is told something.
    pub(crate) fn tell_later(&mut self, boot: u32, after: TimeDelta, input: Input) {
        let input = Box::new(input);
        self.at(after, Happening::Told { boot, input });
    }
}

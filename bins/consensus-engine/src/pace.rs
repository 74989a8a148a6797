//! Keeping step in a replay: an announced instant is complete when every awaited agent has
//! acknowledged it and all the signals it says it published have arrived.
//!
//! Pure: real time is passed in. What is done with a complete instant is in `instants`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rawe_core::{Acknowledgement, AgentRef, BootId, ClockInstant};

/// How long an agent may be silent before it is named.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long signals are waited for after their agents have acknowledged, before they count as
/// lost: long, because a replay stands still meanwhile and a busy machine is not a broken one.
const LOSS_PATIENCE: Duration = Duration::from_secs(15);
/// How many signals of one boot are counted within an instant.
const SIGNALS_MAX: usize = 20_000;

/// How long a participant that kept step before may be without a heartbeat and is still awaited.
const DEAD_AFTER: Duration = Duration::from_secs(20);
/// How many boots are counted within an instant: many more than there are agents.
const BOOTS_MAX: usize = 1_024;

/// The instant being waited for.
#[derive(Clone, Debug)]
struct Pending {
    instant: ClockInstant,
    since: Instant,
    warned: bool,
}

/// Whether the pending instant can be handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// No instant is pending.
    Idle,
    /// These are waited for; `overdue` the first time that patience has run out.
    Waiting {
        /// Process names.
        awaited: Vec<String>,
        /// Tell the log now.
        overdue: bool,
    },
    /// All is in.
    Complete,
    /// All have acknowledged, but signals of these never arrived: votes of this instant are void.
    Lossy(Vec<String>),
}

/// Who has kept step.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    participants: BTreeSet<String>,
    pending: Option<Pending>,
    /// The newest acknowledgement of each participant.
    newest: BTreeMap<String, Acknowledgement>,
    /// The acknowledgement of each participant when the last instant was handled.
    settled: BTreeMap<String, Acknowledgement>,
    /// Sequences of the signals received since then, by boot: a repeated one counts once.
    received: BTreeMap<BootId, BTreeSet<u64>>,
    /// Since when participants have no heartbeat; `None` until looked.
    absent_since: Option<BTreeMap<String, Instant>>,
}

impl Pace {
    /// Awaits these process names.
    pub(crate) fn new(participants: BTreeSet<String>) -> Self {
        Self {
            participants,
            pending: None,
            newest: BTreeMap::new(),
            settled: BTreeMap::new(),
            received: BTreeMap::new(),
            absent_since: None,
        }
    }

    /// An instant is announced.
    pub(crate) fn announce(&mut self, instant: ClockInstant, now: Instant) {
        self.pending = Some(Pending {
            instant,
            since: now,
            warned: false,
        });
    }

    /// A participant has acknowledged.
    pub(crate) fn acknowledge(&mut self, ack: Acknowledgement) {
        if self
            .pending
            .as_ref()
            .is_some_and(|pending| ack.step < pending.instant.step)
        {
            // After a restart: what was published before the pending instant is not awaited.
            self.settled.insert(ack.participant.clone(), ack.clone());
        }
        self.newest.insert(ack.participant.clone(), ack);
    }

    /// Whether an instant is waited for.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// A message has arrived. Whoever it is of: what is awaited is counted by boot.
    pub(crate) fn note_message(&mut self, payload: &[u8]) {
        #[derive(serde::Deserialize)]
        struct Sender {
            agent: Option<AgentRef>,
        }
        let sender: Option<Sender> = serde_json::from_slice(payload).ok();
        if let Some(agent) = sender.and_then(|sender| sender.agent) {
            self.receive(&agent.boot_id, agent.sequence);
        }
    }

    /// A signal of this boot has arrived.
    fn receive(&mut self, boot: &BootId, sequence: u64) {
        if self.received.len() >= BOOTS_MAX && !self.received.contains_key(boot) {
            return;
        }
        let sequences = self.received.entry(boot.clone()).or_default();
        if sequences.len() < SIGNALS_MAX {
            sequences.insert(sequence);
        }
    }

    /// Which processes live, as looked up at real time `now`.
    pub(crate) fn note_alive(&mut self, alive: &BTreeSet<String>, now: Instant) {
        let before = self.absent_since.take().unwrap_or_default();
        let absent = self
            .participants
            .iter()
            .filter(|name| !alive.contains(*name));
        let since = |name: &String| before.get(name).copied().unwrap_or(now);
        self.absent_since = Some(absent.map(|name| (name.clone(), since(name))).collect());
    }

    /// A new run: what was acknowledged before says nothing about it.
    pub(crate) fn restart(&mut self) {
        self.pending = None;
        self.newest.clear();
        self.settled.clear();
        self.received.clear();
    }

    /// Whether the pending instant can be handled at real time `now`.
    pub(crate) fn readiness(&mut self, now: Instant) -> Readiness {
        let Some(pending) = &self.pending else {
            return Readiness::Idle;
        };
        let step = pending.instant.step;
        let unacknowledged: Vec<String> = self
            .participants
            .iter()
            .filter(|name| self.is_awaited(name, now))
            .filter(|name| self.newest.get(*name).is_none_or(|ack| ack.step < step))
            .cloned()
            .collect();
        let incomplete: Vec<String> = self
            .newest
            .values()
            .filter(|ack| self.participants.contains(&ack.participant) && !self.has_all(ack))
            .map(|ack| ack.participant.clone())
            .collect();
        let waited = now.saturating_duration_since(pending.since);
        let overdue = waited >= PATIENCE;
        if unacknowledged.is_empty() && incomplete.is_empty() {
            return Readiness::Complete;
        }
        if unacknowledged.is_empty() && waited >= LOSS_PATIENCE {
            return Readiness::Lossy(incomplete);
        }
        let awaited = if unacknowledged.is_empty() {
            incomplete
        } else {
            unacknowledged
        };
        let first_time = overdue && !pending.warned;
        if let Some(pending) = self.pending.as_mut().filter(|_| first_time) {
            pending.warned = true;
        }
        Readiness::Waiting {
            awaited,
            overdue: first_time,
        }
    }

    /// Takes the pending instant, to handle it.
    pub(crate) fn take(&mut self) -> Option<ClockInstant> {
        let pending = self.pending.take()?;
        self.settled.clone_from(&self.newest);
        self.received.clear();
        Some(pending.instant)
    }

    /// Whether a participant's word is waited for. One that has spoken in this run is, unless its
    /// heart has long stopped: on a busy machine a beat may be late. One that never spoke is only
    /// if it lives.
    fn is_awaited(&self, name: &str, now: Instant) -> bool {
        let Some(absent_since) = &self.absent_since else {
            return true;
        };
        match absent_since.get(name) {
            None => true,
            Some(since) => {
                let patience = if self.newest.contains_key(name) {
                    DEAD_AFTER
                } else {
                    Duration::ZERO
                };
                now.saturating_duration_since(*since) < patience
            }
        }
    }

    /// Whether all that this acknowledgement says was published has arrived.
    fn has_all(&self, ack: &Acknowledgement) -> bool {
        let before = self
            .settled
            .get(&ack.participant)
            .filter(|settled| settled.boot_id == ack.boot_id)
            .map_or(0, |settled| settled.published);
        let expected = ack.published.saturating_sub(before);
        let arrived = self
            .received
            .iter()
            .find(|(boot, _)| boot.as_str() == ack.boot_id)
            .map_or(0, |(_, sequences)| sequences.len());
        u64::try_from(arrived).unwrap_or(u64::MAX) >= expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rawe_core::ClockMode;
    use rawe_runtime::wall_now;

    fn instant(step: u64) -> ClockInstant {
        ClockInstant {
            step,
            instant: wall_now(),
            mode: ClockMode::Paced,
            paced: true,
            run_id: "run".to_owned(),
            bars_through: "0-0".to_owned(),
            news_through: "0-0".to_owned(),
        }
    }

    fn ack(participant: &str, step: u64, published: u64) -> Acknowledgement {
        Acknowledgement {
            participant: participant.to_owned(),
            step,
            published,
            boot_id: format!("boot-{participant}"),
            next_timer: None,
        }
    }

    fn pace() -> Pace {
        Pace::new(["a".to_owned(), "b".to_owned()].into())
    }

    #[test]
    fn an_instant_waits_for_every_word_and_every_signal() {
        let (mut pace, start) = (pace(), Instant::now());
        assert_eq!(pace.readiness(start), Readiness::Idle);
        pace.announce(instant(1), start);
        pace.acknowledge(ack("a", 1, 2));
        let waiting = |names: &[&str]| Readiness::Waiting {
            awaited: names.iter().map(|name| (*name).to_owned()).collect(),
            overdue: false,
        };
        assert_eq!(pace.readiness(start), waiting(&["b"]));
        pace.acknowledge(ack("b", 1, 0));
        assert_eq!(pace.readiness(start), waiting(&["a"]));
        let boot = BootId::new("boot-a").unwrap();
        for _ in 0..2 {
            pace.receive(&boot, 1);
            assert_eq!(
                pace.readiness(start),
                waiting(&["a"]),
                "a repeated one counts once"
            );
        }
        pace.receive(&boot, 2);
        assert_eq!(pace.readiness(start), Readiness::Complete);
        assert_eq!(pace.take().map(|instant| instant.step), Some(1));
        pace.announce(instant(2), start);
        pace.acknowledge(ack("a", 2, 2));
        pace.acknowledge(ack("b", 2, 0));
        assert_eq!(
            pace.readiness(start),
            Readiness::Complete,
            "nothing new was published"
        );
    }

    #[test]
    fn the_dead_are_not_awaited_and_the_silent_are_named_once() {
        let (mut pace, start) = (pace(), Instant::now());
        pace.announce(instant(1), start);
        pace.note_alive(&["a".to_owned()].into(), start);
        let late = start + PATIENCE;
        let named = Readiness::Waiting {
            awaited: vec!["a".to_owned()],
            overdue: true,
        };
        assert_eq!(pace.readiness(late), named);
        assert!(matches!(
            pace.readiness(late),
            Readiness::Waiting { overdue: false, .. }
        ));
        pace.acknowledge(ack("a", 1, 0));
        assert_eq!(pace.readiness(late), Readiness::Complete);
    }

    #[test]
    fn one_that_kept_step_is_awaited_over_late_heartbeats() {
        let (mut pace, start) = (pace(), Instant::now());
        pace.acknowledge(ack("a", 1, 0));
        pace.announce(instant(2), start);
        pace.note_alive(&BTreeSet::new(), start);
        pace.note_alive(&BTreeSet::new(), start + PATIENCE);
        assert!(matches!(
            pace.readiness(start + PATIENCE),
            Readiness::Waiting { .. }
        ));
        assert_eq!(pace.readiness(start + DEAD_AFTER), Readiness::Complete);
    }

    #[test]
    fn a_restarted_engine_awaits_only_what_is_new() {
        let (mut pace, start) = (pace(), Instant::now());
        pace.announce(instant(9), start);
        for step in [7, 8, 9] {
            pace.acknowledge(ack("a", step, 40));
            pace.acknowledge(ack("b", step, 11));
        }
        assert_eq!(pace.readiness(start), Readiness::Complete);
    }

    #[test]
    fn signals_that_never_arrive_make_the_instant_lossy() {
        let (mut pace, start) = (pace(), Instant::now());
        pace.announce(instant(7), start);
        pace.acknowledge(ack("a", 7, 3));
        pace.acknowledge(ack("b", 7, 0));
        assert!(matches!(pace.readiness(start), Readiness::Waiting { .. }));
        assert_eq!(
            pace.readiness(start + LOSS_PATIENCE),
            Readiness::Lossy(vec!["a".to_owned()])
        );
    }
}

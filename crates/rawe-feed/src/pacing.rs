//! The rules of a paced clock: which instant comes next, and who has not yet handled the last one.
//! Pure: messages are the caller's business.

use std::collections::BTreeMap;

use rawe_core::{Acknowledgement, Timestamp};

/// Who takes part in a replay and how far each has come.
#[derive(Clone, Debug)]
pub struct Pacer {
    now: Timestamp,
    step: u64,
    participants: BTreeMap<String, Participant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Participant {
    /// The newest step it has acknowledged.
    acknowledged: Option<u64>,
    /// When it wants to be woken.
    next_timer: Option<Timestamp>,
}

/// What an acknowledgement was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckOutcome {
    /// Of the present step.
    Counted,
    /// Of an older step, or said twice: only its timer counts, if it is the newest said.
    Old,
    /// Of a step that was never announced: left over from another run.
    Unknown,
    /// From a process that nobody waits for.
    Stranger,
}

impl Pacer {
    /// A clock that stands at `now` with step `step`, waiting for all `participants`.
    pub fn new(now: Timestamp, step: u64, participants: impl IntoIterator<Item = String>) -> Self {
        let participants = participants
            .into_iter()
            .map(|name| (name, Participant::default()))
            .collect();
        Self {
            now,
            step,
            participants,
        }
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The present step.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Notes an acknowledgement.
    pub fn acknowledge(&mut self, ack: &Acknowledgement) -> AckOutcome {
        let Some(participant) = self.participants.get_mut(&ack.participant) else {
            return AckOutcome::Stranger;
        };
        if ack.step > self.step {
            return AckOutcome::Unknown;
        }
        if participant
            .acknowledged
            .is_some_and(|newest| ack.step < newest)
        {
            return AckOutcome::Old;
        }
        let news = participant.acknowledged != Some(ack.step) && ack.step == self.step;
        participant.acknowledged = Some(ack.step);
        participant.next_timer = ack.next_timer;
        if news {
            AckOutcome::Counted
        } else {
            AckOutcome::Old
        }
    }

    /// Those who have not acknowledged the present step, by name.
    pub fn missing(&self) -> Vec<&str> {
        self.participants
            .iter()
            .filter(|(_, participant)| participant.acknowledged != Some(self.step))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The instant to play next: the next end of a bar or the earliest timer, whichever comes
    /// first, up to and including `end`. `None` when nothing is left.
    ///
    /// Timers at or before the present instant are spent.
    pub fn next_instant(
        &self,
        next_bar_end: Option<Timestamp>,
        end: Timestamp,
    ) -> Option<Timestamp> {
        self.participants
            .values()
            .filter_map(|participant| participant.next_timer)
            .chain(next_bar_end)
            .filter(|instant| self.now < *instant && *instant <= end)
            .min()
    }

    /// Moves to `instant` and returns the number of the new step.
    pub fn advance(&mut self, instant: Timestamp) -> u64 {
        self.now = self.now.max(instant);
        self.step += 1;
        self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(minute: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_777_680_000 + minute * 60, 0).unwrap()
    }

    fn ack(participant: &str, step: u64, timer: Option<i64>) -> Acknowledgement {
        Acknowledgement {
            participant: participant.into(),
            step,
            published: 0,
            boot_id: "b".into(),
            next_timer: timer.map(at),
        }
    }

    fn pacer() -> Pacer {
        Pacer::new(at(0), 0, ["a".to_owned(), "b".to_owned()])
    }

    #[test]
    fn the_next_instant_is_the_earliest_of_bars_and_timers() {
        let mut pacer = pacer();
        assert_eq!(pacer.next_instant(Some(at(60)), at(100)), Some(at(60)));
        pacer.acknowledge(&ack("a", 0, Some(35)));
        pacer.acknowledge(&ack("b", 0, Some(-5)));
        assert_eq!(pacer.next_instant(Some(at(60)), at(100)), Some(at(35)));
        pacer.advance(at(35));
        assert_eq!(pacer.next_instant(Some(at(60)), at(100)), Some(at(60)));
        assert_eq!(pacer.next_instant(Some(at(101)), at(100)), None);
        assert_eq!(pacer.next_instant(None, at(100)), None);
    }

    #[test]
    fn a_step_is_complete_when_everyone_has_acknowledged_it() {
        let mut pacer = pacer();
        assert_eq!(pacer.missing(), ["a", "b"]);
        assert_eq!(pacer.acknowledge(&ack("a", 0, None)), AckOutcome::Counted);
        assert_eq!(pacer.acknowledge(&ack("a", 0, None)), AckOutcome::Old);
        assert_eq!(pacer.acknowledge(&ack("c", 0, None)), AckOutcome::Stranger);
        assert_eq!(pacer.acknowledge(&ack("b", 7, None)), AckOutcome::Unknown);
        assert_eq!(pacer.missing(), ["b"]);
        pacer.acknowledge(&ack("b", 0, None));
        assert!(pacer.missing().is_empty());
        assert_eq!(pacer.advance(at(1)), 1);
        assert_eq!(pacer.missing(), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn the_clock_only_goes_forward(
            acks in proptest::collection::vec((any::<bool>(), 0_u64..6, -50_i64..200), 0..60),
        ) {
            let mut pacer = pacer();
            for (first, step, timer) in acks {
                pacer.acknowledge(&ack(if first { "a" } else { "b" }, step, Some(timer)));
                if pacer.missing().is_empty()
                    && let Some(next) = pacer.next_instant(None, at(150))
                {
                    prop_assert!(pacer.now() < next && next <= at(150));
                    pacer.advance(next);
                }
            }
        }
    }
}

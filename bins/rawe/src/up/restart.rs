//! When a dead child is started again: capped exponential backoff, and giving up after five
//! deaths within a minute. Pure: the time is an argument, nothing is started here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Deaths within [`DEATHS_WINDOW`] after which a process is left dead.
pub(crate) const DEATHS_MAX: usize = 5;
/// The window in which deaths are counted.
pub(crate) const DEATHS_WINDOW: Duration = Duration::from_mins(1);
/// The pause before the first restart; it doubles with every further death within the window.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// The longest pause. Five restarts with it still fit the window.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What to do about a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Start it again after this pause.
    RestartAfter(Duration),
    /// Leave it dead: it died [`DEATHS_MAX`] times within [`DEATHS_WINDOW`].
    GiveUp,
}

/// The recent deaths of one process.
#[derive(Debug, Default)]
pub(crate) struct RestartPolicy {
    deaths: VecDeque<Instant>,
    tireless: bool,
}

impl RestartPolicy {
    /// Starts again after the first pause, however often it dies: for processes that are killed
    /// on purpose.
    pub(crate) fn tireless() -> Self {
        Self {
            deaths: VecDeque::new(),
            tireless: true,
        }
    }

    /// Counts a death at `now` and says what to do.
    pub(crate) fn died(&mut self, now: Instant) -> Verdict {
        if self.tireless {
            return Verdict::RestartAfter(BACKOFF_FIRST);
        }
        while self
            .deaths
            .front()
            .is_some_and(|at| now.duration_since(*at) > DEATHS_WINDOW)
        {
            self.deaths.pop_front();
        }
        self.deaths.push_back(now);
        if self.deaths.len() >= DEATHS_MAX {
            return Verdict::GiveUp;
        }
        let doublings = u32::try_from(self.deaths.len() - 1).unwrap_or(u32::MAX);
        let pause = BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(doublings));
        Verdict::RestartAfter(pause.min(BACKOFF_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn five_deaths_within_a_minute_end_it() {
        let start = Instant::now();
        let mut policy = RestartPolicy::default();
        let verdicts: Vec<_> = (0..5).map(|i| policy.died(start + secs(10 * i))).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::RestartAfter(Duration::from_millis(250)),
                Verdict::RestartAfter(Duration::from_millis(500)),
                Verdict::RestartAfter(secs(1)),
                Verdict::RestartAfter(secs(2)),
                Verdict::GiveUp,
            ]
        );
    }

    #[test]
    fn rare_deaths_are_forgotten() {
        let start = Instant::now();
        let mut policy = RestartPolicy::default();
        for i in 0..20 {
            let verdict = policy.died(start + secs(61 * i));
            assert_eq!(
                verdict,
                Verdict::RestartAfter(Duration::from_millis(250)),
                "death {i}"
            );
        }
    }

    #[test]
    fn the_pause_is_capped() {
        let start = Instant::now();
        let mut policy = RestartPolicy::default();
        for i in 0..100 {
            if let Verdict::RestartAfter(pause) = policy.died(start + secs(16 * i)) {
                assert!(pause <= BACKOFF_MAX, "death {i}: {pause:?}");
            }
        }
    }
}

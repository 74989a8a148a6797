//! What the machine says: processor time of this thread and memory of this process. Where it does
//! not say, processor time is missing, and memory is 0.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// Wall time and processor time spent between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) wall: Duration,
    /// Time this thread was on a processor: hardly disturbed by what else the machine does.
    pub(super) processor: Option<Duration>,
}

impl Spent {
    pub(super) fn add(&mut self, other: Self) {
        let first = self.wall.is_zero();
        self.wall += other.wall;
        self.processor = match (self.processor, other.processor) {
            (Some(mine), Some(theirs)) => Some(mine + theirs),
            (None, theirs) if first => theirs,
            _ => None,
        };
    }
}

/// Runs `work` and says what it took.
pub(super) fn time<T>(work: impl FnOnce() -> T) -> (T, Spent) {
    let (before, wall) = (processor(), Instant::now());
    let result = work();
    let wall = wall.elapsed();
    let processor = processor()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    (result, Spent { wall, processor })
}

fn processor() -> Option<Duration> {
    let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
    Some(Duration::from(spent))
}

/// Memory of this process now and at its peak, KiB.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(super) struct Memory {
    /// VmRSS.
    pub(super) now_kib: u64,
    /// VmHWM.
    pub(super) peak_kib: u64,
}

/// Reads the memory; zeros where the machine does not say.
pub(super) fn memory() -> Memory {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    Memory {
        now_kib: value("VmRSS:"),
        peak_kib: value("VmHWM:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_told() {
        let memory = memory();
        assert!(memory.peak_kib >= memory.now_kib && memory.now_kib > 0);
        let (sum, spent) = time(|| (0..200_000_u64).map(std::hint::black_box).sum::<u64>());
        assert_eq!(sum, 19_999_900_000);
        assert!(spent.wall > Duration::ZERO);
        let mut total = Spent::default();
        total.add(spent);
        total.add(spent);
        assert_eq!(total.wall, spent.wall * 2);
        assert_eq!(total.processor, spent.processor.map(|p| p * 2));
    }
}

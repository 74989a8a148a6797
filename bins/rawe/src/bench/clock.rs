//! What the machine says: processor time of this thread and memory of this process. Both from
//! `/proc`; where there is none, the values are missing and only wall time is told.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

/// Wall time and processor time spent between two moments.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) wall: Duration,
    /// Time this thread was on a processor: hardly disturbed by what else the machine does.
    pub(super) processor: Option<Duration>,
}

impl Spent {
    pub(super) fn add(&mut self, other: Self) {
        self.wall += other.wall;
        self.processor = match (self.processor, other.processor) {
            (Some(mine), Some(theirs)) => Some(mine + theirs),
            (None, theirs) if self.wall == other.wall => theirs,
            _ => None,
        };
    }
}

/// Reads both clocks.
#[derive(Debug)]
pub(super) struct Clock {
    schedule: Option<File>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            schedule: File::open("/proc/thread-self/schedstat").ok(),
        }
    }

    /// Runs `work` and says what it took.
    pub(super) fn time<T>(&self, work: impl FnOnce() -> T) -> (T, Spent) {
        let (processor, wall) = (self.processor(), Instant::now());
        let result = work();
        let wall = wall.elapsed();
        let processor = self
            .processor()
            .zip(processor)
            .map(|(after, before)| after.saturating_sub(before));
        (result, Spent { wall, processor })
    }

    fn processor(&self) -> Option<Duration> {
        let mut buffer = [0u8; 64];
        let length = self.schedule.as_ref()?.read_at(&mut buffer, 0).ok()?;
        let text = std::str::from_utf8(buffer.get(..length)?).ok()?;
        let nanoseconds = text.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Duration::from_nanos(nanoseconds))
    }
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
        let clock = Clock::new();
        let (sum, spent) = clock.time(|| (0..200_000_u64).map(std::hint::black_box).sum::<u64>());
        assert_eq!(sum, 19_999_900_000);
        assert!(spent.wall > Duration::ZERO);
        let mut total = Spent::default();
        total.add(spent);
        total.add(spent);
        assert_eq!(total.wall, spent.wall * 2);
        assert_eq!(total.processor, spent.processor.map(|p| p * 2));
    }
}

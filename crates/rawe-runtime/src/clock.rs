//! The wall clock and fresh identities: the only two things a process takes from the outside world
//! without asking the bus. Everything else is handed the time.
//!
//! A build with debug assertions can be made to live at another time and faster, so that tests of
//! real processes see hours pass: `RAWE_REHEARSAL_CLOCK=MARKET@WALL*SPEED` says that it was `MARKET`
//! when the wall clock said `WALL`, and that `SPEED` seconds pass in one. Release builds, which trade,
//! do not know the variable.

use std::time::Duration;

use chrono::TimeDelta;
use rawe_core::{BootId, Timestamp};
use uuid::Uuid;

/// The time now, by the wall. The only reader of the clock; everyone else is passed the time.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place which reads the clock"
)]
pub fn wall_now() -> Timestamp {
    let now = chrono::Utc::now();
    #[cfg(debug_assertions)]
    if let Some(rehearsal) = rehearsal::of_process() {
        return rehearsal.at(now);
    }
    now
}

/// How long to sleep until so much time has passed by [`wall_now`]; nothing for what is past.
pub fn wall_wait(span: TimeDelta) -> Duration {
    let wait = span.to_std().unwrap_or(Duration::ZERO);
    #[cfg(debug_assertions)]
    if let Some(rehearsal) = rehearsal::of_process() {
        return rehearsal.wait(wait);
    }
    wait
}

/// A fresh id, ordered by time (UUID version 7).
pub fn new_uuid() -> Uuid {
    Uuid::now_v7()
}

/// The id of this start of the process.
pub fn new_boot_id() -> BootId {
    BootId::from_uuid(new_uuid())
}

/// Another time, for tests of real processes.
#[cfg(debug_assertions)]
mod rehearsal {
    use std::str::FromStr;
    use std::sync::LazyLock;
    use std::time::Duration;

    use chrono::TimeDelta;
    use rawe_core::Timestamp;

    /// The variable that says how time passes.
    const VARIABLE: &str = "RAWE_REHEARSAL_CLOCK";

    /// A time that runs from one instant on, so many times faster.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(super) struct Rehearsal {
        market: Timestamp,
        wall: Timestamp,
        speed: f64,
    }

    impl FromStr for Rehearsal {
        type Err = ();
        fn from_str(text: &str) -> Result<Self, ()> {
            let (market, rest) = text.split_once('@').ok_or(())?;
            let (wall, speed) = rest.split_once('*').ok_or(())?;
            let speed: f64 = speed.parse().map_err(drop)?;
            if !(speed.is_finite() && speed >= 1.0) {
                return Err(());
            }
            Ok(Self {
                market: market.parse().map_err(drop)?,
                wall: wall.parse().map_err(drop)?,
                speed,
            })
        }
    }

    impl Rehearsal {
        #[allow(clippy::cast_possible_truncation, reason = "a test ends after minutes")]
        pub(super) fn at(self, now: Timestamp) -> Timestamp {
            let passed_us = (now - self.wall).num_microseconds().unwrap_or(0) as f64;
            self.market + TimeDelta::microseconds((passed_us * self.speed) as i64)
        }

        pub(super) fn wait(self, wait: Duration) -> Duration {
            wait.div_f64(self.speed)
        }
    }

    /// How time passes in this process, if not as usual. A variable that cannot be read is none:
    /// the test that set it sees the wrong time at once.
    pub(super) fn of_process() -> Option<Rehearsal> {
        static REHEARSAL: LazyLock<Option<Rehearsal>> =
            LazyLock::new(|| std::env::var(VARIABLE).ok()?.parse().ok());
        *REHEARSAL
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn time_runs_faster_from_the_instant_named() {
            let at = |text: &str| text.parse::<Timestamp>().unwrap();
            let text = "2026-03-05T13:55:00Z@2026-11-22T21:00:00.500Z*240";
            let rehearsal: Rehearsal = text.parse().unwrap();
            for (now, wanted) in [
                ("2026-11-22T21:00:00.500Z", "2026-03-05T13:55:00Z"),
                ("2026-11-22T21:00:15.500Z", "2026-03-05T14:55:00Z"),
                ("2026-11-22T21:00:00.250Z", "2026-03-05T13:54:00Z"),
            ] {
                assert_eq!(rehearsal.at(at(now)), at(wanted));
            }
            let minute = Duration::from_mins(1);
            assert_eq!(rehearsal.wait(minute), Duration::from_millis(250));
            for bad in [
                "",
                "now@now*2",
                "2026-03-05T13:55:00Z@2026-11-22T21:00:00Z*0",
            ] {
                assert_eq!(bad.parse::<Rehearsal>(), Err(()), "{bad}");
            }
        }
    }
}

//! Market time, shared by the engine's tasks: wall time when live, the announced instant in a
//! replay. Also how far the broker's clock is from it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta};
use rawe_core::Timestamp;
use rawe_runtime::wall_now;

/// A difference between the broker's clock and ours below this is a wrong clock, which the desk
/// judges; above, it is a simulated exchange that lives in another time, and is converted.
const OFFSET_MIN: TimeDelta = TimeDelta::minutes(10);

/// Market time.
#[derive(Debug, Default)]
pub(crate) struct MarketTime {
    /// Whether the broker's time is the world's, whatever its clock says.
    real: bool,
    paced: AtomicBool,
    instant_ms: AtomicI64,
    offset_ms: AtomicI64,
}

impl MarketTime {
    /// The time of an account at a real broker: nothing is converted, a wrong clock is wrong.
    pub(crate) fn of_real_broker(real: bool) -> Self {
        Self {
            real,
            ..Self::default()
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        if self.is_paced() {
            let millis = self.instant_ms.load(Ordering::Acquire);
            DateTime::from_timestamp_millis(millis).unwrap_or_default()
        } else {
            wall_now()
        }
    }

    /// Whether a replay paces the time.
    pub(crate) fn is_paced(&self) -> bool {
        self.paced.load(Ordering::Acquire)
    }

    /// A replay has announced an instant.
    pub(crate) fn set_paced(&self, instant: Timestamp) {
        self.instant_ms
            .store(instant.timestamp_millis(), Ordering::Release);
        self.paced.store(true, Ordering::Release);
    }

    /// Wall time rules.
    pub(crate) fn set_live(&self) {
        self.paced.store(false, Ordering::Release);
    }

    /// Notes what the broker's clock says now.
    pub(crate) fn note_broker(&self, broker: Timestamp) {
        let offset = broker - self.now();
        let millis = if self.real || offset.abs() < OFFSET_MIN {
            0
        } else {
            offset.num_milliseconds()
        };
        self.offset_ms.store(millis, Ordering::Release);
    }

    /// A time of the broker's as market time.
    pub(crate) fn to_market(&self, broker: Timestamp) -> Timestamp {
        broker - self.offset()
    }

    fn offset(&self) -> TimeDelta {
        if self.is_paced() {
            return TimeDelta::zero();
        }
        TimeDelta::milliseconds(self.offset_ms.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_stands_still_and_a_foreign_clock_is_converted() {
        let time = MarketTime::default();
        let broker = wall_now() - TimeDelta::days(100);
        time.note_broker(broker);
        let converted = time.to_market(broker);
        assert!((converted - wall_now()).abs() < TimeDelta::seconds(1));
        let wrong = wall_now() + TimeDelta::seconds(90);
        time.note_broker(wrong);
        assert_eq!(time.to_market(wrong), wrong, "a wrong clock stays wrong");
        let real = MarketTime::of_real_broker(true);
        real.note_broker(broker);
        assert_eq!(real.to_market(broker), broker);
        time.set_paced(broker);
        assert_eq!(time.now().timestamp_millis(), broker.timestamp_millis());
        time.set_live();
        assert!(!time.is_paced());
    }
}

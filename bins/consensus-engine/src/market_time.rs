//! Market time, shared by the engine's tasks: wall time when live, the announced instant in a
//! replay. Also how far the broker's clock is from it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta};
use rawe_core::Timestamp;
use rawe_runtime::wall_now;

/// A difference between the broker's clock and ours below this is only latency.
const OFFSET_MIN: TimeDelta = TimeDelta::seconds(60);

/// Market time.
#[derive(Debug, Default)]
pub(crate) struct MarketTime {
    paced: AtomicBool,
    instant_ms: AtomicI64,
    offset_ms: AtomicI64,
}

impl MarketTime {
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
        let millis = if offset.abs() < OFFSET_MIN {
            0
        } else {
            offset.num_milliseconds()
        };
        self.offset_ms.store(millis, Ordering::Release);
    }

    /// The time now by the broker's clock: what its own timestamps are compared with. In a replay
    /// the broker's clock stands at the instant.
    pub(crate) fn broker_now(&self) -> Timestamp {
        self.now() + self.offset()
    }

    /// Market time as the broker's clock would say it.
    pub(crate) fn to_broker(&self, market: Timestamp) -> Timestamp {
        market + self.offset()
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
        assert!((time.broker_now() - broker).abs() < TimeDelta::seconds(1));
        time.note_broker(wall_now() + TimeDelta::seconds(5));
        assert!(
            (time.broker_now() - wall_now()).abs() < TimeDelta::seconds(1),
            "latency"
        );
        time.set_paced(broker);
        assert_eq!(time.now().timestamp_millis(), broker.timestamp_millis());
        time.set_live();
        assert!(!time.is_paced());
    }
}

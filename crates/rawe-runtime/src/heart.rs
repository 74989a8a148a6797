//! The heartbeat of a process: that it lives, and that it makes progress.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rawe_bus::Bus;
use rawe_core::channels::STATUS_HASH;
use rawe_core::heartbeat::HEARTBEAT_INTERVAL_MS;
use rawe_core::{AgentId, BootId, Heartbeat, ProcessState, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::wall_now;

/// Collects what a process has to say about itself and writes it to the bus every second. Clones
/// share it.
#[derive(Clone, Debug)]
pub struct Heart {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    process: String,
    agent: Option<AgentId>,
    boot: BootId,
    pulse: Mutex<Pulse>,
}

#[derive(Debug)]
struct Pulse {
    state: ProcessState,
    detail: String,
    last_event: String,
    last_event_at: Timestamp,
    market_time: Option<Timestamp>,
    counters: BTreeMap<String, u64>,
}

impl Heart {
    /// The heart of one start of a process, in state `Starting`.
    pub fn new(process: &str, agent: Option<AgentId>, boot: BootId) -> Self {
        let pulse = Pulse {
            state: ProcessState::Starting,
            detail: String::new(),
            last_event: "started".to_owned(),
            last_event_at: wall_now(),
            market_time: None,
            counters: BTreeMap::new(),
        };
        let process = process.to_owned();
        Self {
            shared: Arc::new(Shared {
                process,
                agent,
                boot,
                pulse: Mutex::new(pulse),
            }),
        }
    }

    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.shared
            .pulse
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the process is doing, with one short line for people.
    pub fn set_state(&self, state: ProcessState, detail: impl Into<String>) {
        let detail = detail.into();
        let mut pulse = self.pulse();
        pulse.state = state;
        pulse.detail = detail;
    }

    /// Notes that an event was handled, and the market time reached if there is one.
    pub fn progress(&self, event: &str, market_time: Option<Timestamp>) {
        let now = wall_now();
        let mut pulse = self.pulse();
        if pulse.last_event != event {
            event.clone_into(&mut pulse.last_event);
        }
        pulse.last_event_at = now;
        if market_time.is_some() {
            pulse.market_time = market_time;
        }
    }

    /// Adds to a counter.
    pub fn add(&self, counter: &str, n: u64) {
        let mut pulse = self.pulse();
        match pulse.counters.get_mut(counter) {
            Some(count) => *count = count.saturating_add(n),
            None => {
                pulse.counters.insert(counter.to_owned(), n);
            }
        }
    }

    /// Sets a counter that is kept elsewhere.
    pub fn set_count(&self, counter: &str, value: u64) {
        let mut pulse = self.pulse();
        match pulse.counters.get_mut(counter) {
            Some(count) => *count = value,
            None => {
                pulse.counters.insert(counter.to_owned(), value);
            }
        }
    }

    /// The heartbeat as it would be written now.
    pub fn snapshot(&self) -> Heartbeat {
        let pulse = self.pulse();
        Heartbeat {
            process: self.shared.process.clone(),
            agent: self.shared.agent.clone(),
            pid: std::process::id(),
            boot_id: self.shared.boot.as_str().to_owned(),
            at: wall_now(),
            state: pulse.state,
            detail: pulse.detail.clone(),
            last_event: pulse.last_event.clone(),
            last_event_at: pulse.last_event_at,
            market_time: pulse.market_time,
            counters: pulse.counters.clone(),
        }
    }

    /// Writes the heartbeat every second until `shutdown`, and once more then. A bus that is away
    /// is told once, and once when it is back.
    pub fn beat(&self, bus: Arc<dyn Bus>, shutdown: CancellationToken) -> JoinHandle<()> {
        let heart = self.clone();
        tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(HEARTBEAT_INTERVAL_MS));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut reachable = true;
            loop {
                let ending = tokio::select! {
                    _ = ticks.tick() => false,
                    () = shutdown.cancelled() => true,
                };
                reachable = heart.write(bus.as_ref(), reachable).await;
                if ending {
                    return;
                }
            }
        })
    }

    async fn write(&self, bus: &dyn Bus, was_reachable: bool) -> bool {
        let beat = self.snapshot();
        let Ok(payload) = serde_json::to_vec(&beat) else {
            return was_reachable;
        };
        match bus.set_field(STATUS_HASH, &beat.process, &payload).await {
            Ok(()) if was_reachable => true,
            Ok(()) => {
                tracing::info!(event = "bus_recovered", "the bus answers again");
                true
            }
            Err(error) => {
                if was_reachable {
                    tracing::warn!(event = "bus_lost", %error, "the heartbeat cannot be written");
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rawe_bus::MemoryBus;

    use super::*;
    use crate::new_boot_id;

    #[test]
    fn a_snapshot_tells_what_was_said() {
        let heart = Heart::new("consensus-engine", None, new_boot_id());
        let first = heart.snapshot();
        assert_eq!(
            (first.state, first.last_event.as_str()),
            (ProcessState::Starting, "started")
        );
        heart.clone().set_state(ProcessState::Warming, "3/120 d");
        let market_time = wall_now();
        heart.progress("bar", Some(market_time));
        heart.progress("signal", None);
        heart.add("received", 2);
        heart.add("received", 3);
        heart.add("received", u64::MAX);
        heart.set_count("kept elsewhere", 9);
        heart.set_count("kept elsewhere", 7);
        let beat = heart.snapshot();
        assert_eq!(beat.counters["kept elsewhere"], 7);
        assert_eq!(
            (beat.state, beat.detail.as_str()),
            (ProcessState::Warming, "3/120 d")
        );
        assert_eq!(
            (beat.last_event.as_str(), beat.market_time),
            ("signal", Some(market_time))
        );
        assert_eq!(beat.counters["received"], u64::MAX);
        assert_eq!(
            (beat.pid, beat.boot_id.as_str()),
            (std::process::id(), first.boot_id.as_str())
        );
        assert!(beat.is_alive(wall_now()));
    }

    #[tokio::test]
    async fn it_beats_at_once_and_once_more_at_the_end() {
        let bus = Arc::new(MemoryBus::new());
        let agent = AgentId::new("alpha-aggressor").unwrap();
        let heart = Heart::new("alpha-aggressor", Some(agent), new_boot_id());
        let shutdown = CancellationToken::new();
        let beating = heart.beat(bus.clone(), shutdown.clone());
        let limit = Duration::from_secs(10);
        let first_beat = async {
            while bus.fields(STATUS_HASH).await.unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(limit, first_beat).await.unwrap();
        heart.set_state(ProcessState::Ended, "over");
        shutdown.cancel();
        tokio::time::timeout(limit, beating).await.unwrap().unwrap();
        let fields = bus.fields(STATUS_HASH).await.unwrap();
        let last: Heartbeat = serde_json::from_slice(&fields["alpha-aggressor"]).unwrap();
        assert_eq!(
            (last.state, last.detail.as_str()),
            (ProcessState::Ended, "over")
        );
    }
}

//! The heartbeats of the generator's agents: without them the engine calls its voters dead, and
//! counts no quorum of the dead.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rawe_core::channels::STATUS_HASH;
use rawe_core::heartbeat::HEARTBEAT_INTERVAL_MS;
use rawe_core::{AgentId, Heartbeat, ProcessState};
use rawe_runtime::wall_now;

use super::load::nap;
use super::wire::{Replies, command, connect};

/// Beats on a thread of its own until it is dropped.
pub(super) struct Heart {
    ends: Arc<AtomicBool>,
}

impl Heart {
    /// Writes the first beats before it returns.
    pub(super) fn start(port: u16, agents: Vec<(AgentId, String)>) -> anyhow::Result<Self> {
        let mut replies = Replies::new(connect(port)?);
        let mut stream = connect(port)?;
        for words in beats(&agents)? {
            replies.ask(&[b"HSET", STATUS_HASH.as_bytes(), &words.0, &words.1])?;
        }
        let ends = Arc::new(AtomicBool::new(false));
        let told = ends.clone();
        std::thread::spawn(move || -> io::Result<()> {
            let mut replies = Replies::new(stream.try_clone()?);
            let mut out = Vec::new();
            while !told.load(Ordering::Relaxed) {
                nap(Duration::from_millis(HEARTBEAT_INTERVAL_MS));
                let beats = beats(&agents).map_err(io::Error::other)?;
                out.clear();
                for (name, beat) in &beats {
                    command(&mut out, &[b"HSET", STATUS_HASH.as_bytes(), name, beat]);
                }
                stream.write_all(&out)?;
                for _ in &beats {
                    replies.next()?;
                }
            }
            Ok(())
        });
        Ok(Self { ends })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

fn beats(agents: &[(AgentId, String)]) -> serde_json::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let now = wall_now();
    let beat = |(id, boot): &(AgentId, String)| {
        let beat = Heartbeat {
            process: id.to_string(),
            agent: Some(id.clone()),
            pid: std::process::id(),
            boot_id: boot.clone(),
            at: now,
            state: ProcessState::Running,
            detail: String::new(),
            last_event: "vote".to_owned(),
            last_event_at: now,
            market_time: None,
            counters: std::collections::BTreeMap::new(),
        };
        Ok((id.to_string().into_bytes(), serde_json::to_vec(&beat)?))
    };
    agents.iter().map(beat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_has_a_beat_that_an_engine_calls_alive() {
        let agents = [(AgentId::new("a").unwrap(), "boot".to_owned())];
        let beats = beats(&agents).unwrap();
        let beat: Heartbeat = serde_json::from_slice(&beats[0].1).unwrap();
        assert!(beat.is_alive(wall_now()));
        assert_eq!(
            (beat.agent, beat.boot_id),
            (Some(agents[0].0.clone()), "boot".to_owned())
        );
    }
}

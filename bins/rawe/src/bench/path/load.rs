//! The generator: votes of the roster's agents on fresh assets, at a given pace or as fast as
//! decisions come back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use rawe_core::Roster;
use rawe_core::channels::SIGNAL_CHANNEL;
use rawe_runtime::{new_boot_id, wall_now};

use super::board::{Board, LONE_FROM, symbol_of};
use super::heart::Heart;
use super::wire::{command, connect};

/// Assets voted on side by side.
const SIDE_BY_SIDE: usize = 20;
/// Votes that complete a round.
const QUORUM: usize = 3;
/// About as long as a message is, bytes.
const MESSAGE_BYTES: usize = 1024;
/// How much is sent at once, flat out.
const BATCH_BYTES: usize = 48 * 1024;
/// How long no decision may come before a loop that waits for one gives up.
const STALL: Duration = Duration::from_secs(2);
/// How long the last decisions are waited for.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a wait naps.
const NAP: Duration = Duration::from_micros(200);

/// How fast.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// Messages a second, whatever comes back.
    Rate(f64),
    /// As fast as decisions come back, with at most so many rounds undecided.
    InFlight(u64),
}

/// One part of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) pace: Pace,
    pub(super) duration: Duration,
}

/// What a part came to.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) messages: u64,
    pub(super) rounds: u64,
    pub(super) decided: u64,
    pub(super) elapsed: Duration,
    /// Nanoseconds from the completing vote to the order, sorted.
    pub(super) latencies: Vec<u64>,
}

struct Agent {
    id: String,
    name: String,
    boot: String,
    sequence: u64,
}

/// The publisher, and its agents.
pub(super) struct Sender {
    stream: TcpStream,
    board: Arc<Board>,
    agents: Vec<Agent>,
    votes: usize,
    round: usize,
    lone: usize,
    filler: String,
    out: Vec<u8>,
    completing: Vec<usize>,
    /// Its agents live as long as it does.
    _heart: Heart,
}

impl Sender {
    pub(super) fn connect(
        port: u16,
        board: &Arc<Board>,
        roster: &Roster,
        votes: usize,
    ) -> anyhow::Result<Self> {
        let stream = connect(port)?;
        let mut answers = stream.try_clone()?;
        // The counts of receivers that PUBLISH answers are read away.
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while matches!(answers.read(&mut chunk), Ok(count) if count > 0) {}
        });
        let agents = roster.0.iter().map(|agent| Agent {
            id: agent.id.to_string(),
            name: agent.name.clone(),
            boot: new_boot_id().to_string(),
            sequence: 0,
        });
        let agents: Vec<Agent> = agents.collect();
        let voters = roster.0.iter().zip(&agents);
        let voters = voters.map(|(voter, agent)| (voter.id.clone(), agent.boot.clone()));
        let heart = Heart::start(port, voters.collect())?;
        Ok(Self {
            _heart: heart,
            stream,
            board: board.clone(),
            agents,
            votes,
            round: 0,
            lone: 0,
            filler: "analysts see supply staying tight; ".repeat(MESSAGE_BYTES / 35),
            out: Vec::new(),
            completing: Vec::new(),
        })
    }

    /// Sends one group of rounds at once: to find out whether anybody decides.
    pub(super) fn knock(&mut self) -> anyhow::Result<()> {
        for vote in 0..self.votes {
            for place in 0..SIDE_BY_SIDE {
                self.write_vote(vote, self.round + place);
            }
        }
        self.round += SIDE_BY_SIDE;
        self.flush()
    }

    /// Decisions so far.
    pub(super) fn decided(&self) -> u64 {
        self.board.decided()
    }

    /// Forgets the latencies so far.
    pub(super) fn forget(&self) {
        self.board.take_latencies();
    }

    /// Publishes votes that nobody joins.
    pub(super) fn publish_lone_proposals(&mut self, count: usize) -> anyhow::Result<()> {
        for _ in 0..count {
            self.lone += 1;
            self.write_vote(self.lone % self.votes, LONE_FROM + self.lone);
            if self.out.len() > BATCH_BYTES {
                self.flush()?;
            }
        }
        self.flush()
    }

    /// Sends for a while, then waits for the last decisions.
    pub(super) fn send(&mut self, load: &Load) -> anyhow::Result<Sent> {
        self.board.take_latencies();
        let (decided, first_round) = (self.board.decided(), self.round);
        let started = Instant::now();
        let mut messages = 0_u64;
        let mut stalled = false;
        while started.elapsed() < load.duration
            && !stalled
            && Board::has_room(self.round, SIDE_BY_SIDE)
        {
            if let Pace::InFlight(most) = load.pace {
                let begun = u64::try_from(self.round - first_round + SIDE_BY_SIDE)?;
                stalled = !self.wait_for((begun + decided).saturating_sub(most), STALL);
            }
            for vote in 0..self.votes {
                for place in 0..SIDE_BY_SIDE {
                    if let Pace::Rate(rate) = load.pace {
                        self.keep_pace(started, messages as f64 / rate)?;
                    }
                    self.write_vote(vote, self.round + place);
                    messages += 1;
                    if self.out.len() > BATCH_BYTES {
                        self.flush()?;
                    }
                }
            }
            self.round += SIDE_BY_SIDE;
        }
        self.flush()?;
        let rounds = u64::try_from(self.round - first_round)?;
        self.wait_for(decided + rounds, DRAIN);
        let elapsed = started.elapsed();
        let mut latencies = self.board.take_latencies();
        latencies.sort_unstable();
        Ok(Sent {
            messages,
            rounds,
            decided: self.board.decided() - decided,
            elapsed,
            latencies,
        })
    }

    /// Waits until so many rounds are decided; false when nothing happens for `patience`.
    fn wait_for(&mut self, decided: u64, patience: Duration) -> bool {
        let (mut seen, mut since) = (self.board.decided(), Instant::now());
        while self.board.decided() < decided {
            if self.flush().is_err() {
                return false;
            }
            nap(NAP);
            let now = self.board.decided();
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > patience {
                return false;
            }
        }
        true
    }

    /// Waits until `due` seconds after the start; what was written leaves before.
    fn keep_pace(&mut self, started: Instant, due: f64) -> anyhow::Result<()> {
        let due = Duration::from_secs_f64(due);
        if let Some(left) = due.checked_sub(started.elapsed()) {
            self.flush()?;
            nap(left);
        }
        Ok(())
    }

    fn write_vote(&mut self, vote: usize, asset: usize) {
        let count = self.agents.len().max(1);
        let Some(agent) = self.agents.get_mut(vote % count) else {
            return;
        };
        agent.sequence += 1;
        let symbol = symbol_of(asset);
        let symbol = String::from_utf8_lossy(&symbol);
        let at = wall_now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let Agent {
            id,
            name,
            boot,
            sequence,
        } = agent;
        let filler = self.filler.get(..MESSAGE_BYTES - 560).unwrap_or_default();
        let message = format!(
            r#"{{"timestamp":"{at}","narrative_id":"n-{sequence}","financial_asset":"{symbol}","signal_type":"narrative_leads","strength":0.82,"expected_profit":112.5,"risk_score":0.21,"metadata":{{"agent_name":"{name}","financial_asset":"{symbol}","direction":"long","size":1000.5,"expected_profit":112.5,"risk_score":0.21,"strategy":"bench","metadata":{{"nvx":61.5,"headline":"{filler}"}}}},"version":1,"agent":{{"id":"{id}","boot_id":"{boot}","sequence":{sequence}}},"ttl_ms":10000}}"#
        );
        let words: [&[u8]; 3] = [b"PUBLISH", SIGNAL_CHANNEL.as_bytes(), message.as_bytes()];
        command(&mut self.out, &words);
        if vote + 1 == QUORUM && asset < LONE_FROM {
            self.completing.push(asset);
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let now = self.board.now();
        for round in self.completing.drain(..) {
            self.board.completes(round, now);
        }
        self.stream.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a generator keeps its pace on a thread of its own"
)]
pub(super) fn nap(duration: Duration) {
    std::thread::sleep(duration);
}

//! The violence: one act after the other, drawn by the seed; between two of them the collective
//! gets a few seconds in which it trades.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rawe_core::control::ControlCommand;
use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::{Heartbeat, ProcessState, Timestamp};
use rawe_runtime::wall_now;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::house::{ENGINE, EXCHANGE, House};
use super::voter::mixed;

/// How long an engine that was struck may take to trade again before the next act comes anyway.
const RECOVERY_PATIENCE: Duration = Duration::from_secs(25);
/// How long the engine may take to confirm a halt.
const HALT_PATIENCE: Duration = Duration::from_secs(10);
/// The file beside the journal that halts.
const HALT_FILE: &str = "HALT";

/// What may be done, and how likely each is.
const MENU: [(Act, u64); 12] = [
    (Act::KillEngine, 20),
    (Act::FreezeEngine, 10),
    (Act::KillVoter, 8),
    (Act::FreezeVoter, 4),
    (Act::KillRedis, 8),
    (Act::FreezeRedis, 6),
    (Act::CutRedisLinks, 10),
    (Act::FreezeExchange, 7),
    (Act::HaltByBus, 8),
    (Act::HaltByFile, 6),
    (Act::Reduce, 5),
    (Act::OtherFaults, 8),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    KillEngine,
    FreezeEngine,
    KillVoter,
    FreezeVoter,
    KillRedis,
    FreezeRedis,
    CutRedisLinks,
    FreezeExchange,
    HaltByBus,
    HaltByFile,
    Reduce,
    OtherFaults,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::KillEngine => "engine killed",
            Self::FreezeEngine => "engine frozen",
            Self::KillVoter => "voter killed",
            Self::FreezeVoter => "voter frozen",
            Self::KillRedis => "redis killed",
            Self::FreezeRedis => "redis frozen",
            Self::CutRedisLinks => "redis links cut",
            Self::FreezeExchange => "exchange frozen",
            Self::HaltByBus => "halted by bus",
            Self::HaltByFile => "halted by file",
            Self::Reduce => "reduced",
            Self::OtherFaults => "other faults",
        }
    }
}

/// A time in which the engine had confirmed that it is halted, and nobody had said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Halted {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

/// The acts of one run.
pub(crate) struct Acts {
    seed: u64,
    draws: u64,
    /// How often each was done.
    pub(crate) done: BTreeMap<&'static str, u64>,
    /// When nothing may have been ordered.
    pub(crate) halted: Vec<Halted>,
    /// What the engine said of itself between the acts.
    pub(crate) beats: Vec<Heartbeat>,
    /// Halts that the engine did not confirm in time.
    pub(crate) halts_unconfirmed: u64,
}

impl Acts {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            draws: 0,
            done: BTreeMap::new(),
            halted: Vec::new(),
            beats: Vec::new(),
            halts_unconfirmed: 0,
        }
    }

    /// A number from `from` to `to`, both included.
    fn draw(&mut self, from: u64, to: u64) -> u64 {
        self.draws += 1;
        from + mixed(self.seed, self.draws, 99) % (to.saturating_sub(from) + 1)
    }

    fn seconds(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.draw(from_ms, to_ms))
    }

    fn choose(&mut self) -> Act {
        let all = MENU.iter().map(|(_, weight)| weight).sum::<u64>();
        let mut left = self.draw(0, all - 1);
        for (act, weight) in MENU {
            if left < weight {
                return act;
            }
            left -= weight;
        }
        Act::KillEngine
    }

    /// Acts until the time is up.
    pub(crate) async fn rage(&mut self, house: &House, until: Instant) {
        loop {
            let pause = self.seconds(1_000, 5_000);
            if Instant::now() + pause >= until {
                tokio::time::sleep_until(until).await;
                self.look(house).await;
                return;
            }
            sleep(pause).await;
            self.look(house).await;
            let act = self.choose();
            *self.done.entry(act.name()).or_default() += 1;
            self.perform(house, act).await;
            let left = until.saturating_duration_since(Instant::now());
            house
                .engine_reaches(ProcessState::Running, RECOVERY_PATIENCE.min(left))
                .await;
        }
    }

    /// Keeps the engine's heartbeat, for the account of its votes.
    pub(crate) async fn look(&mut self, house: &House) {
        self.beats.extend(house.heartbeat().await);
    }

    async fn perform(&mut self, house: &House, act: Act) {
        match act {
            Act::KillEngine => strike(child(house, ENGINE), Signal::SIGKILL),
            Act::FreezeEngine => {
                let wait = self.seconds(500, 8_000);
                freeze(child(house, ENGINE), wait).await;
            }
            Act::KillVoter => strike(child(house, self.voter()), Signal::SIGKILL),
            Act::FreezeVoter => {
                let (voter, wait) = (self.voter(), self.seconds(500, 4_000));
                freeze(child(house, voter), wait).await;
            }
            Act::KillRedis => strike(redis(house), Signal::SIGKILL),
            Act::FreezeRedis => {
                let wait = self.seconds(200, 4_000);
                freeze(redis(house), wait).await;
            }
            Act::CutRedisLinks => {
                // A Redis that is not there has no links either.
                let _cut = timeout(Duration::from_secs(2), cut_links(&house.redis.url)).await;
            }
            Act::FreezeExchange => {
                let wait = self.seconds(200, 3_000);
                freeze(child(house, EXCHANGE), wait).await;
            }
            Act::HaltByBus => {
                // Redis may be down: then there is no halt, and no promise.
                if house.say(ControlCommand::Halt).await.is_ok() {
                    self.stay_halted(house).await;
                }
                self.resume(house).await;
            }
            Act::HaltByFile => {
                let file = house.journal.with_file_name(HALT_FILE);
                if std::fs::write(file, "rawe chaos\n").is_ok() {
                    self.stay_halted(house).await;
                }
                self.resume(house).await;
            }
            Act::Reduce => {
                let _told = house.say(ControlCommand::Reduce).await;
                let wait = self.seconds(1_000, 4_000);
                sleep(wait).await;
                self.resume(house).await;
            }
            Act::OtherFaults => {
                let seed = self.draw(1, 1_000_000);
                let _set = house.set_faults(seed).await;
            }
        }
    }

    /// Waits for the engine's word that it is halted, and a while longer. Now and then the engine
    /// is killed meanwhile: a halt outlives it.
    async fn stay_halted(&mut self, house: &House) {
        if !house
            .engine_reaches(ProcessState::Halted, HALT_PATIENCE)
            .await
        {
            self.halts_unconfirmed += 1;
            return;
        }
        let from = wall_now();
        if self.draw(0, 2) == 0 {
            *self.done.entry("engine killed while halted").or_default() += 1;
            strike(child(house, ENGINE), Signal::SIGKILL);
        }
        let wait = self.seconds(2_500, 7_000);
        sleep(wait).await;
        self.halted.push(Halted {
            from,
            until: wall_now(),
        });
    }

    /// Takes every halt back.
    async fn resume(&self, house: &House) {
        resume(house).await;
    }

    fn voter(&mut self) -> &'static str {
        let number = self.draw(0, FOUNDING_AGENTS.len() as u64 - 1);
        usize::try_from(number)
            .ok()
            .and_then(|number| FOUNDING_AGENTS.get(number))
            .map_or("", |(id, _)| id)
    }
}

/// Takes every halt back, until Redis has taken the word.
pub(crate) async fn resume(house: &House) {
    let file = house.journal.with_file_name(HALT_FILE);
    // It is there only after a halt by file.
    drop(std::fs::remove_file(file));
    for _ in 0..20 {
        if house.say(ControlCommand::Resume).await.is_ok() {
            return;
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// A child of ours, if it lives.
fn child(house: &House, name: &str) -> Option<Pid> {
    let pid = house.watched().pids.get(name).copied()?;
    i32::try_from(pid).ok().map(Pid::from_raw)
}

/// The Redis that our keeper runs.
fn redis(house: &House) -> Option<Pid> {
    let text = std::fs::read_to_string(&house.redis.pid_file).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    (pid > 1).then(|| Pid::from_raw(pid))
}

fn strike(pid: Option<Pid>, signal: Signal) {
    if let Some(pid) = pid {
        // It may have died by itself.
        let _struck = kill(pid, signal);
    }
}

async fn freeze(pid: Option<Pid>, wait: Duration) {
    strike(pid, Signal::SIGSTOP);
    sleep(wait).await;
    strike(pid, Signal::SIGCONT);
}

/// Ends all connections to Redis but the one that says so.
async fn cut_links(url: &str) -> anyhow::Result<()> {
    let rest = url.trim_start_matches("redis://:");
    let (password, address) = rest.split_once('@').unwrap_or(("", rest));
    let mut socket = TcpStream::connect(address).await?;
    let words = format!(
        "AUTH {password}\r\nCLIENT KILL TYPE pubsub\r\nCLIENT KILL TYPE normal SKIPME yes\r\n"
    );
    socket.write_all(words.as_bytes()).await?;
    let mut answer = [0; 256];
    let _read = socket.read(&mut answer).await?;
    Ok(())
}

/// What the exchange does wrong all the time.
pub(crate) fn fault_rules() -> Value {
    let post = |mut rule: Value| {
        rule["method"] = json!("POST");
        rule["route"] = json!("/v2/orders");
        rule
    };
    let get = |mut rule: Value| {
        rule["method"] = json!("GET");
        rule["route"] = json!("/v2/");
        rule
    };
    let delete = |mut rule: Value| {
        rule["method"] = json!("DELETE");
        rule
    };
    json!([
        post(json!({"fault": "drop_request", "probability": 0.02})),
        post(json!({"fault": "drop_answer", "probability": 0.04})),
        post(json!({"fault": "fail_request", "probability": 0.02, "status": 502})),
        post(json!({"fault": "fail_answer", "probability": 0.02, "status": 504})),
        post(json!({"fault": "fail_answer", "probability": 0.01, "status": 500})),
        post(json!({"fault": "garble_answer", "probability": 0.02})),
        post(json!({"fault": "rate_limit", "probability": 0.005, "ms": 500})),
        post(json!({"fault": "delay_request", "probability": 0.1, "ms": [1, 300]})),
        post(json!({"fault": "delay_answer", "probability": 0.1, "ms": [1, 500]})),
        post(json!({"fault": "delay_answer", "probability": 0.002, "ms": 17_000})),
        {"fault": "partial_fill", "probability": 0.12, "fraction": 0.4, "ms": [20, 1500]},
        {"fault": "partial_fill", "probability": 0.04, "fraction": 0.6, "ms": [20, 800],
            "then": "cancelled"},
        {"fault": "late_reject", "probability": 0.02, "ms": [20, 800]},
        {"fault": "lag", "probability": 0.1, "ms": [50, 1500]},
        {"fault": "halt", "probability": 0.004, "ms": [500, 3000]},
        get(json!({"fault": "delay_answer", "probability": 0.05, "ms": [1, 200]})),
        get(json!({"fault": "fail_request", "probability": 0.02, "status": 503})),
        get(json!({"fault": "drop_answer", "probability": 0.02})),
        get(json!({"fault": "rate_limit", "probability": 0.003, "ms": 1000})),
        delete(json!({"fault": "drop_answer", "probability": 0.05})),
        delete(json!({"fault": "fail_answer", "probability": 0.05, "status": 504})),
        delete(json!({"fault": "fail_request", "probability": 0.05})),
        {"fault": "duplicate_update", "probability": 0.1},
        {"fault": "delay_update", "probability": 0.1, "ms": [20, 1000]},
        {"fault": "cut_stream", "probability": 0.003},
        {"fault": "mute_stream", "probability": 0.0005, "ms": 25_000},
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_are_a_plan_that_the_exchange_takes() {
        let plan = json!({"seed": 1, "rules": fault_rules()});
        let plan: paper_exchange::FaultPlan = serde_json::from_value(plan).unwrap();
        assert_eq!(plan.problems(), Vec::<String>::new());
    }

    #[test]
    fn every_act_comes_in_time_and_one_seed_gives_one_order() {
        let chosen = |seed| {
            let mut acts = Acts::new(seed);
            (0..400).map(|_| acts.choose()).collect::<Vec<_>>()
        };
        for (act, _) in MENU {
            assert!(chosen(5).contains(&act), "{act:?}");
        }
        assert_eq!(chosen(5), chosen(5));
        assert_ne!(chosen(5), chosen(6));
    }
}

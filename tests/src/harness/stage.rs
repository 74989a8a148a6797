//! A stage: a Redis of its own, a paper exchange over a small market, a consensus engine; and what
//! a test asks of them. The test plays the agents and, in a replay, the pacer.

use std::process::Command;
use std::time::Duration;

use rawe_bus::testing::{RedisServer, free_port};
use rawe_bus::{Bus, EntryId, RedisBus, StreamAppend};
use rawe_core::channels::{ACKS_STREAM, CLOCK_STREAM, DECISIONS_STREAM, STATUS_HASH};
use rawe_core::{
    Acknowledgement, ClockInstant, ClockMode, Heartbeat, ProcessState, RoundOutcome, RoundRecord,
    Timestamp,
};
use rawe_runtime::wall_now;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Program, Voter, eventually, write_bars};

/// The votes of a quorum may be this far apart, milliseconds of market time: short, so that rounds
/// which fail are over soon.
pub(crate) const WINDOW_MS: i64 = 2_000;

/// Everything a test of the collective needs.
pub(crate) struct Stage {
    pub(crate) redis: RedisServer,
    pub(crate) bus: RedisBus,
    pub(crate) engine: Program,
    pub(crate) voters: Vec<Voter>,
    exchange_url: String,
    /// Lives as long as the stage.
    pub(crate) exchange: Program,
    /// Where the processes run; removed with the stage.
    pub(crate) folder: TempDir,
    http: reqwest::Client,
    step: u64,
}

/// An HTTP client.
pub(crate) fn http() -> reqwest::Client {
    // Another test may have installed it already.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

/// A URL on this machine where nobody listens.
pub(crate) fn free_url(scheme: &str) -> String {
    format!("{scheme}://127.0.0.1:{}", free_port().unwrap())
}

impl Stage {
    /// Sets up everything, with heartbeats of the first `alive` agents; nothing is announced yet.
    pub(crate) async fn new(alive: usize) -> Self {
        let redis = RedisServer::start().unwrap();
        let bus = RedisBus::connect(&redis.url()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let bars = write_bars(folder.path());
        let mut command = Program::command("paper-exchange", folder.path());
        command
            .args(["--listen", "127.0.0.1:0", "--warmup-days", "1", "--bars"])
            .arg(bars);
        let mut exchange = Program::start(command);
        let listening = exchange.event("exchange_listening").await;
        let exchange_url = format!("http://{}", listening["address"].as_str().unwrap());
        let mut voters = Voter::roster();
        for voter in voters.iter_mut().take(alive) {
            voter.live(&bus);
        }
        let engine = Program::start(engine_command(&redis, &exchange_url, &folder));
        let (http, step) = (http(), 0);
        Self {
            redis,
            bus,
            engine,
            voters,
            exchange_url,
            exchange,
            folder,
            http,
            step,
        }
    }

    /// A stage whose market time is wall time, ready to trade.
    pub(crate) async fn live(alive: usize) -> Self {
        let stage = Self::new(alive).await;
        stage
            .announce(ClockMode::WarmedUp, 0, wall_now(), false)
            .await;
        stage.engine_runs().await;
        stage
    }

    /// A stage whose market time the test paces, at the first instant of the exchange's clock.
    pub(crate) async fn paced(alive: usize) -> (Self, Timestamp) {
        let mut stage = Self::new(alive).await;
        let market = stage.get("/rawe/v1/market").await;
        let start: Timestamp = market["now"].as_str().unwrap().parse().unwrap();
        stage.announce(ClockMode::WarmedUp, 0, start, true).await;
        stage.acknowledge().await;
        stage.engine_acknowledges().await;
        stage.step = 1;
        (stage, start)
    }

    /// Moves the exchange's clock and announces the instant. The played agents vote after this and
    /// then acknowledge.
    pub(crate) async fn begin_step(&mut self, instant: Timestamp) {
        let url = format!("{}/rawe/v1/clock", self.exchange_url);
        let body = json!({"now": instant}).to_string();
        let answer = self.http.post(url).body(body).send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
        self.announce(ClockMode::Paced, self.step, instant, true)
            .await;
    }

    /// All live agents acknowledge, the engine follows; the next step may begin.
    pub(crate) async fn end_step(&mut self) {
        self.acknowledge().await;
        self.engine_acknowledges().await;
        self.step += 1;
    }

    async fn append(&self, stream: &str, entries: &[impl Serialize]) {
        let payloads = entries
            .iter()
            .map(|entry| serde_json::to_vec(entry).unwrap())
            .collect();
        let append = StreamAppend {
            stream,
            payloads,
            length_max: 100_000,
        };
        self.bus.append(&[append]).await.unwrap();
    }

    async fn announce(&self, mode: ClockMode, step: u64, instant: Timestamp, paced: bool) {
        let announced = ClockInstant {
            step,
            instant,
            mode,
            paced,
            run_id: "test".to_owned(),
            bars_through: EntryId::START.to_string(),
            news_through: EntryId::START.to_string(),
        };
        self.append(CLOCK_STREAM, &[announced]).await;
    }

    async fn acknowledge(&self) {
        let acknowledge = |voter: &Voter| Acknowledgement {
            participant: voter.id.to_string(),
            step: self.step,
            published: voter.published(),
            boot_id: voter.boot.to_string(),
            next_timer: None,
        };
        let acknowledgements: Vec<_> = self.voters.iter().map(acknowledge).collect();
        self.append(ACKS_STREAM, &acknowledgements).await;
    }

    async fn engine_acknowledges(&self) {
        let what = format!("the engine's acknowledgement of step {}", self.step);
        eventually(&what, || async {
            let entries = self
                .bus
                .range(ACKS_STREAM, EntryId::START, None, 100_000)
                .await
                .unwrap();
            let acks = entries
                .iter()
                .filter_map(|entry| serde_json::from_slice::<Acknowledgement>(&entry.payload).ok());
            let found = acks
                .filter(|ack| ack.participant == "consensus-engine" && ack.step == self.step)
                .count();
            (found > 0).then_some(())
        })
        .await;
    }

    /// The engine's heartbeat, if it has one.
    pub(crate) async fn heartbeat(&self) -> Option<Heartbeat> {
        let fields = self.bus.fields(STATUS_HASH).await.ok()?;
        serde_json::from_slice(fields.get("consensus-engine")?).ok()
    }

    /// Waits until the engine says that it runs, in a heartbeat from after this call.
    pub(crate) async fn engine_runs(&self) {
        let called = wall_now();
        eventually("the engine runs", || async {
            let beat = self.heartbeat().await?;
            (beat.state == ProcessState::Running && beat.at > called).then_some(())
        })
        .await;
    }

    /// Waits until a counter of the engine's heartbeat is at least `count`.
    pub(crate) async fn counted(&self, counter: &str, count: u64) -> Heartbeat {
        eventually(&format!("{count} {counter}"), || async {
            let beat = self.heartbeat().await?;
            (beat.counters.get(counter).copied().unwrap_or(0) >= count).then_some(beat)
        })
        .await
    }

    /// The records of all closed rounds.
    pub(crate) async fn rounds(&self) -> Vec<RoundRecord> {
        let entries = self
            .bus
            .range(DECISIONS_STREAM, EntryId::START, None, 100_000)
            .await;
        let entries = entries.unwrap();
        entries
            .iter()
            .map(|entry| serde_json::from_slice(&entry.payload).unwrap())
            .collect()
    }

    /// Waits for a round of an asset with an outcome.
    pub(crate) async fn round(&self, asset: &str, outcome: RoundOutcome) -> RoundRecord {
        eventually(&format!("a round {outcome} of {asset}"), || async {
            let rounds = self.rounds().await;
            rounds
                .into_iter()
                .find(|r| r.asset.as_str() == asset && r.outcome == outcome)
        })
        .await
    }

    /// One more engine, with a journal of its own if `journal` is given.
    pub(crate) fn another_engine(&self, journal: Option<&str>) -> Program {
        let mut command = engine_command(&self.redis, &self.exchange_url, &self.folder);
        if let Some(journal) = journal {
            command.args(["--journal", journal]);
        }
        Program::start(command)
    }

    /// Runs `rawe` with these words; its exit code and what it wrote.
    pub(crate) async fn rawe(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = Program::command("rawe", self.folder.path());
        command.args(words).env("RAWE_REDIS_URL", self.redis.url());
        command.env("RAWE_DEPLOYMENT", "test");
        Program::run(command).await
    }

    /// A page of the exchange.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.exchange_url));
        let answer = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// All orders that the exchange ever took.
    pub(crate) async fn orders(&self) -> Vec<Value> {
        self.get("/rawe/v1/book").await["orders"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Checks that behind every order at the exchange there is a decision with enough votes of
    /// distinct agents, close enough together.
    pub(crate) async fn every_order_was_voted_for(&self) {
        let rounds = self.rounds().await;
        for order in self.orders().await {
            let id = order["client_order_id"].as_str().unwrap();
            let decisions: Vec<&RoundRecord> = rounds
                .iter()
                .filter(|r| r.client_order_id.as_ref().is_some_and(|c| c.as_str() == id))
                .collect();
            let [decision] = decisions.as_slice() else {
                panic!("order {id} has {} decisions: {order}", decisions.len());
            };
            assert!(decision.outcome.is_decision(), "{decision:?}");
            let agreeing = decision
                .votes
                .iter()
                .filter(|v| Some(v.direction) == decision.direction);
            let mut agents: Vec<&str> = agreeing.clone().map(|v| v.agent.as_str()).collect();
            agents.sort_unstable();
            agents.dedup();
            assert!(agents.len() >= 3, "order {id} had only {agents:?}");
            let times: Vec<Timestamp> = agreeing.map(|vote| vote.timestamp).collect();
            let span = *times.iter().max().unwrap() - *times.iter().min().unwrap();
            assert!(
                span.num_milliseconds() <= WINDOW_MS,
                "votes of {id} span {span}"
            );
        }
    }
}

fn engine_command(redis: &RedisServer, exchange_url: &str, folder: &TempDir) -> Command {
    let mut command = Program::command("consensus-engine", folder.path());
    command.args(["--redis-url", &redis.url(), "--alpaca-url", exchange_url]);
    command.args([
        "--window-ms",
        &WINDOW_MS.to_string(),
        "--deployment",
        "test",
    ]);
    command
}

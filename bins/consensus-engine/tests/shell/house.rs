//! An engine in a house of its own: bus, broker, journal, and eyes for what comes out.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use consensus_engine::{Brokerage, EngineArgs, Settings, run_with};
use rawe_bus::{Bus, EntryId, MemoryBus, StreamAppend};
use rawe_core::channels::{DECISIONS_STREAM, SIGNAL_CHANNEL, STATUS_HASH};
use rawe_core::{
    AgentId, AgentRef, ArbitrageSignal, BootId, Direction, Heartbeat, ProcessState, ProposedTrade,
    RoundRecord, SignalType, Symbol, Timestamp,
};
use rawe_execution::journal::{JournalEntry, Resolution};
use rawe_execution::testing::{MemoryJournal, ScriptedBroker};
use rawe_runtime::wall_now;
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const AGENTS: [&str; 5] = [
    "alpha-aggressor",
    "balanced-arbitrator",
    "conservative-guardian",
    "flux-follower",
    "topological-observer",
];
/// How long anything may take to happen.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: EngineArgs,
}

pub(crate) struct House {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) broker: Arc<ScriptedBroker>,
    pub(crate) journal: Arc<Mutex<MemoryJournal>>,
    pub(crate) folder: tempfile::TempDir,
    words: Vec<String>,
    engine: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
    sequence: u64,
}

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

impl House {
    /// A house with stocks at 100 USD and Bitcoin at 50,000; no engine yet.
    pub(crate) fn new(words: &[&str]) -> Self {
        let broker = Arc::new(ScriptedBroker::new(wall_now()));
        for stock in ["AAPL", "MSFT", "NVDA"] {
            broker.list(&symbol(stock), Decimal::from(100));
        }
        broker.list(&symbol("BTC/USD"), Decimal::from(50_000));
        Self {
            bus: Arc::new(MemoryBus::new()),
            broker,
            journal: Arc::new(Mutex::new(MemoryJournal::default())),
            folder: tempfile::tempdir().unwrap(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            engine: None,
            sequence: 0,
        }
    }

    /// A house with a running engine and five living agents.
    pub(crate) async fn running(words: &[&str]) -> Self {
        let mut house = Self::new(words);
        house.agents_live(&AGENTS).await;
        house.start().await;
        house
    }

    /// Starts an engine and waits until it listens.
    pub(crate) async fn start(&mut self) {
        let journal = self.folder.path().join("journal.sqlite");
        let mut line = vec!["consensus-engine".to_owned()];
        line.extend(["--journal".to_owned(), journal.display().to_string()]);
        line.extend(self.words.iter().cloned());
        let settings = Settings::load(&Line::try_parse_from(line).unwrap().args).unwrap();
        let shutdown = CancellationToken::new();
        let brokerage = Brokerage {
            broker: self.broker.clone(),
            updates: None,
        };
        let journal = self.journal.clone();
        let engine = run_with(
            settings,
            self.bus.clone(),
            brokerage,
            Box::new(move || Ok(journal)),
            shutdown.clone(),
        );
        self.engine = Some((shutdown, tokio::spawn(engine)));
        self.until("the engine runs", |beat| {
            beat.state == ProcessState::Running
        })
        .await;
    }

    /// Ends the engine in good order.
    pub(crate) async fn stop(&mut self) {
        let (shutdown, engine) = self.engine.take().unwrap();
        shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(5), engine)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let gone: &[u8] = b"{}";
        self.bus
            .set_field(STATUS_HASH, "consensus-engine", gone)
            .await
            .unwrap();
    }

    /// Ends the engine as kill -9 does.
    pub(crate) async fn kill(&mut self) {
        let (_, engine) = self.engine.take().unwrap();
        engine.abort();
        assert!(engine.await.is_err());
        let gone: &[u8] = b"{}";
        self.bus
            .set_field(STATUS_HASH, "consensus-engine", gone)
            .await
            .unwrap();
    }

    pub(crate) async fn agents_live(&self, agents: &[&str]) {
        for agent in agents {
            let beat = Heartbeat {
                process: (*agent).to_owned(),
                agent: Some(AgentId::new(agent).unwrap()),
                pid: 1,
                boot_id: "boot".to_owned(),
                at: wall_now() + chrono::TimeDelta::hours(1),
                state: ProcessState::Running,
                detail: String::new(),
                last_event: "scan".to_owned(),
                last_event_at: wall_now(),
                market_time: None,
                counters: std::collections::BTreeMap::new(),
            };
            let payload = serde_json::to_vec(&beat).unwrap();
            self.bus
                .set_field(STATUS_HASH, agent, &payload)
                .await
                .unwrap();
        }
    }

    pub(crate) fn signal(
        &mut self,
        agent: &str,
        asset: &str,
        direction: Direction,
        at: Timestamp,
    ) -> ArbitrageSignal {
        self.sequence += 1;
        ArbitrageSignal {
            timestamp: at,
            narrative_id: "story".to_owned(),
            financial_asset: symbol(asset),
            signal_type: SignalType::NarrativeLeads,
            strength: 0.6,
            expected_profit: 12.0,
            risk_score: 0.2,
            metadata: ProposedTrade {
                agent_name: agent.to_owned(),
                financial_asset: symbol(asset),
                direction,
                size: Decimal::from(1_000),
                expected_profit: 12.0,
                risk_score: 0.2,
                timestamp: None,
                narrative_id: None,
                strategy: None,
                confidence: None,
                horizon_secs: None,
                metadata: serde_json::Map::new(),
            },
            version: 1,
            signal_id: None,
            agent: Some(AgentRef {
                id: AgentId::new(agent).unwrap(),
                boot_id: BootId::new("boot").unwrap(),
                sequence: self.sequence,
            }),
            ttl_ms: Some(60_000),
            signature: None,
            timestamp_was_naive: false,
        }
    }

    pub(crate) async fn vote(&mut self, agents: &[&str], asset: &str, direction: Direction) {
        self.vote_at(agents, asset, direction, wall_now()).await;
    }

    pub(crate) async fn vote_at(
        &mut self,
        agents: &[&str],
        asset: &str,
        direction: Direction,
        at: Timestamp,
    ) {
        for agent in agents {
            let signal = self.signal(agent, asset, direction, at);
            self.publish(&serde_json::to_vec(&signal).unwrap()).await;
        }
    }

    pub(crate) async fn publish(&self, payload: &[u8]) {
        self.bus.publish(SIGNAL_CHANNEL, payload).await.unwrap();
    }

    pub(crate) async fn append<T: Serialize>(&self, stream: &'static str, message: &T) {
        let payloads = vec![serde_json::to_vec(message).unwrap()];
        let append = StreamAppend {
            stream,
            payloads,
            length_max: 100_000,
        };
        self.bus.append(&[append]).await.unwrap();
    }

    pub(crate) async fn entries<T: DeserializeOwned>(&self, stream: &str) -> Vec<T> {
        let entries = self
            .bus
            .range(stream, EntryId::START, None, 100_000)
            .await
            .unwrap();
        entries
            .iter()
            .map(|entry| serde_json::from_slice(&entry.payload).unwrap())
            .collect()
    }

    /// What the journal holds of one kind.
    pub(crate) fn journalled<T>(&self, wanted: impl Fn(&JournalEntry) -> Option<T>) -> Vec<T> {
        let journal = self.journal.lock().unwrap();
        journal.entries.iter().filter_map(wanted).collect()
    }

    /// How the intents in the journal ended.
    pub(crate) fn resolutions(&self) -> Vec<Resolution> {
        self.journalled(|entry| match entry {
            JournalEntry::Resolved { resolution, .. } => Some(resolution.clone()),
            _ => None,
        })
    }

    pub(crate) async fn rounds(&self) -> Vec<RoundRecord> {
        self.entries(DECISIONS_STREAM).await
    }

    /// Waits until `count` rounds have closed.
    pub(crate) async fn rounds_reach(&self, count: usize) -> Vec<RoundRecord> {
        let started = Instant::now();
        loop {
            let rounds = self.rounds().await;
            if rounds.len() >= count {
                return rounds;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "only {} of {count} rounds",
                rounds.len()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the engine's heartbeat says so.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Heartbeat) -> bool) {
        let started = Instant::now();
        loop {
            let fields = self.bus.fields(STATUS_HASH).await.unwrap();
            let beat = fields
                .get("consensus-engine")
                .and_then(|b| serde_json::from_slice(b).ok());
            if beat.as_ref().is_some_and(&wanted) {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "not in time: {what}; {beat:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a counter of the heartbeat reaches a value.
    pub(crate) async fn count_reaches(&self, counter: &str, value: u64) {
        let what = format!("{counter} reaches {value}");
        self.until(&what, |beat| {
            beat.counters.get(counter).is_some_and(|n| *n >= value)
        })
        .await;
    }
}

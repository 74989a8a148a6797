//! Everything that `rawe chaos` runs: Redis, exchange, engine and voters as children of the
//! supervisor that `rawe up` uses, the market's clock, and what can be asked of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DurationRound as _, TimeDelta};
use paper_exchange::{Book, FaultReport};
use rawe_bus::{Bus, EntryId, RedisBus, StreamAppend};
use rawe_core::channels::{CLOCK_STREAM, CONTROL_STREAM, STATUS_HASH};
use rawe_core::control::{ControlCommand, ControlMessage};
use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::{ClockInstant, ClockMode, Heartbeat, ProcessState};
use rawe_runtime::{LIFELINE_VARIABLE, wall_now};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::ChaosArgs;
use super::voter::coin;
use crate::run_folder::{RunFolder, RunState};
use crate::up::private_redis::{self, PrivateRedis};
use crate::up::supervisor::{ChildEvent, ChildPlan, Stage, Supervisor};

/// The engine's name.
pub(crate) const ENGINE: &str = "consensus-engine";
/// The exchange's name.
pub(crate) const EXCHANGE: &str = "paper-exchange";
/// How long anything may take at the start.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// How long one question may take.
const ASK_PATIENCE: Duration = Duration::from_secs(5);
/// How often the market's clock follows the wall's.
const CLOCK_EVERY: Duration = Duration::from_millis(50);
/// Both keys of our own exchange.
const EXCHANGE_KEY: &str = "paper";
/// Cash of the account: enough that money refuses nothing.
const CASH_USD: &str = "100000000";

/// What the children told so far.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Process ids of those that live.
    pub(crate) pids: BTreeMap<String, u32>,
    /// How often each died.
    pub(crate) deaths: BTreeMap<String, u64>,
    /// What ended for good, and panics.
    pub(crate) troubles: Vec<String>,
}

/// The house.
pub(crate) struct House {
    pub(crate) folder: RunFolder,
    pub(crate) journal: PathBuf,
    pub(crate) redis: PrivateRedis,
    watched: Arc<Mutex<Watched>>,
    supervisor: Option<Supervisor>,
    voters: Option<Supervisor>,
    listener: JoinHandle<()>,
    events: mpsc::Sender<ChildEvent>,
    clock: CancellationToken,
    bus: Option<RedisBus>,
    http: reqwest::Client,
    exchange_url: String,
    plans: Plans,
}

struct Plans {
    redis: ChildPlan,
    exchange: ChildPlan,
    engine: ChildPlan,
    voters: Vec<ChildPlan>,
}

impl House {
    /// Makes folder, configuration and market; starts nothing.
    pub(crate) fn build(args: &ChaosArgs) -> anyhow::Result<Self> {
        let Some(program) = private_redis::find_program() else {
            bail!("rawe chaos needs redis-server or valkey-server on PATH");
        };
        let folder = RunFolder::create(&args.run_dir, wall_now())?;
        let redis = private_redis::prepare(&folder, program)?;
        let journal = folder.file("journal.sqlite");
        let address = format!("127.0.0.1:{}", private_redis::free_port()?);
        std::fs::write(folder.file("bars.csv"), bars(args)?).context("writing the bars")?;
        std::fs::write(folder.file("rawe.toml"), CONFIGURATION)
            .context("writing the configuration")?;
        let plans = plans(args, &folder, &redis, &address)?;
        let watched = Arc::default();
        let (events, received) = mpsc::channel(4_096);
        let listener = tokio::spawn(listen(received, Arc::clone(&watched)));
        let http = reqwest::Client::builder()
            .timeout(ASK_PATIENCE)
            .no_proxy()
            .build()
            .context("setting up the http client")?;
        Ok(Self {
            folder,
            journal,
            redis,
            watched,
            supervisor: None,
            voters: None,
            listener,
            events,
            clock: CancellationToken::new(),
            bus: None,
            http,
            exchange_url: format!("http://{address}"),
            plans,
        })
    }

    /// Starts everything, and waits until the engine trades.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let supervisor = Supervisor::tireless(self.events.clone());
        let supervisor = self.supervisor.insert(supervisor);
        supervisor.start(self.plans.redis.clone());
        supervisor.start(self.plans.exchange.clone());
        let url = self.redis.url.clone();
        let bus = timeout(START_PATIENCE, async {
            loop {
                if let Ok(Ok(bus)) = timeout(ASK_PATIENCE, RedisBus::connect(&url)).await {
                    return bus;
                }
                sleep(CLOCK_EVERY).await;
            }
        });
        let bus = bus.await.context("the private Redis does not answer")?;
        self.bus = Some(bus);
        timeout(START_PATIENCE, async {
            while self.ask::<Value>("/rawe/v1/health").await.is_err() {
                sleep(CLOCK_EVERY).await;
            }
        })
        .await
        .context("the paper exchange does not answer")?;
        tokio::spawn(follow_the_wall(
            self.http.clone(),
            format!("{}/rawe/v1/clock", self.exchange_url),
            self.clock.clone(),
        ));
        self.announce().await?;
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.start(self.plans.engine.clone());
        }
        let voters = self
            .voters
            .insert(Supervisor::tireless(self.events.clone()));
        for plan in &self.plans.voters {
            voters.start(plan.clone());
        }
        if !self
            .engine_reaches(ProcessState::Running, START_PATIENCE)
            .await
        {
            bail!(
                "the engine does not run; its log: {}",
                self.folder.log_of(ENGINE).display()
            );
        }
        Ok(())
    }

    /// Says that history is over and market time is wall time.
    async fn announce(&self) -> anyhow::Result<()> {
        let instant = ClockInstant {
            step: 0,
            instant: wall_now(),
            mode: ClockMode::WarmedUp,
            paced: false,
            run_id: "chaos".to_owned(),
            bars_through: EntryId::START.to_string(),
            news_through: EntryId::START.to_string(),
        };
        self.append(CLOCK_STREAM, &serde_json::to_vec(&instant)?)
            .await
    }

    async fn append(&self, stream: &str, payload: &[u8]) -> anyhow::Result<()> {
        let bus = self.bus.as_ref().context("the bus is not connected")?;
        let append = StreamAppend {
            stream,
            payloads: vec![payload.to_vec()],
            length_max: 100_000,
        };
        timeout(ASK_PATIENCE, bus.append(&[append]))
            .await
            .context("Redis takes too long")??;
        Ok(())
    }

    /// Says a word to the engine over the bus.
    pub(crate) async fn say(&self, command: ControlCommand) -> anyhow::Result<()> {
        let word = ControlMessage::new(command, wall_now(), "rawe chaos");
        self.append(CONTROL_STREAM, &serde_json::to_vec(&word)?)
            .await
    }

    /// The engine's newest heartbeat.
    pub(crate) async fn heartbeat(&self) -> Option<Heartbeat> {
        let bus = self.bus.as_ref()?;
        let fields = timeout(ASK_PATIENCE, bus.fields(STATUS_HASH)).await.ok()?;
        serde_json::from_slice(fields.ok()?.get(ENGINE)?).ok()
    }

    /// Waits for a heartbeat, of after this call, that says so.
    pub(crate) async fn engine_reaches(&self, state: ProcessState, patience: Duration) -> bool {
        let (called, limit) = (wall_now(), Instant::now() + patience);
        while Instant::now() < limit {
            let beat = self.heartbeat().await;
            if beat.is_some_and(|beat| beat.state == state && beat.at > called) {
                return true;
            }
            sleep(CLOCK_EVERY).await;
        }
        false
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let url = format!("{}{path}", self.exchange_url);
        let answer = self.http.get(url).send().await?.bytes().await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// The exchange's own book.
    pub(crate) async fn book(&self) -> anyhow::Result<Book> {
        self.ask("/rawe/v1/book")
            .await
            .context("asking for the book")
    }

    /// What the exchange did wrong so far.
    pub(crate) async fn faults(&self) -> anyhow::Result<FaultReport> {
        self.ask("/rawe/v1/faults")
            .await
            .context("asking for the faults")
    }

    /// Makes the exchange misbehave by another seed.
    pub(crate) async fn set_faults(&self, seed: u64) -> anyhow::Result<()> {
        let plan = json!({"seed": seed, "rules": super::acts::fault_rules()});
        let url = format!("{}/rawe/v1/faults", self.exchange_url);
        let answer = self.http.post(url).body(plan.to_string()).send().await?;
        let status = answer.status();
        if !status.is_success() {
            bail!("the exchange refused the faults: {}", answer.text().await?);
        }
        Ok(())
    }

    /// Makes it behave.
    pub(crate) async fn clear_faults(&self) -> anyhow::Result<()> {
        let url = format!("{}/rawe/v1/faults", self.exchange_url);
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// Ends the voters.
    pub(crate) async fn silence_voters(&mut self) {
        if let Some(voters) = self.voters.take() {
            voters.stop().await;
        }
    }

    /// What the children told so far.
    pub(crate) fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends everything; the folder stays if told so.
    pub(crate) async fn end(&mut self, keep: bool) {
        self.clock.cancel();
        self.silence_voters().await;
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.stop().await;
        }
        self.listener.abort();
        if !keep {
            // What cannot be removed lies in a folder of runs that are over.
            drop(std::fs::remove_dir_all(&self.folder.path));
        }
    }
}

/// Keeps the exchange's clock at wall time, for as long as the exchange listens.
async fn follow_the_wall(http: reqwest::Client, url: String, end: CancellationToken) {
    while !end.is_cancelled() {
        let body = json!({"now": wall_now()}).to_string();
        // A frozen exchange is part of the plan.
        drop(http.post(&url).body(body).send().await);
        sleep(CLOCK_EVERY).await;
    }
}

async fn listen(mut events: mpsc::Receiver<ChildEvent>, watched: Arc<Mutex<Watched>>) {
    while let Some(event) = events.recv().await {
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ChildEvent::Started { name, pid } => {
                watched.pids.insert(name, pid);
            }
            ChildEvent::Died { name, .. } => {
                watched.pids.remove(&name);
                *watched.deaths.entry(name).or_default() += 1;
            }
            ChildEvent::Line(line) if line.message.contains("panicked at") => {
                let trouble = format!("{}: {}", line.process, line.message);
                watched.troubles.push(trouble);
            }
            ChildEvent::Failed { name, how, tail } => {
                let last = tail.last().cloned().unwrap_or_default();
                watched
                    .troubles
                    .push(format!("{name} was given up: {how}; {last}"));
            }
            ChildEvent::BadConfiguration { name, tail } => {
                let trouble = format!("{name}: {}", tail.join("; "));
                watched.troubles.push(trouble);
            }
            ChildEvent::Line(_) | ChildEvent::Ended { .. } => {}
        }
    }
}

/// Raised caps and no pauses: as many decisions as the votes allow.
const CONFIGURATION: &str = r#"
[consensus]
window_ms = 2000
ttl_ms_max = 20000
decision_ttl_ms = 15000
min_hold_secs = 0
cool_down_secs = 0
retry_wait_secs = 0
new_positions_per_hour = 1000000

[risk]
order_notional_max = "100000"
asset_notional_max = "1000000"
gross_notional_max = "50000000"
net_notional_max = "50000000"
orders_per_minute_max = 100000
daily_loss_max = "50000000"
last_price = "off"
clock_skew = "warn"
"#;

/// Hourly bars around now, so that the market's clock can be the wall's.
fn bars(args: &ChaosArgs) -> anyhow::Result<String> {
    let hour = TimeDelta::hours(1);
    let now = wall_now().duration_trunc(hour)?;
    // As many hours as the run lasts, and room to settle.
    let ahead = std::iter::successors(Some(3_i32), |hours| Some(hours + 1))
        .find(|hours| f64::from(*hours - 3) * 60.0 >= args.minutes)
        .unwrap_or(3);
    let mut text = String::from("symbol,time,open,high,low,close,volume\n");
    for number in 0..args.assets {
        let symbol = coin(number);
        for offset in -26..=ahead {
            let end = (now + hour * offset).format("%Y-%m-%dT%H:%M:%SZ");
            // A gentle wave around a price of the coin's own.
            let wave = |step: i32| f64::from((step + 30) % 5) * 0.004;
            let base = 10.0 + 7.0 * f64::from(u32::try_from(number % 50)?);
            let (open, close) = (base * (1.0 + wave(offset)), base * (1.0 + wave(offset + 1)));
            let (low, high) = (open.min(close) * 0.999, open.max(close) * 1.001);
            writeln!(
                text,
                "{symbol},{end},{open:.4},{high:.4},{low:.4},{close:.4},100000"
            )?;
        }
    }
    Ok(text)
}

fn plans(
    args: &ChaosArgs,
    folder: &RunFolder,
    redis: &PrivateRedis,
    address: &str,
) -> anyhow::Result<Plans> {
    let program = std::env::current_exe().context("finding the path of rawe itself")?;
    folder.write_state(&RunState {
        pid: std::process::id(),
        started: wall_now(),
        bus: "private".to_owned(),
        bus_described: rawe_bus::describe_url(&redis.url),
        redis_url: Some(redis.url.clone()),
        keep: args.keep,
        processes: Vec::new(),
    })?;
    let variables: Vec<(&'static str, OsString)> = vec![
        ("RAWE_LOG_FORMAT", "json".into()),
        (LIFELINE_VARIABLE, "1".into()),
        ("RAWE_REDIS_URL", redis.url.clone().into()),
        ("APCA_API_BASE_URL", format!("http://{address}").into()),
        ("APCA_API_DATA_URL", format!("http://{address}").into()),
        ("APCA_API_KEY_ID", EXCHANGE_KEY.into()),
        ("APCA_API_SECRET_KEY", EXCHANGE_KEY.into()),
        ("RAWE_CONFIG", folder.file("rawe.toml").into()),
    ];
    let child = |name: &str, stage: Stage, words: Vec<OsString>| ChildPlan {
        name: name.to_owned(),
        program: program.clone(),
        arguments: std::iter::once("run".into()).chain(words).collect(),
        variables: variables.clone(),
        stage,
        log: folder.log_of(name),
        may_end: false,
    };
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let mut keeper = words(&["private-redis", "--program"]);
    keeper.push(redis.program.clone().into());
    keeper.extend(["--configuration".into(), redis.configuration.clone().into()]);
    keeper.extend(["--pid-file".into(), redis.pid_file.clone().into()]);
    let mut exchange = words(&[EXCHANGE, "--listen", address, "--warmup-days", "1"]);
    exchange.extend(words(&["--cash", CASH_USD, "--bars"]));
    exchange.push(folder.file("bars.csv").into());
    let mut engine = words(&[ENGINE, "--deployment", "chaos", "--journal"]);
    engine.push(folder.file("journal.sqlite").into());
    let voter = |(id, _): &(&str, &str)| {
        let numbers = [args.seed, args.assets as u64, args.vote_ms].map(|n| n.to_string());
        let [seed, assets, vote_ms] = &numbers;
        let mut voter = words(&["chaos-voter", "--id", id, "--seed", seed]);
        voter.extend(words(&["--assets", assets, "--vote-ms", vote_ms]));
        child(id, Stage::Agents, voter)
    };
    Ok(Plans {
        redis: child("redis", Stage::Bus, keeper),
        exchange: child(EXCHANGE, Stage::Exchange, exchange),
        engine: child(ENGINE, Stage::Engine, engine),
        voters: FOUNDING_AGENTS.iter().map(voter).collect(),
    })
}

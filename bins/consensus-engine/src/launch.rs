//! From arguments to a running engine, and its orderly end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Command, FromArgMatches};
use rawe_alpaca::TradingClient;
use rawe_bus::{Bus, Entry, EntryId};
use rawe_consensus::{Consensus, Event};
use rawe_core::channels::{ACKS_STREAM, CLOCK_STREAM, CONTROL_STREAM, STANCES_STREAM, STATUS_HASH};
use rawe_core::{BootId, ClockInstant, ClockMode, Heartbeat, ProcessState};
use rawe_execution::Gate;
use rawe_execution::broker::Broker;
use rawe_execution::journal::Journal;
use rawe_journal::SqliteJournal;
use rawe_runtime::{ConfigProblems, Heart, connect_bus, new_boot_id, run_main, wall_now};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::EngineArgs;
use crate::desk::{Desk, OrderNews};
use crate::engine::{Ears, Engine};
use crate::halts::Halts;
use crate::instants::PROCESS;
use crate::intake::{RefusalLog, admission_of};
use crate::market_time::MarketTime;
use crate::pace::Pace;
use crate::publisher::Publisher;
use crate::readers::{Input, follow_streams, watch_heartbeats, watch_hours};
use crate::settings::Settings;
use crate::startup::{self, Reconciled};
use crate::witness::Witness;

/// How many signals wait in the subscription at most.
const SIGNALS_CAPACITY: usize = 16_384;
/// How many inputs of each other kind wait at most.
const INPUTS_CAPACITY: usize = 4_096;
/// How long orders in flight may take to settle at the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(3);
/// How far back stances are read at start, in milliseconds of wall time: three days, so that a
/// weekend of closed sessions is covered.
const STANCES_BACK_MS: u64 = 3 * 86_400_000;

/// The main of the binary.
pub fn engine_main() -> ExitCode {
    let command = EngineArgs::augment_args(Command::new(PROCESS))
        .version(env!("CARGO_PKG_VERSION"))
        .after_long_help(
            "Exit codes: 0 ended as told, 1 failed, 64 bad configuration (all problems are \
             listed). A file HALT next to the journal stops all trading.",
        );
    let args = match EngineArgs::from_arg_matches(&command.get_matches()) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    run_main(PROCESS, args.common.log_format, |shutdown| async move {
        let settings = Settings::load(&args)?;
        if args.common.check_config {
            writeln!(
                std::io::stdout(),
                "the configuration is good: {} of {} agents must agree, orders go to {}",
                settings.rules.quorum(),
                settings.roster.len(),
                args.broker.alpaca_url
            )?;
            return Ok(());
        }
        let bus = connect_bus(&args.common.redis_url).await?;
        run(args, bus, shutdown).await
    })
}

/// Runs the engine on this bus until the shutdown.
///
/// # Errors
/// [`ConfigProblems`] for a bad configuration; else why it could not start.
pub async fn run(
    args: EngineArgs,
    bus: Arc<dyn Bus>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let settings = Settings::load(&args)?;
    let broker = broker(&args)?;
    if let Some(folder) = settings
        .journal
        .parent()
        .filter(|path| !path.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making the journal's folder {}", folder.display()))?;
    }
    let journal = SqliteJournal::open(&settings.journal, settings.durability)
        .context("opening the journal")?;
    run_with(
        settings,
        bus,
        broker,
        Arc::new(Mutex::new(journal)),
        shutdown,
    )
    .await
}

fn broker(args: &EngineArgs) -> anyhow::Result<Arc<dyn Broker>> {
    let (key_id, secret_key) = args.broker.keys()?;
    let (url, data_url) = (args.broker.alpaca_url.clone(), args.broker.data_url());
    let mut settings = rawe_alpaca::Settings::new(url, data_url, key_id, secret_key);
    settings.allow_live = args.live;
    let client =
        TradingClient::new(&settings).map_err(|error| ConfigProblems(vec![error.to_string()]))?;
    Ok(Arc::new(client))
}

/// Runs the engine with this broker and journal: what [`run`] does once both are open.
///
/// # Errors
/// When the broker stays away, or what the account holds cannot be understood.
pub async fn run_with(
    settings: Settings,
    bus: Arc<dyn Bus>,
    broker: Arc<dyn Broker>,
    journal: Arc<Mutex<dyn Journal>>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let boot = new_boot_id();
    let heart = Heart::new(PROCESS, None, boot.clone());
    heart.set_state(ProcessState::Starting, "asking the broker");
    let beating = heart.beat(bus.clone(), shutdown.clone());
    let time = Arc::new(MarketTime::default());
    let halts = Arc::new(Halts::new(&settings.journal));
    let broker: Arc<dyn Broker> = Arc::new(Witness(broker));
    let gate = Gate::new(
        settings.limits.clone(),
        settings.rules.new_positions_per_hour(),
    );
    let name = settings.deployment.clone();
    let desk = Arc::new(Desk::new(
        broker,
        journal,
        time.clone(),
        halts.clone(),
        gate,
        &name,
    ));
    let clock = join_clock(bus.as_ref(), &time, &desk, &settings).await?;
    let reconciled = tokio::select! {
        reconciled = startup::reconcile(&desk) => reconciled?,
        () = shutdown.cancelled() => return Ok(()),
    };
    // Subscribed before anything is announced as ready, so that no vote is missed.
    let signals = bus.subscribe(&settings.channel, SIGNALS_CAPACITY).await;
    let (inputs, inputs_heard) = mpsc::channel(INPUTS_CAPACITY);
    let (news, news_heard) = mpsc::channel(INPUTS_CAPACITY);
    let publisher = Publisher::start(bus.clone(), heart.clone(), shutdown.clone());
    let voice = Voice {
        publisher,
        news,
        inputs: inputs.clone(),
    };
    let mut engine = assemble(settings, bus.clone(), desk.clone(), heart, boot, voice);
    engine.make_ready(reconciled).await?;
    let from = stream_starts(bus.as_ref(), clock.as_ref()).await?;
    tokio::spawn(follow_streams(
        bus.clone(),
        from,
        inputs.clone(),
        shutdown.clone(),
    ));
    tokio::spawn(watch_heartbeats(bus, inputs.clone(), shutdown.clone()));
    tokio::spawn(watch_hours(
        desk.broker.clone(),
        time,
        inputs,
        shutdown.clone(),
    ));
    let mut ears = Ears {
        signals: signals.events,
        inputs: inputs_heard,
        news: news_heard,
    };
    engine.run(&mut ears, &shutdown).await;
    engine.drain(&mut ears).await;
    if let Err(error) = beating.await {
        tracing::debug!(event = "heart_stopped", %error, "the last beat was not written");
    }
    Ok(())
}

/// Where the engine and its tasks speak.
struct Voice {
    publisher: Publisher,
    news: mpsc::Sender<OrderNews>,
    inputs: mpsc::Sender<Input>,
}

/// An engine without memory.
fn assemble(
    settings: Settings,
    bus: Arc<dyn Bus>,
    desk: Arc<Desk>,
    heart: Heart,
    boot: BootId,
    voice: Voice,
) -> Engine {
    let (rules, roster) = (settings.rules.clone(), settings.roster.clone());
    let (time, halts) = (desk.time.clone(), desk.halts.clone());
    Engine {
        publisher: voice.publisher,
        consensus: Consensus::new(rules, roster),
        admission: admission_of(&settings, time.now()),
        pace: Pace::new(settings.participants.clone()),
        settings,
        bus,
        last_heard: time.now(),
        desk,
        time,
        halts,
        heart,
        boot,
        assets: BTreeMap::new(),
        observed: BTreeSet::new(),
        waiting: BTreeMap::new(),
        held_signals: Vec::new(),
        held_stances: Vec::new(),
        alive: BTreeSet::new(),
        refusals: RefusalLog::default(),
        hours: None,
        trading: None,
        run_id: None,
        unsaid: None,
        started: Instant::now(),
        orders: TaskTracker::new(),
        news: voice.news,
        inputs: voice.inputs,
        gap_since: None,
    }
}

/// If a replay is under way, joins its time before the account is read.
async fn join_clock(
    bus: &dyn Bus,
    time: &MarketTime,
    desk: &Desk,
    settings: &Settings,
) -> anyhow::Result<Option<Entry>> {
    let last = bus.last(CLOCK_STREAM).await.context("reading the clock")?;
    let instant: Option<ClockInstant> = last
        .as_ref()
        .and_then(|entry| serde_json::from_slice(&entry.payload).ok());
    let Some(instant) = instant.filter(|i| i.paced && i.mode != ClockMode::Ended) else {
        // The end of an earlier replay is not announced to us again.
        return Ok(last);
    };
    time.set_paced(instant.instant);
    desk.set_deployment(format!("{}/{}", settings.deployment, instant.run_id));
    Ok(last)
}

/// Where each stream is read from: the last announcement of the clock again (unless a replay has
/// ended with it), all of the operator's commands, recent stances and acknowledgements.
async fn stream_starts(
    bus: &dyn Bus,
    clock: Option<&Entry>,
) -> anyhow::Result<BTreeMap<&'static str, EntryId>> {
    let back = |id: EntryId, millis: u64| EntryId {
        millis: id.millis.saturating_sub(millis),
        sequence: 0,
    };
    let mut from = BTreeMap::from([(CONTROL_STREAM, EntryId::START)]);
    if let Some(entry) = clock {
        let ended = serde_json::from_slice::<ClockInstant>(&entry.payload)
            .is_ok_and(|instant| instant.mode == ClockMode::Ended);
        let again = EntryId {
            millis: entry.id.millis,
            sequence: entry.id.sequence.saturating_sub(1),
        };
        let before = if entry.id.sequence == 0 {
            back(entry.id, 1)
        } else {
            again
        };
        from.insert(CLOCK_STREAM, if ended { entry.id } else { before });
    }
    for (stream, millis) in [(STANCES_STREAM, STANCES_BACK_MS), (ACKS_STREAM, 60_000)] {
        let last = bus
            .last(stream)
            .await
            .with_context(|| format!("reading {stream}"))?;
        from.insert(
            stream,
            last.map_or(EntryId::START, |entry| back(entry.id, millis)),
        );
    }
    Ok(from)
}

impl Engine {
    /// A collective without memory, for a new run.
    pub(crate) fn restart_consensus(&mut self) {
        let (rules, roster) = (self.settings.rules.clone(), self.settings.roster.clone());
        self.consensus = Consensus::new(rules, roster);
        self.assets.clear();
        self.observed.clear();
        self.trading = None;
    }

    /// Takes over what start-up found, and may trade from then on.
    async fn make_ready(&mut self, reconciled: Reconciled) -> anyhow::Result<()> {
        self.take_over(reconciled);
        // Who lives is known before the first vote: else a living agent could be impersonated.
        let beats = self
            .bus
            .fields(STATUS_HASH)
            .await
            .context("reading the heartbeats")?;
        let beats: Vec<Heartbeat> = beats
            .values()
            .filter_map(|beat| serde_json::from_slice(beat).ok())
            .collect();
        let effects = self.on_heartbeats(&beats);
        self.perform(effects);
        self.halts.ready();
        self.look_at_trading();
        Ok(())
    }

    /// Takes over what start-up found in the account.
    pub(crate) fn take_over(&mut self, reconciled: Reconciled) {
        let now = self.time.now();
        tracing::info!(
            event = "engine_started",
            account = reconciled.account.id,
            equity = %reconciled.account.equity,
            quorum = self.settings.rules.quorum(),
            voters = self.settings.roster.len(),
            positions = reconciled.found.iter().filter(|found| found.position.is_some()).count(),
            orders_resumed = reconciled.resumed.len(),
            orders_resolved = reconciled.resolved,
            bus = self.bus.describe(),
            boot_id = self.boot.as_str(),
            "{} of {} agents must agree",
            self.settings.rules.quorum(),
            self.settings.roster.len()
        );
        for found in reconciled.found {
            self.observed.insert(found.asset.clone());
            let event = Event::PositionObserved {
                asset: found.asset,
                position: found.position,
                last_fill: found.last_fill,
            };
            self.consensus.apply(event, now);
        }
        for (submission, agreeing) in reconciled.resumed {
            let intent = submission.intent();
            let opened = crate::following::opened_direction(intent.order.side);
            let purpose = intent.purpose;
            let direction = match purpose {
                rawe_core::Purpose::Open => opened,
                rawe_core::Purpose::Close | rawe_core::Purpose::Stop => opened.opposite(),
            };
            let asset = intent.order.symbol.clone();
            self.observed.insert(asset.clone());
            let event = Event::OrderResumed {
                asset,
                purpose,
                direction,
                agreeing,
            };
            self.consensus.apply(event, now);
            let (desk, news) = (self.desk.clone(), self.news.clone());
            self.orders
                .spawn(async move { desk.follow(submission, None, &news).await });
        }
    }

    /// Lets orders in flight settle for a bounded time. What does not is resolved at next start.
    async fn drain(&mut self, ears: &mut Ears) {
        self.orders.close();
        if timeout(DRAIN_LIMIT, self.orders.wait()).await.is_err() {
            tracing::warn!(
                event = "orders_unsettled",
                orders = self.orders.len(),
                "orders are still on their way; the next start resolves them"
            );
        }
        while let Ok(news) = ears.news.try_recv() {
            for effect in self.on_news(news) {
                tracing::info!(event = "effect_dropped", ?effect, "the engine is ending");
            }
        }
        self.publisher.flush().await;
        tracing::info!(event = "engine_stopped", at = %wall_now(), "the engine has ended");
    }
}

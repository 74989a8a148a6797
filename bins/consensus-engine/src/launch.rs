//! From arguments to a running engine, and its orderly end.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Command, FromArgMatches};
use rawe_alpaca::{TradeUpdates, TradingClient};
use rawe_bus::{Bus, Entry, EntryId};
use rawe_collective::{Collective, CollectiveSettings, Input};
use rawe_core::channels::{ACKS_STREAM, CLOCK_STREAM, CONTROL_STREAM, STANCES_STREAM, STATUS_HASH};
use rawe_core::control::{ControlGate, ControlMessage};
use rawe_core::signing::Binding;
use rawe_core::{BootId, ClockInstant, ClockMode, Heartbeat, ProcessState, Timestamp};
use rawe_execution::TradingState;
use rawe_execution::broker::Broker;
use rawe_execution::journal::{ControlRecord, JournalEntry};
use rawe_journal::SqliteJournal;
use rawe_runtime::{
    ConfigProblems, Heart, connect_bus, new_boot_id, run_main_on_one_thread, wall_now,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::EngineArgs;
use crate::asking::Counter;
use crate::ears::Ears;
use crate::engine::Engine;
use crate::halt_file::HaltFile;
use crate::instants::PROCESS;
use crate::market_time::MarketTime;
use crate::pace::Pace;
use crate::publisher::Publisher;
use crate::readers::{Heard, follow_streams, follow_updates, watch_halt_signal, watch_heartbeats};
use crate::settings::Settings;
use crate::stewardship::Stewardship;
use crate::writer::{self, SharedJournal, Writer};

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
             listed). A file HALT next to the journal stops all trading, and so does SIGUSR1.",
        );
    let args = match EngineArgs::from_arg_matches(&command.get_matches()) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    run_main_on_one_thread(PROCESS, args.common.log_format, |shutdown| async move {
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

/// The broker, and what it pushes.
#[derive(Debug)]
pub struct Brokerage {
    /// Where orders go.
    pub broker: Arc<dyn Broker>,
    /// News of orders as they happen, if the broker tells.
    pub updates: Option<TradeUpdates>,
}

/// Opens the journal, once this engine is the one that trades.
pub type JournalSource = Box<dyn FnOnce() -> anyhow::Result<SharedJournal> + Send>;

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
    let brokerage = brokerage(&args)?;
    let folder = settings.journal.parent();
    if let Some(folder) = folder.filter(|path| !path.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making the journal's folder {}", folder.display()))?;
    }
    let (path, durability) = (settings.journal.clone(), settings.durability);
    let journal: JournalSource = Box::new(move || {
        let journal = SqliteJournal::open(&path, durability).context("opening the journal")?;
        Ok(Arc::new(Mutex::new(journal)))
    });
    run_with(settings, bus, brokerage, journal, shutdown).await
}

fn brokerage(args: &EngineArgs) -> anyhow::Result<Brokerage> {
    let (key_id, secret_key) = args.broker.keys()?;
    let (url, data_url) = (args.broker.alpaca_url.clone(), args.broker.data_url());
    let mut settings = rawe_alpaca::Settings::new(url, data_url, key_id, secret_key);
    settings.allow_live = args.live;
    let problem = |error: rawe_alpaca::ClientError| ConfigProblems(vec![error.to_string()]);
    let client = TradingClient::new(&settings).map_err(problem)?;
    let updates = TradeUpdates::start(&settings).map_err(problem)?;
    Ok(Brokerage {
        broker: Arc::new(client),
        updates: Some(updates),
    })
}

/// Runs the engine with this broker and journal: what [`run`] does.
///
/// # Errors
/// When the broker stays away, or what the account holds cannot be understood.
pub async fn run_with(
    settings: Settings,
    bus: Arc<dyn Bus>,
    brokerage: Brokerage,
    journal: JournalSource,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // Whatever ends this engine ends its tasks, those that hold the lease among them.
    let shutdown = shutdown.child_token();
    let _ends_with_us = shutdown.clone().drop_guard();
    let (heard, heard_heard) = mpsc::channel(INPUTS_CAPACITY);
    watch_halt_signal(heard.clone(), shutdown.clone())?;
    let boot = new_boot_id();
    let acquiring = Stewardship::acquire(
        bus.clone(),
        &settings.deployment,
        &settings.journal,
        boot.as_str(),
        &shutdown,
    );
    let Some(stewardship) = acquiring.await? else {
        return Ok(());
    };
    let heart = Heart::new(PROCESS, None, boot.clone());
    heart.set_state(ProcessState::Starting, "asking the broker");
    let beating = heart.beat(bus.clone(), shutdown.clone());
    let journal = journal()?;
    let history = take_up(&journal, &settings, &stewardship)?;
    // Subscribed before anything is announced as ready, so that no vote is missed.
    let signals = bus.subscribe(&settings.channel, SIGNALS_CAPACITY).await;
    let clock = bus.last(CLOCK_STREAM).await.context("reading the clock")?;
    let from = stream_starts(bus.as_ref(), clock.as_ref()).await?;
    let (answers, answers_heard) = mpsc::channel(INPUTS_CAPACITY);
    let (lease, lease_heard) = mpsc::channel(INPUTS_CAPACITY);
    let counter = Counter {
        broker: brokerage.broker,
        time: Arc::new(MarketTime::of_real_broker(settings.live)),
        answers: answers.clone(),
        tasks: TaskTracker::new(),
    };
    let parts = Parts {
        bus: bus.clone(),
        counter: counter.clone(),
        writer: Writer::start(journal, settings.durability, answers)?,
        stewardship: stewardship.clone(),
        publisher: Publisher::start(bus.as_ref(), heart.clone(), shutdown.clone())?,
        heart,
        boot,
    };
    let newest_word = newest_word(&history);
    let mut engine = assemble(settings, parts, joined_clock(clock.as_ref()), newest_word);
    engine.begin(history, newest_word).await?;
    tokio::spawn(stewardship.clone().keep(lease, shutdown.clone()));
    listen(bus, from, &counter, brokerage.updates, &heard, &shutdown);
    let mut ears = Ears {
        signals: signals.events,
        heard: heard_heard,
        answers: answers_heard,
        lease: lease_heard,
    };
    let result = engine.run(&mut ears, &shutdown).await;
    engine.drain(&mut ears).await;
    stewardship.give_back().await;
    if result.is_ok()
        && let Err(error) = beating.await
    {
        tracing::debug!(event = "heart_stopped", %error, "the last beat was not written");
    }
    result
}

/// Starts the tasks that listen.
fn listen(
    bus: Arc<dyn Bus>,
    from: BTreeMap<&'static str, EntryId>,
    counter: &Counter,
    updates: Option<TradeUpdates>,
    heard: &mpsc::Sender<Heard>,
    shutdown: &CancellationToken,
) {
    let (time, broker) = (counter.time.clone(), counter.broker.clone());
    tokio::spawn(follow_streams(
        bus.clone(),
        from,
        time,
        heard.clone(),
        shutdown.clone(),
    ));
    tokio::spawn(watch_heartbeats(bus, heard.clone(), shutdown.clone()));
    if let Some(updates) = updates {
        tokio::spawn(follow_updates(
            updates,
            broker,
            heard.clone(),
            shutdown.clone(),
        ));
    }
}

/// Reads the journal's history and writes into it who trades from now on.
fn take_up(
    journal: &SharedJournal,
    settings: &Settings,
    stewardship: &Stewardship,
) -> anyhow::Result<Vec<JournalEntry>> {
    let mut journal = writer::lock(journal);
    let history = journal.history().context("reading the journal")?;
    let taken = JournalEntry::Control(ControlRecord {
        at: wall_now(),
        state: TradingState::Halted,
        flatten: false,
        source: "lease".to_owned(),
        reason: format!(
            "lease {} on trading for {} begins",
            stewardship.token, settings.deployment
        ),
    });
    journal.commit(&[taken]).context("writing the journal")?;
    Ok(history)
}

/// What an engine is made of, before it is one.
struct Parts {
    bus: Arc<dyn Bus>,
    counter: Counter,
    writer: Writer,
    stewardship: Stewardship,
    publisher: Publisher,
    heart: Heart,
    boot: BootId,
}

/// An engine without memory, in the time of the replay that is under way, if one is.
fn assemble(
    settings: Settings,
    parts: Parts,
    joined: Option<ClockInstant>,
    newest_word: Option<Timestamp>,
) -> Engine {
    let time = parts.counter.time.clone();
    let mut deployment = settings.deployment.clone();
    if let Some(instant) = &joined {
        time.set_paced(instant.instant);
        deployment = format!("{deployment}/{}", instant.run_id);
    }
    let collective = Collective::new(CollectiveSettings {
        rules: settings.rules.clone(),
        roster: settings.roster.clone(),
        desk: settings.desk(deployment),
    });
    let control_gate = ControlGate::new(
        settings.rules.auth(),
        settings.rules.operator_keys().to_vec(),
        &settings.deployment,
        newest_word.unwrap_or_else(wall_now),
    );
    let binding = Binding::new(settings.deployment.clone(), settings.channel.clone());
    let collective = collective.listening_on(binding);
    Engine {
        control_gate,
        halt_file: HaltFile::beside(&settings.journal),
        pace: Pace::new(settings.participants.clone()),
        last_heard: time.now(),
        collective,
        bus: parts.bus,
        counter: parts.counter,
        writer: parts.writer,
        stewardship: parts.stewardship,
        publisher: parts.publisher,
        heart: parts.heart,
        boot: parts.boot,
        settings,
        time,
        outbox: VecDeque::new(),
        batches: Vec::new(),
        words: BTreeMap::new(),
        run_id: joined.as_ref().map(|instant| instant.run_id.clone()),
        joined: joined.map(|instant| (instant.run_id, instant.step)),
        bars_after: EntryId::START,
        state_told: None,
        ended: false,
        in_burst: false,
        started: Instant::now(),
        is_up: false,
        broker_answered: false,
        account: None,
        gap_since: None,
        vote_told: None,
    }
}

/// The instant of a replay under way. The end of an earlier replay is not announced to us again.
fn joined_clock(last: Option<&Entry>) -> Option<ClockInstant> {
    let instant: Option<ClockInstant> =
        last.and_then(|entry| serde_json::from_slice(&entry.payload).ok());
    instant.filter(|instant| instant.paced && instant.mode != ClockMode::Ended)
}

/// Where each stream is read from: the last announcement of the clock again (unless a replay has
/// ended with it), what operators said from now on, recent stances and acknowledgements, all bars.
async fn stream_starts(
    bus: &dyn Bus,
    clock: Option<&Entry>,
) -> anyhow::Result<BTreeMap<&'static str, EntryId>> {
    let back = |id: EntryId, millis: u64| EntryId {
        millis: id.millis.saturating_sub(millis),
        sequence: 0,
    };
    let mut from = BTreeMap::new();
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
    /// Tells the collective that it has started, and what operators and voters are like.
    async fn begin(
        &mut self,
        history: Vec<JournalEntry>,
        newest_word: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        if self.time.is_paced() {
            self.give(Input::Paced(true));
        }
        self.give(Input::Started(history));
        self.look_at_file();
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
        self.on_heartbeats(&beats);
        // Of what was said over the bus while no engine listened only the last counts, and only
        // if the journal knows of nothing newer.
        let last = self.bus.last(CONTROL_STREAM).await;
        if let Some(entry) = last.context("reading the operator's word")?
            && let Ok(message) = serde_json::from_slice::<ControlMessage>(&entry.payload)
            && newest_word.is_none_or(|at| message.at > at)
        {
            self.on_control(&entry.payload);
        }
        self.perform();
        Ok(())
    }

    /// Lets orders in flight settle for a bounded time. What does not is resolved at next start.
    async fn drain(&mut self, ears: &mut Ears) {
        let deadline = Instant::now() + DRAIN_LIMIT;
        self.perform();
        self.write_batches();
        while !self.collective.is_settled() {
            match timeout_at(deadline, ears.answers.recv()).await {
                Ok(Some(answer)) => self.on_answer(answer),
                Ok(None) => break,
                Err(_) => {
                    tracing::warn!(
                        event = "orders_unsettled",
                        requests = self.counter.tasks.len(),
                        "the broker has not answered everything; the next start resolves it"
                    );
                    break;
                }
            }
            self.perform();
        }
        self.write_batches();
        self.perform();
        self.publisher.flush().await;
        self.tell_heart();
        tracing::info!(event = "engine_stopped", at = %wall_now(), "the engine has ended");
    }
}

/// When an operator last had a say in trading, by the journal.
fn newest_word(history: &[JournalEntry]) -> Option<Timestamp> {
    let words = history.iter().filter_map(|entry| match entry {
        JournalEntry::Control(record) if record.source == "bus" || record.source == "signal" => {
            Some(record.at)
        }
        _ => None,
    });
    words.max()
}

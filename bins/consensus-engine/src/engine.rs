//! The engine: one thread, one loop, one owner of all state.
//!
//! The loop awaits the next thing that happens (a message, an entry, an answer, a timer), gives it
//! to the collective and performs what that asks for. Nothing in it waits for the broker or the
//! bus. A burst of messages is taken in as a whole before the journal is written once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use rawe_bus::{Bus, BusEvent};
use rawe_collective::{Collective, Input, Output};
use rawe_core::channels::{ACKS_STREAM, BARS_STREAM, CLOCK_STREAM, CONTROL_STREAM, STANCES_STREAM};
use rawe_core::control::{ControlCommand, ControlGate};
use rawe_core::{BootId, Heartbeat, ProcessState, Refusal, Timestamp};
use rawe_execution::TradingState;
use rawe_execution::desk::{Control, ControlSource, DeskEvent};
use rawe_runtime::{Heart, wall_now};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::asking::Counter;
use crate::ears::Ears;
use crate::halt_file::HaltFile;
use crate::market_time::MarketTime;
use crate::pace::Pace;
use crate::publisher::Publisher;
use crate::readers::Heard;
use crate::settings::Settings;
use crate::stewardship::{LeaseNews, Stewardship};
use crate::writer::{Batch, Writer};

/// The longest the loop sleeps: the `HALT` file and overdue participants are looked at as often.
const TICK: Duration = Duration::from_millis(100);
/// The shortest time between two ticks: rounds that end close together end in one.
const TICK_MIN: Duration = Duration::from_millis(10);
/// How many messages are taken in before what follows from them is performed.
const BURST: usize = 64;
/// How the detail of a heartbeat begins while positions are only closed.
pub const ONLY_CLOSING: &str = "only closing";
/// How many other inputs have their turn after each burst.
const HEARD_IN_BURST: usize = 16;
/// How long a broker that never answers is borne at the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the engine is made of.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) settings: Settings,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) collective: Collective,
    pub(crate) counter: Counter,
    pub(crate) writer: Writer,
    pub(crate) time: Arc<MarketTime>,
    pub(crate) halt_file: HaltFile,
    pub(crate) control_gate: ControlGate,
    pub(crate) stewardship: Stewardship,
    pub(crate) heart: Heart,
    pub(crate) boot: BootId,
    pub(crate) publisher: Publisher,
    pub(crate) pace: Pace,
    /// What is still to be performed, and what is to be written with the next commit.
    pub(crate) outbox: VecDeque<Output>,
    pub(crate) batches: Vec<Batch>,
    /// What the engine itself says of trading, by the cause.
    pub(crate) words: BTreeMap<&'static str, (TradingState, String)>,
    pub(crate) run_id: Option<String>,
    /// The clock entry that the start has joined already.
    pub(crate) joined: Option<(String, u64)>,
    /// The last bar handed over in a replay.
    pub(crate) bars_after: rawe_bus::EntryId,
    pub(crate) state_told: Option<(TradingState, String)>,
    pub(crate) ended: bool,
    /// Whether the last thing that happened was several messages at once.
    pub(crate) in_burst: bool,
    pub(crate) started: Instant,
    pub(crate) is_up: bool,
    pub(crate) broker_answered: bool,
    pub(crate) account: Option<rawe_execution::broker::Account>,
    /// When the link to the signals broke, market time, and when the last message came.
    pub(crate) gap_since: Option<Timestamp>,
    pub(crate) last_heard: Timestamp,
    pub(crate) vote_told: Option<Timestamp>,
}

impl Engine {
    /// Listens and acts until the shutdown.
    ///
    /// # Errors
    /// When the start turns out to be impossible, or another engine has taken over.
    pub(crate) async fn run(
        &mut self,
        ears: &mut Ears,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let sleep = sleep_until(Instant::now());
        tokio::pin!(sleep);
        let mut ticked = Instant::now();
        loop {
            if ears.are_quiet() {
                self.write_batches();
                self.perform();
            }
            let wake = self.next_wake(ticked);
            if wake != sleep.deadline() {
                sleep.as_mut().reset(wake);
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                Some(answer) = ears.answers.recv() => {
                    self.on_answer(answer);
                    let mut taken = 1;
                    while taken < BURST && let Ok(answer) = ears.answers.try_recv() {
                        self.on_answer(answer);
                        taken += 1;
                    }
                }
                Some(event) = ears.signals.recv() => {
                    // Before what may become an order: the file counts from the moment it is there.
                    self.look_at_file();
                    self.on_bus(event);
                    let mut taken = 1;
                    while taken < BURST && let Ok(event) = ears.signals.try_recv() {
                        self.on_bus(event);
                        taken += 1;
                    }
                    self.in_burst = taken > 1;
                }
                Some(news) = ears.lease.recv() => self.on_lease(news)?,
                Some(heard) = ears.heard.recv() => self.on_heard(heard, ears).await?,
                () = &mut sleep => {
                    ticked = Instant::now();
                    self.on_tick()?;
                }
            }
            self.perform();
            if self.in_burst {
                ticked = self.look_around(ears, ticked).await?;
            }
            if self.pace.is_pending() {
                tokio::select! {
                    result = self.keep_pace(ears) => result?,
                    () = shutdown.cancelled() => return Ok(()),
                }
            }
        }
    }

    /// While messages come faster than they are taken in: the operator, the lease and the clock
    /// have their turn all the same.
    async fn look_around(&mut self, ears: &mut Ears, ticked: Instant) -> anyhow::Result<Instant> {
        self.in_burst = false;
        while let Ok(news) = ears.lease.try_recv() {
            self.on_lease(news)?;
        }
        for _ in 0..HEARD_IN_BURST {
            let Ok(heard) = ears.heard.try_recv() else {
                break;
            };
            self.on_heard(heard, ears).await?;
        }
        let now = Instant::now();
        let due = now >= ticked + TICK;
        if due {
            self.on_tick()?;
        }
        self.perform();
        Ok(if due { now } else { ticked })
    }

    fn next_wake(&self, ticked: Instant) -> Instant {
        let latest = ticked + TICK;
        if self.time.is_paced() {
            return latest;
        }
        let Some(at) = self.collective.next_deadline() else {
            return latest;
        };
        let wait = (at - self.time.now()).to_std().unwrap_or(Duration::ZERO);
        latest.min((Instant::now() + wait).max(ticked + TICK_MIN))
    }

    /// Gives an input to the collective.
    pub(crate) fn give(&mut self, input: Input) {
        let outputs = self.collective.apply(input, self.time.now());
        self.outbox.extend(outputs);
    }

    pub(crate) fn on_answer(&mut self, answer: DeskEvent) {
        if let DeskEvent::Answered {
            answer: Ok(answer), ..
        } = &answer
        {
            self.broker_answered = true;
            if let rawe_execution::desk::Answer::Account(account) = answer {
                self.account = Some(account.clone());
            }
        }
        self.give(Input::Desk(answer));
    }

    /// What has to be done every now and then.
    pub(crate) fn on_tick(&mut self) -> anyhow::Result<()> {
        self.look_at_file();
        self.write_batches();
        if !self.time.is_paced() {
            self.give(Input::Tick);
        }
        self.tell_heart();
        self.look_at_start()
    }

    pub(crate) fn look_at_file(&mut self) {
        if let Some(control) = self.halt_file.look() {
            self.give(Input::Control(control));
        }
    }

    /// Hands counts and state over to the heartbeat.
    pub(crate) fn tell_heart(&mut self) {
        let heart = &self.heart;
        self.collective
            .counts()
            .each(|name, count| heart.set_count(name, count));
        let vote = self.collective.last_vote();
        if vote != self.vote_told {
            self.vote_told = vote;
            self.heart.progress("signal", vote);
        }
        let state = self.collective.state();
        if self.state_told.as_ref() == Some(&state) || self.ended {
            return;
        }
        let process = match state.0 {
            TradingState::Active | TradingState::Reducing => ProcessState::Running,
            TradingState::Halted if !self.is_up => ProcessState::Starting,
            TradingState::Halted => ProcessState::Halted,
        };
        let detail = if state.0 == TradingState::Reducing {
            format!("{ONLY_CLOSING}: {}", state.1)
        } else {
            state.1.clone()
        };
        self.heart.set_state(process, detail);
        self.state_told = Some(state);
    }

    /// Notes that the start is complete, or that it cannot be.
    fn look_at_start(&mut self) -> anyhow::Result<()> {
        if let Some(fault) = self.collective.desk().fault() {
            bail!("{fault}");
        }
        if self.is_up {
            return Ok(());
        }
        if !self.broker_answered && self.started.elapsed() >= PATIENCE {
            bail!(
                "no broker within {} s; start the paper exchange or check --alpaca-url",
                PATIENCE.as_secs()
            );
        }
        if !self.collective.is_settled() {
            return Ok(());
        }
        self.is_up = true;
        self.state_told = None;
        let lines = self.collective.desk().books().lines();
        let positions = lines.filter(|(_, line)| !line.quantity.is_zero()).count();
        let account = self.account.as_ref();
        tracing::info!(
            event = "engine_started",
            account = account.map(|account| account.id.as_str()),
            equity = account.map(|account| tracing::field::display(account.equity)),
            quorum = self.settings.rules.quorum(),
            voters = self.settings.roster.len(),
            positions,
            lease = self.stewardship.token,
            bus = self.bus.describe(),
            boot_id = self.boot.as_str(),
            "{} of {} agents must agree",
            self.settings.rules.quorum(),
            self.settings.roster.len()
        );
        self.tell_heart();
        Ok(())
    }

    fn on_bus(&mut self, event: BusEvent) {
        let now = self.time.now();
        match event {
            BusEvent::Message(payload) => {
                self.last_heard = now;
                if self.time.is_paced() {
                    self.pace.note_message(&payload);
                }
                self.give(Input::Message(payload));
            }
            BusEvent::Up => {
                let since = self.gap_since.take();
                self.last_heard = now;
                if let Some(from) = since {
                    tracing::info!(event = "bus_recovered", "signals arrive again");
                    self.give(Input::BusGap { from, through: now });
                }
            }
            BusEvent::Gap { reason, lost } => {
                let from = self.gap_since.unwrap_or(self.last_heard).min(now);
                tracing::warn!(
                    event = "bus_gap",
                    lost,
                    %from,
                    "signals may have been lost, votes since then are void: {reason}"
                );
                self.gap_since = (lost == 0).then_some(from);
                self.last_heard = now;
                self.give(Input::BusGap { from, through: now });
            }
        }
    }

    async fn on_heard(&mut self, heard: Heard, ears: &mut Ears) -> anyhow::Result<()> {
        match heard {
            Heard::Entry { stream, payload } => self.on_entry(stream, &payload, ears).await?,
            Heard::Heartbeats(beats) => self.on_heartbeats(&beats),
            Heard::SignalHalt => self.give(Input::Control(Control {
                source: ControlSource::Signal,
                state: TradingState::Halted,
                flatten: false,
                reason: "SIGUSR1".to_owned(),
            })),
            Heard::Update(mut report) if !self.time.is_paced() => {
                self.counter.convert(&mut report);
                self.give(Input::Desk(DeskEvent::OrderUpdate(report)));
            }
            Heard::Pushes(pushes) if !self.time.is_paced() => {
                self.give(Input::Desk(DeskEvent::OrderNewsFlow(pushes)));
            }
            // In a replay everything is asked for, at its instant.
            Heard::Update(_) | Heard::Pushes(_) => {}
        }
        Ok(())
    }

    async fn on_entry(
        &mut self,
        stream: &'static str,
        payload: &[u8],
        ears: &mut Ears,
    ) -> anyhow::Result<()> {
        match stream {
            STANCES_STREAM => match self.collective.read_stances(payload) {
                Ok(message) => self.give(Input::Stances(message)),
                Err(refusal) => self.refuse("stances_refused", "stances are not heard", &refusal),
            },
            BARS_STREAM if !self.time.is_paced() => {
                if let Some(bar) = read(stream, payload) {
                    self.give(Input::Bar(bar));
                }
            }
            ACKS_STREAM => {
                if let Some(ack) = read(stream, payload) {
                    self.pace.acknowledge(ack);
                }
            }
            CONTROL_STREAM => {
                self.on_control(payload);
            }
            CLOCK_STREAM => {
                if let Some(instant) = read(stream, payload) {
                    self.on_clock(instant, ears).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn refuse(&self, event: &'static str, what: &str, refusal: &Refusal) {
        self.heart.add(&format!("{event}.{}", refusal.code), 1);
        tracing::warn!(event, code = %refusal.code, "{what}: {}", refusal.detail);
    }

    /// The operator's word, if it is one.
    pub(crate) fn on_control(&mut self, payload: &[u8]) {
        let message = match self.control_gate.admit(payload, wall_now()) {
            Ok(message) => message,
            Err(refusal) => {
                self.heart
                    .add(&format!("control_refused.{}", refusal.code), 1);
                tracing::warn!(
                    event = "control_refused",
                    code = %refusal.code,
                    "a word on rawe:control is not followed: {}",
                    refusal.detail
                );
                return;
            }
        };
        let (state, flatten) = match message.command {
            ControlCommand::Halt => (TradingState::Halted, false),
            ControlCommand::Resume => (TradingState::Active, false),
            ControlCommand::Reduce => (TradingState::Reducing, false),
            ControlCommand::Flatten => (TradingState::Reducing, true),
        };
        self.give(Input::Control(Control {
            source: ControlSource::Bus,
            state,
            flatten,
            reason: message.reason,
        }));
        self.perform();
        self.tell_heart();
    }

    pub(crate) fn on_heartbeats(&mut self, beats: &[Heartbeat]) {
        let wall = wall_now();
        let living = || beats.iter().filter(|beat| beat.is_alive(wall));
        let alive = living().filter_map(|beat| beat.agent.clone()).collect();
        let processes = living().map(|beat| beat.process.clone()).collect();
        self.pace.note_alive(&processes, std::time::Instant::now());
        self.give(Input::Alive(alive));
    }

    fn on_lease(&mut self, news: LeaseNews) -> anyhow::Result<()> {
        match news {
            LeaseNews::Held(token) => {
                tracing::info!(event = "lease_held", token, "this engine trades");
                self.say("lease", None);
            }
            LeaseNews::Away(error) => {
                tracing::warn!(
                    event = "lease_unsure",
                    %error,
                    "nothing is opened until the bus answers again; positions are protected"
                );
                let reason = format!("the bus is away, so nothing is opened: {error}");
                self.say("lease", Some((TradingState::Reducing, reason)));
            }
            LeaseNews::Lost(holder) => {
                let reason = format!("another engine has taken over: {holder}");
                self.say("lease", Some((TradingState::Halted, reason.clone())));
                self.perform();
                self.tell_heart();
                bail!("{reason}; start again to stand by for it");
            }
        }
        Ok(())
    }

    /// What the engine itself says of trading: the strictest of all causes.
    pub(crate) fn say(&mut self, cause: &'static str, word: Option<(TradingState, String)>) {
        match word {
            Some(word) => self.words.insert(cause, word),
            None => self.words.remove(cause),
        };
        let halted = self
            .words
            .values()
            .find(|word| word.0 == TradingState::Halted);
        let strictest = halted.or_else(|| self.words.values().next());
        let (state, reason) = strictest
            .cloned()
            .unwrap_or((TradingState::Active, "the engine is well".to_owned()));
        self.give(Input::Control(Control {
            source: ControlSource::Engine,
            state,
            flatten: false,
            reason,
        }));
    }
}

/// Reads an entry of a stream of ours; a bad one is told and skipped.
fn read<T: DeserializeOwned>(stream: &str, payload: &[u8]) -> Option<T> {
    match serde_json::from_slice(payload) {
        Ok(message) => Some(message),
        Err(error) => {
            tracing::warn!(
                event = "entry_refused",
                stream,
                "an entry cannot be read: {error}"
            );
            None
        }
    }
}

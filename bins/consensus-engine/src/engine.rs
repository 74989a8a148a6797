//! The engine: one owner of all state, one loop.
//!
//! The loop awaits the next thing that happens (a message, an entry, an answer, a timer) and
//! handles it synchronously; orders are taken to the broker by tasks of their own, so that the
//! broker never blocks the listener. In a replay a complete instant is handled as a whole, with
//! the broker awaited (`instants`), because market time stands still meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rawe_bus::{Bus, BusEvent};
use rawe_consensus::{Admission, AssetFacts, Consensus, Effect, Event, MarketHours, Trading};
use rawe_core::channels::{ACKS_STREAM, CLOCK_STREAM, CONTROL_STREAM, STANCES_STREAM};
use rawe_core::{AgentId, BootId, Heartbeat, ProcessState, StanceMessage, Symbol, Timestamp};
use rawe_execution::TradingState;
use rawe_execution::broker::{AssetInfo, BrokerClock};
use rawe_runtime::{Heart, wall_now};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::desk::{Desk, OrderNews};
use crate::halts::Halts;
use crate::intake::{Received, RefusalLog};
use crate::market_time::MarketTime;
use crate::pace::Pace;
use crate::publisher::Publisher;
use crate::readers::{Input, look_up_asset, next_change};
use crate::settings::Settings;

/// The longest the loop sleeps: the trading state and overdue participants are looked at as often.
const TICK: Duration = Duration::from_millis(250);
/// For how long after the start missing agents are not complained about.
const QUIET_START: Duration = Duration::from_secs(30);
/// How long a broker's word on market hours holds that names no next change.
const HOURS_HOLD: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// What the engine is made of.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) settings: Settings,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) time: Arc<MarketTime>,
    pub(crate) halts: Arc<Halts>,
    pub(crate) heart: Heart,
    pub(crate) boot: BootId,
    pub(crate) publisher: Publisher,
    pub(crate) consensus: Consensus,
    pub(crate) admission: Admission,
    pub(crate) pace: Pace,
    pub(crate) assets: BTreeMap<Symbol, Option<AssetInfo>>,
    pub(crate) observed: BTreeSet<Symbol>,
    pub(crate) waiting: BTreeMap<Symbol, Vec<Received>>,
    pub(crate) held_signals: Vec<Received>,
    pub(crate) held_stances: Vec<StanceMessage>,
    pub(crate) alive: BTreeSet<AgentId>,
    pub(crate) refusals: RefusalLog,
    pub(crate) hours: Option<MarketHours>,
    pub(crate) trading: Option<TradingState>,
    pub(crate) run_id: Option<String>,
    /// Too few voices, not yet said aloud.
    pub(crate) unsaid: Option<(usize, usize)>,
    pub(crate) started: Instant,
    pub(crate) orders: TaskTracker,
    pub(crate) news: mpsc::Sender<OrderNews>,
    pub(crate) inputs: mpsc::Sender<Input>,
    /// When the link to the signals broke, market time, and when the last message came.
    pub(crate) gap_since: Option<Timestamp>,
    pub(crate) last_heard: Timestamp,
}

/// The engine's ears.
pub(crate) struct Ears {
    pub(crate) signals: mpsc::Receiver<BusEvent>,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) news: mpsc::Receiver<OrderNews>,
}

impl Engine {
    /// Listens and acts until the shutdown.
    pub(crate) async fn run(&mut self, ears: &mut Ears, shutdown: &CancellationToken) {
        loop {
            let wake = self.next_wake();
            let effects = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(news) = ears.news.recv() => self.on_news(news),
                Some(event) = ears.signals.recv() => self.on_bus(event),
                Some(input) = ears.inputs.recv() => self.on_input(input).await,
                () = sleep_until(wake) => self.on_timer(),
            };
            self.perform(effects);
            tokio::select! {
                () = self.keep_pace(ears) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let tick = Instant::now() + TICK;
        if self.time.is_paced() {
            return tick;
        }
        let deadline = self.consensus.next_deadline();
        let wait = deadline.map(|at| (at - self.time.now()).to_std().unwrap_or(Duration::ZERO));
        wait.map_or(tick, |wait| tick.min(Instant::now() + wait))
    }

    pub(crate) fn on_timer(&mut self) -> Vec<Effect> {
        self.look_at_trading();
        self.say_unsaid();
        if self.time.is_paced() {
            return Vec::new();
        }
        let now = self.time.now();
        self.consensus.apply(Event::Tick, now)
    }

    /// Tells the consensus when what may be traded has changed.
    pub(crate) fn look_at_trading(&mut self) {
        let (state, reason) = self.halts.state();
        if self.trading == Some(state) {
            return;
        }
        self.trading = Some(state);
        let (trading, process) = match state {
            TradingState::Active => (Trading::Active, ProcessState::Running),
            TradingState::Reducing => (Trading::Reducing, ProcessState::Running),
            TradingState::Halted => (Trading::Halted, ProcessState::Halted),
        };
        let now = self.time.now();
        self.consensus.apply(Event::Trading(trading), now);
        self.heart.set_state(process, reason.clone());
        tracing::info!(
            event = "trading_state_changed",
            ?state,
            reason,
            "trading is {state:?}"
        );
    }

    fn on_bus(&mut self, event: BusEvent) -> Vec<Effect> {
        let now = self.time.now();
        match event {
            BusEvent::Message(payload) => {
                self.last_heard = now;
                self.on_message(payload)
            }
            BusEvent::Up => {
                let since = self.gap_since.take();
                self.last_heard = now;
                since.map_or_else(Vec::new, |from| {
                    tracing::info!(event = "bus_recovered", "signals arrive again");
                    self.consensus
                        .apply(Event::BusGap { from, through: now }, now)
                })
            }
            BusEvent::Gap { reason, lost } => {
                let from = self.gap_since.unwrap_or(self.last_heard).min(now);
                tracing::warn!(
                    event = "bus_gap",
                    lost,
                    %from,
                    "signals may have been lost, votes since then are void: {reason}"
                );
                self.heart.add("bus_gaps", 1);
                self.gap_since = (lost == 0).then_some(from);
                self.last_heard = now;
                self.consensus
                    .apply(Event::BusGap { from, through: now }, now)
            }
        }
    }

    async fn on_input(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Entry { stream, payload } => self.on_entry(stream, &payload).await,
            Input::Heartbeats(beats) => self.on_heartbeats(&beats),
            Input::Hours(clock) => {
                self.note_hours(clock);
                Vec::new()
            }
            Input::Asset { symbol, answer } => self.on_asset(&symbol, answer),
        }
    }

    async fn on_entry(&mut self, stream: &'static str, payload: &[u8]) -> Vec<Effect> {
        match stream {
            STANCES_STREAM => {
                if let Some(message) = read::<StanceMessage>(stream, payload) {
                    return self.on_stances(message);
                }
            }
            ACKS_STREAM => {
                if let Some(ack) = read(stream, payload) {
                    self.pace.acknowledge(ack);
                }
            }
            CONTROL_STREAM => {
                if let Some(message) = read(stream, payload) {
                    self.halts.command(&message);
                    self.look_at_trading();
                }
            }
            CLOCK_STREAM => {
                if let Some(instant) = read(stream, payload) {
                    return self.on_clock(instant).await;
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn on_stances(&mut self, message: StanceMessage) -> Vec<Effect> {
        self.heart.add("stances", 1);
        if self.time.is_paced() {
            self.held_stances.push(message);
            return Vec::new();
        }
        let now = self.time.now();
        self.consensus.apply(Event::Stances(message), now)
    }

    pub(crate) fn on_heartbeats(&mut self, beats: &[Heartbeat]) -> Vec<Effect> {
        let wall = wall_now();
        let living = || beats.iter().filter(|beat| beat.is_alive(wall));
        self.alive = living().filter_map(|beat| beat.agent.clone()).collect();
        let processes = living().map(|beat| beat.process.clone()).collect();
        self.pace.note_alive(&processes, std::time::Instant::now());
        let now = self.time.now();
        self.consensus
            .apply(Event::Liveness(self.alive.clone()), now)
    }

    /// Remembers the market's hours, in market time.
    pub(crate) fn note_hours(&mut self, clock: Option<BrokerClock>) {
        let now = self.time.now();
        if let Some(clock) = &clock {
            self.time.note_broker(clock.timestamp);
        }
        self.hours = clock.map(|clock| {
            let change = next_change(&clock);
            let hold = change.and_then(|wait| chrono::TimeDelta::from_std(wait).ok());
            MarketHours {
                is_open: clock.is_open,
                until: now + hold.unwrap_or(HOURS_HOLD),
            }
        });
        self.consensus.apply(Event::Market(self.hours), now);
    }

    fn on_asset(
        &mut self,
        symbol: &Symbol,
        answer: Result<(Option<AssetInfo>, Option<Timestamp>), String>,
    ) -> Vec<Effect> {
        match answer {
            Ok((info, last_fill)) => self.note_asset(symbol, info, last_fill),
            Err(error) => {
                tracing::warn!(
                    event = "asset_unknown",
                    asset = %symbol,
                    "votes on it are refused: {error}"
                );
            }
        }
        self.release(symbol)
    }

    /// Remembers what the broker says of an asset.
    pub(crate) fn note_asset(
        &mut self,
        symbol: &Symbol,
        info: Option<AssetInfo>,
        last_fill: Option<Timestamp>,
    ) {
        let now = self.time.now();
        let facts = info.as_ref().map(|info| AssetFacts {
            tradable: info.tradable,
            shortable: info.shortable,
        });
        self.consensus
            .apply(Event::Asset(symbol.clone(), facts), now);
        if self.observed.insert(symbol.clone()) && last_fill.is_some() {
            let last_fill = last_fill.map(|at| self.time.to_market(at));
            let asset = symbol.clone();
            let observed = Event::PositionObserved {
                asset,
                position: None,
                last_fill,
            };
            self.consensus.apply(observed, now);
        }
        self.assets.insert(symbol.clone(), info);
    }

    /// Asks the broker about a symbol, in a task.
    pub(crate) fn look_up(&self, symbol: Symbol) {
        let (broker, inputs) = (self.desk.broker.clone(), self.inputs.clone());
        self.orders.spawn(async move {
            let answer = look_up_asset(broker, symbol.clone()).await;
            if inputs.send(Input::Asset { symbol, answer }).await.is_err() {
                tracing::debug!(event = "answer_lost", "the engine has ended");
            }
        });
    }

    /// Says that the collective cannot trade, once it is fair to expect all agents.
    fn say_unsaid(&mut self) {
        if self.run_id.is_none() && self.started.elapsed() < QUIET_START {
            return;
        }
        if let Some((able, quorum)) = self.unsaid.take() {
            tracing::warn!(
                event = "collective_cannot_trade",
                able,
                quorum,
                "only {able} agents can be heard and {quorum} must agree: the collective cannot \
                 trade; start more agents"
            );
            self.heart.add("cannot_trade", 1);
        }
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

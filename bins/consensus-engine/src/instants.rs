//! Replays: the engine handles each announced instant last, as a whole, and acknowledges it when
//! its orders are settled. Votes are applied in one fixed order, so that two runs decide the same.

use std::collections::VecDeque;
use std::time::Duration;

use rawe_bus::StreamAppend;
use rawe_consensus::{Effect, Event};
use rawe_core::channels::{ACKS_STREAM, STREAM_LENGTH_MAX};
use rawe_core::{Acknowledgement, AssetClass, ClockInstant, ClockMode, ProcessState, Symbol};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::desk::OrderNews;
use crate::engine::{Ears, Engine};
use crate::pace::Readiness;
use crate::readers::look_up_asset;
use crate::startup;

/// This process, as the pacer knows it.
pub(crate) const PROCESS: &str = "consensus-engine";
/// How long an instant waits for one order to end. A market order fills at once at an exchange
/// whose clock stands still; one that does not is followed in the background.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// How long between attempts to acknowledge while the bus is away.
const ACK_RETRY_WAIT: Duration = Duration::from_millis(250);

impl Engine {
    /// The pacer or the feed has announced something.
    pub(crate) async fn on_clock(&mut self, instant: ClockInstant) -> Vec<Effect> {
        let mut effects = Vec::new();
        // A feed that starts again plays a new run, even if it gives it the same name.
        let begins =
            self.run_id.as_ref() != Some(&instant.run_id) || instant.mode == ClockMode::WarmedUp;
        if instant.paced && begins {
            effects = self.begin_run(&instant).await;
        }
        match instant.mode {
            ClockMode::WarmedUp if !instant.paced => {
                self.time.set_live();
                self.run_id = Some(instant.run_id);
                let now = self.time.now();
                effects.extend(self.consensus.apply(Event::Paced(false), now));
            }
            ClockMode::WarmedUp | ClockMode::Paced | ClockMode::Ended => {
                self.pace.announce(instant, std::time::Instant::now());
            }
        }
        effects
    }

    /// Another run of a replay: nothing of an earlier one counts, and the account is read anew.
    async fn begin_run(&mut self, instant: &ClockInstant) -> Vec<Effect> {
        let another = self.run_id.replace(instant.run_id.clone()).is_some();
        self.pace.restart();
        self.held_stances.clear();
        tracing::info!(
            event = "replay_joined",
            run_id = instant.run_id,
            market_time = %instant.instant,
            "a replay paces the time"
        );
        self.time.set_paced(instant.instant);
        self.last_heard = instant.instant;
        self.desk
            .set_deployment(format!("{}/{}", self.settings.deployment, instant.run_id));
        if another || !self.observed.is_empty() {
            self.forget_signals();
            self.restart_consensus();
            match startup::reconcile(&self.desk).await {
                Ok(reconciled) => self.take_over(reconciled),
                Err(error) => self.halts.broke(&format!("{error:#}")),
            }
        }
        self.halts.ready();
        self.look_at_trading();
        self.hours = None;
        self.consensus.apply(Event::Paced(true), instant.instant)
    }

    /// Handles the pending instant once it is complete.
    pub(crate) async fn keep_pace(&mut self, ears: &mut Ears) {
        match self.pace.readiness(std::time::Instant::now()) {
            Readiness::Idle => {}
            Readiness::Waiting { awaited, overdue } => {
                if overdue {
                    tracing::warn!(
                        event = "participant_awaited",
                        awaited = awaited.join(","),
                        "the replay stands still until these have kept step"
                    );
                }
            }
            Readiness::Complete => self.handle_instant(Vec::new(), ears).await,
            Readiness::Lossy(from) => self.handle_instant(from, ears).await,
        }
    }

    async fn handle_instant(&mut self, lossy: Vec<String>, ears: &mut Ears) {
        let Some(instant) = self.pace.take() else {
            return;
        };
        let now = instant.instant;
        self.time.set_paced(now);
        if !lossy.is_empty() {
            tracing::warn!(
                event = "bus_gap",
                from = lossy.join(","),
                market_time = %now,
                "signals of this instant never arrived, its votes are void"
            );
            self.heart.add("bus_gaps", 1);
            self.consensus.apply(
                Event::BusGap {
                    from: now,
                    through: now,
                },
                now,
            );
        }
        self.look_at_trading();
        let effects = match instant.mode {
            ClockMode::WarmedUp => Vec::new(),
            ClockMode::Paced | ClockMode::Ended => self.weigh(&instant).await,
        };
        self.settle_effects(effects, ears).await;
        self.publisher.flush().await;
        if instant.mode == ClockMode::Ended {
            self.halts.not_ready("the replay has ended");
            self.look_at_trading();
            self.heart
                .set_state(ProcessState::Ended, "the replay has ended");
            tracing::info!(event = "replay_ended", market_time = %now, "the replay has ended");
        }
        self.heart.progress("instant", Some(now));
        self.acknowledge(&instant).await;
    }

    /// Applies everything of the instant in its fixed order.
    async fn weigh(&mut self, instant: &ClockInstant) -> Vec<Effect> {
        let now = instant.instant;
        let mut effects = Vec::new();
        let mut stances = std::mem::take(&mut self.held_stances);
        stances.sort_by(|a, b| (a.timestamp, &a.agent.id).cmp(&(b.timestamp, &b.agent.id)));
        for message in stances {
            effects.extend(self.consensus.apply(Event::Stances(message), now));
        }
        let mut signals = std::mem::take(&mut self.held_signals);
        signals.sort_by_cached_key(crate::intake::Received::order);
        for received in &signals {
            let symbol = &received.signal.financial_asset;
            self.ensure_asset(symbol).await;
            let universe = self
                .universe_of(symbol)
                .unwrap_or(rawe_consensus::Universe::Outside);
            effects.extend(self.admit(received, universe));
        }
        self.ensure_hours(now).await;
        effects.extend(self.consensus.apply(Event::InstantComplete, now));
        effects
    }

    async fn ensure_asset(&mut self, symbol: &Symbol) {
        if self.assets.contains_key(symbol) {
            return;
        }
        match look_up_asset(self.desk.broker.clone(), symbol.clone()).await {
            Ok((info, last_fill)) => self.note_asset(symbol, info, last_fill),
            Err(error) => tracing::warn!(
                event = "asset_unknown",
                asset = %symbol,
                "votes on it are refused: {error}"
            ),
        }
    }

    /// Asks the broker's clock when what is known of the session no longer holds, if any stock is
    /// traded at all.
    async fn ensure_hours(&mut self, now: rawe_core::Timestamp) {
        let known = self.hours.is_some_and(|hours| now < hours.until);
        let stocks = self
            .assets
            .keys()
            .any(|symbol| symbol.class() == AssetClass::UsEquity);
        if known || !stocks {
            return;
        }
        match self.desk.broker.clock().await {
            Ok(clock) => self.note_hours(Some(clock)),
            Err(error) => {
                tracing::warn!(event = "broker_silent", %error, "the market counts as closed");
                self.note_hours(None);
            }
        }
    }

    /// Performs effects one after the other, each order to its end, until none follow.
    async fn settle_effects(&mut self, effects: Vec<Effect>, ears: &mut Ears) {
        let mut queue: VecDeque<Effect> = effects.into();
        // News of orders followed in the background belong to this instant too.
        while let Ok(news) = ears.news.try_recv() {
            queue.extend(self.on_news(news));
        }
        while let Some(effect) = queue.pop_front() {
            let Effect::Order(proposal) = effect else {
                self.perform_quietly(effect);
                continue;
            };
            let (desk, sender) = (self.desk.clone(), self.news.clone());
            let (own, mut heard) = mpsc::channel::<OrderNews>(16);
            let mut order = self
                .orders
                .spawn(async move { desk.execute(*proposal, &own).await });
            if timeout(SETTLE_LIMIT, &mut order).await.is_err() {
                tracing::warn!(
                    event = "order_lingers",
                    "the order is followed in the background"
                );
                self.orders.spawn(async move {
                    while let Some(news) = heard.recv().await {
                        crate::desk::tell(&sender, news).await;
                    }
                });
                continue;
            }
            while let Ok(news) = heard.try_recv() {
                queue.extend(self.on_news(news));
            }
        }
    }

    async fn acknowledge(&mut self, instant: &ClockInstant) {
        let next_timer = self
            .consensus
            .next_deadline()
            .filter(|at| *at > instant.instant);
        let ack = Acknowledgement {
            participant: PROCESS.to_owned(),
            step: instant.step,
            published: 0,
            boot_id: self.boot.as_str().to_owned(),
            next_timer,
        };
        let Ok(payload) = serde_json::to_vec(&ack) else {
            return;
        };
        loop {
            let append = StreamAppend {
                stream: ACKS_STREAM,
                payloads: vec![payload.clone()],
                length_max: STREAM_LENGTH_MAX,
            };
            match self.bus.append(&[append]).await {
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(event = "ack_unwritten", %error, "trying again");
                    sleep(ACK_RETRY_WAIT).await;
                }
            }
        }
    }
}

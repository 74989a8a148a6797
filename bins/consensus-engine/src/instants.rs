//! Replays: the engine handles each announced instant last, as a whole, and acknowledges it when
//! everything that follows from it is settled. What is decided, and in which order, is the
//! collective's; here is the keeping of step.

use std::time::Duration;

use rawe_bus::StreamAppend;
use rawe_collective::Input;
use rawe_core::channels::{ACKS_STREAM, BARS_STREAM, STREAM_LENGTH_MAX};
use rawe_core::{Acknowledgement, ClockInstant, ClockMode, ProcessState};
use rawe_execution::TradingState;
use tokio::time::{Instant, sleep, sleep_until};

use crate::ears::Ears;
use crate::engine::Engine;
use crate::pace::Readiness;

/// This process, as the pacer knows it.
pub(crate) const PROCESS: &str = "consensus-engine";
/// How long an instant waits for what follows from it. A market order fills at once at an exchange
/// whose clock stands still; one that does not is followed in the background.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// How often the `HALT` file is looked at meanwhile.
const SETTLE_TICK: Duration = Duration::from_millis(100);
/// How long between attempts while the bus is away.
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// How many bars are read at once.
const BARS_COUNT: usize = 2_048;

impl Engine {
    /// The pacer or the feed has announced something.
    pub(crate) async fn on_clock(
        &mut self,
        instant: ClockInstant,
        ears: &mut Ears,
    ) -> anyhow::Result<()> {
        let joined = self.joined.take() == Some((instant.run_id.clone(), instant.step));
        // A feed that starts again plays a new run, even if it gives it the same name.
        let begins =
            self.run_id.as_ref() != Some(&instant.run_id) || instant.mode == ClockMode::WarmedUp;
        if instant.paced && begins && !joined {
            self.begin_run(&instant, ears).await?;
        }
        match instant.mode {
            ClockMode::WarmedUp if !instant.paced => {
                self.time.set_live();
                self.run_id = Some(instant.run_id);
                self.give(Input::Paced(false));
            }
            ClockMode::WarmedUp | ClockMode::Paced | ClockMode::Ended => {
                self.pace.announce(instant, std::time::Instant::now());
            }
        }
        Ok(())
    }

    /// Another run of a replay: nothing of an earlier one counts, and the account is read anew.
    async fn begin_run(&mut self, instant: &ClockInstant, ears: &mut Ears) -> anyhow::Result<()> {
        self.run_id = Some(instant.run_id.clone());
        self.pace.restart();
        tracing::info!(
            event = "replay_joined",
            run_id = instant.run_id,
            market_time = %instant.instant,
            "a replay paces the time"
        );
        self.time.set_paced(instant.instant);
        self.last_heard = instant.instant;
        self.bars_after = rawe_bus::EntryId::START;
        self.ended = false;
        self.words.remove("replay");
        self.give(Input::Paced(true));
        let deployment = format!("{}/{}", self.settings.deployment, instant.run_id);
        self.give(Input::RunBegins { deployment });
        self.say_again();
        self.settle(ears).await
    }

    /// Repeats what the engine itself says of trading.
    fn say_again(&mut self) {
        let word = self.words.get("lease").cloned();
        self.say("lease", word);
    }

    /// Handles the pending instant once it is complete.
    pub(crate) async fn keep_pace(&mut self, ears: &mut Ears) -> anyhow::Result<()> {
        match self.pace.readiness(std::time::Instant::now()) {
            Readiness::Idle => Ok(()),
            Readiness::Waiting { awaited, overdue } => {
                if overdue {
                    tracing::warn!(
                        event = "participant_awaited",
                        awaited = awaited.join(","),
                        "the replay stands still until these have kept step"
                    );
                }
                Ok(())
            }
            Readiness::Complete => self.handle_instant(Vec::new(), ears).await,
            Readiness::Lossy(from) => self.handle_instant(from, ears).await,
        }
    }

    async fn handle_instant(&mut self, lossy: Vec<String>, ears: &mut Ears) -> anyhow::Result<()> {
        let Some(instant) = self.pace.take() else {
            return Ok(());
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
            self.give(Input::BusGap {
                from: now,
                through: now,
            });
        }
        self.look_at_file();
        self.read_bars(&instant).await;
        if instant.mode != ClockMode::WarmedUp {
            self.give(Input::InstantComplete);
        }
        self.settle(ears).await?;
        self.publisher.flush().await;
        self.tell_heart();
        if instant.mode == ClockMode::Ended {
            let reason = "the replay has ended".to_owned();
            self.say("replay", Some((TradingState::Halted, reason)));
            self.perform();
            self.tell_heart();
            self.ended = true;
            self.heart
                .set_state(ProcessState::Ended, "the replay has ended");
            tracing::info!(event = "replay_ended", market_time = %now, "the replay has ended");
        }
        self.heart.progress("instant", Some(now));
        self.acknowledge(&instant).await;
        Ok(())
    }

    /// Hands over the bars that belong to this instant.
    async fn read_bars(&mut self, instant: &ClockInstant) {
        let Ok(through) = instant.bars_through.parse() else {
            return;
        };
        while self.bars_after < through {
            let after = self.bars_after;
            let read = self
                .bus
                .range(BARS_STREAM, after, Some(through), BARS_COUNT)
                .await;
            match read {
                Ok(entries) if entries.is_empty() => break,
                Ok(entries) => {
                    for entry in entries {
                        self.bars_after = entry.id;
                        if let Ok(bar) = serde_json::from_slice(&entry.payload) {
                            self.give(Input::Bar(bar));
                        }
                    }
                    self.perform();
                }
                Err(error) => {
                    tracing::debug!(event = "bars_unread", %error, "trying again");
                    sleep(RETRY_WAIT).await;
                }
            }
        }
        self.bars_after = self.bars_after.max(through);
    }

    /// Performs everything until nothing follows any more, for a bounded time.
    async fn settle(&mut self, ears: &mut Ears) -> anyhow::Result<()> {
        let started = Instant::now();
        self.perform();
        while !self.collective.is_settled() {
            if started.elapsed() >= SETTLE_LIMIT {
                tracing::warn!(
                    event = "order_lingers",
                    "what is not settled is followed in the background"
                );
                return Ok(());
            }
            tokio::select! {
                Some(answer) = ears.answers.recv() => self.on_answer(answer),
                () = sleep_until(Instant::now() + SETTLE_TICK) => self.on_tick()?,
            }
            self.perform();
        }
        self.on_tick()
    }

    async fn acknowledge(&mut self, instant: &ClockInstant) {
        let next_timer = self
            .collective
            .next_instant()
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
                    sleep(RETRY_WAIT).await;
                }
            }
        }
    }
}

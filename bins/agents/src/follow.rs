//! The life of an agent: find the newest run, warm up, then follow the clock, paced or live.
//!
//! Started again, an agent takes its newest snapshot from Redis, or rebuilds its state from the
//! streams if there is none that fits; it says nothing about instants that were handled, and goes
//! on at the newest one.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rawe_agent::{Agent, Profile, VoterConfig};
use rawe_bus::{Bus, EntryId};
use rawe_core::channels::CLOCK_STREAM;
use rawe_core::{BootId, ClockInstant, ClockMode, IdentitySource, ProcessState, Timestamp};
use rawe_narrative::linking::Universe;
use rawe_narrative::{EngineConfig, SentimentModel};
use rawe_runtime::{Heart, ShuttingDown, new_boot_id, new_uuid, wall_now};
use tokio_util::sync::CancellationToken;

use crate::clock_reader::{Run, begins_another, entry_id, find_run, is_acknowledged, parse_clock};
use crate::keeper::Keeper;
use crate::link::Link;
use crate::setup::{AgentArgs, load_tone_model, load_universe, load_voter};
use crate::signer::Signer;
use crate::speaker::Speaker;
use crate::timeline::{Hearing, Timeline};

/// Clock entries read at once.
const CLOCK_PAGE: usize = 200;
/// Longest wait for anything, so that a shutdown or a new run is seen soon.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Live, a scan comes so long after its grid instant: the feed needs it to deliver the bars.
const SETTLING: TimeDelta = TimeDelta::seconds(2);
/// How long the last heartbeat may take.
const LAST_BEAT_LIMIT: Duration = Duration::from_secs(2);

/// Runs an agent until `shutdown`.
///
/// # Errors
/// `ConfigProblems` for a configuration that cannot be used; a bus that refuses its commands.
pub async fn run(
    profile: Profile,
    args: AgentArgs,
    bus: Arc<dyn Bus>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let config = load_voter(profile, &args)?;
    let universe = load_universe(&args)?;
    let tone_model = load_tone_model(&args)?;
    let profile = &config.profile;
    let signer = args.signer(profile.id.as_str())?;
    let boot = new_boot_id();
    let process = profile.id.as_str().to_owned();
    let heart = Heart::new(&process, Some(profile.id.clone()), boot.clone());
    heart.set_state(
        ProcessState::Warming,
        "WARMING: waiting for the feed's history",
    );
    // The last beat is written when the agent ends, for whatever reason.
    let beating = CancellationToken::new();
    let beat = heart.beat(bus.clone(), beating.clone());
    tracing::info!(
        event = "agent_started",
        agent = %profile.id,
        boot_id = %boot,
        bus = bus.describe(),
        warmup_days = config.warmup_days,
        signs_with = signer.as_ref().map(Signer::key_id),
        "{} looks at the market: {}",
        profile.name,
        profile.description
    );
    let keeper = Keeper::new(
        args.snapshots_kept()?.then(|| bus.clone()),
        &process,
        heart.clone(),
    );
    let link = Link::new(bus, shutdown);
    let speaker = Speaker::new(
        process,
        boot.clone(),
        args.common.channel.clone(),
        signer,
        heart.clone(),
    );
    let mut follower = Follower {
        config,
        universe,
        tone_model,
        boot,
        link,
        speaker,
        heart,
        keeper,
    };
    // On the heap: it is large, and every caller would carry it.
    let result = Box::pin(follower.follow_runs()).await;
    follower.keeper.finish().await;
    beating.cancel();
    let _last_beat = tokio::time::timeout(LAST_BEAT_LIMIT, beat).await;
    tracing::info!(event = "agent_stopped", "the agent has stopped");
    match result {
        Err(error) if error.is::<ShuttingDown>() => Ok(()),
        result => result,
    }
}

/// Why following a run ended.
enum Turn {
    /// The feed began another run.
    NewRun,
}

struct Follower {
    config: VoterConfig,
    universe: Arc<Universe>,
    /// `None` is the lexicon.
    tone_model: Option<Arc<dyn SentimentModel>>,
    boot: BootId,
    link: Link,
    speaker: Speaker,
    heart: Heart,
    keeper: Keeper,
}

/// Following one run.
struct Session {
    run: Run,
    timeline: Timeline,
    /// Instants before this entry were handled by an earlier boot, or lie in the past.
    speaks_from: EntryId,
    clock_after: EntryId,
    is_warm: bool,
    /// Its first clock entry has been handled.
    has_begun: bool,
    /// All that was read has been handled: nothing is half done.
    at_rest: bool,
}

impl Follower {
    async fn follow_runs(&mut self) -> anyhow::Result<()> {
        let mut sequences = (0, 0);
        loop {
            let run = find_run(&self.link).await?;
            tracing::debug!(
                event = "run_found",
                run_id = run.id,
                step = run.newest.step,
                "following the feed's newest run"
            );
            let acknowledged = run.newest.paced
                && is_acknowledged(&self.link, &run, self.config.profile.id.as_str()).await?;
            let ids = if run.newest.paced {
                let owner = self.config.profile.id.as_str().to_owned();
                IdentitySource::Derived {
                    run_id: run.id.clone(),
                    owner,
                }
            } else {
                IdentitySource::Live(new_uuid)
            };
            let (config, boot) = (&self.config, &self.boot);
            let fresh = || {
                let engine = EngineConfig {
                    universe: self.universe.clone(),
                    ..EngineConfig::default()
                };
                let agent = Agent::new(engine, config.clone(), boot.clone(), ids.clone());
                match &self.tone_model {
                    Some(model) => agent.with_sentiment(model.clone()),
                    None => agent,
                }
            };
            let (mut agent, place) = self.keeper.restore(&self.link, &run, fresh).await?;
            agent.continue_sequences(sequences);
            let newest = run.newest_id;
            let heart = self.heart.clone();
            let mut timeline = Timeline::new(agent, run.bars_before, run.news_before, heart);
            if let Some(place) = place {
                timeline.continue_from(place);
            }
            let mut session = Session {
                timeline,
                speaks_from: if acknowledged {
                    EntryId {
                        sequence: newest.sequence.saturating_add(1),
                        ..newest
                    }
                } else {
                    newest
                },
                clock_after: run.clock_before,
                is_warm: false,
                has_begun: false,
                at_rest: false,
                run,
            };
            self.heart
                .set_state(ProcessState::Warming, "WARMING: reading the history");
            let followed = self.follow_clock(&mut session).await;
            if followed.is_err() && session.at_rest {
                // The process ends: the next one goes on here.
                self.keep(&session);
            }
            let Turn::NewRun = followed?;
            sequences = session.timeline.agent().voter().sequences();
        }
    }

    /// Handles one clock entry after the other; goes over to live when the feed is live.
    async fn follow_clock(&mut self, session: &mut Session) -> anyhow::Result<Turn> {
        loop {
            let mut answer = self
                .link
                .read(&[(CLOCK_STREAM, session.clock_after)], CLOCK_PAGE, WAIT_MAX)
                .await?;
            for entry in answer.remove(CLOCK_STREAM).unwrap_or_default() {
                session.clock_after = entry.id;
                let Some(clock) = parse_clock(&entry) else {
                    continue;
                };
                if session.has_begun && begins_another(&session.run.id, &clock) {
                    return Ok(Turn::NewRun);
                }
                session.has_begun = true;
                session.at_rest = false;
                self.handle(session, entry.id, &clock).await?;
                if clock.mode == ClockMode::WarmedUp && !clock.paced {
                    return self.follow_wall(session, clock.instant).await;
                }
                session.at_rest = true;
                self.keeper.step();
                if self.keeper.is_due(true) {
                    self.keep(session);
                }
            }
        }
    }

    /// Brings the agent to a clock entry, speaks if it is a new instant, acknowledges.
    async fn handle(
        &mut self,
        session: &mut Session,
        id: EntryId,
        clock: &ClockInstant,
    ) -> anyhow::Result<()> {
        let is_new = id >= session.speaks_from && clock.mode == ClockMode::Paced;
        let bars = entry_id(&clock.bars_through);
        let news = entry_id(&clock.news_through);
        session.timeline.reopen(Some(bars), Some(news));
        let hearing = |instant: Timestamp| match clock.mode {
            ClockMode::Paced if instant != clock.instant => Hearing::Past,
            ClockMode::Paced if is_new => Hearing::Said,
            ClockMode::Paced => Hearing::Heard,
            ClockMode::WarmedUp | ClockMode::Ended => Hearing::Past,
        };
        let until = clock.instant;
        let said = session
            .timeline
            .advance(&self.link, Timestamp::MAX_UTC, until, hearing)
            .await?;
        for said in said {
            self.speaker.say(&self.link, said, false).await?;
        }
        self.heart.progress("clock", Some(clock.instant));
        let catching_up = id < session.run.newest_id;
        self.show_progress(session, clock.instant, catching_up);
        if clock.mode == ClockMode::Ended && !catching_up {
            self.heart
                .set_state(ProcessState::Ended, "the replay has ended");
            tracing::info!(event = "replay_ended", at = %clock.instant, "the replay has ended");
        }
        if clock.paced && !catching_up {
            let next = session
                .timeline
                .agent()
                .voter()
                .grid()
                .next_between_bars(clock.instant);
            self.speaker
                .acknowledge(&self.link, clock.step, next)
                .await?;
        }
        Ok(())
    }

    /// Live: applies what arrives and scans each grid instant a little after it.
    async fn follow_wall(
        &mut self,
        session: &mut Session,
        warmed_through: Timestamp,
    ) -> anyhow::Result<Turn> {
        session
            .timeline
            .agent_mut()
            .use_identities(IdentitySource::Live(new_uuid));
        let ttl_ms = i64::try_from(self.config.profile.signal_ttl_ms).unwrap_or(i64::MAX);
        let fresh = TimeDelta::milliseconds(ttl_ms);
        loop {
            let now = wall_now();
            session.timeline.reopen(None, None);
            let hearing = |instant: Timestamp| {
                if instant > warmed_through && instant + fresh > now {
                    Hearing::Said
                } else {
                    Hearing::Past
                }
            };
            session.at_rest = false;
            let scans_until = now - SETTLING;
            let said = session
                .timeline
                .advance(&self.link, now, scans_until, hearing)
                .await?;
            for said in said {
                self.speaker.say(&self.link, said, true).await?;
            }
            self.show_progress(session, now, false);
            session.at_rest = true;
            if self.keeper.is_due(false) {
                self.keep(session);
            }
            let next = session.timeline.next_scan();
            let due = next.and_then(|next| (next + SETTLING - wall_now()).to_std().ok());
            let wait = due.unwrap_or(WAIT_MAX).min(WAIT_MAX);
            if self.wait_for_data(session, wait).await? {
                return Ok(Turn::NewRun);
            }
        }
    }

    /// Keeps a snapshot of the agent and its place.
    fn keep(&mut self, session: &Session) {
        let timeline = &session.timeline;
        let place = timeline.place();
        self.keeper
            .write(&session.run, session.clock_after, timeline.agent(), place);
    }

    /// Waits for new entries, at most `wait`; true when the feed began another run.
    async fn wait_for_data(
        &mut self,
        session: &mut Session,
        wait: Duration,
    ) -> anyhow::Result<bool> {
        if session.timeline.holds_entries() {
            // What is held lies after the next scan; new market data can wait for it too.
            self.link.pause(wait).await?;
        } else {
            let [bars, news] = session.timeline.positions();
            let clock = (CLOCK_STREAM, session.clock_after);
            self.link.read(&[bars, news, clock], 1, wait).await?;
        }
        for entry in self
            .link
            .range(CLOCK_STREAM, session.clock_after, None, CLOCK_PAGE)
            .await?
        {
            session.clock_after = entry.id;
            if parse_clock(&entry).is_some_and(|clock| begins_another(&session.run.id, &clock)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Shows in the heartbeat how far the agent is, and tells once that it is warm.
    fn show_progress(&self, session: &mut Session, now: Timestamp, catching_up: bool) {
        let voter = session.timeline.agent().voter();
        if !voter.is_warm(now) || catching_up {
            self.heart
                .set_state(ProcessState::Warming, voter.warmup_progress(now));
            return;
        }
        let days = voter.history_days(now).floor();
        let assets = voter.asset_count();
        self.heart
            .set_state(ProcessState::Running, format!("watching {assets} assets"));
        if !session.is_warm {
            session.is_warm = true;
            tracing::info!(
                event = "agent_warmed_up",
                run_id = session.run.id,
                at = %now,
                days,
                assets,
                refused = session.timeline.refused(),
                "warmed up on {days:.0} days of {assets} assets"
            );
        }
    }
}

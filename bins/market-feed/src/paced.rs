//! A replay: this feed drives the exchange's clock, step by step, as fast as the slowest
//! participant and no faster than the chosen speed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::TimeDelta;
use rawe_bus::Bus;
use rawe_core::{Bar, ClockInstant, ClockMode, NewsItem, ProcessState, Symbol, Timestamp};
use rawe_feed::pacing::Pacer;
use rawe_feed::{Group, KnownArticles, NewsTimeline, groups};
use rawe_runtime::{BrokerArgs, ConfigProblems, Heart};
use tokio::time::{Instant, sleep_until};

use crate::acks::{AckReader, SILENCE_MAX, WARMING_SILENCE_MAX};
use crate::admin::{ExchangeAdmin, Market};
use crate::args::{FeedSettings, NewsSource, Speed};
use crate::market_data::MarketData;
use crate::retry::until_answered;
use crate::sources;
use crate::warmup::WarmUp;
use crate::writer::StreamWriter;

/// A replay under way.
struct Replay {
    admin: ExchangeAdmin,
    data: MarketData,
    groups: Vec<Group>,
    timeline: NewsTimeline,
    /// Symbols and known ids, when articles come from the exchange.
    articles: Option<(Vec<Symbol>, KnownArticles)>,
    writer: StreamWriter,
    acks: AckReader,
    pacer: Pacer,
    market: Market,
    run_id: String,
    speed: Speed,
    heart: Heart,
}

/// Plays the exchange's market from its clock's present instant to the end of its data.
pub(crate) async fn replay(
    settings: &FeedSettings,
    broker: &BrokerArgs,
    bus: Arc<dyn Bus>,
    heart: &Heart,
) -> anyhow::Result<()> {
    let mut replay = prepare(settings, broker, bus, heart).await?;
    let started = Instant::now();
    replay.warm_up(settings).await?;
    heart.set_state(
        ProcessState::Warming,
        "history complete, waiting for the participants",
    );
    replay.announce(ClockMode::WarmedUp).await?;
    replay.play().await?;
    let (steps, seconds) = (replay.pacer.step(), started.elapsed().as_secs_f64());
    tracing::info!(
        event = "feed_ended",
        run_id = replay.run_id,
        market_time = %replay.pacer.now(),
        steps,
        seconds,
        "the replay has ended after {steps} steps in {seconds:.1} s"
    );
    heart.set_state(
        ProcessState::Ended,
        format!("ENDED at {}", replay.pacer.now()),
    );
    Ok(())
}

async fn prepare(
    settings: &FeedSettings,
    broker: &BrokerArgs,
    bus: Arc<dyn Bus>,
    heart: &Heart,
) -> anyhow::Result<Replay> {
    let admin = ExchangeAdmin::new(broker.alpaca_url.clone()).context("setting up http")?;
    let mut market = until_answered!("the paper exchange", admin.market().await)
        .context("asking the exchange which market it plays")?;
    if !market.paced {
        let problem = "the exchange moves its own clock; start it without --speed to pace it";
        return Err(ConfigProblems(vec![problem.to_owned()]).into());
    }
    narrow(&mut market, &settings.symbols)?;
    let data = MarketData::new(
        broker,
        &settings.stock_feed,
        settings.symbol_map.clone(),
        heart.clone(),
    )?;
    let start = market.now;
    let from = history_start(start, settings.warmup_days);
    let (loading, playing) = (settings.clone(), market.clone());
    let timeline = tokio::task::spawn_blocking(move || sources::load(&loading, &playing, from))
        .await
        .context("loading the news")??;
    let has_articles = settings.news.contains(&NewsSource::Alpaca);
    Ok(Replay {
        admin,
        data,
        groups: groups(market.timeframes.clone()),
        timeline,
        articles: has_articles.then(|| (market.symbols.clone(), KnownArticles::default())),
        writer: StreamWriter::fresh(Arc::clone(&bus), heart.clone())
            .await
            .context("emptying the streams of older runs")?,
        acks: AckReader::new(bus, heart.clone()),
        pacer: Pacer::new(start, 0, settings.participants.iter().cloned()),
        run_id: sources::run_id(settings, &market, start),
        market,
        speed: settings.speed,
        heart: heart.clone(),
    })
}

/// Keeps only the symbols asked for, if any were.
fn narrow(market: &mut Market, symbols: &[Symbol]) -> anyhow::Result<()> {
    if symbols.is_empty() {
        return Ok(());
    }
    market.symbols.retain(|symbol| symbols.contains(symbol));
    market
        .timeframes
        .retain(|symbol, _| symbols.contains(symbol));
    if market.timeframes.is_empty() {
        bail!("the exchange plays none of the symbols asked for; check --symbols");
    }
    Ok(())
}

/// The first instant of the history before `start`.
pub(crate) fn history_start(start: Timestamp, warmup_days: u32) -> Timestamp {
    start - TimeDelta::days(i64::from(warmup_days))
}

impl Replay {
    async fn warm_up(&mut self, settings: &FeedSettings) -> anyhow::Result<()> {
        let until = self.pacer.now();
        let from = history_start(until, settings.warmup_days);
        let mut warm_up = WarmUp {
            data: &self.data,
            groups: &self.groups,
            timeline: &mut self.timeline,
            articles: self
                .articles
                .as_mut()
                .map(|(symbols, known)| (symbols.as_slice(), known)),
            heart: self.heart.clone(),
        };
        let filled = warm_up.fill(&mut self.writer, from, until).await?;
        tracing::info!(
            event = "feed_warmed_up",
            run_id = self.run_id,
            market_time = %until,
            days = settings.warmup_days,
            bars = filled.bars,
            news = filled.news,
            "filled in {} bars and {} news items of history",
            filled.bars,
            filled.news
        );
        if filled.bars == 0 {
            bail!(
                "the exchange has no bars in the {} days before {until}; \
                 start it with a longer history or this feed with a smaller --warmup-days",
                settings.warmup_days
            );
        }
        Ok(())
    }

    /// Announces the pacer's present step and waits until it is handled.
    async fn announce(&mut self, mode: ClockMode) -> anyhow::Result<()> {
        let (bars_through, news_through) = self.writer.ends();
        let instant = ClockInstant {
            step: self.pacer.step(),
            instant: self.pacer.now(),
            mode,
            paced: true,
            run_id: self.run_id.clone(),
            bars_through: bars_through.to_string(),
            news_through: news_through.to_string(),
        };
        self.writer
            .announce(&instant)
            .await
            .context("announcing market time")?;
        let patience = match mode {
            ClockMode::WarmedUp => WARMING_SILENCE_MAX,
            ClockMode::Paced | ClockMode::Ended => SILENCE_MAX,
        };
        let waited = self.acks.wait_for_all(&mut self.pacer, patience).await;
        waited.context("waiting for the participants")
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        let mut next_bar_end = self.set_clock(self.pacer.now()).await?;
        self.tell_where();
        let mut throttle = Throttle::new(self.speed);
        let mut told = Instant::now();
        while let Some(instant) = self.pacer.next_instant(next_bar_end, self.market.end) {
            throttle.wait(instant - self.pacer.now()).await;
            let before = self.pacer.now();
            let bar_ended = next_bar_end.is_some_and(|end| end <= instant);
            next_bar_end = self.set_clock(instant).await?;
            let bars = if bar_ended {
                self.bars(before, instant).await?
            } else {
                Vec::new()
            };
            let news = self.news(before, instant).await?;
            self.writer
                .write(&bars, &news)
                .await
                .context("writing to the bus")?;
            let step = self.pacer.advance(instant);
            tracing::debug!(
                event = "clock_advanced",
                step,
                market_time = %instant,
                bars = bars.len(),
                news = news.len(),
                "market time moves on"
            );
            self.announce(ClockMode::Paced).await?;
            self.heart.progress("clock_advanced", Some(instant));
            self.heart.add("steps", 1);
            if told.elapsed() >= Duration::from_secs(1) {
                told = Instant::now();
                self.tell_where();
            }
        }
        self.pacer.advance(self.pacer.now());
        self.announce(ClockMode::Ended).await?;
        self.heart.progress("feed_ended", Some(self.pacer.now()));
        Ok(())
    }

    /// Writes into the heartbeat how far the replay is.
    fn tell_where(&self) {
        let played = (self.pacer.now() - self.market.warmup_until).num_hours() as f64 / 24.0;
        let all = (self.market.end - self.market.warmup_until).num_hours() as f64 / 24.0;
        self.heart.set_state(
            ProcessState::Running,
            format!("PLAYING {played:.1}/{all:.0} d"),
        );
    }

    /// Sets the exchange's clock; returns when the next bar ends.
    async fn set_clock(&self, instant: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        let clock = until_answered!("the paper exchange", self.admin.set_clock(instant).await)
            .context("setting the exchange's clock; is another feed pacing it?")?;
        if clock.now != instant {
            bail!(
                "the exchange's clock stands at {} instead of {instant}",
                clock.now
            );
        }
        Ok(clock.next_bar_end)
    }

    /// The bars that ended in `(before, instant]`, of groups that may have some by the calendar.
    async fn bars(&self, before: Timestamp, instant: Timestamp) -> anyhow::Result<Vec<Bar>> {
        let has_bars = |group: &&Group| {
            let (class, timeframe) = (group.class, group.timeframe);
            !rawe_feed::bar_times::spans_between(class, timeframe, before, instant).is_empty()
        };
        let mut asked: Vec<&Group> = self.groups.iter().filter(has_bars).collect();
        if asked.is_empty() {
            // The exchange says that one ended: on a day that the calendar takes for closed.
            asked = self.groups.iter().collect();
        }
        let mut bars = Vec::new();
        for group in asked {
            let found = self.data.bars(group, before, instant).await;
            bars.extend(found.context("fetching the bars that ended")?);
        }
        bars.sort_by(|a, b| (a.end, &a.symbol).cmp(&(b.end, &b.symbol)));
        Ok(bars)
    }

    async fn news(
        &mut self,
        before: Timestamp,
        instant: Timestamp,
    ) -> anyhow::Result<Vec<NewsItem>> {
        let mut news = self.timeline.release(instant, usize::MAX);
        self.heart.add("news_received", news.len() as u64);
        if let Some((symbols, known)) = &mut self.articles {
            let span = (before + TimeDelta::milliseconds(1), instant);
            let found = self.data.articles(symbols, span, known).await;
            news.extend(found.context("fetching news")?);
            news.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        }
        Ok(news)
    }
}

/// Keeps market time from running faster than asked.
#[derive(Debug)]
struct Throttle {
    speed: Speed,
    ready_at: Instant,
}

impl Throttle {
    fn new(speed: Speed) -> Self {
        Self {
            speed,
            ready_at: Instant::now(),
        }
    }

    /// Waits until market time may move on by `step`. Time lost in a pause is not caught up.
    async fn wait(&mut self, step: TimeDelta) {
        let Speed::Times(times) = self.speed else {
            return;
        };
        let seconds = step.num_milliseconds().max(0) as f64 / 1_000.0 / times;
        let wall = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        // A day at most: a speed of nearly nothing must not overflow the clock.
        let wall = wall.min(Duration::from_hours(24));
        self.ready_at = self.ready_at.max(Instant::now() - wall) + wall;
        sleep_until(self.ready_at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn market_time_runs_no_faster_than_asked_and_catches_nothing_up() {
        let started = Instant::now();
        let mut throttle = Throttle::new(Speed::Times(3_600.0));
        throttle.wait(TimeDelta::seconds(180)).await;
        assert!(started.elapsed() >= Duration::from_millis(50));
        let mut at_most = Throttle::new(Speed::Max);
        let started = Instant::now();
        at_most.wait(TimeDelta::days(400)).await;
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

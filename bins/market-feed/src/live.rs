//! Live: bars and articles streamed and polled, sources on the web and standard input as they tell.
//! Every process reads the wall clock; this one says once that the history is complete and then
//! only adds to it. What to ask and what to deliver is decided by `rawe_feed::following`; here it
//! is done.

mod resume;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use chrono::TimeDelta;
use rawe_alpaca::Restarter;
use rawe_alpaca::types::NewsArticle;
use rawe_bus::Bus;
use rawe_core::{Bar, ClockInstant, ClockMode, NewsItem, ProcessState, Symbol, Timestamp};
use rawe_execution::broker::BrokerError;
use rawe_feed::following::{Act, BarQuestion, Channel, Delivered, Following, NewsQuestion, Seen};
use rawe_feed::intake::{Intake, SourceRules};
use rawe_feed::{Group, NewsTimeline, SymbolMap, groups};
use rawe_runtime::{BrokerArgs, Heart, wall_now, wall_wait};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::args::{FeedSettings, NewsSource};
use crate::market_data::{MarketData, alpaca_settings};
use crate::paced::history_start;
use crate::retry::Teller;
use crate::warmup::{RECENT, WarmUp};
use crate::web::Told;
use crate::writer::StreamWriter;
use crate::{lines, web};
use resume::{Known, known_of_run, live_symbols, run_id};

/// How long delivered bars and articles are remembered, beyond any overlap.
pub(crate) const MEMORY: TimeDelta = RECENT;
/// Events that wait for us; beyond them streams and sources wait.
const EVENTS_MAX: usize = 4_096;
/// Questions of a start are asked this often at most, while the exchange is away.
const CATCH_UP_TURNS: usize = 1_000;

/// What came in.
pub(super) enum Event {
    /// From a stream.
    Streamed(Seen),
    /// An answer about bars.
    Bars(BarQuestion, Result<Vec<Bar>, BrokerError>),
    /// An answer about articles.
    Articles(NewsQuestion, Result<Vec<NewsArticle>, BrokerError>),
}

/// A live feed.
struct Follower {
    mind: Following,
    data: MarketData,
    symbols: Vec<Symbol>,
    sources: Vec<SourceRules>,
    intake: Intake,
    map: SymbolMap,
    writer: StreamWriter,
    restarters: BTreeMap<Channel, Restarter>,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    told: mpsc::Receiver<Told>,
    bars_teller: Teller,
    news_teller: Teller,
    tasks: JoinSet<()>,
    heart: Heart,
}

/// Fills in history, then follows the market until it is told to end.
pub(crate) async fn follow(
    settings: &FeedSettings,
    broker: &BrokerArgs,
    bus: Arc<dyn Bus>,
    heart: &Heart,
) -> anyhow::Result<()> {
    let symbols = live_symbols(settings);
    let run_id = settings
        .run_id
        .clone()
        .unwrap_or_else(|| run_id(&symbols, settings, broker));
    let start = history_start(wall_now(), settings.warmup_days);
    let resumed = known_of_run(&bus, &run_id, start).await?;
    let is_resumed = resumed.is_some();
    let mut writer = if is_resumed {
        StreamWriter::behind(Arc::clone(&bus), heart.clone()).await
    } else {
        StreamWriter::fresh(bus, heart.clone()).await
    }
    .context("looking at the streams")?;
    let data = MarketData::new(
        broker,
        &settings.stock_feed,
        settings.symbol_map.clone(),
        heart.clone(),
    )?;
    let groups = groups(
        symbols
            .iter()
            .map(|symbol| (symbol.clone(), settings.timeframe)),
    );
    let has_articles = settings.news.contains(&NewsSource::Alpaca);
    let (known, counted) = if let Some(known) = resumed {
        (known, (0, 0))
    } else {
        let articles = has_articles.then_some(symbols.as_slice());
        fill_history(&data, &groups, articles, heart, &mut writer, start).await?
    };
    let (sender, events) = mpsc::channel(EVENTS_MAX);
    let (teller, told) = mpsc::channel(EVENTS_MAX);
    let mut follower = Follower {
        mind: mind(settings, groups, known.delivered),
        data,
        symbols,
        sources: settings.source_rules(),
        intake: known.intake,
        map: settings.symbol_map.clone(),
        writer,
        restarters: BTreeMap::new(),
        sender,
        events,
        told,
        bars_teller: Teller::new("market data"),
        news_teller: Teller::new("news"),
        tasks: JoinSet::new(),
        heart: heart.clone(),
    };
    let counted = if is_resumed {
        follower.catch_up().await?
    } else {
        counted
    };
    follower.announce(&run_id, is_resumed, counted).await?;
    follower.listen(settings, broker, &teller)?;
    heart.set_state(
        ProcessState::Running,
        format!("LIVE, {} symbols", follower.symbols.len()),
    );
    follower.follow().await
}

/// The mind of a feed that knows what has been delivered.
fn mind(settings: &FeedSettings, groups: Vec<Group>, delivered: Delivered) -> Following {
    let poll = TimeDelta::seconds(i64::try_from(settings.poll_secs).unwrap_or(60));
    let has_articles = settings.news.contains(&NewsSource::Alpaca);
    let articles = has_articles.then_some(settings.alpaca_items_per_hour_max);
    let map = settings.symbol_map.clone();
    Following::new(groups, articles, map, poll, MEMORY, delivered)
}

/// Fills in the whole history of a fresh run: what is known then, and how many bars and items.
async fn fill_history(
    data: &MarketData,
    groups: &[Group],
    articles: Option<&[Symbol]>,
    heart: &Heart,
    writer: &mut StreamWriter,
    start: Timestamp,
) -> anyhow::Result<(Known, (usize, usize))> {
    let until = wall_now();
    let mut known = Known::default();
    let mut warm_up = WarmUp {
        data,
        groups,
        timeline: &mut NewsTimeline::default(),
        articles: articles.map(|symbols| (symbols, &mut known.delivered.articles)),
        heart: heart.clone(),
    };
    let filled = warm_up.fill(writer, start, until).await?;
    known.delivered.bars = filled.recent_bars;
    (known.delivered.bars_through, known.delivered.news_through) = (until, until);
    Ok((known, (filled.bars, filled.news)))
}

impl Follower {
    /// Says that the history is complete.
    async fn announce(
        &mut self,
        run_id: &str,
        is_resumed: bool,
        (bars, news): (usize, usize),
    ) -> anyhow::Result<()> {
        let (bars_through, news_through) = self.writer.ends();
        let instant = ClockInstant {
            step: 0,
            instant: wall_now(),
            mode: ClockMode::WarmedUp,
            paced: false,
            run_id: run_id.to_owned(),
            bars_through: bars_through.to_string(),
            news_through: news_through.to_string(),
        };
        self.writer
            .announce(&instant)
            .await
            .context("announcing that the history is complete")?;
        tracing::info!(
            event = "feed_warmed_up",
            run_id,
            resumed = is_resumed,
            symbols = self.symbols.len(),
            bars,
            news,
            "filled in {bars} bars and {news} news items; following the market now"
        );
        if bars == 0 && !is_resumed {
            tracing::warn!(
                event = "history_empty",
                "the data source has no bars for the last days; \
                 check the symbols, and pace a paper exchange with --paced"
            );
        }
        Ok(())
    }

    /// Asks once for what a resumed run has missed; an exchange that is away now is asked again
    /// while following.
    async fn catch_up(&mut self) -> anyhow::Result<(usize, usize)> {
        let mut delivered = self.see(Seen::Time).await?;
        for _ in 0..CATCH_UP_TURNS {
            if self.mind.is_idle() {
                break;
            }
            if let Some(event) = self.events.recv().await {
                let (bars, news) = self.take(event).await?;
                delivered = (delivered.0 + bars, delivered.1 + news);
            }
        }
        Ok(delivered)
    }

    /// Opens the streams and begins to hear the sources.
    fn listen(
        &mut self,
        settings: &FeedSettings,
        broker: &BrokerArgs,
        teller: &mpsc::Sender<Told>,
    ) -> anyhow::Result<()> {
        if settings.stream {
            let alpaca = alpaca_settings(broker, &settings.stock_feed)?;
            for channel in self.mind.channels() {
                let stream = streams::open(&alpaca, channel, &self.symbols, &self.mind)?;
                self.restarters.insert(channel, stream.restarter());
                let sender = self.sender.clone();
                self.tasks.spawn(streams::forward(channel, stream, sender));
            }
        }
        for (place, source) in settings.web.iter().enumerate() {
            let (source, heart, teller) = (source.clone(), self.heart.clone(), teller.clone());
            self.tasks.spawn(async move {
                if let Err(error) = web::follow(place, source, heart, teller).await {
                    let error = format!("{error:#}");
                    tracing::error!(event = "source_failed", error, "a source cannot be asked");
                }
            });
        }
        if settings.news.contains(&NewsSource::Stdin) {
            lines::follow(settings.web.len(), self.heart.clone(), teller.clone());
        }
        Ok(())
    }

    /// Follows for ever.
    async fn follow(&mut self) -> anyhow::Result<()> {
        loop {
            let now = wall_now();
            let wait = wall_wait(self.mind.due(now) - now);
            // The senders are ours: neither channel ends while we are here.
            tokio::select! {
                () = tokio::time::sleep(wait) => { self.see(Seen::Time).await?; }
                Some(event) = self.events.recv() => { self.take(event).await?; }
                Some(told) = self.told.recv() => self.admit(told).await?,
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    /// Takes in one event; returns how many bars and items were delivered for it.
    async fn take(&mut self, event: Event) -> anyhow::Result<(usize, usize)> {
        let seen = match event {
            Event::Streamed(seen) => seen,
            Event::Bars(question, answer) => {
                let answer = answered(answer, &mut self.bars_teller, &self.heart);
                Seen::Bars(question, answer)
            }
            Event::Articles(question, answer) => {
                let answer = answered(answer, &mut self.news_teller, &self.heart);
                Seen::Articles(question, answer)
            }
        };
        self.see(seen).await
    }

    async fn see(&mut self, seen: Seen) -> anyhow::Result<(usize, usize)> {
        let mut delivered = (0, 0);
        for act in self.mind.apply(seen, wall_now()) {
            match act {
                Act::Deliver(bars, news) => {
                    self.write(&bars, &news).await?;
                    delivered = (delivered.0 + bars.len(), delivered.1 + news.len());
                }
                Act::AskBars(question) => self.ask_bars(question),
                Act::AskArticles(question) => self.ask_articles(question),
                Act::Restart(channel) => {
                    tracing::warn!(
                        event = "data_stream_mute",
                        stream = ?channel,
                        "a stream of market data says nothing, opening it again"
                    );
                    if let Some(restarter) = self.restarters.get(&channel) {
                        restarter.restart();
                    }
                }
                Act::Count(counter, n) => self.heart.add(&counter, n),
            }
        }
        Ok(delivered)
    }

    async fn write(&mut self, bars: &[Bar], news: &[NewsItem]) -> anyhow::Result<()> {
        self.writer
            .write(bars, news)
            .await
            .context("writing to the bus")?;
        self.heart.progress("items_written", Some(wall_now()));
        let (bars, news) = (bars.len(), news.len());
        tracing::debug!(event = "items_written", bars, news, "wrote to the bus");
        Ok(())
    }

    fn ask_bars(&mut self, question: BarQuestion) {
        let Some(group) = self.mind.groups().get(question.group).cloned() else {
            return;
        };
        let (data, sender) = (self.data.clone(), self.sender.clone());
        self.tasks.spawn(async move {
            let (after, through) = (question.after, question.through);
            let answer = data.bars_once(&group, after, through).await;
            // Nobody listens any more when the feed ends.
            let _sent = sender.send(Event::Bars(question, answer)).await;
        });
    }

    fn ask_articles(&mut self, question: NewsQuestion) {
        let (data, sender) = (self.data.clone(), self.sender.clone());
        let symbols = self.symbols.clone();
        self.tasks.spawn(async move {
            let span = (question.from, question.through);
            let answer = data.raw_articles_once(&symbols, span).await;
            let _sent = sender.send(Event::Articles(question, answer)).await;
        });
    }

    /// Lets in what a source told.
    async fn admit(&mut self, told: Told) -> anyhow::Result<()> {
        let Some(rules) = self.sources.get(told.source) else {
            return Ok(());
        };
        self.heart.add("news_received", told.drafts.len() as u64);
        let admitted = self
            .intake
            .admit(rules, &told.drafts, &self.map, wall_now());
        for (fault, n) in &admitted.faults {
            self.heart
                .add(&format!("news_dropped_{}", fault.name()), *n);
        }
        if admitted.items.is_empty() {
            return Ok(());
        }
        self.write(&[], &admitted.items).await
    }
}

/// The answer, if there is one; what failed is told and counted.
fn answered<T>(answer: Result<T, BrokerError>, teller: &mut Teller, heart: &Heart) -> Option<T> {
    match answer {
        Ok(answer) => {
            teller.worked();
            heart.progress("source_polled", Some(wall_now()));
            Some(answer)
        }
        // Not even a refusal ends the feed: keys may be restored, entitlements bought.
        Err(error) => {
            heart.add("polls_failed", 1);
            teller.failed(&error);
            None
        }
    }
}

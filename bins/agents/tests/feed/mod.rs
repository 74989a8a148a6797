//! A small market feed for tests: writes a generated crypto market to a bus, paces it, and reads
//! what an agent says. Everything is waited for with a deadline; nothing sleeps for luck.

use std::sync::Arc;
use std::time::Duration;

use agents::AgentArgs;
use chrono::{TimeDelta, TimeZone, Utc};
use clap::Parser;
use rawe_agent::Profile;
use rawe_bus::{Bus, BusEvent, EntryId, MemoryBus, StreamAppend, Subscription};
use rawe_core::channels::{
    ACKS_STREAM, BARS_STREAM, CLOCK_STREAM, MARKET_STREAM_LENGTH_MAX, NEWS_STREAM, SIGNAL_CHANNEL,
    STANCES_STREAM,
};
use rawe_core::{
    Acknowledgement, ArbitrageSignal, Bar, ClockInstant, ClockMode, NewsItem, Register,
    StanceMessage, Symbol, Timeframe, Timestamp, parse_signal,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes longer, on the slowest machine.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);
/// Hours of history before the first paced step: z-values need thirty days.
pub(crate) const HISTORY_HOURS: i64 = 40 * 24;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: AgentArgs,
}

/// Arguments as on a command line.
pub(crate) fn args(words: &[&str]) -> AgentArgs {
    Cli::parse_from(std::iter::once("agent").chain(words.iter().copied())).args
}

/// The end of hour `n` of the market.
pub(crate) fn hour(n: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap() + TimeDelta::hours(n)
}

/// A running agent.
pub(crate) struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Starts a founding agent on a bus.
    pub(crate) fn start(id: &str, bus: Arc<dyn Bus>) -> Self {
        Self::start_with(id, bus, &["--warmup-days", "30"])
    }

    /// The same with arguments.
    pub(crate) fn start_with(id: &str, bus: Arc<dyn Bus>, words: &[&str]) -> Self {
        let profile = Profile::founding_by_id(id).unwrap();
        let shutdown = CancellationToken::new();
        let args = args(words);
        let task = tokio::spawn(agents::run(profile, args, bus, shutdown.clone()));
        Self { shutdown, task }
    }

    /// Ends it without warning, as SIGKILL would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }

    /// Ends it as SIGTERM would, and checks that it ends cleanly and soon.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(5), self.task).await;
        ended.expect("the agent ends within 5 s").unwrap().unwrap();
    }
}

/// The feed, and what was heard of the agents.
pub(crate) struct Feed {
    pub(crate) bus: MemoryBus,
    run_id: String,
    step: u64,
    bars_through: EntryId,
    news_through: EntryId,
    acks_after: EntryId,
    signals: Subscription,
}

impl Feed {
    /// A feed on a bus of its own.
    pub(crate) async fn new(run_id: &str) -> Self {
        let bus = MemoryBus::new();
        let signals = bus.subscribe(SIGNAL_CHANNEL, 10_000).await;
        Self {
            bus,
            run_id: run_id.to_owned(),
            step: 0,
            bars_through: EntryId::START,
            news_through: EntryId::START,
            acks_after: EntryId::START,
            signals,
        }
    }

    async fn append<T: serde::Serialize>(&self, stream: &str, messages: &[T]) -> EntryId {
        let payloads = messages
            .iter()
            .map(|m| serde_json::to_vec(m).unwrap())
            .collect();
        let append = StreamAppend {
            stream,
            payloads,
            length_max: MARKET_STREAM_LENGTH_MAX,
        };
        self.bus.append(&[append]).await.unwrap()[0]
    }

    /// Writes the market's hours `from..to`: their bars and the posts seen in them.
    pub(crate) async fn write_market(&mut self, from: i64, to: i64) {
        let bars: Vec<Bar> = (from..to).flat_map(bars_of).collect();
        let news: Vec<NewsItem> = (from..to).flat_map(posts_of).collect();
        self.bars_through = self.append(BARS_STREAM, &bars).await;
        self.news_through = self.append(NEWS_STREAM, &news).await.max(self.news_through);
    }

    /// Announces an instant.
    pub(crate) async fn announce(&self, mode: ClockMode, instant: Timestamp, paced: bool) {
        let clock = ClockInstant {
            step: self.step,
            instant,
            mode,
            paced,
            run_id: self.run_id.clone(),
            bars_through: self.bars_through.to_string(),
            news_through: self.news_through.to_string(),
        };
        self.append(CLOCK_STREAM, &[clock]).await;
    }

    /// Writes the history and announces that it is complete.
    pub(crate) async fn write_history(&mut self, paced: bool) {
        self.write_market(0, HISTORY_HOURS).await;
        self.announce(ClockMode::WarmedUp, hour(HISTORY_HOURS), paced)
            .await;
    }

    /// Announces the next paced hour without waiting for anyone.
    pub(crate) async fn announce_next(&mut self) -> u64 {
        let next = HISTORY_HOURS + i64::try_from(self.step).unwrap();
        self.step += 1;
        self.write_market(next, next + 1).await;
        self.announce(ClockMode::Paced, hour(next + 1), true).await;
        self.step
    }

    /// Plays the next paced hour and returns the agent's acknowledgement of it.
    pub(crate) async fn play_next(&mut self) -> Acknowledgement {
        let step = self.announce_next().await;
        self.acknowledged(step).await
    }

    /// Waits until someone acknowledges `step`.
    pub(crate) async fn acknowledged(&mut self, step: u64) -> Acknowledgement {
        tokio::time::timeout(DEADLINE, async {
            loop {
                let wait = Duration::from_millis(200);
                let acks = self
                    .bus
                    .read(&[(ACKS_STREAM, self.acks_after)], 100, wait)
                    .await;
                for entry in acks.unwrap().remove(ACKS_STREAM).unwrap_or_default() {
                    self.acks_after = entry.id;
                    let ack: Acknowledgement = serde_json::from_slice(&entry.payload).unwrap();
                    if ack.step == step {
                        return ack;
                    }
                }
            }
        })
        .await
        .expect("an acknowledgement within the deadline")
    }

    /// All stances so far.
    pub(crate) async fn stances(&self) -> Vec<StanceMessage> {
        let entries = self
            .bus
            .range(STANCES_STREAM, EntryId::START, None, 100_000)
            .await
            .unwrap();
        entries
            .iter()
            .map(|entry| serde_json::from_slice(&entry.payload).unwrap())
            .collect()
    }

    /// The next `count` signals, all of which must pass the edge of the wire.
    pub(crate) async fn signals(&mut self, count: u64) -> Vec<ArbitrageSignal> {
        let mut signals = Vec::new();
        while (signals.len() as u64) < count {
            let event = tokio::time::timeout(DEADLINE, self.signals.events.recv()).await;
            if let BusEvent::Message(payload) = event.expect("a signal in time").unwrap() {
                signals.push(parse_signal(&payload).expect("a well-formed signal"));
            }
        }
        signals
    }

    /// Whether no further signal has arrived.
    pub(crate) fn is_silent(&mut self) -> bool {
        !matches!(self.signals.events.try_recv(), Ok(BusEvent::Message(_)))
    }
}

/// A number in -1..1 that depends on its arguments only.
fn noise(n: i64, salt: u64) -> f64 {
    let mut x = n.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt;
    for _ in 0..3 {
        x ^= x >> 29;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    (x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Slow waves and noise: the log price of asset `index` at the end of hour `n`.
fn log_price(n: i64, index: u64) -> f64 {
    let t = n as f64;
    0.05 * (t / 90.0 + index as f64).sin() + 0.02 * (t / 17.0).sin() + 0.006 * noise(n, index)
}

const ASSETS: [(&str, &str); 2] = [("BTC/USD", "bitcoin"), ("ETH/USD", "ethereum")];

fn bars_of(n: i64) -> Vec<Bar> {
    let bar = |(index, (symbol, _)): (usize, &(&str, &str))| {
        let open = 1_000.0 * log_price(n, index as u64).exp();
        let close = 1_000.0 * log_price(n + 1, index as u64).exp();
        Bar {
            symbol: Symbol::new(symbol).unwrap(),
            start: hour(n),
            end: hour(n + 1),
            timeframe: Timeframe::Hour,
            open,
            high: open.max(close),
            low: open.min(close),
            close,
            volume: 1.0,
            backfill: n < HISTORY_HOURS,
        }
    };
    ASSETS.iter().enumerate().map(bar).collect()
}

fn posts_of(n: i64) -> Vec<NewsItem> {
    let mut posts = Vec::new();
    for (index, (symbol, name)) in ASSETS.iter().enumerate() {
        let wave = (n as f64 / 60.0 + index as f64).sin() + noise(n, 7);
        let count = if wave > 1.0 {
            3
        } else {
            i64::from(wave > -0.5)
        };
        let phrase = if noise(n, 13) + wave / 2.0 > 0.0 {
            "strong rally and record gains for"
        } else {
            "fear of a crash and heavy losses for"
        };
        for copy in 0..count {
            let seen = hour(n) + TimeDelta::minutes(10 + copy);
            posts.push(NewsItem {
                id: format!("{name}-{n}-{copy}"),
                published: seen,
                first_seen: seen,
                source: "reddit/Bitcoin".to_owned(),
                register: Register::Social,
                author: Some(format!("author{}", (n + copy) % 31)),
                followers: None,
                repost_of: None,
                trust_percent: None,
                symbols: vec![Symbol::new(symbol).unwrap()],
                headline: format!("{phrase} {name}, say readers of forum {}", n % 7),
                text: String::new(),
                backfill: n < HISTORY_HOURS,
            });
        }
    }
    posts
}

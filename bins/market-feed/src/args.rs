//! Flags, environment and the `[feed]` section of the configuration file, and what they come to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use rawe_alpaca::StockFeed;
use rawe_core::{Symbol, Timeframe};
use rawe_feed::SymbolMap;
use rawe_feed::scenario::DEFAULT_SEED;
use rawe_runtime::{BrokerArgs, CommonArgs, ConfigProblems, LIFELINE_VARIABLE, load_section};
use serde::Deserialize;
use url::Url;

use crate::source_settings::{
    ITEMS_PER_HOUR_MAX, SourceSection, stock_feed_named, web_sources, web_url,
};
use crate::web::WebSource;

/// Days of history before the first live or played instant: z-values need 30, learned signs 60,
/// and the record that opens a class the rest.
pub const WARMUP_DAYS_DEFAULT: u32 = 120;
/// The longest history that the bus retains, in days.
const WARMUP_DAYS_MAX: u32 = 130;
/// Seconds between two questions for new bars and news, live.
const POLL_SECS_DEFAULT: u64 = 60;
/// Articles of one source within an hour that Alpaca may bring, unless told otherwise: several
/// times what its newsroom writes about all of its assets.
const ALPACA_ITEMS_PER_HOUR_DEFAULT: u32 = 300;
/// What is followed live unless told otherwise: large, liquid, much written about.
pub const LIVE_SYMBOLS: [&str; 30] = [
    "AAPL", "ADBE", "AMD", "AMZN", "AVGO", "BA", "BAC", "BTC/USD", "CRM", "CVX", "DIS", "ETH/USD",
    "GOOGL", "INTC", "JNJ", "JPM", "KO", "LTC/USD", "META", "MSFT", "NFLX", "NVDA", "PFE", "QQQ",
    "SOL/USD", "SPY", "TSLA", "UNH", "WMT", "XOM",
];

/// Brings news and bars to the bus.
///
/// With --paced it also drives the virtual clock of a paper exchange: each step waits until every
/// participant has handled it. Without it, bars and news are polled as they appear.
#[derive(Args, Clone, Debug)]
pub struct FeedArgs {
    /// What all processes take
    #[command(flatten)]
    pub common: CommonArgs,

    /// The exchange
    #[command(flatten)]
    pub broker: BrokerArgs,

    /// Where news comes from: alpaca, rss:URL (RSS, Atom or JSON Feed), stdin (JSON lines), none
    /// (but the configured sources), scenario, scenario:SEED, or a FILE; may be given often
    /// [default: alpaca]
    #[arg(long, value_name = "SOURCE", env = "RAWE_FEED_NEWS")]
    pub news: Vec<NewsSource>,

    /// Where bars come from; the paper exchange speaks Alpaca's API as well
    #[arg(long, value_name = "SOURCE", value_enum, default_value = "alpaca")]
    pub bars_from: BarSource,

    /// Which stock prices: iex, sip, boats (the night), or another feed of Alpaca's by its name
    /// [default: iex]
    #[arg(long, value_name = "FEED", env = "RAWE_FEED_STOCK_FEED")]
    pub stock_feed: Option<String>,

    /// Live, poll only: open none of Alpaca's data streams
    #[arg(long)]
    pub no_stream: bool,

    /// Symbols to follow, separated by commas [default: all of a paced exchange, about 30 liquid
    /// ones live]
    #[arg(
        long,
        value_name = "A,B",
        env = "RAWE_FEED_SYMBOLS",
        value_delimiter = ','
    )]
    pub symbols: Vec<Symbol>,

    /// Processes that must handle each step before the next one, separated by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub participants: Vec<String>,

    /// Market seconds a wall second at most, or max [default: max]
    #[arg(long, value_name = "N|max", env = "RAWE_FEED_SPEED")]
    pub speed: Option<Speed>,

    /// Drive the virtual clock of a paper exchange
    #[arg(long)]
    pub paced: bool,

    /// Days of history to fill in first [default: 120]
    #[arg(long, value_name = "DAYS", env = "RAWE_FEED_WARMUP_DAYS")]
    pub warmup_days: Option<u32>,

    /// Seconds between two questions for new bars and news, live [default: 60]
    #[arg(long, value_name = "SECONDS", env = "RAWE_FEED_POLL_SECS")]
    pub poll_secs: Option<u64>,

    /// Name of the run [default: made from the sources and the time played]
    #[arg(long, value_name = "NAME", env = "RAWE_RUN_ID")]
    pub run_id: Option<String>,

    /// Length of the bars, live; a paced exchange names its own [default: hour]
    #[arg(long, value_name = "LENGTH", value_enum)]
    pub timeframe: Option<BarLength>,

    /// Read a symbol of a file as another one, such as XBT=BTC/USD; may be given often
    #[arg(long, value_name = "FROM=TO")]
    pub symbol_map: Vec<String>,

    /// End when a replay has ended, instead of waiting to be told
    #[arg(long)]
    pub exit_at_end: bool,
}

/// A source of news.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum NewsSource {
    /// The news API of Alpaca or of the exchange.
    Alpaca,
    /// An RSS, Atom or JSON Feed document on the web.
    Rss(Url),
    /// Lines of standard input.
    Stdin,
    /// Nothing besides the configured sources.
    None,
    /// The items of the generated market of this seed.
    Scenario(u64),
    /// A file.
    File(PathBuf),
}

impl FromStr for NewsSource {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("scenario", seed)) => seed
                .parse()
                .map(Self::Scenario)
                .map_err(|_| format!("'{seed}' is no seed; write scenario:7")),
            None if text == "scenario" => Ok(Self::Scenario(DEFAULT_SEED)),
            Some(("rss", url)) => web_url(url).map(Self::Rss),
            None if text == "alpaca" => Ok(Self::Alpaca),
            None if text == "stdin" => Ok(Self::Stdin),
            None if text == "none" => Ok(Self::None),
            _ if text.is_empty() => Err("a source of news must not be empty".into()),
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

impl TryFrom<String> for NewsSource {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for NewsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alpaca => f.write_str("alpaca"),
            Self::Rss(url) => write!(f, "rss:{url}"),
            Self::Stdin => f.write_str("stdin"),
            Self::None => f.write_str("none"),
            Self::Scenario(seed) => write!(f, "scenario:{seed}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A source of bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BarSource {
    /// The market data API of Alpaca or of the exchange.
    Alpaca,
}

/// The length of bars, as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BarLength {
    /// Hourly.
    Hour,
    /// Daily.
    Day,
}

impl From<BarLength> for Timeframe {
    fn from(length: BarLength) -> Self {
        match length {
            BarLength::Hour => Self::Hour,
            BarLength::Day => Self::Day,
        }
    }
}

/// How fast market time may run in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "SpeedText")]
pub enum Speed {
    /// As fast as the slowest participant.
    Max,
    /// So many market seconds a wall second, at most.
    Times(f64),
}

/// A speed in the configuration file: a number or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum SpeedText {
    Number(f64),
    Text(String),
}

impl TryFrom<SpeedText> for Speed {
    type Error = String;
    fn try_from(text: SpeedText) -> Result<Self, String> {
        match text {
            SpeedText::Number(number) => number.to_string().parse(),
            SpeedText::Text(text) => text.parse(),
        }
    }
}

impl FromStr for Speed {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        match text.trim_end_matches('x').parse::<f64>() {
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err(format!(
                "'{text}' is no speed; write a number above 0, or max"
            )),
        }
    }
}

/// The `[feed]` section; the flags say what the keys mean.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FeedSection {
    news: Vec<NewsSource>,
    sources: Vec<SourceSection>,
    stock_feed: Option<String>,
    stream: Option<bool>,
    symbols: Vec<Symbol>,
    participants: Vec<String>,
    speed: Option<Speed>,
    warmup_days: Option<u32>,
    poll_secs: Option<u64>,
    alpaca_items_per_hour_max: Option<u32>,
    run_id: Option<String>,
    timeframe: Option<BarLength>,
    symbol_map: Vec<String>,
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    /// Where news comes from; at least one source.
    pub news: Vec<NewsSource>,
    /// Sources on the web, those of `news` among them.
    pub web: Vec<WebSource>,
    /// Which stock prices.
    pub stock_feed: StockFeed,
    /// Whether Alpaca's data streams are opened, live.
    pub stream: bool,
    /// Symbols to follow; empty for the default.
    pub symbols: Vec<Symbol>,
    /// Who must handle each step of a replay.
    pub participants: Vec<String>,
    /// How fast a replay may run.
    pub speed: Speed,
    /// Whether this feed drives an exchange's clock.
    pub paced: bool,
    /// Days of history.
    pub warmup_days: u32,
    /// Seconds between two polls, live.
    pub poll_secs: u64,
    /// New articles of one source within an hour that are taken from Alpaca, live.
    pub alpaca_items_per_hour_max: u32,
    /// Name of the run, if one was given.
    pub run_id: Option<String>,
    /// Length of the bars, live.
    pub timeframe: Timeframe,
    /// Spellings of symbols.
    pub symbol_map: SymbolMap,
    /// Whether the process ends with the replay.
    pub exit_at_end: bool,
}

impl FeedArgs {
    /// Merges defaults, file, environment and flags, and checks them.
    ///
    /// # Errors
    /// Every problem there is.
    pub fn settings(&self) -> Result<FeedSettings, ConfigProblems> {
        let file: FeedSection = load_section(self.common.config.as_deref(), "feed")?;
        let mut problems = Vec::new();
        let pairs = first_given(&self.symbol_map, &file.symbol_map);
        let symbol_map = SymbolMap::from_pairs(pairs).unwrap_or_else(|error| {
            problems.push(format!("--symbol-map: {error}"));
            SymbolMap::default()
        });
        let mut news = first_given(&self.news, &file.news).to_vec();
        if news.is_empty() {
            news.push(NewsSource::Alpaca);
        }
        let web = web_sources(&news, &file.sources, &mut problems);
        let stock_feed = self.stock_feed.clone().or(file.stock_feed);
        let settings = FeedSettings {
            news,
            web,
            stock_feed: stock_feed_named(stock_feed.as_deref(), &mut problems),
            stream: !self.no_stream && file.stream.unwrap_or(true),
            symbols: first_given(&self.symbols, &file.symbols).to_vec(),
            participants: first_given(&self.participants, &file.participants).to_vec(),
            speed: self.speed.or(file.speed).unwrap_or(Speed::Max),
            paced: self.paced,
            warmup_days: self
                .warmup_days
                .or(file.warmup_days)
                .unwrap_or(WARMUP_DAYS_DEFAULT),
            poll_secs: self
                .poll_secs
                .or(file.poll_secs)
                .unwrap_or(POLL_SECS_DEFAULT),
            alpaca_items_per_hour_max: file
                .alpaca_items_per_hour_max
                .unwrap_or(ALPACA_ITEMS_PER_HOUR_DEFAULT),
            run_id: self
                .run_id
                .clone()
                .or(file.run_id)
                .filter(|name| !name.is_empty()),
            timeframe: self
                .timeframe
                .or(file.timeframe)
                .map_or(Timeframe::Hour, Into::into),
            symbol_map,
            exit_at_end: self.exit_at_end,
        };
        settings.check(&mut problems);
        if let Err(ConfigProblems(keys)) = self.broker.keys() {
            problems.extend(keys);
        }
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(ConfigProblems(problems))
        }
    }
}

impl FeedSettings {
    fn check(&self, problems: &mut Vec<String>) {
        if self.warmup_days > WARMUP_DAYS_MAX {
            problems.push(format!(
                "--warmup-days {} is more than the {WARMUP_DAYS_MAX} days that the bus retains",
                self.warmup_days
            ));
        }
        if !(1..=3_600).contains(&self.poll_secs) {
            problems.push(format!(
                "--poll-secs {} is not between 1 and 3600",
                self.poll_secs
            ));
        }
        if !(1..=ITEMS_PER_HOUR_MAX).contains(&self.alpaca_items_per_hour_max) {
            problems.push(format!(
                "alpaca_items_per_hour_max {} is not between 1 and {ITEMS_PER_HOUR_MAX}",
                self.alpaca_items_per_hour_max
            ));
        }
        let is_supervised = std::env::var_os(LIFELINE_VARIABLE).is_some_and(|value| value == "1");
        for source in &self.news {
            match source {
                NewsSource::File(path) if !path.is_file() => {
                    problems.push(format!("--news {} is not a file", path.display()));
                }
                NewsSource::Rss(_) | NewsSource::Stdin if self.paced => problems.push(format!(
                    "--news {source} cannot be paced: it tells what is new now"
                )),
                NewsSource::Stdin if is_supervised => problems.push(
                    "--news stdin: standard input is the supervisor's (RAWE_EXIT_ON_STDIN_EOF=1)"
                        .into(),
                ),
                NewsSource::Scenario(_) if !self.paced => problems.push(
                    "--news scenario needs --paced: a generated market has its own time".into(),
                ),
                NewsSource::File(path) if !self.paced => problems.push(format!(
                    "--news {} needs --paced: a file is released by a virtual clock",
                    path.display()
                )),
                _ => {}
            }
        }
        if !self.paced && !self.participants.is_empty() {
            problems.push("--participants needs --paced: nobody is waited for live".into());
        }
    }
}

/// The flags' values, or the file's when no flag was given.
fn first_given<'a, T>(flags: &'a [T], file: &'a [T]) -> &'a [T] {
    if flags.is_empty() { file } else { flags }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;

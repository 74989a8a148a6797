//! Flags, environment and the `[exchange]` section of the configuration file, and what they come
//! to. The accounts and their costs are in [`accounts`].

mod accounts;

use std::path::{Path, PathBuf};

use clap::Args;
use rawe_core::Timestamp;
use rawe_feed::SymbolMap;
use rawe_feed::scenario::ScenarioConfig;
use rawe_market::ExchangeConfig;
use rawe_runtime::{ConfigProblems, LogFormat, load_section};
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde::Deserialize;

use crate::account::Keys;
use crate::faults::FaultPlan;
use crate::params::parse_instant;
use crate::state::{OtherAccount, Pacing};

/// Where the exchange listens unless told otherwise.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8460";
/// The seed of the market that is played unless told otherwise.
pub const SEED_DEFAULT: u64 = 7;
/// Days of history before the clock's first instant: what the agents need to warm up.
pub const WARMUP_DAYS_DEFAULT: u32 = 120;
/// Days a generated market plays after its history.
const PLAY_DAYS_DEFAULT: u32 = 30;
/// The most days of either kind that are generated: ten years.
const SCENARIO_DAYS_MAX: u32 = 3_650;
/// A local Alpaca over a simulated market.
///
/// Without files it plays a generated market that is the same for the same seed. Its clock is
/// virtual: a market-feed moves it (POST /rawe/v1/clock), or with --speed the exchange does.
#[derive(Args, Clone, Debug, Default)]
pub struct ExchangeArgs {
    /// Address and port to listen on; port 0 takes a free one, named in the log [default:
    /// 127.0.0.1:8460]
    #[arg(long, value_name = "ADDRESS", env = "RAWE_EXCHANGE_LISTEN")]
    pub listen: Option<String>,

    /// Seed of the generated market, and of the account's and its orders' ids [default: 7]
    #[arg(long, value_name = "N", env = "RAWE_EXCHANGE_SEED")]
    pub seed: Option<u64>,

    /// Play the bars of this file (CSV or JSON lines, also gzipped, or Parquet) instead of a
    /// generated market
    #[arg(long, value_name = "FILE")]
    pub bars: Option<PathBuf>,

    /// Serve the news of this file (JSON lines or CSV, also gzipped, or Parquet)
    #[arg(long, value_name = "FILE", requires = "bars")]
    pub news: Option<PathBuf>,

    /// Read a symbol of the files as another one, such as XBT=BTC/USD; may be given often
    #[arg(long, value_name = "FROM=TO")]
    pub symbol_map: Vec<String>,

    /// Leave out bars and news before this date or time
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,

    /// Leave out bars and news after this date or time
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,

    /// Days of history before the first instant of the clock [default: 120]
    #[arg(long, value_name = "DAYS")]
    pub warmup_days: Option<u32>,

    /// Days that a generated market plays after its history [default: 30]
    #[arg(long, value_name = "DAYS")]
    pub play_days: Option<u32>,

    /// Move the clock ourselves, so many market seconds a wall second; without it a pacer must
    #[arg(long, value_name = "N", conflicts_with = "paced")]
    pub speed: Option<f64>,

    /// Leave the clock to a pacer (the default; overrules a speed in the configuration file)
    #[arg(long)]
    pub paced: bool,

    /// Cash of the account at the start, USD [default: 100000]
    #[arg(long, value_name = "USD")]
    pub cash: Option<Decimal>,

    /// Fee of crypto trades, basis points of what is received [default: 25]
    #[arg(long, value_name = "BPS")]
    pub fee_bps_crypto: Option<Decimal>,

    /// Half the spread of stocks, basis points: what a market order loses against the price
    /// [default: 2]
    #[arg(long, value_name = "BPS")]
    pub half_spread_bps_stocks: Option<Decimal>,

    /// Half the spread of crypto, basis points [default: 5]
    #[arg(long, value_name = "BPS")]
    pub half_spread_bps_crypto: Option<Decimal>,

    /// Part of a bar's volume that orders may take, above 0 and at most 1; what is left fills in
    /// later bars [default: orders fill whole]
    #[arg(long, value_name = "PART")]
    pub participation_max: Option<Decimal>,

    /// How much worse an order fills that is as large as a bar's volume, basis points; a smaller
    /// one by its part of it [default: 0]
    #[arg(long, value_name = "BPS")]
    pub impact_bps: Option<Decimal>,

    /// Fee of stock sales, basis points of what is received [default: 0]
    #[arg(long, value_name = "BPS")]
    pub fee_bps_stock_sales: Option<Decimal>,

    /// Cost of borrowing what is sold short, basis points of its value a year [default: 0]
    #[arg(long, value_name = "BPS")]
    pub borrow_bps_year: Option<Decimal>,

    /// Another account: its key id, secret key and, if not that of the first, cash in USD; may be
    /// given often
    #[arg(long, value_name = "KEY:SECRET[:USD]")]
    pub account: Vec<String>,

    /// Requests a minute that each account may send; Alpaca's own limit is 200 [default: any]
    #[arg(long, value_name = "N")]
    pub requests_per_minute: Option<u32>,

    /// Go on from the state in this file, if there is one, and save it there at the end
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Misbehave as this plan says (TOML, or JSON by its ending); see docs/paper-exchange.md
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,

    /// Key id that clients must send [default: paper]
    #[arg(
        long,
        value_name = "KEY",
        env = "APCA_API_KEY_ID",
        hide_env_values = true
    )]
    pub key_id: Option<SecretString>,

    /// Secret key that clients must send [default: paper]
    #[arg(
        long,
        value_name = "KEY",
        env = "APCA_API_SECRET_KEY",
        hide_env_values = true
    )]
    pub secret_key: Option<SecretString>,

    /// Configuration file (TOML); its section "exchange" is read
    #[arg(long, value_name = "FILE", env = "RAWE_CONFIG")]
    pub config: Option<PathBuf>,

    /// How to write logs [default: pretty on a terminal, json otherwise]
    #[arg(long, value_enum, value_name = "FORMAT", env = "RAWE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Read and check the configuration, list every problem, and end
    #[arg(long)]
    pub check_config: bool,
}

/// The `[exchange]` section; the flags say what the keys mean.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ExchangeSection {
    listen: Option<String>,
    seed: Option<u64>,
    bars: Option<PathBuf>,
    news: Option<PathBuf>,
    symbol_map: Vec<String>,
    from: Option<String>,
    to: Option<String>,
    warmup_days: Option<u32>,
    play_days: Option<u32>,
    speed: Option<f64>,
    cash: Option<Decimal>,
    fee_bps_crypto: Option<Decimal>,
    half_spread_bps_stocks: Option<Decimal>,
    half_spread_bps_crypto: Option<Decimal>,
    order_value_min: Option<Decimal>,
    short_equity_min: Option<Decimal>,
    shorting_enabled: Option<bool>,
    participation_max: Option<Decimal>,
    impact_bps: Option<Decimal>,
    fee_bps_stock_sales: Option<Decimal>,
    borrow_bps_year: Option<Decimal>,
    accounts: Vec<String>,
    requests_per_minute: Option<u32>,
    state: Option<PathBuf>,
    faults: FaultPlan,
}

/// Where the market comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A generated market.
    Scenario(ScenarioConfig),
    /// Files.
    Files {
        /// Bars.
        bars: PathBuf,
        /// News, if any.
        news: Option<PathBuf>,
        /// Spellings of symbols.
        symbol_map: SymbolMap,
    },
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address and port.
    pub listen: String,
    /// Where the market comes from.
    pub source: Source,
    /// Nothing before.
    pub from: Option<Timestamp>,
    /// Nothing after.
    pub to: Option<Timestamp>,
    /// Days of history before the clock's first instant.
    pub warmup_days: u32,
    /// Who moves the clock.
    pub pacing: Pacing,
    /// Keys of the clients.
    pub keys: Keys,
    /// The account and its costs.
    pub exchange: ExchangeConfig,
    /// Further accounts.
    pub accounts: Vec<OtherAccount>,
    /// Requests a minute that each account may send.
    pub requests_per_minute: Option<u32>,
    /// Where the state is kept over a restart.
    pub state: Option<PathBuf>,
    /// What is to go wrong.
    pub faults: FaultPlan,
}

impl ExchangeArgs {
    /// Merges defaults, file, environment and flags, and checks them.
    ///
    /// # Errors
    /// Every problem there is.
    pub fn settings(&self) -> Result<Settings, ConfigProblems> {
        let file: ExchangeSection = load_section(self.config.as_deref(), "exchange")?;
        let mut problems = Vec::new();
        let settings = Settings {
            listen: given(self.listen.clone())
                .or(file.listen.clone())
                .unwrap_or_else(default_listen),
            source: self.source(&file, &mut problems),
            from: instant(
                "from",
                self.from.as_ref().or(file.from.as_ref()),
                false,
                &mut problems,
            ),
            to: instant(
                "to",
                self.to.as_ref().or(file.to.as_ref()),
                true,
                &mut problems,
            ),
            warmup_days: self
                .warmup_days
                .or(file.warmup_days)
                .unwrap_or(WARMUP_DAYS_DEFAULT),
            pacing: self.pacing(&file, &mut problems),
            keys: self.keys(),
            exchange: self.exchange(&file, &mut problems),
            accounts: self.accounts(&file, &mut problems),
            requests_per_minute: self
                .requests_per_minute
                .or(file.requests_per_minute)
                .filter(|limit| *limit > 0),
            state: self
                .state
                .clone()
                .or_else(|| file.state.clone())
                .filter(|path| !path.as_os_str().is_empty()),
            faults: self.faults(&file, &mut problems),
        };
        if settings
            .listen
            .rsplit_once(':')
            .is_none_or(|(_, port)| port.parse::<u16>().is_err())
        {
            problems.push(format!(
                "--listen '{}' is not address:port",
                settings.listen
            ));
        }
        if let (Some(from), Some(to)) = (settings.from, settings.to)
            && from >= to
        {
            problems.push(format!("--from {from} is not before --to {to}"));
        }
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(ConfigProblems(problems))
        }
    }

    fn source(&self, file: &ExchangeSection, problems: &mut Vec<String>) -> Source {
        // Flags replace the file's market as a whole: a seed given by hand plays that market.
        let (bars, news) = match (&self.bars, self.seed) {
            (Some(bars), _) => (Some(bars), self.news.as_ref()),
            (None, Some(_)) => (None, None),
            (None, None) => (file.bars.as_ref(), file.news.as_ref()),
        };
        let Some(bars) = bars.filter(|path| !path.as_os_str().is_empty()) else {
            let seed = self.seed.or(file.seed).unwrap_or(SEED_DEFAULT);
            let play_days = self
                .play_days
                .or(file.play_days)
                .unwrap_or(PLAY_DAYS_DEFAULT);
            let warmup_days = self.warmup(file);
            for (name, days) in [("warmup-days", warmup_days), ("play-days", play_days)] {
                if !(1..=SCENARIO_DAYS_MAX).contains(&days) {
                    problems.push(format!(
                        "--{name} {days} must be between 1 and {SCENARIO_DAYS_MAX} for a \
                         generated market"
                    ));
                }
            }
            let config = ScenarioConfig {
                warmup_days,
                play_days,
                ..ScenarioConfig::with_seed(seed)
            };
            return Source::Scenario(config);
        };
        for path in [Some(bars), news].into_iter().flatten() {
            if !Path::new(path).is_file() {
                problems.push(format!(
                    "there is no file {}; check the path",
                    path.display()
                ));
            }
        }
        let pairs = if self.symbol_map.is_empty() {
            &file.symbol_map
        } else {
            &self.symbol_map
        };
        let symbol_map = SymbolMap::from_pairs(pairs).unwrap_or_else(|error| {
            problems.push(format!("--symbol-map: {error}"));
            SymbolMap::default()
        });
        Source::Files {
            bars: bars.clone(),
            news: news.cloned(),
            symbol_map,
        }
    }

    fn warmup(&self, file: &ExchangeSection) -> u32 {
        self.warmup_days
            .or(file.warmup_days)
            .unwrap_or(WARMUP_DAYS_DEFAULT)
    }

    fn pacing(&self, file: &ExchangeSection, problems: &mut Vec<String>) -> Pacing {
        match self.speed.or(file.speed).filter(|_| !self.paced) {
            None => Pacing::ByPacer,
            Some(speed) => {
                if !(speed.is_finite() && speed > 0.0) {
                    problems.push(format!("--speed {speed} is not a positive number"));
                }
                Pacing::ByWallClock(speed)
            }
        }
    }

    fn faults(&self, file: &ExchangeSection, problems: &mut Vec<String>) -> FaultPlan {
        let plan = match &self.faults {
            None => file.faults.clone(),
            Some(path) => FaultPlan::read(path).unwrap_or_else(|error| {
                problems.push(format!("--faults: {error:#}"));
                FaultPlan::default()
            }),
        };
        problems.extend(plan.problems());
        plan
    }
}

fn default_listen() -> String {
    LISTEN_DEFAULT.to_owned()
}

/// An empty variable, as compose files leave them, is none.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn instant(
    name: &str,
    text: Option<&String>,
    ends_day: bool,
    problems: &mut Vec<String>,
) -> Option<Timestamp> {
    let text = text.filter(|text| !text.is_empty())?;
    let instant = parse_instant(text, ends_day);
    if instant.is_none() {
        problems.push(format!(
            "--{name} '{text}' is neither a date nor an RFC 3339 time"
        ));
    }
    instant
}

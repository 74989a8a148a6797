//! What the server holds: the market's data and news, which never change, the accounts, and the
//! clock they share.

use std::sync::{Arc, Mutex, PoisonError};

use rawe_core::Timestamp;
use rawe_market::{ClockRefusal, Exchange, ExchangeConfig, Fill, MarketData};
use rust_decimal::Decimal;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Accounts, ExchangeGuard, Keys};
use crate::faults::{FaultPlan, Faults};
use crate::halts::HaltLog;
use crate::news_store::NewsStore;
use crate::rate_limit::RateLimit;

/// Ids of accounts and orders are made from a seed; those of further accounts lie this far apart.
const SEED_STEP: u64 = 1_000_003;

/// The market to serve.
#[derive(Debug)]
pub struct World {
    /// Assets and bars.
    pub data: Arc<MarketData>,
    /// News.
    pub news: NewsStore,
    /// The first bar's start.
    pub start: Timestamp,
    /// The last bar's end.
    pub end: Timestamp,
    /// Where the virtual clock starts: everything before is history to warm up with.
    pub warmup_until: Timestamp,
}

/// Who moves the virtual clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pacing {
    /// A pacer, through the admin API.
    ByPacer,
    /// The exchange itself, so many market seconds a wall second.
    ByWallClock(f64),
}

/// Who moves the clock now, and whether it stands still.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClockControl {
    pub(crate) pacing: Pacing,
    pub(crate) paused: bool,
}

impl ClockControl {
    /// Market seconds a wall second, if the exchange moves the clock now.
    pub(crate) fn running(self) -> Option<f64> {
        match self.pacing {
            Pacing::ByWallClock(speed) if !self.paused => Some(speed),
            Pacing::ByWallClock(_) | Pacing::ByPacer => None,
        }
    }
}

/// Everything the handlers need.
#[derive(Debug)]
pub struct ExchangeState {
    pub(crate) data: Arc<MarketData>,
    pub(crate) news: NewsStore,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) warmup_until: Timestamp,
    pub(crate) accounts: Accounts,
    pub(crate) control: watch::Sender<ClockControl>,
    /// The virtual now, for the streams; set when all accounts have come there.
    pub(crate) clock: watch::Sender<Timestamp>,
    pub(crate) faults: Faults,
    /// What has been halted and resumed, for the streams.
    pub(crate) halts: HaltLog,
    /// Cancelled when the server ends: sockets are not requests that end by themselves.
    pub(crate) shutdown: CancellationToken,
    /// Held while the clock moves, and while an asset is halted at all accounts.
    pub(crate) moving: Mutex<()>,
}

impl ExchangeState {
    /// A fresh account on `world`, its clock at the end of the warm-up.
    pub fn new(world: World, config: ExchangeConfig, keys: Keys, pacing: Pacing) -> Self {
        Self::with_accounts(world, config, keys, &[], None, pacing)
    }

    /// Fresh accounts on `world`: the first, and others that start like it but for keys and cash.
    /// Each may send so many requests a minute.
    pub fn with_accounts(
        world: World,
        config: ExchangeConfig,
        keys: Keys,
        others: &[OtherAccount],
        requests_per_minute: Option<u32>,
        pacing: Pacing,
    ) -> Self {
        let now = world.warmup_until;
        let account = |keys: Keys, config: ExchangeConfig| {
            let exchange = Exchange::new(Arc::clone(&world.data), config, now);
            Account::new(keys, exchange, RateLimit::new(requests_per_minute))
        };
        let others = others.iter().zip(1_u64..).map(|(other, number)| {
            let config = ExchangeConfig {
                cash: other.cash.unwrap_or(config.cash),
                seed: config.seed.wrapping_add(SEED_STEP.wrapping_mul(number)),
                ..config.clone()
            };
            account(other.keys.clone(), config)
        });
        let others = others.collect();
        let accounts = Accounts::new(account(keys, config), others);
        let control = ClockControl {
            pacing,
            paused: false,
        };
        Self {
            data: world.data,
            news: world.news,
            start: world.start,
            end: world.end,
            warmup_until: world.warmup_until,
            accounts,
            control: watch::Sender::new(control),
            clock: watch::Sender::new(now),
            faults: Faults::default(),
            halts: HaltLog::default(),
            shutdown: CancellationToken::new(),
            moving: Mutex::default(),
        }
    }

    /// Sets what is to go wrong.
    #[must_use]
    pub fn with_faults(mut self, plan: FaultPlan) -> Self {
        self.faults = Faults::new(plan);
        self
    }

    /// The book of the first account.
    pub(crate) fn exchange(&self) -> ExchangeGuard<'_> {
        self.accounts.first().exchange()
    }

    /// The virtual now.
    pub fn now(&self) -> Timestamp {
        self.exchange().now()
    }

    /// Moves the clock of all accounts to `instant`. Returns the
    /// executions, those of the first account last: what the clock shows has happened to all.
    ///
    /// # Errors
    /// When `instant` is earlier than the virtual now.
    pub(crate) fn advance(&self, instant: Timestamp) -> Result<Vec<Fill>, ClockRefusal> {
        let _one_at_a_time = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        if instant < now {
            return Err(ClockRefusal {
                now,
                asked: instant,
            });
        }
        let halted: Vec<_> = self.exchange().halts().collect();
        let mut fills = Vec::new();
        for account in self.accounts.all().rev() {
            fills.extend(account.exchange().advance_to(instant)?);
        }
        self.tell_ended_halts(&halted);
        self.clock.send_replace(instant);
        Ok(fills)
    }
}

/// An account beside the first.
#[derive(Clone, Debug)]
pub struct OtherAccount {
    /// Its keys.
    pub keys: Keys,
    /// Its cash at the start, USD, if not that of the first.
    pub cash: Option<Decimal>,
}

impl OtherAccount {
    /// Reads `KEY:SECRET` or `KEY:SECRET:USD`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let mut key = || parts.next().filter(|key| !key.is_empty());
        let keys = Keys {
            key_id: SecretString::from(key()?),
            secret_key: SecretString::from(key()?),
        };
        let cash = match parts.next() {
            None => None,
            Some(cash) => Some(cash.parse().ok().filter(|cash| *cash >= Decimal::ZERO)?),
        };
        Some(Self { keys, cash })
    }
}

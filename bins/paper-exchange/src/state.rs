//! What the server holds: the market's data and news, which never change, and the one account,
//! behind a lock that is never held over an await. Giving the lock back publishes what happened to
//! orders meanwhile.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rawe_core::Timestamp;
use rawe_market::{Exchange, ExchangeConfig, MarketData};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use crate::faults::{FaultPlan, Faults};
use crate::news_store::NewsStore;
use crate::stream::Updates;

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

/// The keys that clients must send.
#[derive(Clone, Debug)]
pub struct Keys {
    /// `APCA-API-KEY-ID`.
    pub key_id: SecretString,
    /// `APCA-API-SECRET-KEY`.
    pub secret_key: SecretString,
}

impl Default for Keys {
    /// `paper` and `paper`, as the clients use for an exchange on this machine.
    fn default() -> Self {
        Self {
            key_id: SecretString::from("paper"),
            secret_key: SecretString::from("paper"),
        }
    }
}

impl Keys {
    /// Whether these are the keys.
    pub(crate) fn accept(&self, key_id: &[u8], secret_key: &[u8]) -> bool {
        self.key_id.expose_secret().as_bytes() == key_id
            && self.secret_key.expose_secret().as_bytes() == secret_key
    }
}

/// Who moves the virtual clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pacing {
    /// A pacer, through the admin API.
    ByPacer,
    /// The exchange itself, so many market seconds a wall second.
    ByWallClock(f64),
}

/// Everything the handlers need.
#[derive(Debug)]
pub struct ExchangeState {
    pub(crate) data: Arc<MarketData>,
    pub(crate) news: NewsStore,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) warmup_until: Timestamp,
    pub(crate) keys: Keys,
    pub(crate) pacing: Pacing,
    pub(crate) faults: Faults,
    pub(crate) updates: Updates,
    /// Cancelled when the server ends: sockets are not requests that end by themselves.
    pub(crate) shutdown: CancellationToken,
    exchange: Mutex<Exchange>,
}

impl ExchangeState {
    /// A fresh account on `world`, its clock at the end of the warm-up.
    pub fn new(world: World, config: ExchangeConfig, keys: Keys, pacing: Pacing) -> Self {
        let mut exchange = Exchange::new(Arc::clone(&world.data), config, world.warmup_until);
        exchange.watch_orders();
        Self {
            data: world.data,
            news: world.news,
            start: world.start,
            end: world.end,
            warmup_until: world.warmup_until,
            keys,
            pacing,
            faults: Faults::default(),
            updates: Updates::default(),
            shutdown: CancellationToken::new(),
            exchange: Mutex::new(exchange),
        }
    }

    /// Sets what is to go wrong.
    #[must_use]
    pub fn with_faults(mut self, plan: FaultPlan) -> Self {
        self.faults = Faults::new(plan);
        self
    }

    /// The account. A handler that panicked leaves it consistent: each change is checked first.
    pub(crate) fn exchange(&self) -> ExchangeGuard<'_> {
        ExchangeGuard {
            exchange: self.exchange.lock().unwrap_or_else(PoisonError::into_inner),
            updates: &self.updates,
        }
    }

    /// The virtual now.
    pub fn now(&self) -> Timestamp {
        self.exchange().now()
    }
}

/// The account, for as long as it is locked.
pub(crate) struct ExchangeGuard<'a> {
    exchange: MutexGuard<'a, Exchange>,
    updates: &'a Updates,
}

impl Deref for ExchangeGuard<'_> {
    type Target = Exchange;

    fn deref(&self) -> &Exchange {
        &self.exchange
    }
}

impl DerefMut for ExchangeGuard<'_> {
    fn deref_mut(&mut self) -> &mut Exchange {
        &mut self.exchange
    }
}

impl Drop for ExchangeGuard<'_> {
    /// Publishes before the lock is given back, so that updates keep the order of the changes.
    fn drop(&mut self) {
        for event in self.exchange.take_order_events() {
            self.updates.publish(self.exchange.data(), &event);
        }
    }
}

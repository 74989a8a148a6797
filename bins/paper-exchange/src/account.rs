//! One account of the exchange: its keys, its book behind a lock that is never held over an await,
//! its order updates, its settings, its budget of requests. Giving the lock back publishes what
//! happened to orders meanwhile.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use rawe_market::Exchange;
use secrecy::{ExposeSecret, SecretString};

use crate::configurations::Configurations;
use crate::rate_limit::RateLimit;
use crate::refusals::ApiRefusal;
use crate::seats::Seats;
use crate::stream::Updates;
use crate::watchlists::Watchlists;

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
    fn accept(&self, key_id: &[u8], secret_key: &[u8]) -> bool {
        self.key_id.expose_secret().as_bytes() == key_id
            && self.secret_key.expose_secret().as_bytes() == secret_key
    }

    /// The id, which is no secret to whoever sees the account.
    pub(crate) fn id(&self) -> &str {
        self.key_id.expose_secret()
    }
}

/// An account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) keys: Keys,
    pub(crate) updates: Updates,
    pub(crate) configurations: Mutex<Configurations>,
    pub(crate) rate_limit: RateLimit,
    watchlists: Mutex<Watchlists>,
    /// Who is connected to which data stream.
    pub(crate) seats: Seats,
    exchange: Mutex<Exchange>,
}

impl Account {
    /// An account around a book.
    pub(crate) fn new(keys: Keys, mut exchange: Exchange, rate_limit: RateLimit) -> Self {
        exchange.watch_orders();
        Self {
            keys,
            updates: Updates::default(),
            configurations: Mutex::default(),
            rate_limit,
            watchlists: Mutex::default(),
            seats: Seats::default(),
            exchange: Mutex::new(exchange),
        }
    }

    /// The book. A handler that panicked leaves it consistent: each change is checked first.
    pub(crate) fn exchange(&self) -> ExchangeGuard<'_> {
        ExchangeGuard {
            exchange: self.exchange.lock().unwrap_or_else(PoisonError::into_inner),
            updates: &self.updates,
        }
    }

    /// Puts another book in the place of this one.
    pub(crate) fn put(&self, mut book: Exchange) {
        book.watch_orders();
        *self.exchange() = book;
    }

    /// Its lists of assets.
    pub(crate) fn watchlists(&self) -> MutexGuard<'_, Watchlists> {
        self.watchlists
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What its owner has set.
    pub(crate) fn configurations(&self) -> MutexGuard<'_, Configurations> {
        self.configurations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The account whose keys a request carries; only routes behind the check of keys may ask.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Arc<Account>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiRefusal> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(unauthorized)
    }
}

/// What a request without the right keys is answered.
pub(crate) fn unauthorized() -> ApiRefusal {
    ApiRefusal::worded(StatusCode::UNAUTHORIZED, "unauthorized.")
}

/// All accounts; there is at least one.
#[derive(Debug)]
pub(crate) struct Accounts {
    first: Arc<Account>,
    others: Vec<Arc<Account>>,
}

impl Accounts {
    /// Accounts, of which the first is the one that `/rawe/v1/` shows.
    pub(crate) fn new(first: Account, others: Vec<Account>) -> Self {
        Self {
            first: Arc::new(first),
            others: others.into_iter().map(Arc::new).collect(),
        }
    }

    /// The account that `/rawe/v1/` shows.
    pub(crate) fn first(&self) -> &Arc<Account> {
        &self.first
    }

    /// All, the first one first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<Account>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The account with these keys.
    pub(crate) fn by_keys(&self, key_id: &[u8], secret_key: &[u8]) -> Option<&Arc<Account>> {
        self.all()
            .find(|account| account.keys.accept(key_id, secret_key))
    }

    /// The account with this key id.
    pub(crate) fn by_key_id(&self, key_id: &str) -> Option<&Arc<Account>> {
        self.all().find(|account| account.keys.id() == key_id)
    }
}

/// The book, for as long as it is locked.
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

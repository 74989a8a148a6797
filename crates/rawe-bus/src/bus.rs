//! The bus trait and its words. What each method promises is promised by every implementation and
//! checked by one conformance suite.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

/// The id of a stream entry, ordered as Redis orders them: `<milliseconds>-<sequence>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    /// Milliseconds part.
    pub millis: u64,
    /// Sequence within the millisecond.
    pub sequence: u64,
}

impl EntryId {
    /// Before the first entry of every stream (`0-0`).
    pub const START: Self = Self {
        millis: 0,
        sequence: 0,
    };
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

impl FromStr for EntryId {
    type Err = BusError;
    fn from_str(text: &str) -> Result<Self, BusError> {
        let (millis, sequence) = text.split_once('-').unwrap_or((text, "0"));
        match (millis.parse(), sequence.parse()) {
            (Ok(millis), Ok(sequence)) => Ok(Self { millis, sequence }),
            _ => Err(BusError::Protocol(format!(
                "'{text}' is not a stream entry id"
            ))),
        }
    }
}

/// One entry of a stream: an id and one JSON payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Payloads to append to one stream.
#[derive(Clone, Debug)]
pub struct StreamAppend<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The payloads, in order.
    pub payloads: Vec<Vec<u8>>,
    /// About how many entries the stream keeps; older ones are trimmed.
    pub length_max: usize,
}

/// What a subscription delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusEvent {
    /// The subscription is in force (again). Messages published from now on arrive.
    Up,
    /// A message of the channel.
    Message(Vec<u8>),
    /// Messages may have been lost since the last event: the link dropped, or the queue overflowed
    /// (`lost` says how many when that is known).
    Gap {
        /// Why, for people.
        reason: String,
        /// How many messages were dropped by our own queue; 0 when the link was at fault.
        lost: u64,
    },
}

/// A subscription: a bounded queue of events that ends only with the process or its receiver.
#[derive(Debug)]
pub struct Subscription {
    /// The events, oldest first.
    pub events: mpsc::Receiver<BusEvent>,
}

/// Who asks for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseHolder<'a> {
    /// This start of the process; no spaces.
    pub boot: &'a str,
    /// What holds it over restarts: a later boot of the same holder takes it over at once, because
    /// something else (such as a locked file) keeps two of them from living at the same time.
    pub holder: &'a str,
}

/// The answer to who may act under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The asking boot, for the time asked for from now on.
    Held {
        /// Grows with every change of hands, so that what an earlier holder does late can be told
        /// from what the present one does.
        token: u64,
    },
    /// Somebody else.
    Taken {
        /// Who.
        holder: String,
        /// Its token.
        token: u64,
        /// For how long yet, unless it is renewed.
        left: Duration,
    },
}

/// Why the bus did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The server cannot be reached, or did not answer in time. Try again later.
    #[error("the bus cannot be reached: {0}")]
    Unavailable(String),
    /// The server refused: wrong password, missing right. Retrying does not help; fix the set-up.
    #[error("the bus refused the command: {0}; check the user's password and rights")]
    Refused(String),
    /// The server answered something else than the protocol says.
    #[error("the bus answered unexpectedly: {0}")]
    Protocol(String),
    /// The URL cannot be used.
    #[error("'{url}' is not a usable bus URL: {reason}")]
    Url {
        /// The URL, without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl BusError {
    /// Whether trying again later can help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Protocol(_))
    }
}

/// The bus. Every call is bounded in time by the implementation (about 2 s, plus `block`; an append
/// gets more, because repeating it would write it twice).
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync {
    /// One line for people: `redis://host:port` (never a password) or `in memory`.
    fn describe(&self) -> String;

    /// `redis` or `embedded`, as shown by `rawe status`.
    fn kind(&self) -> &'static str;

    /// A bus to the same place over links of its own: for a thread that has a runtime of its own,
    /// because a link is served by the runtime in which it was made.
    ///
    /// # Errors
    /// [`BusError::Url`] when the links cannot be set up; none is made before the first call.
    fn separate(&self) -> Result<Arc<dyn Bus>, BusError>;

    /// Whether the bus answers.
    async fn ping(&self) -> Result<(), BusError>;

    /// Publishes one message to a channel. It may be delivered although an error is returned
    /// (a timeout), and nobody may be listening although none is: pub/sub is at most once.
    async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), BusError>;

    /// Subscribes to a channel, for ever: the implementation reconnects by itself with capped,
    /// jittered backoff, notices half-open links, and reports each loss as [`BusEvent::Gap`].
    /// At most `capacity` events wait; beyond it the oldest are dropped, counted and reported.
    async fn subscribe(&self, channel: &str, capacity: usize) -> Subscription;

    /// Appends to several streams in one round trip, each in order; returns the last id written to
    /// each (in the order given), `EntryId::START` for an empty append.
    async fn append(&self, appends: &[StreamAppend<'_>]) -> Result<Vec<EntryId>, BusError>;

    /// Entries of one stream after `after`, at most `count`, up to and including `through` if
    /// given. Does not wait.
    async fn range(
        &self,
        stream: &str,
        after: EntryId,
        through: Option<EntryId>,
        count: usize,
    ) -> Result<Vec<Entry>, BusError>;

    /// Waits up to `block` for entries after the given ids of several streams; at most `count` per
    /// stream. An empty answer means that nothing came in time. A stream that does not exist yet
    /// is an empty one.
    async fn read(
        &self,
        streams: &[(&str, EntryId)],
        count: usize,
        block: Duration,
    ) -> Result<BTreeMap<String, Vec<Entry>>, BusError>;

    /// The newest entry of a stream.
    async fn last(&self, stream: &str) -> Result<Option<Entry>, BusError>;

    /// Empties streams, for a fresh run: their entries go, their ids keep counting up, so that a
    /// reader that still holds an old id sees every later entry. An absent stream is fine.
    async fn clear_streams(&self, streams: &[&str]) -> Result<(), BusError>;

    /// Sets one field of a hash.
    async fn set_field(&self, hash: &str, field: &str, payload: &[u8]) -> Result<(), BusError>;

    /// All fields of a hash.
    async fn fields(&self, hash: &str) -> Result<BTreeMap<String, Vec<u8>>, BusError>;

    /// Takes or renews the lease on `name` for `ttl`, or says who has it. Asking again with the
    /// same boot renews; a lease that was not renewed in time is free.
    async fn lease(
        &self,
        name: &str,
        holder: LeaseHolder<'_>,
        ttl: Duration,
    ) -> Result<Lease, BusError>;

    /// Gives a lease back, if this boot has it.
    async fn release_lease(&self, name: &str, boot: &str) -> Result<(), BusError>;
}

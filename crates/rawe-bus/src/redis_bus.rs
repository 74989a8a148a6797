//! The bus on Redis (or Valkey). Commands go over one connection that reconnects by itself;
//! blocking reads have connections of their own; subscriptions live in `redis_subscription`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo,
};
use tokio::time::timeout;

use crate::redis_error::{classify, unanswered};
use crate::redis_subscription;
use crate::{
    Bus, BusError, Entry, EntryId, Lease, LeaseHolder, StreamAppend, Subscription, leases,
};

/// How long one try to connect may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one answer may take.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a call may take altogether, reconnection included.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an append may take: repeating one that was only slow would write it twice.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How much longer an append may take for each entry: history comes in big batches.
const APPEND_TIMEOUT_PER_ENTRY: Duration = Duration::from_millis(1);
/// The last resort of the command connection; every call has its own, shorter deadline.
const COMMAND_TIMEOUT_MAX: Duration = Duration::from_secs(20);
/// How many idle connections for blocking reads are kept.
const IDLE_READERS_MAX: usize = 8;
/// The field of a stream entry which holds the payload.
const FIELD: &str = "json";

/// A bus on Redis. Clones share its connections.
#[derive(Clone)]
pub struct RedisBus {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    description: String,
    commands: ConnectionManager,
    /// Connections for blocking reads that nobody uses now.
    readers: Mutex<Vec<MultiplexedConnection>>,
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisBus({})", self.shared.description)
    }
}

/// The URL without its password and query, fit for logs.
pub fn describe_url(url: &str) -> String {
    let Ok(parsed) = url::Url::parse(url) else {
        return "an unreadable URL".to_owned();
    };
    let user = if parsed.username().is_empty() {
        String::new()
    } else {
        format!("{}@", parsed.username())
    };
    let host = parsed.host_str().unwrap_or("");
    let port = parsed
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path = if parsed.path() == "/" {
        ""
    } else {
        parsed.path()
    };
    format!("{}://{user}{host}{port}{path}", parsed.scheme())
}

fn client(url: &str) -> Result<Client, BusError> {
    let bad_url = |error: redis::RedisError| BusError::Url {
        url: describe_url(url),
        reason: error.to_string(),
    };
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(5))
        .with_interval(Duration::from_secs(1));
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    let keepalive = keepalive.with_retries(3);
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(5));
    let info = url
        .into_connection_info()
        .map_err(bad_url)?
        .set_tcp_settings(settings);
    Client::open(info).map_err(bad_url)
}

impl RedisBus {
    /// A bus at `url` (`redis://[user[:password]@]host[:port][/db]`, `rediss://` for TLS) which
    /// connects when it is first used. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`BusError::Url`] when the URL cannot be used.
    pub fn open(url: &str) -> Result<Self, BusError> {
        Self::over(client(url)?, describe_url(url))
    }

    fn over(client: Client, description: String) -> Result<Self, BusError> {
        if matches!(
            client.get_connection_info().addr(),
            ConnectionAddr::TcpTls { .. }
        ) {
            // Without a provider the first TLS connection would panic. One that is there stays.
            let _already_installed = rustls::crypto::ring::default_provider().install_default();
        }
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(200))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(COMMAND_TIMEOUT_MAX));
        let commands = client
            .get_connection_manager_lazy(config)
            .map_err(|e| classify(&e))?;
        let readers = Mutex::new(Vec::new());
        Ok(Self {
            shared: Arc::new(Shared {
                client,
                description,
                commands,
                readers,
            }),
        })
    }

    /// Like [`RedisBus::open`], and checks that the server answers.
    ///
    /// # Errors
    /// [`BusError::Url`] for an unusable URL, otherwise why the server did not answer.
    pub async fn connect(url: &str) -> Result<Self, BusError> {
        let bus = Self::open(url)?;
        bus.ping().await?;
        Ok(bus)
    }

    /// Runs one command that may be repeated without harm: once more if the link was found broken.
    async fn query<T: FromRedisValue + Send>(&self, command: &Cmd) -> Result<T, BusError> {
        within(CALL_TIMEOUT, async {
            let mut connection = self.shared.commands.clone();
            match command.query_async(&mut connection).await {
                Err(error) if error.is_connection_dropped() => {
                    command.query_async(&mut connection).await
                }
                answer => answer,
            }
        })
        .await
    }
}

/// Runs `call` for at most `limit`.
async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, redis::RedisError>> + Send,
) -> Result<T, BusError> {
    match timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| classify(&error)),
        Err(_) => Err(unanswered(limit)),
    }
}

/// Entries as Redis sends them: an id, and the fields.
type RawEntry = (String, HashMap<String, Vec<u8>>);

fn entry((id, mut fields): RawEntry) -> Result<Entry, BusError> {
    let payload = fields
        .remove(FIELD)
        .ok_or_else(|| BusError::Protocol(format!("entry {id} has no field '{FIELD}'")))?;
    Ok(Entry {
        id: id.parse()?,
        payload,
    })
}

impl Shared {
    async fn reader(&self) -> Result<MultiplexedConnection, BusError> {
        let idle = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        // The answer to a blocking read has no deadline here; the caller sets an outer one.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        within(CALL_TIMEOUT, connecting).await
    }

    fn give_back(&self, reader: MultiplexedConnection) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < IDLE_READERS_MAX {
            readers.push(reader);
        }
    }

    /// One blocking read. The connection goes back to the idle ones only after a good answer.
    async fn read(&self, command: Cmd, limit: Duration) -> Result<RawStreams, BusError> {
        let mut reader = self.reader().await?;
        let mut answer = timeout(limit, command.query_async(&mut reader)).await;
        if matches!(&answer, Ok(Err(error)) if error.is_connection_dropped()) {
            // An idle connection had died (the server restarted): all of them have. Try a new one.
            self.readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
            reader = self.reader().await?;
            answer = timeout(limit, command.query_async(&mut reader)).await;
        }
        match answer {
            Ok(Ok(streams)) => {
                self.give_back(reader);
                Ok(streams)
            }
            Ok(Err(error)) => Err(classify(&error)),
            Err(_) => Err(unanswered(limit)),
        }
    }
}

/// What XREAD answers: nothing, or entries by stream.
type RawStreams = Option<Vec<(String, Vec<RawEntry>)>>;

#[async_trait]
impl Bus for RedisBus {
    fn describe(&self) -> String {
        self.shared.description.clone()
    }

    fn kind(&self) -> &'static str {
        "redis"
    }

    fn separate(&self) -> Result<Arc<dyn Bus>, BusError> {
        let Shared {
            client,
            description,
            ..
        } = self.shared.as_ref();
        Ok(Arc::new(Self::over(client.clone(), description.clone())?))
    }

    async fn ping(&self) -> Result<(), BusError> {
        let answer: String = self.query(&redis::cmd("PING")).await?;
        if answer == "PONG" {
            Ok(())
        } else {
            Err(BusError::Protocol(format!(
                "PING was answered with '{answer}'"
            )))
        }
    }

    async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), BusError> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(payload);
        self.query::<redis::Value>(&command).await.map(drop)
    }

    async fn subscribe(&self, channel: &str, capacity: usize) -> Subscription {
        redis_subscription::start(self.shared.client.clone(), channel.to_owned(), capacity)
    }

    async fn append(&self, appends: &[StreamAppend<'_>]) -> Result<Vec<EntryId>, BusError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for append in appends {
            for payload in &append.payloads {
                let command = pipeline
                    .cmd("XADD")
                    .arg(append.stream)
                    .arg("MAXLEN")
                    .arg("~");
                command
                    .arg(append.length_max)
                    .arg("*")
                    .arg(FIELD)
                    .arg(payload.as_slice());
            }
        }
        let written: usize = appends.iter().map(|append| append.payloads.len()).sum();
        if written == 0 {
            return Ok(vec![EntryId::START; appends.len()]);
        }
        let mut connection = self.shared.commands.clone();
        let surplus = u32::try_from(written).unwrap_or(u32::MAX);
        let limit = APPEND_TIMEOUT + APPEND_TIMEOUT_PER_ENTRY.saturating_mul(surplus);
        let ids: Vec<String> = within(limit, pipeline.query_async(&mut connection)).await?;
        if ids.len() != written {
            let problem = format!("{written} entries were appended, {} answered", ids.len());
            return Err(BusError::Protocol(problem));
        }
        let mut ids = ids.iter();
        let last_of = |append: &StreamAppend<'_>| {
            ids.by_ref()
                .take(append.payloads.len())
                .last()
                .map_or(Ok(EntryId::START), |id| id.parse())
        };
        appends.iter().map(last_of).collect()
    }

    async fn range(
        &self,
        stream: &str,
        after: EntryId,
        through: Option<EntryId>,
        count: usize,
    ) -> Result<Vec<Entry>, BusError> {
        let mut command = redis::cmd("XRANGE");
        let through = through.map_or_else(|| "+".to_owned(), |id| id.to_string());
        command
            .arg(stream)
            .arg(format!("({after}"))
            .arg(through)
            .arg("COUNT")
            .arg(count);
        let entries: Vec<RawEntry> = self.query(&command).await?;
        entries.into_iter().map(entry).collect()
    }

    async fn read(
        &self,
        streams: &[(&str, EntryId)],
        count: usize,
        block: Duration,
    ) -> Result<BTreeMap<String, Vec<Entry>>, BusError> {
        if streams.is_empty() {
            tokio::time::sleep(block).await;
            return Ok(BTreeMap::new());
        }
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(count);
        let millis = u64::try_from(block.as_millis()).unwrap_or(u64::MAX);
        // To Redis `BLOCK 0` means for ever.
        if millis > 0 {
            command.arg("BLOCK").arg(millis);
        }
        command.arg("STREAMS");
        for (stream, _) in streams {
            command.arg(*stream);
        }
        for (_, after) in streams {
            command.arg(after.to_string());
        }
        // In a task of its own, so that a caller who stops waiting does not spoil the connection.
        let shared = Arc::clone(&self.shared);
        let limit = block + CALL_TIMEOUT;
        let reading = tokio::spawn(async move { shared.read(command, limit).await });
        let found = reading
            .await
            .map_err(|error| BusError::Unavailable(format!("the read was ended: {error}")))??;
        let mut streams = BTreeMap::new();
        for (stream, entries) in found.unwrap_or_default() {
            let entries = entries
                .into_iter()
                .map(entry)
                .collect::<Result<Vec<_>, _>>()?;
            streams.insert(stream, entries);
        }
        Ok(streams)
    }

    async fn last(&self, stream: &str) -> Result<Option<Entry>, BusError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(stream).arg("+").arg("-").arg("COUNT").arg(1);
        let entries: Vec<RawEntry> = self.query(&command).await?;
        entries.into_iter().next().map(entry).transpose()
    }

    async fn clear_streams(&self, streams: &[&str]) -> Result<(), BusError> {
        for stream in streams {
            // Trimmed, not deleted: a deleted stream would start its ids anew.
            let mut command = redis::cmd("XTRIM");
            command.arg(stream).arg("MAXLEN").arg(0);
            self.query::<redis::Value>(&command).await?;
        }
        Ok(())
    }

    async fn set_field(&self, hash: &str, field: &str, payload: &[u8]) -> Result<(), BusError> {
        let mut command = redis::cmd("HSET");
        command.arg(hash).arg(field).arg(payload);
        self.query::<redis::Value>(&command).await.map(drop)
    }

    async fn fields(&self, hash: &str) -> Result<BTreeMap<String, Vec<u8>>, BusError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(hash);
        self.query(&command).await
    }

    async fn lease(
        &self,
        name: &str,
        holder: LeaseHolder<'_>,
        ttl: Duration,
    ) -> Result<Lease, BusError> {
        leases::read(self.query(&leases::take(name, holder, ttl)).await?)
    }

    async fn release_lease(&self, name: &str, boot: &str) -> Result<(), BusError> {
        let command = leases::give_back(name, boot);
        self.query::<redis::Value>(&command).await.map(drop)
    }
}

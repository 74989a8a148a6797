//! Websockets of any kind to one address: TCP, TLS as the REST client does it, the upgrade, waits
//! between lives. What is said over them is their users' business.

use std::sync::Arc;
use std::time::Duration;

use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use crate::settings::ClientError;

/// Messages are small and few: the library's default of 128 KiB would lie idle.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Why a socket's life ended; the text holds no key.
pub(crate) struct Ended(pub(crate) String);

/// What a websocket runs over: TCP, or TLS over it.
pub(crate) trait Pipe: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Pipe for T {}

/// An open websocket.
pub(crate) type Socket = WebSocketStream<Box<dyn Pipe>>;

/// Where to connect.
pub(crate) struct Dialer {
    url: Url,
    tls: Option<TlsConnector>,
    message_bytes_max: usize,
}

impl Dialer {
    /// For a `ws` or `wss` address; larger messages than `message_bytes_max` end the socket.
    pub(crate) fn new(url: Url, message_bytes_max: usize) -> Result<Self, ClientError> {
        let tls = match url.scheme() {
            "wss" => Some(TlsConnector::from(Arc::new(tls_config()?))),
            _ => None,
        };
        Ok(Self {
            url,
            tls,
            message_bytes_max,
        })
    }

    /// Connects and upgrades.
    pub(crate) async fn dial(&self, deadline: Instant) -> Result<Socket, Ended> {
        let tcp = within(deadline, "connecting", self.connect()).await??;
        let pipe: Box<dyn Pipe> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from(self.host().to_owned())
                    .map_err(|error| ended("naming the host", error))?;
                let agreeing = Box::pin(tls.connect(name, tcp));
                let stream = within(deadline, "agreeing on TLS", agreeing).await?;
                Box::new(stream.map_err(|error| ended("agreeing on TLS", error))?)
            }
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(self.message_bytes_max))
            .max_frame_size(Some(self.message_bytes_max));
        let upgrade =
            tokio_tungstenite::client_async_with_config(self.url.as_str(), pipe, Some(config));
        let (socket, _) = within(deadline, "upgrading", upgrade)
            .await?
            .map_err(|error| ended("upgrading", error))?;
        Ok(socket)
    }

    /// The host, without the brackets of an address of version 6.
    fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    async fn connect(&self) -> Result<TcpStream, Ended> {
        let port = self.url.port_or_known_default().unwrap_or(443);
        let tcp = TcpStream::connect((self.host(), port)).await;
        let tcp = tcp.map_err(|error| ended("connecting", error))?;
        // A socket that refuses the option is only slower.
        drop(tcp.set_nodelay(true));
        Ok(tcp)
    }
}

/// The end of a life while `doing` something.
pub(crate) fn ended(doing: &str, error: impl std::fmt::Display) -> Ended {
    Ended(format!("{doing}: {error}"))
}

/// The outcome of `work`, or that it took too long.
pub(crate) async fn within<T>(
    deadline: Instant,
    doing: &str,
    work: impl Future<Output = T>,
) -> Result<T, Ended> {
    tokio::time::timeout_at(deadline, work)
        .await
        .map_err(|_| Ended(format!("{doing} took too long")))
}

/// `<base><path>` as a websocket.
pub(crate) fn websocket_url(base: &Url, path: &str) -> Result<Url, ClientError> {
    let bad = || ClientError::BadUrl(base.to_string());
    let mut url = base.clone();
    let scheme = match base.scheme() {
        "https" => "wss",
        "http" => "ws",
        _ => return Err(bad()),
    };
    url.set_scheme(scheme).map_err(|()| bad())?;
    // People write the base with its version; the paths bring their own.
    let prefix = base.path().trim_end_matches('/');
    let prefix = prefix.strip_suffix("/v2").unwrap_or(prefix);
    url.set_path(&format!("{prefix}{path}"));
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// TLS as the REST client does it: rustls with ring, the system's certificates.
fn tls_config() -> Result<ClientConfig, ClientError> {
    let setup = |error: rustls::Error| ClientError::Setup(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .with_platform_verifier()
        .map_err(setup)?;
    Ok(builder.with_no_client_auth())
}

/// Waits between lives: doubling from the shortest to the longest, each somewhere in its upper
/// half, so that clients that failed together do not come back together.
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            // A wait is at least half of what it doubles to.
            shortest: shortest.saturating_mul(2),
            longest,
            next: shortest.saturating_mul(2),
        }
    }

    /// Begins with the shortest wait again.
    pub(crate) fn reset(&mut self) {
        self.next = self.shortest;
    }

    /// The next wait; `random` is any number.
    pub(crate) fn wait(&mut self, random: u64) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.longest);
        let half = whole / 2;
        let spread_ms = u64::try_from(half.as_millis()).unwrap_or(0) + 1;
        half + Duration::from_millis(random % spread_ms)
    }
}

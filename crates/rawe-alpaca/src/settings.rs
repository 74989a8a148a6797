//! Where Alpaca is, with which keys, how fast, and whether it may be the real thing.

use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

/// Requests a minute that Alpaca allows an account.
const ALPACA_REQUESTS_PER_MINUTE: u32 = 200;

/// How the stock data is sourced; `iex` is free, `sip` needs a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StockFeed {
    /// One exchange, free, a few percent of the volume.
    #[default]
    Iex,
    /// All exchanges.
    Sip,
    /// Another feed of Alpaca's, by its name there.
    Named(String),
}

impl StockFeed {
    /// The feed's name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Iex => "iex",
            Self::Sip => "sip",
            Self::Named(name) => name,
        }
    }
}

/// How many requests a minute we allow ourselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestRate {
    /// 200 a minute at Alpaca's own hosts, unlimited elsewhere.
    #[default]
    ByHost,
    /// So many.
    PerMinute(NonZeroU32),
    /// As many as come.
    Unlimited,
}

/// What a client needs to know. The keys never appear in its `Debug` form.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base of the trading API, without the version.
    pub trading_url: Url,
    /// Base of the market data API, without the version.
    pub data_url: Url,
    /// `APCA-API-KEY-ID`.
    pub key_id: SecretString,
    /// `APCA-API-SECRET-KEY`.
    pub secret_key: SecretString,
    /// Real money is only touched if this is set besides a live URL.
    pub allow_live: bool,
    /// Which stock prices.
    pub stock_feed: StockFeed,
    /// How fast, each for trading and data.
    pub rate: RequestRate,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest silence within an answer.
    pub read_timeout: Duration,
    /// The longest a request may take in all.
    pub total_timeout: Duration,
}

impl Settings {
    /// Settings with the defaults: paper only, IEX prices, seconds of patience.
    pub fn new(
        trading_url: Url,
        data_url: Url,
        key_id: SecretString,
        secret_key: SecretString,
    ) -> Self {
        Self {
            trading_url,
            data_url,
            key_id,
            secret_key,
            allow_live: false,
            stock_feed: StockFeed::Iex,
            rate: RequestRate::ByHost,
            connect_timeout: Duration::from_secs(3),
            read_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(15),
        }
    }

    /// Checks the URLs.
    ///
    /// # Errors
    /// When a live host is named without `allow_live`, or keys would travel unencrypted to Alpaca.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        for url in [&self.trading_url, &self.data_url] {
            if url.host().is_none() || !matches!(url.scheme(), "http" | "https") {
                return Err(ClientError::BadUrl(url.to_string()));
            }
            if is_alpaca(url) && url.scheme() != "https" {
                return Err(ClientError::Unencrypted(url.to_string()));
            }
        }
        if is_live(&self.trading_url) && !self.allow_live {
            return Err(ClientError::LiveNotAllowed(self.trading_url.to_string()));
        }
        Ok(())
    }

    /// Requests a minute for `url`; `None` means no limit.
    pub(crate) fn requests_per_minute(&self, url: &Url) -> Option<NonZeroU32> {
        match self.rate {
            RequestRate::PerMinute(rate) => Some(rate),
            RequestRate::ByHost if is_alpaca(url) => NonZeroU32::new(ALPACA_REQUESTS_PER_MINUTE),
            RequestRate::Unlimited | RequestRate::ByHost => None,
        }
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The trading URL means real money, and only one of the two settings says so.
    #[error("{0} is a live account; live trading must be allowed by a second, explicit setting")]
    LiveNotAllowed(String),
    /// The URL is not one of a web server.
    #[error("'{0}' is not an http or https address with a host")]
    BadUrl(String),
    /// Keys would travel unencrypted.
    #[error("'{0}' would send the keys unencrypted; use https")]
    Unencrypted(String),
    /// A key has characters that no header can carry.
    #[error("the {0} contains characters that cannot be sent; copy it again without line breaks")]
    BadKey(&'static str),
    /// The HTTP client could not be set up.
    #[error("the http client could not be set up: {0}")]
    Setup(String),
}

/// Whether a host is Alpaca's own.
pub(crate) fn is_alpaca(url: &Url) -> bool {
    // A trailing dot names the same host.
    url.host_str()
        .map(|host| host.trim_end_matches('.'))
        .is_some_and(|host| host == "alpaca.markets" || host.ends_with(".alpaca.markets"))
}

/// Whether orders sent there move real money: every trading host of Alpaca but the paper one.
pub fn is_live(url: &Url) -> bool {
    is_alpaca(url)
        && url.host_str().map(|host| host.trim_end_matches('.')) != Some("paper-api.alpaca.markets")
}

/// Whether a URL names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

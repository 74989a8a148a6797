//! Command-line arguments and environment variables that several binaries share. What only one
//! binary takes is in that binary.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use rawe_core::channels::SIGNAL_CHANNEL;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::{ConfigProblems, LogFormat};

/// Both keys of a paper exchange on this machine, unless others are given.
const LOOPBACK_KEY: &str = "paper";

/// What every process of the collective takes.
#[derive(Args, Clone)]
pub struct CommonArgs {
    /// Redis to talk over: redis://user:password@host:port/db (the host alone will do), or rediss://
    /// for TLS; @FILE reads it from a file that only you can read
    #[arg(
        long,
        value_name = "URL",
        env = "RAWE_REDIS_URL",
        hide_env_values = true,
        value_parser = crate::redis_url,
        default_value = "redis://127.0.0.1:6379"
    )]
    pub redis_url: String,

    /// Pub/sub channel on which the agents' signals travel
    #[arg(
        long,
        value_name = "NAME",
        env = "RAWE_SIGNAL_CHANNEL",
        default_value = SIGNAL_CHANNEL
    )]
    pub channel: String,

    /// Configuration file (TOML); without one the built-in values apply
    #[arg(long, value_name = "FILE", env = "RAWE_CONFIG")]
    pub config: Option<PathBuf>,

    /// How to write logs [default: pretty on a terminal, json otherwise]
    #[arg(long, value_enum, value_name = "FORMAT", env = "RAWE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Read and check the configuration, list every problem, and end
    #[arg(long)]
    pub check_config: bool,
}

impl fmt::Debug for CommonArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommonArgs")
            .field("redis_url", &rawe_bus::describe_url(&self.redis_url))
            .field("channel", &self.channel)
            .field("config", &self.config)
            .field("log_format", &self.log_format)
            .field("check_config", &self.check_config)
            .finish()
    }
}

/// Where orders go and market data comes from.
#[derive(Args, Clone, Debug)]
pub struct BrokerArgs {
    /// Alpaca's trading API; without it the paper exchange on this machine, never a real account
    #[arg(
        long,
        value_name = "URL",
        env = "APCA_API_BASE_URL",
        default_value = "http://127.0.0.1:8460"
    )]
    pub alpaca_url: Url,

    /// Alpaca's market data API [default: Alpaca's own for an Alpaca account, else --alpaca-url]
    #[arg(long, value_name = "URL", env = "APCA_API_DATA_URL")]
    pub alpaca_data_url: Option<Url>,

    /// Key id of the account; better set in the environment, where other users cannot read it
    #[arg(
        long = "alpaca-key-id",
        value_name = "KEY",
        env = "APCA_API_KEY_ID",
        hide_env_values = true,
        value_parser = secret
    )]
    pub key_id: Option<SecretString>,

    /// Secret key of the account; better set in the environment
    #[arg(
        long = "alpaca-secret-key",
        value_name = "KEY",
        env = "APCA_API_SECRET_KEY",
        hide_env_values = true,
        value_parser = secret
    )]
    pub secret_key: Option<SecretString>,
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "clap wants a parser that can fail"
)]
fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

/// Whether a host is Alpaca's own.
fn is_alpaca(url: &Url) -> bool {
    url.host_str()
        .is_some_and(|host| host == "alpaca.markets" || host.ends_with(".alpaca.markets"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Alpaca's market data API, used with real accounts.
const ALPACA_DATA_URL: &str = "https://data.alpaca.markets";

impl BrokerArgs {
    /// Where market data comes from: the data URL if one is given, Alpaca's own for an account at
    /// Alpaca, and otherwise the exchange itself, which serves both.
    pub fn data_url(&self) -> Url {
        if let Some(url) = &self.alpaca_data_url {
            return url.clone();
        }
        let own = if is_alpaca(&self.alpaca_url) {
            Url::parse(ALPACA_DATA_URL).ok()
        } else {
            None
        };
        own.unwrap_or_else(|| self.alpaca_url.clone())
    }

    /// Key id and secret key. Only an exchange on this machine has default ones.
    ///
    /// # Errors
    /// [`ConfigProblems`] naming each key that is missing.
    pub fn keys(&self) -> Result<(SecretString, SecretString), ConfigProblems> {
        let mut problems = Vec::new();
        let mut key = |given: &Option<SecretString>, variable: &str| match given {
            Some(key) if !key.expose_secret().is_empty() => key.clone(),
            _ if is_loopback(&self.alpaca_url) => SecretString::from(LOOPBACK_KEY),
            _ => {
                problems.push(format!(
                    "no key for {}: set {variable}",
                    self.alpaca_url.host_str().unwrap_or("the exchange")
                ));
                SecretString::from("")
            }
        };
        let keys = (
            key(&self.key_id, "APCA_API_KEY_ID"),
            key(&self.secret_key, "APCA_API_SECRET_KEY"),
        );
        if problems.is_empty() {
            Ok(keys)
        } else {
            Err(ConfigProblems(problems))
        }
    }

    /// Whether orders would move real money: a host of Alpaca that is not the paper one.
    pub fn is_live(&self) -> bool {
        is_alpaca(&self.alpaca_url)
            && self.alpaca_url.host_str() != Some("paper-api.alpaca.markets")
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Everything {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        broker: BrokerArgs,
    }

    fn parse(flags: &[&str]) -> Everything {
        Everything::try_parse_from([&["test"], flags].concat()).unwrap()
    }

    #[test]
    fn the_command_is_well_formed_and_defaults_never_trade_for_real() {
        Everything::command().debug_assert();
        let args = parse(&[]);
        assert!(!args.broker.is_live());
        assert_eq!(args.broker.data_url().as_str(), "http://127.0.0.1:8460/");
        let (id, key) = args.broker.keys().unwrap();
        assert_eq!(
            (id.expose_secret(), key.expose_secret()),
            ("paper", "paper")
        );
    }

    #[test]
    fn hosts_decide_about_data_keys_and_money() {
        let table = [
            (
                "https://api.alpaca.markets",
                "https://data.alpaca.markets/",
                true,
                false,
            ),
            (
                "https://paper-api.alpaca.markets",
                "https://data.alpaca.markets/",
                false,
                false,
            ),
            ("http://localhost:1", "http://localhost:1/", false, true),
            ("http://[::1]:1", "http://[::1]:1/", false, true),
            (
                "http://exchange:8460",
                "http://exchange:8460/",
                false,
                false,
            ),
            (
                "https://api.alpaca.markets.evil.org",
                "https://api.alpaca.markets.evil.org/",
                false,
                false,
            ),
        ];
        for (url, data, live, has_default_keys) in table {
            let broker = parse(&["--alpaca-url", url]).broker;
            assert_eq!(broker.data_url().as_str(), data, "{url}");
            assert_eq!(broker.is_live(), live, "{url}");
            assert_eq!(broker.keys().is_ok(), has_default_keys, "{url}");
        }
        let given = parse(&["--alpaca-data-url", "http://data:1"]).broker;
        assert_eq!(given.data_url().as_str(), "http://data:1/");
    }

    #[test]
    fn missing_keys_are_all_named_and_an_empty_one_is_missing() {
        let broker = parse(&["--alpaca-url", "http://far:1", "--alpaca-key-id", ""]).broker;
        let problems = broker.keys().unwrap_err();
        assert_eq!(problems.0.len(), 2);
        assert!(
            problems.to_string().contains("set APCA_API_SECRET_KEY"),
            "{problems}"
        );
    }

    #[test]
    fn secrets_are_never_shown() {
        let args = parse(&[
            "--redis-url=redis://u:canary@h",
            "--alpaca-key-id=canary",
            "--alpaca-secret-key=canary",
        ]);
        assert!(!format!("{args:?}").contains("canary"));
        assert!(format!("{args:?}").contains("redis://u@h"));
    }
}

//! The clients against a scripted server on loopback: every status, every fault.

mod data;
mod rate;
mod server;
mod submit;
mod trading;

use std::time::Duration;

use rawe_core::{Symbol, Timestamp};
use secrecy::SecretString;
use url::Url;

use crate::{Settings, TradingClient};

/// Keys that must never appear anywhere.
pub(crate) const KEY_ID: &str = "CANARYKEYID7F3A";
/// See [`KEY_ID`].
pub(crate) const SECRET_KEY: &str = "canarySecretKey/91bd";

pub(crate) fn settings(url: &Url) -> Settings {
    let mut settings = Settings::new(
        url.clone(),
        url.clone(),
        SecretString::from(KEY_ID),
        SecretString::from(SECRET_KEY),
    );
    settings.read_timeout = Duration::from_millis(250);
    settings.total_timeout = Duration::from_millis(500);
    settings
}

pub(crate) fn client(url: &Url) -> TradingClient {
    TradingClient::new(&settings(url)).unwrap()
}

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

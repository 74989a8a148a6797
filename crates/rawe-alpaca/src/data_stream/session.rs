//! What is said over one socket of a data stream, from the greeting to the end: messages and the
//! passing of time in, steps to take out. No I/O; time is what has passed since the connection.

use std::time::Duration;

use rawe_core::Symbol;
use secrecy::ExposeSecret;
use serde_json::json;

use super::frames::{Incoming, read_frame};
use super::{DataEndpoint, DataNews, DataPatience};
use crate::settings::Settings;

/// The service knows somebody else connected with our keys, perhaps our own former self.
const CONNECTION_LIMIT: i64 = 406;
/// Asking again soon cannot help: keys, entitlement, or what we ask for.
const REFUSALS: [i64; 7] = [400, 402, 405, 408, 409, 410, 411];

/// What to do next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Say this.
    Send(String),
    /// Ask for a sign of life.
    Ping,
    /// Tell the listener.
    Tell(DataNews),
    /// Note that something was not understood.
    Unreadable(String),
    /// Close the socket.
    End(Ending),
}

/// Why a life of the socket is over.
#[derive(Debug, PartialEq)]
pub(super) struct Ending {
    /// In words.
    pub(super) reason: String,
    /// Whether asking again soon is of no use.
    pub(super) is_refusal: bool,
}

impl Ending {
    pub(super) fn passing(reason: String) -> Self {
        Self {
            reason,
            is_refusal: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting,
    Authenticating,
    Subscribing,
    Listening,
}

/// One life.
pub(super) struct Session {
    phase: Phase,
    keys: String,
    subscription: String,
    symbols: Vec<Symbol>,
    patience: DataPatience,
    due: Duration,
    pinged: bool,
}

impl Session {
    /// A life that begins with the connection.
    pub(super) fn new(
        settings: &Settings,
        endpoint: &DataEndpoint,
        symbols: &[Symbol],
        patience: DataPatience,
    ) -> Self {
        let keys = json!({
            "action": "auth",
            "key": settings.key_id.expose_secret(),
            "secret": settings.secret_key.expose_secret(),
        });
        let subscription = match endpoint {
            // News names pairs without their slash; without names, everything is wanted.
            DataEndpoint::News if symbols.is_empty() => {
                json!({"action": "subscribe", "news": ["*"]})
            }
            DataEndpoint::News => {
                let names: Vec<String> = symbols.iter().map(Symbol::without_slash).collect();
                json!({"action": "subscribe", "news": names})
            }
            DataEndpoint::Stocks(_) | DataEndpoint::Crypto => {
                let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
                json!({"action": "subscribe", "bars": names, "updatedBars": names})
            }
        };
        Self {
            phase: Phase::Greeting,
            keys: keys.to_string(),
            subscription: subscription.to_string(),
            symbols: symbols.to_vec(),
            patience,
            due: patience.handshake_within,
            pinged: false,
        }
    }

    /// When to call [`Self::pass`] at the latest.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// A frame that says nothing to us, such as a pong.
    pub(super) fn hear_sign_of_life(&mut self, now: Duration) {
        if self.phase == Phase::Listening {
            self.due = now + self.patience.ping_every;
            self.pinged = false;
        }
    }

    /// A frame of messages.
    pub(super) fn hear(&mut self, frame: &[u8], now: Duration) -> Vec<Step> {
        self.hear_sign_of_life(now);
        let mut steps = Vec::new();
        for incoming in read_frame(frame) {
            steps.extend(self.step(incoming, now));
        }
        steps
    }

    fn step(&mut self, incoming: Incoming, now: Duration) -> Option<Step> {
        match (incoming, self.phase) {
            (Incoming::Welcome, Phase::Greeting) => {
                self.phase = Phase::Authenticating;
                Some(Step::Send(self.keys.clone()))
            }
            (Incoming::Authenticated, Phase::Greeting | Phase::Authenticating) => {
                self.phase = Phase::Subscribing;
                Some(Step::Send(self.subscription.clone()))
            }
            (Incoming::Subscribed, Phase::Subscribing) => {
                self.phase = Phase::Listening;
                self.hear_sign_of_life(now);
                Some(Step::Tell(DataNews::Connected))
            }
            (Incoming::Error(code, words), _) => {
                let hint = if code == CONNECTION_LIMIT {
                    ": another connection with these keys is open"
                } else {
                    ""
                };
                Some(Step::End(Ending {
                    reason: format!("the service says: {code} {words}{hint}"),
                    is_refusal: REFUSALS.contains(&code),
                }))
            }
            (Incoming::Bar(name, bar), Phase::Listening) => {
                let symbol = self
                    .symbols
                    .iter()
                    .find(|symbol| symbol.as_str() == name || symbol.without_slash() == name)?;
                let symbol = symbol.clone();
                Some(Step::Tell(DataNews::Bar { symbol, bar }))
            }
            (Incoming::Article(article), Phase::Listening) => {
                Some(Step::Tell(DataNews::Article(article)))
            }
            (Incoming::Unreadable(reason), _) => Some(Step::Unreadable(reason)),
            _ => None,
        }
    }

    /// Time has passed in silence.
    pub(super) fn pass(&mut self, now: Duration) -> Vec<Step> {
        if now < self.due {
            return Vec::new();
        }
        if self.phase != Phase::Listening {
            let doing = match self.phase {
                Phase::Greeting => "greeting",
                Phase::Authenticating => "authenticating",
                _ => "subscribing",
            };
            let reason = format!("{doing} took too long");
            return vec![Step::End(Ending::passing(reason))];
        }
        if self.pinged {
            let quiet = self.patience.pong_within.as_secs_f64();
            let reason = format!("mute: no answer to a ping in {quiet} s");
            return vec![Step::End(Ending::passing(reason))];
        }
        self.pinged = true;
        self.due = now + self.patience.pong_within;
        vec![Step::Ping]
    }
}

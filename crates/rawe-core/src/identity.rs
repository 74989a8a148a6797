//! Identities: who speaks, and what makes two things the same thing.
//!
//! A decision's id is a pure function of what is being decided, so that two engines, or one that
//! lost its journal, compute the same id and the *broker* refuses the second order. Random ids are
//! made only in the shells; here they are derived from a run's seed, so that replays repeat them.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ring::digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Purpose, Symbol};

/// The longest agent id or boot id accepted, in bytes.
const NAME_LENGTH_MAX: usize = 64;

/// A voter's stable id, such as `alpha-aggressor`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentId(Arc<str>);

/// One start of a process: sequences count up within it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BootId(Arc<str>);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a name; use 1 to 64 lower-case letters, digits, '-' and '_'")]
pub struct NameError(String);

fn checked_name(text: &str) -> Result<Arc<str>, NameError> {
    let valid = !text.is_empty()
        && text.len() <= NAME_LENGTH_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if valid {
        Ok(text.into())
    } else {
        Err(NameError(text.chars().take(NAME_LENGTH_MAX).collect()))
    }
}

macro_rules! name_type {
    ($name:ident) => {
        impl $name {
            /// Checks `text`: 1 to 64 lower-case letters, digits, `-` and `_`.
            ///
            /// # Errors
            /// When the text is anything else.
            pub fn new(text: &str) -> Result<Self, NameError> {
                checked_name(text).map(Self)
            }

            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
name_type!(AgentId);
name_type!(BootId);

impl AgentId {
    /// The id of a founding agent, whose text is known to be well-formed.
    pub(crate) fn founding(id: &'static str) -> Self {
        Self(id.into())
    }
}

impl BootId {
    /// The boot id of a UUID.
    pub fn from_uuid(id: Uuid) -> Self {
        Self(id.as_simple().to_string().into())
    }
}

/// The id of a decision: 20 base32 characters, see [`DecisionId::derive`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecisionId(Arc<str>);

/// The id under which the broker knows our order: `rawe-` and the decision's id. Cheap to clone: it is
/// the key of much that is held of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientOrderId(Arc<str>);

impl DecisionId {
    /// The first 20 base32 characters of SHA-256(deployment | asset | purpose | predecessor).
    ///
    /// `predecessor` is the client order id of our latest terminal order for this asset and
    /// purpose as the broker reports it, or `None` if there was none.
    pub fn derive(
        deployment: &str,
        asset: &Symbol,
        purpose: Purpose,
        predecessor: Option<&ClientOrderId>,
    ) -> Self {
        let predecessor = predecessor.map_or("first", ClientOrderId::as_str);
        let text = format!("{deployment}|{asset}|{purpose}|{predecessor}");
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let mut encoded = data_encoding::BASE32_NOPAD
            .encode(hash.as_ref())
            .to_lowercase();
        encoded.truncate(20);
        Self(encoded.into())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The client order id of this decision's order.
    pub fn client_order_id(&self) -> ClientOrderId {
        ClientOrderId(format!("{}{}", ClientOrderId::PREFIX, self.0).into())
    }
}

impl ClientOrderId {
    /// What every client order id of ours begins with; orders without it are foreign.
    pub const PREFIX: &'static str = "rawe-";

    /// Reads a client order id back, if it is one of ours.
    pub fn parse_ours(text: &str) -> Option<Self> {
        text.starts_with(Self::PREFIX).then(|| Self(text.into()))
    }

    /// The id that the broker made for an exit of an order of ours. It says nothing of whose it is:
    /// only the broker's word on the order it belongs to does.
    pub fn of_leg(text: &str) -> Self {
        Self(text.into())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a round: the asset and the market time of its first counted vote.
pub fn round_id(asset: &Symbol, opened: DateTime<Utc>) -> String {
    format!("{}@{}", asset, opened.format("%Y%m%dT%H%M%S%.3fZ"))
}

/// Where the ids of signals come from.
///
/// Live they are UUIDs of version 7, made by the shell. Under a paced clock they have the same
/// shape but are derived from the run, the agent, the market time and a counter, so that two runs
/// of one seed write the same bytes.
#[derive(Clone, Debug)]
pub enum IdentitySource {
    /// Ids are made by the shell's generator.
    Live(fn() -> Uuid),
    /// Ids are derived.
    Derived {
        /// The run's name.
        run_id: String,
        /// Who makes the ids.
        owner: String,
    },
}

impl IdentitySource {
    /// The id of the `sequence`-th thing made, at market time `at`.
    pub fn id(&self, at: DateTime<Utc>, sequence: u64) -> Uuid {
        match self {
            Self::Live(make) => make(),
            Self::Derived { run_id, owner } => {
                let text = format!("{run_id}|{owner}|{}|{sequence}", at.timestamp_millis());
                let hash = digest::digest(&digest::SHA256, text.as_bytes());
                let mut random = [0_u8; 10];
                random.copy_from_slice(&hash.as_ref()[..10]);
                let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
                uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn decision_ids_chain_through_their_predecessor() {
        let asset = Symbol::new("AAPL").unwrap();
        let first = DecisionId::derive("demo", &asset, Purpose::Open, None);
        assert_eq!(
            first,
            DecisionId::derive("demo", &asset, Purpose::Open, None)
        );
        assert_eq!(first.as_str().len(), 20);
        let order = first.client_order_id();
        let second = DecisionId::derive("demo", &asset, Purpose::Open, Some(&order));
        let closing = DecisionId::derive("demo", &asset, Purpose::Close, None);
        let elsewhere = DecisionId::derive("other", &asset, Purpose::Open, None);
        for other in [second, closing, elsewhere] {
            assert_ne!(first, other);
        }
        assert!(ClientOrderId::parse_ours(order.as_str()).is_some());
        assert!(ClientOrderId::parse_ours("manual-1").is_none());
    }

    #[test]
    fn derived_ids_repeat_and_are_version_7() {
        let at = Utc.with_ymd_and_hms(2026, 1, 5, 15, 0, 0).unwrap();
        let source = IdentitySource::Derived {
            run_id: "seed-1".into(),
            owner: "a".into(),
        };
        assert_eq!(source.id(at, 1), source.id(at, 1));
        assert_ne!(source.id(at, 1), source.id(at, 2));
        assert_eq!(source.id(at, 1).get_version_num(), 7);
    }

    #[test]
    fn names_are_checked() {
        assert!(AgentId::new("alpha-aggressor").is_ok());
        for bad in ["", "Alpha", "a b", "a/b", &"x".repeat(65)] {
            assert!(AgentId::new(bad).is_err(), "{bad:?} was accepted");
        }
    }
}

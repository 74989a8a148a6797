//! Why a message was refused at the edge: a closed set of codes, each counted on its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The code of a refusal. The names in upper case are an interface: scripts and counters use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalCode {
    /// The payload is over 64 KiB.
    TooLarge,
    /// The payload is not JSON.
    NotJson,
    /// The payload is JSON, but not an object.
    NotAnObject,
    /// The version is higher than this build understands.
    UnknownVersion,
    /// A required field is absent.
    MissingField,
    /// A field has the wrong JSON type, or a text that cannot be read as what it should be.
    WrongType,
    /// A number is null, not finite, or outside its range.
    OutOfRange,
    /// The direction is neither `long` nor `short`.
    UnknownDirection,
    /// The signal type is none of the three.
    UnknownSignalType,
    /// The inner asset differs from the outer one.
    AssetMismatch,
    /// The symbol is malformed or not in the universe.
    UnknownSymbol,
    /// The agent is not on the roster.
    NotOnRoster,
    /// A message in the original format names a roster agent that is alive and speaks for itself.
    AgentActive,
    /// The signal is older than its time to live.
    Stale,
    /// A time without an offset is off by more than the window; send UTC.
    StaleSendUtc,
    /// The signal is from the future, by more than 2 s.
    FromTheFuture,
    /// The sequence was already seen, or is older than one already seen.
    ReplayedSequence,
    /// The sender has a key and did not sign, or did not name itself in `agent`.
    Unsigned,
    /// The signature names a key that is not its sender's.
    UnknownKey,
    /// The signature does not verify for this deployment and channel.
    BadSignature,
    /// A signed message has two fields of one name, so that readers may differ.
    DuplicateField,
    /// The proposed size is over the cap.
    SizeOverCap,
}

impl RefusalCode {
    /// All codes, for tables and counters.
    pub const ALL: [Self; 22] = [
        Self::TooLarge,
        Self::NotJson,
        Self::NotAnObject,
        Self::UnknownVersion,
        Self::MissingField,
        Self::WrongType,
        Self::OutOfRange,
        Self::UnknownDirection,
        Self::UnknownSignalType,
        Self::AssetMismatch,
        Self::UnknownSymbol,
        Self::NotOnRoster,
        Self::AgentActive,
        Self::Stale,
        Self::StaleSendUtc,
        Self::FromTheFuture,
        Self::ReplayedSequence,
        Self::Unsigned,
        Self::UnknownKey,
        Self::BadSignature,
        Self::DuplicateField,
        Self::SizeOverCap,
    ];

    /// The code as it appears in logs and counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "TOO_LARGE",
            Self::NotJson => "NOT_JSON",
            Self::NotAnObject => "NOT_AN_OBJECT",
            Self::UnknownVersion => "UNKNOWN_VERSION",
            Self::MissingField => "MISSING_FIELD",
            Self::WrongType => "WRONG_TYPE",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::UnknownDirection => "UNKNOWN_DIRECTION",
            Self::UnknownSignalType => "UNKNOWN_SIGNAL_TYPE",
            Self::AssetMismatch => "ASSET_MISMATCH",
            Self::UnknownSymbol => "UNKNOWN_SYMBOL",
            Self::NotOnRoster => "NOT_ON_ROSTER",
            Self::AgentActive => "AGENT_ACTIVE",
            Self::Stale => "STALE",
            Self::StaleSendUtc => "STALE_SEND_UTC",
            Self::FromTheFuture => "FROM_THE_FUTURE",
            Self::ReplayedSequence => "REPLAYED_SEQUENCE",
            Self::Unsigned => "UNSIGNED",
            Self::UnknownKey => "UNKNOWN_KEY",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::DuplicateField => "DUPLICATE_FIELD",
            Self::SizeOverCap => "SIZE_OVER_CAP",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused message: the code and, for people, what was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    /// The code.
    pub code: RefusalCode,
    /// What was wrong and what to send instead; never longer than a line.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its explanation.
    pub fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_and_display_agree_on_every_code() {
        for code in RefusalCode::ALL {
            let json = serde_json::to_string(&code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
        }
    }
}

//! Messages of `rawe:control`: what an operator tells the consensus engine, and whether to believe
//! it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::channels::CONTROL_STREAM;
use crate::signal::Signature;
use crate::signing::{Authentication, Binding, PublicKey, SigningError, SigningKey, sign, verify};
use crate::{Refusal, RefusalCode, Timestamp};

/// How long a signed word of the operator is good, in seconds.
pub const CONTROL_TTL_SECS: i64 = 60;
/// How far ahead of us the operator's clock may be.
const AHEAD_MAX: TimeDelta = TimeDelta::seconds(5);

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlCommand {
    /// Send no further order until resumed.
    Halt,
    /// Trade again.
    Resume,
    /// Only orders that shrink a position.
    Reduce,
    /// Cancel our orders, close our positions, and open none until resumed.
    Flatten,
}

/// One entry of `rawe:control`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlMessage {
    /// What to do.
    pub command: ControlCommand,
    /// Wall time at which it was said. No two words of one operator have the same.
    pub at: Timestamp,
    /// Who said it and why, for the audit.
    pub reason: String,
    /// Wall time from which on it is void; a signed one must say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The operator's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

impl ControlMessage {
    /// A word said at `at`, good for [`CONTROL_TTL_SECS`] where words expire.
    pub fn new(command: ControlCommand, at: Timestamp, reason: impl Into<String>) -> Self {
        Self {
            command,
            at,
            reason: reason.into(),
            expires_at: Some(at + TimeDelta::seconds(CONTROL_TTL_SECS)),
            signature: None,
        }
    }

    /// The bytes for the stream, signed when there is a key.
    ///
    /// # Errors
    /// Never for a message made by [`ControlMessage::new`].
    pub fn to_payload(
        &self,
        key: Option<&SigningKey>,
        deployment: &str,
    ) -> Result<Vec<u8>, SigningError> {
        let plain = Self {
            signature: None,
            ..self.clone()
        };
        let payload =
            serde_json::to_vec(&plain).map_err(crate::signing::canonical::CanonicalError::from)?;
        match key {
            Some(key) => sign(&payload, key, &Binding::new(deployment, CONTROL_STREAM)),
            None => Ok(payload),
        }
    }
}

/// Decides which words of `rawe:control` are the operator's.
///
/// A **halt is always honoured**, signed or not, early or late: the worst a forged halt does is to
/// stop trading, and a halt that is refused for a lost key or a wrong clock may cost the account.
/// Everything else (resume, reduce, flatten) moves money or lets it move, so when operators have
/// keys it must be signed, unexpired, and said after every word that was taken before, halts
/// included: a captured resume cannot undo a later halt.
#[derive(Clone, Debug)]
pub struct ControlGate {
    auth: Authentication,
    keys: Vec<PublicKey>,
    binding: Binding,
    /// Nothing said at or before this is taken any more.
    after: Timestamp,
}

impl ControlGate {
    /// The gate of a deployment. `after` is the time of the last word known to have been taken
    /// (from the journal), or the engine's start: what was said before it is refused, so that a
    /// restart opens no door to a captured word.
    pub fn new(
        auth: Authentication,
        keys: Vec<PublicKey>,
        deployment: &str,
        after: Timestamp,
    ) -> Self {
        Self {
            auth,
            keys,
            binding: Binding::new(deployment, CONTROL_STREAM),
            after,
        }
    }

    /// Reads one entry of the stream at wall time `now`.
    ///
    /// # Errors
    /// The refusal: what is no control message, is not the operator's, or is no longer or not yet
    /// to be believed. Count it and tell it; it changes nothing.
    pub fn admit(&mut self, payload: &[u8], now: Timestamp) -> Result<ControlMessage, Refusal> {
        let message: ControlMessage = serde_json::from_slice(payload)
            .map_err(|error| Refusal::new(RefusalCode::NotJson, error.to_string()))?;
        if message.command == ControlCommand::Halt {
            // Never later than now, or a halt from a fast clock would lock the door for a while.
            self.after = self.after.max(message.at.min(now));
            return Ok(message);
        }
        if self.must_be_signed() {
            verify(payload, &self.keys, &self.binding)?;
            self.check_time(&message, now)?;
            self.after = message.at;
        }
        Ok(message)
    }

    /// Whether words other than a halt need a signature.
    pub fn must_be_signed(&self) -> bool {
        match self.auth {
            Authentication::Off => false,
            Authentication::Optional => !self.keys.is_empty(),
            Authentication::Required => true,
        }
    }

    fn check_time(&self, message: &ControlMessage, now: Timestamp) -> Result<(), Refusal> {
        if message.at - now > AHEAD_MAX {
            return Err(Refusal::new(
                RefusalCode::FromTheFuture,
                format!("said at {}, and it is {now}; set the clocks", message.at),
            ));
        }
        let latest = message.at + TimeDelta::seconds(CONTROL_TTL_SECS);
        let expires_at = message.expires_at.map_or(latest, |at| at.min(latest));
        if now > expires_at {
            return Err(Refusal::new(
                RefusalCode::Stale,
                format!("expired at {expires_at}; say it again"),
            ));
        }
        if message.at <= self.after {
            return Err(Refusal::new(
                RefusalCode::ReplayedSequence,
                format!(
                    "said at {}, not after the last word at {}; say it again",
                    message.at, self.after
                ),
            ));
        }
        Ok(())
    }
}

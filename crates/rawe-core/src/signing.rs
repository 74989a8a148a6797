//! Signed messages: who may have said this, here, and unchanged.
//!
//! A signature is Ed25519 over the canonical form (RFC 8785) of the message as received, without
//! its `signature` and with two more fields that are never sent: the `deployment` and the
//! `channel`. So a message captured elsewhere, on another channel or for another engine, does not
//! verify here. Whether a message is *new* is not decided here but by who receives it: votes by
//! boot, sequence and time to live in `rawe-consensus`, words of the operator by
//! [`crate::control::ControlGate`].

pub mod canonical;
mod keys;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

pub use keys::{KEY_BYTES, KeyError, PublicKey, SigningKey};

use self::canonical::{CanonicalError, Item, members_of, write_object};
use crate::signal::Signature;
use crate::{Refusal, RefusalCode};

/// The only algorithm there is.
pub const ALGORITHM: &str = "ed25519";
const SIGNATURE_FIELD: &str = "signature";
const DEPLOYMENT_FIELD: &str = "deployment";
const CHANNEL_FIELD: &str = "channel";

/// Whether messages must be signed: `consensus.auth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// Signatures are not looked at.
    #[default]
    Off,
    /// Who has a key on the roster must sign; who has none need not.
    Optional,
    /// Everybody must sign.
    Required,
}

/// What a signature is bound to besides the message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name of the deployment, as agents and engine are told (`--deployment`).
    pub deployment: String,
    /// The channel or stream on which the message travels.
    pub channel: String,
}

impl Binding {
    /// Bound to this deployment and channel.
    pub fn new(deployment: impl Into<String>, channel: impl Into<String>) -> Self {
        Self {
            deployment: deployment.into(),
            channel: channel.into(),
        }
    }

    /// The same deployment's other channel.
    #[must_use]
    pub fn on(&self, channel: &str) -> Self {
        Self::new(self.deployment.clone(), channel)
    }
}

/// Why a message cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// It has no canonical form.
    #[error("signing a message: {0}")]
    Canonical(#[from] CanonicalError),
    /// It has a field that signing adds.
    #[error("signing a message: it already has a field '{0}'; leave it out")]
    ReservedField(&'static str),
}

/// The bytes that are signed, and the signature if the message has one.
fn taken_apart(
    payload: &[u8],
    binding: &Binding,
) -> Result<(Vec<u8>, Option<Signature>), SigningError> {
    let text =
        std::str::from_utf8(payload).map_err(|error| CanonicalError::NotJson(error.to_string()))?;
    let mut members = members_of(text)?;
    let is_signature = |(name, _): &(std::borrow::Cow<'_, str>, Item<'_>)| name == SIGNATURE_FIELD;
    let signature = match members.iter().position(is_signature) {
        Some(place) => match members.remove(place).1 {
            Item::Raw(raw) => Some(read_signature(raw.get())?),
            Item::Text(_) => None,
        },
        None => None,
    };
    if members.iter().any(is_signature) {
        return Err(CanonicalError::DuplicateField(SIGNATURE_FIELD.to_owned()).into());
    }
    for (field, text) in [
        (DEPLOYMENT_FIELD, &binding.deployment),
        (CHANNEL_FIELD, &binding.channel),
    ] {
        if members.iter().any(|(name, _)| name == field) {
            return Err(SigningError::ReservedField(field));
        }
        members.push((field.into(), Item::Text(text)));
    }
    let mut bytes = Vec::with_capacity(payload.len());
    write_object(members, &mut bytes)?;
    Ok((bytes, signature))
}

/// Exactly three texts; what is more would be covered by no signature.
fn read_signature(text: &str) -> Result<Signature, CanonicalError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        key_id: String,
        alg: String,
        value: String,
    }
    let read: Strict = serde_json::from_str(text)?;
    Ok(Signature {
        key_id: read.key_id,
        alg: read.alg,
        value: read.value,
    })
}

/// The message with its signature, which covers these very bytes. `payload` is a JSON object
/// without a `signature`.
///
/// # Errors
/// When it is no such object.
pub fn sign(payload: &[u8], key: &SigningKey, binding: &Binding) -> Result<Vec<u8>, SigningError> {
    let (bytes, signed) = taken_apart(payload, binding)?;
    if signed.is_some() {
        return Err(SigningError::ReservedField(SIGNATURE_FIELD));
    }
    let signature = Signature {
        key_id: key.public().id().to_owned(),
        alg: ALGORITHM.to_owned(),
        value: BASE64.encode(&key.sign(&bytes)),
    };
    let signature = serde_json::to_vec(&signature).map_err(CanonicalError::from)?;
    // An object ends with a brace; before it the signature is put.
    let end = payload
        .iter()
        .rposition(|byte| *byte == b'}')
        .unwrap_or(payload.len());
    let (open, _) = payload.split_at(end);
    let mut message = Vec::with_capacity(payload.len() + signature.len() + 16);
    message.extend_from_slice(open);
    let is_empty = open.trim_ascii_end().ends_with(b"{");
    message.extend_from_slice(if is_empty { b"\"" } else { b",\"" });
    message.extend_from_slice(SIGNATURE_FIELD.as_bytes());
    message.extend_from_slice(b"\":");
    message.extend_from_slice(&signature);
    message.push(b'}');
    Ok(message)
}

/// Whether the message was signed by one of `keys`, for this deployment and channel.
///
/// # Errors
/// `UNSIGNED`, `UNKNOWN_KEY`, `BAD_SIGNATURE`; `DUPLICATE_FIELD` and `NOT_JSON` for a message that
/// can be read in more than one way, or in none.
pub fn verify(payload: &[u8], keys: &[PublicKey], binding: &Binding) -> Result<(), Refusal> {
    let (bytes, signature) = taken_apart(payload, binding).map_err(|error| refusal_of(&error))?;
    let signature = signature.ok_or_else(|| {
        Refusal::new(
            RefusalCode::Unsigned,
            "its sender has a key and must sign: --signing-key",
        )
    })?;
    if signature.alg != ALGORITHM {
        return Err(Refusal::new(
            RefusalCode::BadSignature,
            "the algorithm must be 'ed25519'",
        ));
    }
    let key = keys.iter().find(|key| key.id() == signature.key_id);
    let key = key.ok_or_else(|| {
        let id: String = signature.key_id.chars().take(32).collect();
        Refusal::new(
            RefusalCode::UnknownKey,
            format!("key '{id}' is none of its sender's; add it to public_keys"),
        )
    })?;
    let value = BASE64
        .decode(signature.value.as_bytes())
        .unwrap_or_default();
    if key.verifies(&bytes, &value) {
        Ok(())
    } else {
        Err(Refusal::new(
            RefusalCode::BadSignature,
            "the signature does not fit; same --deployment and --channel on both sides?",
        ))
    }
}

fn refusal_of(error: &SigningError) -> Refusal {
    let code = match error {
        SigningError::Canonical(CanonicalError::DuplicateField(_)) => RefusalCode::DuplicateField,
        SigningError::Canonical(CanonicalError::NotJson(_)) => RefusalCode::NotJson,
        SigningError::Canonical(CanonicalError::Number(_) | CanonicalError::TooDeep) => {
            RefusalCode::OutOfRange
        }
        SigningError::ReservedField(_) => RefusalCode::BadSignature,
    };
    Refusal::new(code, error.to_string())
}

/// What exactly is signed: the canonical form with `deployment` and `channel`. For verifiers in
/// other languages and their test vectors.
///
/// # Errors
/// When the message has no canonical form, or a field that signing adds.
pub fn signed_bytes(payload: &[u8], binding: &Binding) -> Result<Vec<u8>, SigningError> {
    taken_apart(payload, binding).map(|(bytes, _)| bytes)
}

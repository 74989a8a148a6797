//! Ed25519 keys as people meet them: a public key is one line of base64, a private key is a PKCS#8
//! file in PEM, as OpenSSL and Python read and write it. Files are read by `rawe-runtime`.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE64};
use ring::digest;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// Bytes of a key, public or private.
pub const KEY_BYTES: usize = 32;
/// Characters of a key's id.
const KEY_ID_LENGTH: usize = 16;
/// What stands before the 32 bytes of a private key in PKCS#8 (RFC 8410).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// Why a text is no key. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 44 characters of base64 for 32 bytes.
    #[error("it is no public key; write the line of `rawe keys`: 44 characters of base64")]
    Public,
    /// Not an unencrypted Ed25519 key in PKCS#8 and PEM.
    #[error(
        "it is no Ed25519 key in PEM (PKCS#8, not encrypted); make one with `rawe keys new` or \
         `openssl genpkey -algorithm ed25519`"
    )]
    Private,
}

/// A public key. Its id is derived from it, so that it need not be configured and cannot be wrong.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey {
    bytes: [u8; KEY_BYTES],
    id: String,
}

impl PublicKey {
    /// Reads a line of base64.
    ///
    /// # Errors
    /// When it is not 32 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = BASE64
            .decode(text.trim().as_bytes())
            .ok()
            .and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
        bytes.map(Self::from_bytes).ok_or(KeyError::Public)
    }

    fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        let hash = digest::digest(&digest::SHA256, &bytes);
        let mut id = BASE32_NOPAD.encode(hash.as_ref()).to_lowercase();
        id.truncate(KEY_ID_LENGTH);
        Self { bytes, id }
    }

    /// The first 16 characters of the base32 of the key's SHA-256, lower case.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::parse(&text)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// A private key. It is never printed; `Debug` shows the public half.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// The key of 32 random bytes.
    ///
    /// # Errors
    /// Never for 32 bytes; the library below does not promise it.
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Private)?;
        let public = <[u8; KEY_BYTES]>::try_from(pair.public_key().as_ref())
            .map_err(|_| KeyError::Private)?;
        let public = PublicKey::from_bytes(public);
        Ok(Self { pair, public })
    }

    /// Reads a PEM file's text.
    ///
    /// # Errors
    /// When it holds no unencrypted Ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let body = text
            .split_once(PEM_BEGIN)
            .and_then(|(_, rest)| rest.split_once(PEM_END))
            .map(|(body, _)| body.split_ascii_whitespace().collect::<String>())
            .ok_or(KeyError::Private)?;
        let der = BASE64
            .decode(body.as_bytes())
            .map_err(|_| KeyError::Private)?;
        let pair =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| KeyError::Private)?;
        let public = <[u8; KEY_BYTES]>::try_from(pair.public_key().as_ref())
            .map_err(|_| KeyError::Private)?;
        let public = PublicKey::from_bytes(public);
        Ok(Self { pair, public })
    }

    /// The PEM file of the key of 32 random bytes.
    pub fn pem_of_seed(seed: &[u8; KEY_BYTES]) -> String {
        let mut der = PKCS8_PREFIX.to_vec();
        der.extend_from_slice(seed);
        format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", BASE64.encode(&der))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature over `message`, 64 bytes.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public)
    }
}

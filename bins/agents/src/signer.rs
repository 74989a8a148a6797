//! Signs what an agent publishes, if it was given a key: the very bytes that leave.

use rawe_core::signing::{Binding, SigningKey, sign};

/// A key and the deployment it signs for.
#[derive(Debug)]
pub(crate) struct Signer {
    key: SigningKey,
    deployment: String,
}

impl Signer {
    /// Signs with this key for this deployment.
    pub(crate) fn new(key: SigningKey, deployment: &str) -> Self {
        Self {
            key,
            deployment: deployment.to_owned(),
        }
    }

    /// The id of its key, for the log.
    pub(crate) fn key_id(&self) -> &str {
        self.key.public().id()
    }

    /// The message with its signature for this channel or stream.
    pub(crate) fn sign(&self, payload: &[u8], channel: &str) -> anyhow::Result<Vec<u8>> {
        let binding = Binding::new(self.deployment.clone(), channel);
        Ok(sign(payload, &self.key, &binding)?)
    }
}

//! Takes keys out of texts that others wrote: nothing a server says is passed on with a key in it.

use secrecy::{ExposeSecret, SecretString};

use crate::settings::Settings;

/// The longest piece of a server's message that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 300;
/// Short words such as the exchange's `paper` are no secrets and would garble texts.
const SECRET_LENGTH_MIN: usize = 8;

/// The words that must not be passed on.
#[derive(Clone)]
pub(crate) struct Redaction([SecretString; 2]);

impl Redaction {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self([settings.key_id.clone(), settings.secret_key.clone()])
    }

    /// Cuts a text short and takes the keys out, should a server ever echo them.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            let secret = secret.expose_secret();
            if secret.len() >= SECRET_LENGTH_MIN {
                text = text.replace(secret, "[key]");
            }
        }
        text.chars().take(MESSAGE_CHARS_MAX).collect()
    }
}

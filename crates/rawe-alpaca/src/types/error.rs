//! The body of a refusal.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::lenient;

/// `{"code": 40310000, "message": "..."}`, sometimes with more fields, sometimes without a code.
///
/// The code is a catch-all at Alpaca: classify by HTTP status, then by message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Alpaca's own number, where it gave one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "lenient::integer_opt"
    )]
    pub code: Option<i64>,
    /// What is wrong, in words.
    #[serde(default, with = "lenient::null_default")]
    pub message: String,
    /// Everything else, such as `buying_power` or `held_for_orders`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ErrorBody {
    /// A refusal with a code.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            message: message.into(),
            extra: Map::new(),
        }
    }

    /// A refusal without a code, as the data API and the gateways send it.
    pub fn message(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
            extra: Map::new(),
        }
    }

    /// The refusal with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }
}

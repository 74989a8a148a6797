//! Refusals as HTTP answers: Alpaca's status and JSON body, never a bare text.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rawe_alpaca::types::ErrorBody;
use rawe_market::OrderRefusal;

/// A refusal on its way to the client.
#[derive(Debug)]
pub(crate) struct ApiRefusal {
    pub(crate) status: StatusCode,
    pub(crate) body: ErrorBody,
}

/// What every handler answers.
pub(crate) type Answer<T> = Result<T, ApiRefusal>;

impl ApiRefusal {
    /// A refusal of the trading API, with a code.
    pub(crate) fn coded(status: StatusCode, code: i64, message: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody::new(code, message),
        }
    }

    /// A refusal of the data API or of the gateway, which send only words.
    pub(crate) fn worded(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody::message(message),
        }
    }

    /// 400 of the data API.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::worded(StatusCode::BAD_REQUEST, message)
    }

    /// 422, 40010001 of the trading API.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        OrderRefusal::malformed(message).into()
    }
}

impl From<OrderRefusal> for ApiRefusal {
    fn from(refusal: OrderRefusal) -> Self {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::FORBIDDEN);
        let mut body = ErrorBody::new(i64::from(refusal.code), refusal.message);
        for (name, value) in refusal.details {
            body = body.with(name, value);
        }
        Self { status, body }
    }
}

impl IntoResponse for ApiRefusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

//! `GET` and `PATCH /v2/account/configurations`: what the owner of an account has set. Some of it
//! decides about orders; the rest is kept and told.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use rawe_market::TradingLimits;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::Caller;
use crate::refusals::{Answer, ApiRefusal};

/// The settings as they are answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Configurations {
    /// No new orders.
    suspend_trade: bool,
    /// No new shorts.
    no_shorting: bool,
    /// Fractions and dollar amounts are allowed.
    fractional_trading: bool,
    /// `1`, `2` or `4`; four counts as two here.
    max_margin_multiplier: String,
    /// `all` or `none`; no letter is ever sent.
    trade_confirm_email: String,
    /// Whether partnerships may be bought; kept only.
    ptp_no_exception_entry: bool,
    /// There is no overnight session here; kept only.
    disable_overnight_trading: bool,
    /// There are no options here; kept only.
    max_options_trading_level: u8,
}

impl Default for Configurations {
    fn default() -> Self {
        Self {
            suspend_trade: false,
            no_shorting: false,
            fractional_trading: true,
            max_margin_multiplier: "4".to_owned(),
            trade_confirm_email: "all".to_owned(),
            ptp_no_exception_entry: false,
            disable_overnight_trading: false,
            max_options_trading_level: 0,
        }
    }
}

impl Configurations {
    /// What of it decides about orders.
    pub(crate) fn limits(&self) -> TradingLimits {
        TradingLimits {
            suspended: self.suspend_trade,
            no_shorting: self.no_shorting,
            fractions: self.fractional_trading,
            margin_multiplier: self.max_margin_multiplier.parse().unwrap_or(Decimal::TWO),
        }
    }

    /// The settings with the fields of `change` in place; what is null or absent stays.
    fn changed(&self, change: &Value) -> Result<Self, String> {
        let mut fields = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let change = change.as_object().ok_or("send an object of settings")?;
        for (name, value) in change.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(field) = fields.get_mut(name) {
                *field = value.clone();
            }
        }
        let changed: Self = serde_json::from_value(fields).map_err(|error| error.to_string())?;
        if !["1", "2", "4"].contains(&changed.max_margin_multiplier.as_str()) {
            return Err("max_margin_multiplier must be 1, 2 or 4".to_owned());
        }
        if !["all", "none"].contains(&changed.trade_confirm_email.as_str()) {
            return Err("trade_confirm_email must be all or none".to_owned());
        }
        Ok(changed)
    }
}

pub(crate) async fn get(caller: Caller) -> Json<Configurations> {
    Json(caller.0.configurations().clone())
}

pub(crate) async fn patch(
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Configurations>> {
    let body = body.map_err(|rejection| ApiRefusal::malformed(rejection.body_text()))?;
    let change: Value = serde_json::from_slice(&body).map_err(|error| {
        ApiRefusal::malformed(format!("request body format is invalid: {error}"))
    })?;
    let mut configurations = caller.0.configurations();
    let changed = configurations
        .changed(&change)
        .map_err(ApiRefusal::malformed)?;
    caller.0.exchange().set_limits(changed.limits());
    *configurations = changed.clone();
    Ok(Json(changed))
}

//! Halts of single assets, the same for all accounts: by `/rawe/v1/halts` or by a fault, until an
//! instant of the market's clock or until told otherwise. What halts do to orders is the market's;
//! here they are set, and told in the log and on the stream of stocks.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use chrono::TimeDelta;
use rawe_core::{AssetClass, Timestamp};
use rawe_market::{AssetIndex, OrderRefusal};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::params::Params;
use crate::refusals::{Answer, ApiRefusal};
use crate::state::ExchangeState;

/// The longest halt, market minutes: a month.
pub(crate) const MINUTES_MAX: u32 = 31 * 24 * 60;

/// Trading in an asset was halted, or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HaltChange {
    pub(crate) at: Timestamp,
    pub(crate) asset: AssetIndex,
    pub(crate) halted: bool,
}

/// All changes since the start, in their order.
#[derive(Debug, Default)]
pub(crate) struct HaltLog {
    changes: Mutex<Vec<HaltChange>>,
    count: watch::Sender<usize>,
}

impl HaltLog {
    fn note(&self, change: HaltChange) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.push(change);
        self.count.send_replace(changes.len());
    }

    /// How many changes there are; who watches sees each new one.
    pub(crate) fn watch(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// The changes from the `first` one on.
    pub(crate) fn since(&self, first: usize) -> Vec<HaltChange> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(first..).unwrap_or_default().to_vec()
    }
}

impl ExchangeState {
    /// The class of an asset, by its symbol with or without a slash.
    pub(crate) fn class_of(&self, symbol: &str) -> Option<AssetClass> {
        Some(self.data.asset(self.data.find(symbol)?)?.class)
    }

    /// Halts trading in an asset for all accounts, until an instant or until told otherwise.
    pub(crate) fn halt(&self, asset: AssetIndex, until: Option<Timestamp>) {
        let _clock_stands = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let (was, now) = {
            let first = self.exchange();
            (first.is_halted(asset), first.now())
        };
        for account in self.accounts.all() {
            account.exchange().halt(asset, until);
        }
        if !was && self.exchange().is_halted(asset) {
            self.tell_halt(asset, until, now);
        }
    }

    /// Ends a halt for all accounts.
    pub(crate) fn resume(&self, asset: AssetIndex) {
        let _clock_stands = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let (was, now) = {
            let first = self.exchange();
            (first.is_halted(asset), first.now())
        };
        for account in self.accounts.all() {
            account.exchange().resume(asset);
        }
        if was {
            self.tell_resumed(asset, now);
        }
    }

    /// Halts an asset for so many market minutes from now.
    pub(crate) fn halt_for_minutes(&self, asset: AssetIndex, minutes: u32) {
        self.halt(asset, Some(self.now() + TimeDelta::minutes(minutes.into())));
    }

    /// Tells the halts that the clock has ended: those `before` it moved and not any more.
    pub(crate) fn tell_ended_halts(&self, before: &[(AssetIndex, Option<Timestamp>)]) {
        for (asset, until) in before {
            let over = !self.exchange().is_halted(*asset);
            if let Some(until) = until.filter(|_| over) {
                self.tell_resumed(*asset, until);
            }
        }
    }

    fn symbol_of(&self, asset: AssetIndex) -> String {
        let asset = self.data.asset(asset);
        asset.map_or_else(String::new, |asset| asset.symbol.to_string())
    }

    fn tell_halt(&self, asset: AssetIndex, until: Option<Timestamp>, at: Timestamp) {
        self.halts.note(HaltChange {
            at,
            asset,
            halted: true,
        });
        let symbol = self.symbol_of(asset);
        let how_long = until.map_or_else(String::new, |until| {
            format!(" until {}", until.format("%Y-%m-%d %H:%M"))
        });
        tracing::info!(
            event = "asset_halted",
            asset = symbol,
            until = until.map(|until| until.to_rfc3339()),
            market_time = %at.to_rfc3339(),
            "trading in {symbol} is halted{how_long}: orders are taken, and wait"
        );
    }

    fn tell_resumed(&self, asset: AssetIndex, at: Timestamp) {
        self.halts.note(HaltChange {
            at,
            asset,
            halted: false,
        });
        let symbol = self.symbol_of(asset);
        tracing::info!(
            event = "asset_resumed",
            asset = symbol,
            market_time = %at.to_rfc3339(),
            "trading in {symbol} goes on"
        );
    }
}

/// A halt, as it is listed.
#[derive(Debug, Serialize)]
pub(crate) struct HaltView {
    symbol: String,
    /// Its end by the market's clock; none: until it is ended.
    until: Option<Timestamp>,
}

/// What to halt, and for how many market minutes; without them, until it is ended.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HaltRequest {
    symbol: String,
    minutes: Option<u32>,
}

fn listed(state: &ExchangeState) -> Json<Vec<HaltView>> {
    let exchange = state.exchange();
    let view = |(asset, until)| HaltView {
        symbol: state.symbol_of(asset),
        until,
    };
    Json(exchange.halts().map(view).collect())
}

fn find(state: &ExchangeState, symbol: &str) -> Answer<AssetIndex> {
    let found = state.data.find(symbol);
    found.ok_or_else(|| OrderRefusal::not_found(format!("asset not found for {symbol:.40}")).into())
}

pub(crate) async fn list(State(state): State<Arc<ExchangeState>>) -> Json<Vec<HaltView>> {
    listed(&state)
}

pub(crate) async fn begin(
    State(state): State<Arc<ExchangeState>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<Vec<HaltView>>> {
    let unreadable = |reason: String| {
        ApiRefusal::malformed(format!(
            "send {{\"symbol\": \"AAPL\", \"minutes\": 60}}, without minutes for good: {reason}"
        ))
    };
    let body = body.map_err(|rejection| unreadable(rejection.body_text()))?;
    let request: HaltRequest =
        serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
    let asset = find(&state, &request.symbol)?;
    match request.minutes {
        None => state.halt(asset, None),
        Some(minutes @ 1..=MINUTES_MAX) => state.halt_for_minutes(asset, minutes),
        Some(_) => {
            return Err(unreadable(format!(
                "minutes must be between 1 and {MINUTES_MAX}"
            )));
        }
    }
    Ok(listed(&state))
}

/// Ends the halt of `?symbol=`, or all.
pub(crate) async fn end(
    State(state): State<Arc<ExchangeState>>,
    params: Params,
) -> Answer<Json<Vec<HaltView>>> {
    let ended: Vec<AssetIndex> = match params.text("symbol") {
        Some(symbol) => vec![find(&state, symbol)?],
        None => state.exchange().halts().map(|(asset, _)| asset).collect(),
    };
    for asset in ended {
        state.resume(asset);
    }
    Ok(listed(&state))
}

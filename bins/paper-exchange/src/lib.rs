//! A local, Alpaca-compatible exchange over a simulated market.
//!
//! Serves Alpaca's trading and market data API (the subset that the collective and usual clients
//! need) for one paper account, on a virtual clock that never shows the future: a bar is served
//! when it has ended, a news item when it was first seen. The rules of the market are in
//! `rawe-market`, the wire types in `rawe-alpaca`, reading and generating data in `rawe-feed`.
//! Order updates come over a socket, and on demand the exchange misbehaves ([`FaultPlan`]). There
//! are no data streams, complex orders, replacing of orders or extended hours.

mod account_routes;
mod admin_routes;
mod args;
mod data_routes;
mod faults;
mod load;
mod news_store;
mod order_request;
mod order_routes;
mod pacing;
mod params;
mod position_routes;
mod refusals;
mod server;
mod state;
mod stream;
mod views;

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use admin_routes::{Book, ClockAnswer, FillView, MarketDescription};
pub use args::{ExchangeArgs, LISTEN_DEFAULT, SEED_DEFAULT, Settings, Source, WARMUP_DAYS_DEFAULT};
pub use faults::{
    FaultCounts, FaultKind, FaultPlan, FaultReport, FaultRule, Milliseconds, Rest, RuleReport,
};
pub use load::load_world;
pub use news_store::NewsStore;
pub use server::serve;
pub use state::{ExchangeState, Keys, Pacing, World};

/// The whole of the process: check the settings, load the market, serve until `shutdown`.
///
/// # Errors
/// [`rawe_runtime::ConfigProblems`] for bad settings; anything that keeps the exchange from
/// starting or serving.
pub async fn run(args: ExchangeArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let settings = args.settings()?;
    if args.check_config {
        tracing::info!(event = "config_checked", "the configuration is good");
        return Ok(());
    }
    let listener = TcpListener::bind(&settings.listen).await.with_context(|| {
        format!(
            "listening on {}; is another exchange running there?",
            settings.listen
        )
    })?;
    let loading = settings.clone();
    let world = tokio::task::spawn_blocking(move || load_world(&loading))
        .await
        .context("loading the market")??;
    let state = ExchangeState::new(world, settings.exchange, settings.keys, settings.pacing);
    let state = state.with_faults(settings.faults);
    serve(listener, Arc::new(state), shutdown).await
}

//! A local, Alpaca-compatible exchange over a simulated market.
//!
//! Serves Alpaca's trading and market data API, by REST and by websocket, for one or more paper
//! accounts, on a virtual clock that never shows the future: a bar is served when it has ended, a
//! news item when it was first seen. The rules of the market are in `rawe-market`, the wire types
//! in `rawe-alpaca`, reading and generating data in `rawe-feed`. On demand the exchange misbehaves
//! ([`FaultPlan`]).

mod account;
mod account_routes;
mod activities;
mod admin_routes;
mod args;
mod asked;
mod bar_windows;
mod clock_routes;
mod codec;
mod configurations;
mod data_feed;
mod data_routes;
mod data_stream;
mod faults;
mod frames;
mod halts;
mod load;
mod news_store;
mod order_listing;
mod order_request;
mod order_routes;
mod pacing;
mod params;
mod portfolio;
mod position_routes;
mod rate_limit;
mod refusals;
mod saved;
mod seats;
mod server;
mod state;
mod stream;
mod tick_routes;
mod ticks;
mod views;
mod watchlists;

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use account::Keys;
pub use admin_routes::{Book, FillView, MarketDescription};
pub use args::{ExchangeArgs, LISTEN_DEFAULT, SEED_DEFAULT, Settings, Source, WARMUP_DAYS_DEFAULT};
pub use clock_routes::ClockAnswer;
pub use faults::{
    FaultCounts, FaultKind, FaultPlan, FaultReport, FaultRule, Milliseconds, Rest, RuleReport,
};
pub use load::load_world;
pub use news_store::NewsStore;
pub use server::serve;
pub use state::{ExchangeState, OtherAccount, Pacing, World};

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
    let state = ExchangeState::with_accounts(
        world,
        settings.exchange,
        settings.keys,
        &settings.accounts,
        settings.requests_per_minute,
        settings.pacing,
    );
    let state = Arc::new(state.with_faults(settings.faults));
    if let Some(path) = &settings.state {
        state.restore_file(path)?;
    }
    let served = serve(listener, Arc::clone(&state), shutdown).await;
    if let Some(path) = &settings.state {
        state.save_file(path)?;
    }
    served
}

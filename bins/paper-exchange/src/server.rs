//! The HTTP server: routes, keys, limits.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Caller, unauthorized};
use crate::faults::{self, FaultyListener, Line};
use crate::refusals::ApiRefusal;
use crate::state::ExchangeState;
use crate::{
    account_routes, activities, admin_routes, clock_routes, configurations, data_routes,
    data_stream, halts, order_listing, order_routes, pacing, portfolio, position_routes,
    rate_limit, saved, stream, tick_routes, watchlists,
};

/// Largest request body, bytes: an order is a few hundred.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest saved state, bytes.
const STATE_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Serves until `shutdown` is cancelled. Answers that are under way are finished.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    state: Arc<ExchangeState>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener
        .local_addr()
        .context("asking which address is bound")?;
    tracing::info!(
        event = "exchange_listening",
        address = %address,
        now = %state.now().to_rfc3339(),
        end = %state.end.to_rfc3339(),
        assets = state.data.assets().count(),
        bars = state.data.bar_count(),
        news = state.news.len(),
        "the paper exchange listens on http://{address}"
    );
    let clock = pacing::start(Arc::clone(&state), shutdown.clone());
    let sockets = state.shutdown.clone();
    let server_shutdown = shutdown.clone();
    let service = router(state).into_make_service_with_connect_info::<Line>();
    let served = axum::serve(FaultyListener(listener), service)
        .with_graceful_shutdown(async move {
            server_shutdown.cancelled().await;
            sockets.cancel();
        })
        .await
        .context("serving the exchange");
    shutdown.cancel();
    clock.await.context("ending the exchange's clock")?;
    served
}

/// All routes.
pub(crate) fn router(state: Arc<ExchangeState>) -> Router {
    let keyed = trading_routes()
        .merge(watchlist_routes())
        .merge(market_data_routes())
        .layer(middleware::from_fn(rate_limit::limit))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state),
            check_keys,
        ))
        .route("/stream", get(stream::open))
        .route("/v2/{feed}", get(data_stream::stocks))
        .route("/v1beta3/crypto/{location}", get(data_stream::crypto))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state),
            faults::inject,
        ));
    Router::new()
        .route("/rawe/v1/health", get(admin_routes::health))
        .route("/rawe/v1/market", get(admin_routes::market))
        .route("/rawe/v1/clock", post(clock_routes::set_clock))
        .route(
            "/rawe/v1/state",
            get(saved::get)
                .post(saved::post)
                .layer(DefaultBodyLimit::max(STATE_BYTES_MAX)),
        )
        .route("/rawe/v1/book", get(admin_routes::book))
        .route(
            "/rawe/v1/faults",
            get(faults::report).post(faults::set).delete(faults::clear),
        )
        .route(
            "/rawe/v1/halts",
            get(halts::list).post(halts::begin).delete(halts::end),
        )
        .merge(keyed)
        .fallback(no_such_endpoint)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

fn trading_routes() -> Router<Arc<ExchangeState>> {
    Router::new()
        .route("/v2/account", get(account_routes::account))
        .route(
            "/v2/account/configurations",
            get(configurations::get).patch(configurations::patch),
        )
        .route("/v2/account/activities", get(activities::list))
        .route("/v2/account/activities/{kind}", get(activities::of_kind))
        .route("/v2/account/portfolio/history", get(portfolio::history))
        .route("/v2/clock", get(account_routes::clock))
        .route("/v2/calendar", get(account_routes::calendar))
        .route("/v2/assets", get(account_routes::assets))
        // The rest of the path: some clients do not escape the slash of a pair.
        .route("/v2/assets/{*symbol}", get(account_routes::asset))
        .route(
            "/v2/orders",
            post(order_routes::create)
                .get(order_listing::list)
                .delete(order_routes::cancel_all),
        )
        .route(
            "/v2/orders/{id}",
            get(order_routes::get_one)
                .patch(order_routes::replace)
                .delete(order_routes::cancel),
        )
        .route(
            "/v2/orders:by_client_order_id",
            get(order_routes::get_by_client_id),
        )
        .route(
            "/v2/positions",
            get(position_routes::list).delete(position_routes::close_all),
        )
        .route(
            "/v2/positions/{symbol}",
            get(position_routes::get_one).delete(position_routes::close),
        )
}

/// The symbols of each are in its query, or, of stocks, one in its path ([`crate::asked`]).
fn market_data_routes() -> Router<Arc<ExchangeState>> {
    let mut router = Router::new().route("/v1beta1/news", get(data_routes::news));
    let stocks = ["/v2/stocks", "/v2/stocks/{symbol}"];
    for base in stocks {
        router = router
            .route(
                &format!("{base}/bars/latest"),
                get(data_routes::latest_bars),
            )
            .route(
                &format!("{base}/trades/latest"),
                get(tick_routes::latest_trades),
            )
            .route(
                &format!("{base}/quotes/latest"),
                get(tick_routes::latest_quotes),
            );
    }
    let crypto = "/v1beta3/crypto/{location}";
    for base in stocks.into_iter().chain([crypto]) {
        router = router
            .route(&format!("{base}/bars"), get(data_routes::bars))
            .route(&format!("{base}/trades"), get(tick_routes::trades))
            .route(&format!("{base}/quotes"), get(tick_routes::quotes));
    }
    let path = |rest: &str| format!("{crypto}/latest/{rest}");
    router
        .route(&path("bars"), get(data_routes::latest_bars))
        .route(&path("trades"), get(tick_routes::latest_trades))
        .route(&path("quotes"), get(tick_routes::latest_quotes))
        .route(&path("orderbooks"), get(tick_routes::latest_books))
        .route(&format!("{crypto}/snapshots"), get(tick_routes::snapshots))
        .route("/v2/stocks/snapshots", get(tick_routes::snapshots))
        .route("/v2/stocks/{symbol}/snapshot", get(tick_routes::snapshots))
}

fn watchlist_routes() -> Router<Arc<ExchangeState>> {
    let named = || {
        get(watchlists::get_one)
            .put(watchlists::update)
            .post(watchlists::add_asset)
            .delete(watchlists::delete)
    };
    Router::new()
        .route(
            "/v2/watchlists",
            get(watchlists::list_all).post(watchlists::create),
        )
        .route("/v2/watchlists/{id}", named())
        .route("/v2/watchlists:by_name", named())
        // The rest of the path, for a pair with its slash.
        .route(
            "/v2/watchlists/{id}/{*symbol}",
            delete(watchlists::remove_asset),
        )
}

/// Lets a request through if it carries the keys.
async fn check_keys(
    State(state): State<Arc<ExchangeState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(account) = account_of(&state, &request) else {
        // Streams of market data may send their keys later.
        let opens = request.uri().path() == "/v1beta1/news" && is_upgrade(&request);
        return if opens {
            next.run(request).await
        } else {
            unauthorized().into_response()
        };
    };
    request.extensions_mut().insert(Caller(account));
    next.run(request).await
}

fn account_of(state: &ExchangeState, request: &Request) -> Option<Arc<Account>> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value.map_or(&b""[..], |value| value.as_bytes())
    };
    let (key_id, secret_key) = (header("APCA-API-KEY-ID"), header("APCA-API-SECRET-KEY"));
    state.accounts.by_keys(key_id, secret_key).cloned()
}

fn is_upgrade(request: &Request) -> bool {
    request.headers().contains_key("sec-websocket-key")
}

async fn no_such_endpoint() -> ApiRefusal {
    ApiRefusal::worded(StatusCode::NOT_FOUND, "endpoint not found.")
}

async fn no_such_method() -> ApiRefusal {
    ApiRefusal::worded(StatusCode::METHOD_NOT_ALLOWED, "method not allowed.")
}

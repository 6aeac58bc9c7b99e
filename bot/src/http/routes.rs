//! The routes.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{auth, download};
use crate::app::App;

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP server cannot listen on {address}: {why}")]
pub struct ServeError {
    address: SocketAddr,
    why: std::io::Error,
}

/// What answers that were begun may take when the process ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Binds at once, serves in the background until `stop`; gives the address it got (port 0 asks for any).
pub async fn serve(
    app: Arc<App>,
    address: SocketAddr,
    stop: CancellationToken,
) -> Result<SocketAddr, ServeError> {
    let listener = TcpListener::bind(address).await.map_err(|why| ServeError { address, why })?;
    let bound = listener.local_addr().map_err(|why| ServeError { address, why })?;
    let router = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/debug/config", get(config))
        .route("/bundles/{guild}/{session}", get(download::bundle))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(app.clone());
    app.tasks().spawn(async move {
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        let over = async {
            stop.cancelled().await;
            tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
        };
        tokio::select! {
            served = serving => if let Err(error) = served {
                tracing::error!(%error, "the HTTP server stopped");
            },
            // A client that reads nothing of an answer does not keep the process.
            () = over => tracing::info!("stopped while a client was still reading"),
        }
    });
    tracing::info!(address = %bound, "serving /health, /ready and /metrics");
    Ok(bound)
}

/// Alive, and what was found last of each part. Always 200 while the process can answer, and at once.
async fn health(State(app): State<Arc<App>>) -> Response {
    Json(app.health()).into_response()
}

/// 200 when every part that work depends on can be reached, else 503 with what cannot.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let health = app.readiness().await;
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.metrics().render()).into_response()
}

async fn config(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if let Err(refused) = auth::check(&headers, app.settings().admin_token.as_ref()) {
        return refused.into_response();
    }
    Json(app.shown_settings()).into_response()
}

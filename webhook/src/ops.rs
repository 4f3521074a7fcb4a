//! How the process is doing: health, readiness and metrics, for a plain port that only the cluster reaches.

use axum::Router;
use axum::extract;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::State;
use crate::readiness::Readiness;

/// The type of the text that Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The router of the plain port.
pub fn ops(state: State, readiness: Readiness) -> Router {
    let ready = async move || {
        let missing = readiness.missing().await;
        if missing.is_empty() {
            (StatusCode::OK, "ready\n".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
        }
    };
    Router::new()
        // Alive is who answers: a restart helps neither a missing API server nor a bad Policy.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .layer(map_response(close))
        .with_state(state)
}

async fn metrics(extract::State(state): extract::State<State>) -> Response {
    match state.metrics().text() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Asks the client to go. Places on the port are few, and one that keeps connections would take them from the kubelet, which
/// kills a process whose liveness it cannot ask for.
async fn close(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

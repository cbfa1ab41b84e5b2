//! `GET /api/me`: who is calling, as the token says.

use std::time::UNIX_EPOCH;

use axum::{Json, Router, response::IntoResponse, routing::get};
use donjon::Principal;
use serde::Serialize;

#[derive(Serialize)]
struct Me<'a> {
    username: Option<&'a str>,
    scopes: Vec<&'a str>,
    /// When the token ends, in seconds since 1970.
    expires_at: Option<u64>,
}

pub(crate) fn routes() -> Router {
    Router::new().route("/api/me", get(me))
}

/// Runs only for a caller with a good token: without one the layer has answered already.
async fn me(caller: Principal) -> impl IntoResponse {
    let expires_at = caller.expires_at().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs());
    Json(Me { username: caller.subject(), scopes: caller.scopes().collect(), expires_at }).into_response()
}

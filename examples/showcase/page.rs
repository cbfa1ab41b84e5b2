//! `GET /` and `/assets/...`: the page and all that it is made of, from within the binary.

use axum::{
    Router,
    response::{Html, IntoResponse},
    routing::get,
};
use donjon::conditional_cache::{Assets, AssetsError};
use http::header;

/// What a page may load: what this server itself gives, and no script or style within the markup.
pub(crate) const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                       base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Name and content of each asset.
const ASSETS: [(&str, &str); 8] = [
    ("app.js", include_str!("page/app.js")),
    ("chat.js", include_str!("page/chat.js")),
    ("failures.js", include_str!("page/failures.js")),
    ("exchange.js", include_str!("page/exchange.js")),
    ("session.js", include_str!("page/session.js")),
    ("icon.svg", include_str!("page/icon.svg")),
    ("style.css", include_str!("page/style.css")),
    ("upstream.js", include_str!("page/upstream.js")),
];

/// Under plain URLs, and under hashed ones that the links of the pages are led to.
pub(crate) fn assets() -> Result<Assets, AssetsError> {
    Assets::builder().embedded(ASSETS).build()
}

pub(crate) fn routes(assets: &Assets) -> Router {
    Router::new().route("/", get(index)).nest_service("/assets", assets.service())
}

async fn index() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, CSP)], Html(include_str!("page/index.html")))
}

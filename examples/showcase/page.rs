//! `GET /` and `/assets/...`: the page and all that it is made of, from within the binary.

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    response::{Html, IntoResponse},
    routing::get,
};
use donjon::Problem;
use http::{StatusCode, header};

use crate::problems;

/// What a page may load: what this server itself gives, and no script or style within the markup.
pub(crate) const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                       base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, media type and content of each asset.
const ASSETS: [(&str, &str, &str); 6] = [
    ("app.js", JAVASCRIPT, include_str!("page/app.js")),
    ("chat.js", JAVASCRIPT, include_str!("page/chat.js")),
    ("exchange.js", JAVASCRIPT, include_str!("page/exchange.js")),
    ("session.js", JAVASCRIPT, include_str!("page/session.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
];

pub(crate) fn routes() -> Router {
    Router::new().route("/", get(index)).route("/assets/{name}", get(asset))
}

async fn index() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, CSP)], Html(include_str!("page/index.html")))
}

async fn asset(name: Result<Path<String>, PathRejection>) -> Result<impl IntoResponse, Problem> {
    let Path(name) = name.map_err(problems::no_such_name)?;
    let found = ASSETS.into_iter().find(|(known, ..)| *known == name);
    let (_, media_type, content) = found.ok_or_else(|| problems::bare(StatusCode::NOT_FOUND))?;
    Ok(([(header::CONTENT_TYPE, media_type)], content))
}

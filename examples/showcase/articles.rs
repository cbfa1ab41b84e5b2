//! `GET /api/articles`: for everybody, and a little more for who is logged in.

use axum::{Json, Router, response::IntoResponse, routing::get};
use donjon::Principal;
use http::header;
use serde::Serialize;

#[derive(Serialize)]
struct Articles<'a> {
    /// Who reads; `null` for a stranger.
    reader: Option<&'a str>,
    articles: &'static [Article],
}

#[derive(Serialize)]
struct Article {
    id: u32,
    title: &'static str,
    summary: &'static str,
}

/// The last is for members.
const ARTICLES: [Article; 4] = [
    Article { id: 1, title: "On gates", summary: "Whoever asks for nothing special should pass without being slowed." },
    Article { id: 2, title: "On memory", summary: "What has not changed need not be told again." },
    Article {
        id: 3,
        title: "On falling",
        summary: "Say that it went wrong, say whether to try again, and keep the rest to yourself.",
    },
    Article { id: 4, title: "On keys", summary: "A key that never ends is a door. Only members read this one." },
];

pub(crate) fn routes() -> Router {
    Router::new().route("/api/articles", get(list))
}

async fn list(reader: Option<Principal>) -> impl IntoResponse {
    let open = ARTICLES.split_last().map_or(&ARTICLES[..], |(_, open)| open);
    let articles = if reader.is_some() { &ARTICLES[..] } else { open };
    let shown = Articles { reader: reader.as_ref().and_then(Principal::subject), articles };
    // Who reads decides what there is to read. Who may keep it is the policy's business.
    ([(header::VARY, "authorization, cookie")], Json(shown)).into_response()
}

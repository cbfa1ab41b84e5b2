//! The whole stack in one server, with a page to try it: `cargo run --example showcase --features full`.
//!
//! It needs no configuration, file or other server. Where to read:
//!
//! | room | what it shows |
//! |---|---|
//! | `main` | the stack: which layer stands around what |
//! | `server` | the connections, and how long each may keep us waiting |
//! | `login` | issuing a token; password hashing that blocks nobody |
//! | `me`, `articles` | who is calling; private answers with an entity tag |
//! | `failures` | errors of plain tower services, mapped |
//! | `upstream` | a gateway: retries, a circuit breaker, and what its client is told |
//! | `faulty` | the servers that both of them ask |
//! | `chat` | a WebSocket room |
//! | `gallery`, `page` | what the browser is given |

mod articles;
mod chat;
mod failures;
mod faulty;
mod gallery;
mod login;
mod me;
mod options;
mod page;
mod problems;
mod server;
#[path = "../stop.rs"]
mod stop;
mod upstream;

use std::{
    env,
    error::Error,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use axum::{Router, middleware::map_response, response::Response};
use donjon::{
    conditional_cache::{CacheControl, CachePolicy, CacheRule, ConditionalCacheLayer, PolicyError},
    error_mapping::ErrorMappingLayer,
    lazy_images::LazyImagesLayer,
    token_auth::{TokenAuthLayer, TokenSource},
    ws_upgrade::{CloseCode, CloseFrame, Drain},
};
use futures_util::future;
use http::{HeaderValue, StatusCode, header};
use tokio::{net::TcpListener, sync::watch};
use tower::{ServiceBuilder, timeout::TimeoutLayer};

use crate::{login::Login, options::Options};

/// How long one request may take, its body included. A WebSocket is answered at once and may stay as long as its token is good.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long open requests and sockets are given when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(code) => return code,
    };
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).init();
    match serve(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("showcase: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let drain = Drain::new();
    let app = app(&drain).await?;
    let listener =
        TcpListener::bind(&options.listen).await.map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    // Nobody has to read it.
    let _ = writeln!(
        io::stdout(),
        "The showcase is at http://{}\nLog in as demo with the password demo. Ctrl-C stops it.",
        listener.local_addr()?,
    );

    let (stopping, stopped) = watch::channel(false);
    let until_stopped = |mut stopped: watch::Receiver<bool>| async move { drop(stopped.wait_for(|stopped| *stopped).await) };

    let serving = server::serve(listener, app, until_stopped(stopped.clone()));
    // The server knows no more of a connection that became a WebSocket.
    let closing_sockets = async {
        until_stopped(stopped).await;
        drain.start(CloseFrame::new(CloseCode::GOING_AWAY, "the server is stopping"), Duration::ZERO);
        drain.finished().await;
    };
    let deadline = async {
        stop::told_to_stop().await;
        stopping.send_replace(true);
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        _finished = future::join(serving, closing_sockets) => {}
        () = deadline => {}
    }
    Ok(())
}

/// The stack, outermost first: ErrorMapping → TokenAuth → ConditionalCache → LazyImages → app and WsUpgrade routes.
async fn app(drain: &Drain) -> Result<Router, Box<dyn Error>> {
    let login = Login::new()?;
    let auth = TokenAuthLayer::new(login.verifier()?)
        // The browser sends the cookie also where the page has sent a token.
        .source(TokenSource::cookie(login::COOKIE).ambient())
        .source(TokenSource::websocket_subprotocol());
    let cache = ConditionalCacheLayer::new().policy(cache_policy()?);

    // For everybody; a token is not even looked at.
    // The icon at the top, and a row of the gallery on a wide screen.
    let assets = page::assets()?;
    let lazy = LazyImagesLayer::new().eager(5).asset_urls(assets.clone());
    let pages = Router::new().merge(page::routes(&assets)).merge(gallery::routes()).layer(lazy);
    let public = pages.merge(login::routes(login)).layer(cache.clone());
    // For everybody; but who shows a token shows a good one.
    let open = Router::new()
        .merge(articles::routes())
        .merge(failures::routes().await?)
        .merge(upstream::routes().await?)
        .layer(cache.clone())
        .layer(auth.clone().allow_anonymous());
    // For who is logged in.
    let closed = Router::new().merge(me::routes()).merge(chat::routes(drain)?).layer(cache).layer(auth);

    Ok(Router::new()
        .merge(public)
        .merge(open)
        .merge(closed)
        .fallback(|| async { problems::bare(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async { problems::bare(StatusCode::METHOD_NOT_ALLOWED) })
        // Tower's own timeout, no adapter between: its error is mapped like any other.
        .layer(ServiceBuilder::new().layer(ErrorMappingLayer::new()).layer(TimeoutLayer::new(PATIENCE)))
        .layer(map_response(harden)))
}

/// Who may keep what for how long; of the rest the policy's own defaults speak: pages are revalidated, errors not stored, and what a
/// principal is told stays private.
fn cache_policy() -> Result<CachePolicy, PolicyError> {
    let day = CacheControl::new().with_public().with_max_age(Duration::from_secs(24 * 60 * 60));
    CachePolicy::builder()
        .rule(CacheRule::new(CacheControl::new().with_private().with_no_cache()).path("/api/**"))
        .rule(CacheRule::new(day).path("/gallery/images/*"))
        .build()
}

/// What every answer says, whoever made it.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

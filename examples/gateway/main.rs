//! A streaming reverse proxy with donjon's layers around it:
//! `cargo run --example gateway --features full -- --listen 127.0.0.1:8080 --upstream http://127.0.0.1:3000`.
//!
//! | room | what it does |
//! |---|---|
//! | `main` | the stack: which layer stands around what |
//! | `server` | the connections of clients, and how long each may keep us waiting |
//! | `client` | who asks, and by which connection |
//! | `admit` | one form for every request target, and what is not let in |
//! | `upstreams` | retries and the circuit breaker around that, and how long an answer may fall silent |
//! | `proxy` | asking the upstream: streaming, timeouts, failures as errors |
//! | `message` | rewriting a request on its way there and a response on its way back |
//! | `hop_by_hop`, `via`, `forwarded`, `max_forwards`, `upstream` | the fields and rules of that, one by one |
//! | `expectation`, `interim` | `100-continue` and other interim responses, from end to end |
//! | `tunnel` | WebSockets |
//! | `patience`, `stall`, `timer`, `seldom`, `quiet`, `stream` | how long anybody may be silent, or deaf, and how seldom that has to be looked at |

mod admit;
mod client;
mod expectation;
mod forwarded;
mod hop_by_hop;
mod interim;
mod max_forwards;
mod message;
mod options;
mod patience;
mod proxy;
mod quiet;
mod seldom;
mod server;
mod stall;
#[path = "../stop.rs"]
mod stop;
mod stream;
mod timer;
mod tunnel;
mod upstream;
mod upstreams;
mod via;

use std::{
    convert::Infallible,
    env,
    error::Error,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use bytes::Bytes;
use donjon::{
    conditional_cache::shared::{CacheName, CacheStatus, SharedCacheLayer},
    error_mapping::{ErrorMappingLayer, ProxyStatus, Role, UpstreamProxyStatus},
};
use http::{Request, Response};
use http_body::Body;
use tokio::{net::TcpListener, sync::oneshot};
use tower::{BoxError, Service, ServiceBuilder};

use crate::{
    admit::AdmissionLayer, client::ClientBody, options::Options, proxy::Proxy, tunnel::Tunnels, upstreams::Upstreams,
    via::Pseudonym,
};

/// How long open requests and WebSockets are given when the gateway stops.
const FAREWELL: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(code) => return code,
    };
    tracing_subscriber::fmt().with_max_level(options.log).with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).init();
    match serve(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let tunnels = Tunnels::new(options.tunnels);
    let us = Pseudonym::new(rand::random());
    // As in `Via`, and in `Proxy-Status` too: of two gateways in a row each is known by its own name.
    let cache_name = CacheName::new(us.as_str())?;
    // What the upstream says of itself passes, with what we have seen of it.
    let proxy_status = ProxyStatus::new(us.as_str())?.upstream(UpstreamProxyStatus::Extend);
    let upstreams = Upstreams::new(options, Proxy::new(options, us.clone(), tunnels.clone()));
    let gate = ServiceBuilder::new()
        .layer(ErrorMappingLayer::new().role(Role::Gateway).proxy_status(proxy_status))
        .layer(AdmissionLayer::new(us));
    match options.profile {
        None => listen(options, gate.service(upstreams), &tunnels).await,
        Some(profile) => {
            let cache = SharedCacheLayer::new().profile(profile).cache_status(CacheStatus::Detailed).cache_name(cache_name);
            listen(options, gate.layer(cache).service(upstreams), &tunnels).await
        }
    }
}

async fn listen<S, B>(options: &Options, app: S, tunnels: &Tunnels) -> Result<(), Box<dyn Error>>
where
    S: Service<Request<ClientBody>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener =
        TcpListener::bind(&options.listen).await.map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    // Nobody has to read it.
    let _ = writeln!(io::stdout(), "The gateway is at http://{}", listener.local_addr()?);

    let (stopping, stopped) = oneshot::channel::<()>();
    let farewell = async {
        server::serve(listener, app, options.patience, async { drop(stopped.await) }).await;
        tunnels.ended().await;
    };
    let deadline = async {
        stop::told_to_stop().await;
        drop(stopping);
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = farewell => {}
        () = deadline => {}
    }
    Ok(())
}

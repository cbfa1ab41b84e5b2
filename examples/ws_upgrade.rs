//! A chat with rooms, tokens and an orderly end: `cargo run --example ws_upgrade --features ws-upgrade-json,token-auth,aws-lc-rs,axum`,
//! then open the printed URL in two tabs; `#name` behind it is another room.
//!
//! A socket is opened with a token of two minutes, carried in the subprotocol offer, and closed with it unless the page sends a new one.
//! Ctrl-C sends everybody home with 1012. `--listen ADDR` changes the address.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Html,
    routing::{any, get, post},
};
use donjon::{
    Principal,
    token_auth::{Crypto, Grant, JwtVerifier, SigningKey, TokenAuthLayer, TokenIssuer, TokenSource, Verdict, VerifyToken as _},
    ws_upgrade::{
        Admission, CloseCode, CloseFrame, Drain, IntoCloseFrame, Json, Limits, Message, Rate, Rooms, TypedSocket, WsAccept,
        WsHandle, WsHandshake, WsUpgradeLayer,
    },
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Chat {
    rooms: Rooms,
    issuer: TokenIssuer,
    verifier: Arc<JwtVerifier>,
}

/// What a page sends: `{"say": {"text": "..."}}`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Heard {
    Say { text: String },
    Renew { token: String },
}

/// What a page is sent.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Told<'a> {
    Said { by: &'a str, text: &'a str },
    Here { count: usize },
    Expiring {},
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(listen_address()?).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let issuer = TokenIssuer::builder(SigningKey::generate_ed25519()?).issuer(&*url).audience(&*url).crypto(Crypto::AwsLcRs);
    let issuer = issuer.lifetime(Duration::from_secs(120)).build()?;
    let verifier = Arc::new(issuer.verifier().build()?);
    let auth = TokenAuthLayer::new(Arc::clone(&verifier)).only_sources([TokenSource::websocket_subprotocol()]);

    let drain = Drain::new();
    let sockets = WsUpgradeLayer::builder()
        .subprotocols(["chat"])
        .limits(Limits::default().max_message_size(16 * 1024).message_rate(Rate::per_second(5).burst(20)))
        .admission(Admission::unlimited().max_sockets(1000).max_per_user(4))
        .drain(&drain)
        .build()?;
    let app = Router::new()
        .route("/rooms/{room}", any(join))
        .layer(sockets)
        .layer(auth)
        .route("/token", post(token))
        .route("/", get(|| async { Html(PAGE) }))
        .with_state(Chat { rooms: Rooms::new(), issuer, verifier });

    println!("{url}");
    let stopped = {
        let drain = drain.clone();
        async move {
            let _ = tokio::signal::ctrl_c().await;
            drain.start(CloseFrame::new(CloseCode::RESTART, "back soon"), Duration::from_secs(1));
        }
    };
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    if tokio::time::timeout(Duration::from_secs(10), drain.finished()).await.is_err() {
        eprintln!("{} sockets are left behind", drain.sockets());
    }
    Ok(())
}

/// A token for whoever says a name; an app of your own would want more than that.
async fn token(State(chat): State<Chat>, name: String) -> Result<String, StatusCode> {
    let issued = chat.issuer.issue(&Grant::new(name)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(issued.access_token().to_owned())
}

/// Reached only by handshakes that both layers found good.
async fn join(State(chat): State<Chat>, Path(room): Path<String>, handshake: WsHandshake) -> WsAccept {
    handshake.accept(move |socket| async move {
        let mut socket = socket.typed::<Heard, Told<'_>, _>(Json);
        if let Err(goodbye) = chat.attend(&room, &mut socket).await {
            socket.close(goodbye).await;
        }
    })
}

impl Chat {
    async fn attend(&self, room: &str, socket: &mut TypedSocket<Heard, Told<'static>, Json>) -> Result<(), CloseFrame> {
        let handle = socket.handle();
        let member = self.rooms.join(room, &handle);
        self.tell(room, Told::Here { count: self.rooms.members(room) }).await;
        let mut warned = false;
        loop {
            tokio::select! {
                heard = socket.recv() => match heard {
                    Some(Ok(Heard::Say { text })) => {
                        let principal = handle.principal();
                        let by = principal.as_ref().and_then(Principal::subject).unwrap_or("somebody");
                        self.tell(room, Told::Said { by, text: &text }).await;
                    }
                    Some(Ok(Heard::Renew { token })) => {
                        self.renew(&handle, &token).await?;
                        warned = false;
                    }
                    Some(Err(error)) => return Err(error.into_close_frame()),
                    None => break,
                },
                () = handle.expiring(), if !warned => {
                    warned = true;
                    socket.send(&Told::Expiring {}).await.map_err(IntoCloseFrame::into_close_frame)?;
                }
            }
        }
        member.leave();
        self.tell(room, Told::Here { count: self.rooms.members(room) }).await;
        Ok(())
    }

    async fn renew(&self, handle: &WsHandle, token: &str) -> Result<(), CloseFrame> {
        let refused = CloseFrame::new(CloseCode::UNAUTHORIZED, "not a token of yours");
        let verdict = match self.verifier.verify(token) {
            Verdict::Now(verdict) => verdict,
            Verdict::Later(later) => later.await,
        };
        verdict.ok().and_then(|principal| handle.renew(principal).ok()).ok_or(refused)
    }

    /// Everybody in the room hears it, encoded once.
    async fn tell(&self, room: &str, told: Told<'_>) {
        if let Ok(json) = serde_json::to_string(&told) {
            self.rooms.broadcast(room, Message::text(json)).await;
        }
    }
}

fn listen_address() -> Result<String, String> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok("127.0.0.1:3000".to_owned()),
        (Some("--listen"), Some(address)) => Ok(address),
        _ => Err("usage: ws_upgrade [--listen ADDR]".to_owned()),
    }
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chat</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
  body { max-width: 40rem; margin: 0 auto; padding: 1rem; height: 100dvh; box-sizing: border-box; display: flex; flex-direction: column }
  header { display: flex; justify-content: space-between; align-items: baseline }
  h1 { font-size: 1.25rem; margin: 0 }
  ol { flex: 1; overflow-y: auto; list-style: none; margin: 1rem 0; padding: 0 }
  li { width: fit-content; max-width: 85%; margin: .25rem 0; padding: .4rem .8rem; border-radius: .9rem; background: #8883; overflow-wrap: anywhere }
  li.mine { margin-left: auto; background: #2563eb; color: #fff }
  li.note { margin-inline: auto; background: none; opacity: .7; font-size: .875rem }
  form { display: flex; gap: .5rem }
  input { flex: 1; min-width: 0 }
  input, button { font: inherit; padding: .5rem .8rem; border-radius: .5rem; border: 1px solid #8886 }
</style>
<header><h1>Chat</h1><span id="state" role="status">connecting…</span></header>
<ol id="log" aria-live="polite"></ol>
<form id="form"><input id="text" aria-label="Message" placeholder="Say something" autocomplete="off" maxlength="2000" autofocus><button>Send</button></form>
<script>
  const [log, form, text, state] = ["log", "form", "text", "state"].map((id) => document.getElementById(id));
  const show = (content, kind) => {
    const line = document.createElement("li");
    line.textContent = content;
    line.className = kind;
    log.append(line);
    line.scrollIntoView();
  };
  const room = location.hash.slice(1) || "lobby";
  const name = "guest " + Math.floor(Math.random() * 900 + 100);
  const token = async () => (await fetch("/token", { method: "POST", body: name })).text();
  const hear = {
    said: ({ by, text }) => show(`${by}: ${text}`, by === name ? "mine" : "theirs"),
    here: ({ count }) => { state.textContent = `${name} in ${room}, ${count} here`; },
    // The token ends soon: a new one keeps the socket open.
    expiring: async () => socket.send(JSON.stringify({ renew: { token: await token() } })),
  };
  let socket;
  const connect = async () => {
    socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/rooms/${encodeURIComponent(room)}`, ["chat", "bearer." + await token()]);
    socket.onopen = () => show(`You are ${name}. Open this page in another tab.`, "note");
    socket.onmessage = (event) => { const [kind, content] = Object.entries(JSON.parse(event.data))[0]; hear[kind](content); };
    socket.onclose = (event) => {
      state.textContent = "closed";
      show(`Closed: ${event.code} ${event.reason}`, "note");
      // 1012: the server will be back, and wants nobody to come at once.
      if (event.code === 1012) setTimeout(connect, 1000 + Math.random() * 4000);
    };
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    if (!text.value || socket.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify({ say: { text: text.value } }));
    text.value = "";
  };
  connect();
</script>
</html>
"#;

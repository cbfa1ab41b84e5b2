//! A chat: `cargo run --example ws_upgrade --features ws-upgrade,axum`, then open the printed URL in two tabs.
//!
//! What one tab sends, a JSON text message, goes to everybody else. `--listen ADDR` changes the address.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    response::Html,
    routing::{any, get},
};
use donjon::ws_upgrade::{CloseCode, CloseFrame, Limits, Message, Utf8Bytes, WsAccept, WsHandshake, WsSocket, WsUpgradeLayer};
use tokio::{
    net::TcpListener,
    sync::broadcast::{self, error::RecvError},
};

/// Everybody hears everything, with the number of who said it.
#[derive(Clone)]
struct Room {
    said: broadcast::Sender<(u64, Utf8Bytes)>,
    next: Arc<AtomicU64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let room = Room { said: broadcast::channel(256).0, next: Arc::default() };
    let sockets = WsUpgradeLayer::builder().limits(Limits::default().max_message_size(16 * 1024)).build()?;
    let app = Router::new().route("/ws", any(join).layer(sockets)).route("/", get(|| async { Html(PAGE) })).with_state(room);

    let listener = TcpListener::bind(listen_address()?).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Reached only by handshakes that the layer found good: of this host's own page, or of no page at all.
async fn join(State(room): State<Room>, handshake: WsHandshake) -> WsAccept {
    handshake.accept(move |socket| chat(room, socket))
}

async fn chat(room: Room, mut socket: WsSocket) {
    let me = room.next.fetch_add(1, Ordering::Relaxed);
    let mut heard = room.said.subscribe();
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) if is_json_object(&text) => {
                    // Nobody else there is no error here.
                    let _ = room.said.send((me, text));
                }
                Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                    return socket.close(CloseFrame::new(CloseCode::UNSUPPORTED, "only JSON objects")).await;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                // The peer was told why already.
                Some(Err(_)) | None => return,
            },
            said = heard.recv() => match said {
                Ok((who, _)) if who == me => {}
                Ok((_, text)) => {
                    if socket.send(text).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    return socket.close(CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too slow")).await;
                }
                Err(RecvError::Closed) => return,
            },
        }
    }
}

fn is_json_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
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
  const name = "guest " + Math.floor(Math.random() * 900 + 100);
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
  socket.onopen = () => { state.textContent = name; show("You are " + name + ". Open this page in another tab.", "note"); };
  socket.onclose = (event) => { state.textContent = "closed"; show(`Closed: ${event.code} ${event.reason}`, "note"); };
  socket.onmessage = (event) => { const said = JSON.parse(event.data); show(`${said.from}: ${said.text}`, "theirs"); };
  form.onsubmit = (event) => {
    event.preventDefault();
    if (!text.value || socket.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify({ from: name, text: text.value }));
    show(text.value, "mine");
    text.value = "";
  };
</script>
</html>
"#;

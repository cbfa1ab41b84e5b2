//! A peer that stands still for real: a process that is stopped, over TCP, in real time. Its kernel goes on acknowledging what it is sent.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use donjon::ws_upgrade::{Admission, Message, Timeouts, WsErrorKind, WsHandle, WsSocket, WsUpgradeLayer};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use super::{KEY, app, exchange, frame, serve_over};

/// Names the server to the process that this binary starts of itself.
const SERVER: &str = "DONJON_TEST_SERVER";
const REQUEST: &str =
    "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
/// How many it answers before it is stopped.
const PONGS: usize = 3;
/// For whatever must happen at all; a machine may be busy.
const AT_LAST: Duration = Duration::from_secs(60);

fn request() -> String {
    format!("{REQUEST}Sec-WebSocket-Key: {KEY}\r\n\r\n")
}

/// Reads and answers pings until the server hangs up.
#[test]
#[ignore = "is the peer that the tests of this file start"]
fn the_peer() {
    let Ok(server) = std::env::var(SERVER) else { return };
    let mut server = TcpStream::connect(server).unwrap();
    server.write_all(request().as_bytes()).unwrap();
    let mut buffer = [0; 64 * 1024];
    while let Ok(size @ 1..) = server.read(&mut buffer) {
        if buffer[..size].contains(&0x89) && server.write_all(&frame(0x8a, b"")).is_err() {
            return;
        }
    }
}

/// A process that does not outlive the test.
struct Peer(Child);

impl Peer {
    fn start(server: SocketAddr) -> Self {
        let peer = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "ws_upgrade::stopped::the_peer"])
            .env(SERVER, server.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(peer.unwrap())
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.0.id())]).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn knock(server: SocketAddr) -> String {
    let mut io = tokio::net::TcpStream::connect(server).await.unwrap();
    exchange(&mut io, &request()).await.lines().next().unwrap().to_owned()
}

/// Everything but the last line happens while the peer stands still.
async fn is_gone_before_it_goes_on(floods: bool) {
    let (send, mut handles) = mpsc::channel::<WsHandle>(2);
    let (heard, mut pongs) = mpsc::channel(64);
    let handler = move |mut socket: WsSocket| async move {
        send.send(socket.handle()).await.unwrap();
        let mut count = 0;
        while let Some(Ok(message)) = socket.recv().await {
            count += usize::from(matches!(message, Message::Pong(_)));
            let _ = heard.send(count).await;
            while floods && count == PONGS && socket.send("x".repeat(10_000)).await.is_ok() {}
        }
    };
    let timeouts = Timeouts::default().heartbeat(Duration::from_millis(200), Duration::from_secs(2));
    let admission = Admission::unlimited().max_sockets(1);
    let layer = WsUpgradeLayer::builder().timeouts(timeouts).admission(admission).build().unwrap();
    let service = app(&layer, handler);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve_over(stream, service.clone());
        }
    });

    let mut peer = Peer::start(server);
    let handle = timeout(AT_LAST, handles.recv()).await.unwrap().unwrap();
    while timeout(AT_LAST, pongs.recv()).await.unwrap() != Some(PONGS) {}
    assert_eq!(knock(server).await, "http/1.1 503 service unavailable", "there is no place for another");
    peer.signal("STOP");
    assert_eq!(timeout(AT_LAST, handle.closed()).await, Ok(WsErrorKind::Unresponsive));
    let freed = async {
        while knock(server).await != "http/1.1 101 switching protocols" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(AT_LAST, freed).await.expect("its place is free");
    assert!(peer.0.try_wait().unwrap().is_none(), "it does not know yet");
    peer.signal("CONT");
    assert!(tokio::task::spawn_blocking(move || peer.0.wait()).await.unwrap().unwrap().success(), "and is told");
}

#[tokio::test]
async fn a_stopped_process_is_gone_before_it_goes_on() {
    is_gone_before_it_goes_on(false).await;
}

#[tokio::test]
async fn so_is_one_that_is_being_sent_to() {
    is_gone_before_it_goes_on(true).await;
}

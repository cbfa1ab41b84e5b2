//! Servers that fail on the wire: nobody listens, or somebody does and speaks no HTTP, half of it, or not at all.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::HeaderName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};

/// In a request to such a server: the number under which its arrivals are counted.
pub(crate) const NUMBER: HeaderName = HeaderName::from_static("showcase-request");
/// No request of ours has a longer head.
const HEAD: u64 = 4 * 1024;

/// What is said to a request that arrives for the first, second, ... time: `None` for nothing at all, an empty text for hanging up.
pub(crate) type Says = fn(arrival: u32) -> Option<&'static str>;

/// A loopback port that is taken and closed: bound, so that no other program gets it, and never listening.
pub(crate) struct ClosedPort {
    pub(crate) address: SocketAddr,
    _bound: TcpSocket,
}

impl ClosedPort {
    pub(crate) fn reserve() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { address: socket.local_addr()?, _bound: socket })
    }
}

/// How often each request that is on its way has arrived; clones count together.
#[derive(Clone, Default)]
pub(crate) struct Arrivals {
    last: Arc<AtomicU64>,
    counts: Arc<Mutex<HashMap<u64, u32>>>,
}

impl Arrivals {
    /// A request that is about to be sent.
    pub(crate) fn expect(&self) -> Expected {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        self.counts().insert(number, 0);
        Expected { number, arrivals: self.clone() }
    }

    fn add(&self, head: &str) -> u32 {
        let value = head.lines().find_map(|line| line.strip_prefix(NUMBER.as_str())?.strip_prefix(": "));
        let mut counts = self.counts();
        match value.and_then(|value| counts.get_mut(&value.parse().ok()?)) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => 1,
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request whose arrivals are counted. When this is dropped it is forgotten, so that one whose client leaves is too.
pub(crate) struct Expected {
    pub(crate) number: u64,
    arrivals: Arrivals,
}

impl Expected {
    /// How often it has arrived.
    pub(crate) fn arrived(&self) -> u32 {
        self.arrivals.counts().get(&self.number).copied().unwrap_or_default()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.arrivals.counts().remove(&self.number);
    }
}

/// A loopback server that says this to whoever asks, and hangs up.
pub(crate) async fn listen(says: Says, arrivals: Arrivals) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(misbehave(stream, says, arrivals.clone()))),
                // Out of file descriptors, for one: it passes.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    Ok(address)
}

async fn misbehave(mut stream: TcpStream, says: Says, arrivals: Arrivals) -> io::Result<()> {
    let head = head(&mut stream).await?;
    if let Some(says) = says(arrivals.add(&head)) {
        if !says.is_empty() {
            stream.write_all(says.as_bytes()).await?;
            // What was said is on its way to the client by then.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stream.shutdown().await?;
    }
    // What is left unread when a socket closes resets the connection, and takes what was said with it.
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
}

/// What a client says until the empty line.
async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let (mut head, mut stream) = (Vec::new(), stream.take(HEAD));
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && stream.read_buf(&mut head).await? > 0 {}
    Ok(String::from_utf8_lossy(&head).into_owned())
}

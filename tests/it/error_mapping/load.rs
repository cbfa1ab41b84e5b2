//! An upstream that is dead, while many clients on as many threads ask for it: what it is spared is counted where it would have had it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use donjon::error_mapping::{ErrorMappingLayer, GatewayRetryPolicy, ProxyStatus, Role};
use http::Request;
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tower::{ServiceBuilder, util::MapRequest};

const CLIENTS: usize = 8;
const REQUESTS: usize = 125;

/// How an upstream is dead.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Dead {
    Refuses,
    /// Reads each request and hangs up.
    HangsUp,
}

/// Counts the requests that reach it.
async fn upstream(dead: Dead, reached: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    if dead == Dead::HangsUp {
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let reached = Arc::clone(&reached);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    reached.fetch_add(1, Ordering::Relaxed);
                    std::io::Result::Ok(())
                });
            }
        });
    }
    address
}

/// A gateway with the budget that it has if none is set; counts what it sends.
async fn gateway(upstream: SocketAddr, sent: Arc<AtomicUsize>) -> SocketAddr {
    let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http::<Empty<Bytes>>();
    let client = MapRequest::new(client, move |mut request: Request<Empty<Bytes>>| {
        sent.fetch_add(1, Ordering::Relaxed);
        *request.uri_mut() = format!("http://{upstream}/").parse().unwrap();
        request
    });
    let service = ServiceBuilder::new()
        .layer(ErrorMappingLayer::new().role(Role::Gateway).proxy_status(ProxyStatus::new("gw").unwrap()))
        .map_request(|request: Request<Incoming>| request.map(|_| Empty::new()))
        .retry(GatewayRetryPolicy::new().first_wait(Duration::from_millis(1)))
        .service(client);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn ask(gateway: SocketAddr) -> String {
    let mut stream = TcpStream::connect(gateway).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_dead_upstream_gets_a_fifth_more_and_no_more_than_that() {
    for (dead, told) in [(Dead::Refuses, "connection_refused"), (Dead::HangsUp, "http_response_incomplete")] {
        let (reached, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let gateway = gateway(upstream(dead, Arc::clone(&reached)).await, Arc::clone(&sent)).await;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| tokio::task::spawn_blocking(move || (0..REQUESTS).map(|_| ask(gateway)).collect::<Vec<_>>()))
            .collect();
        for client in clients {
            for answer in client.await.unwrap() {
                assert!(answer.starts_with("HTTP/1.1 502 "), "{dead:?}: {answer}");
                assert!(answer.contains(&format!("proxy-status: gw; error={told}\r\n")), "{dead:?}: {answer}");
            }
        }
        let (requests, sent) = (CLIENTS * REQUESTS, sent.load(Ordering::Relaxed));
        assert!(sent * 5 <= requests * 6, "{dead:?}: {sent} attempts for {requests} requests");
        // What is left at the end is what no request was there to spend.
        assert!(sent >= requests * 6 / 5 - CLIENTS, "the budget is for use: {sent}, {dead:?}");
        let expected = if dead == Dead::HangsUp { sent } else { 0 };
        assert_eq!(reached.load(Ordering::Relaxed), expected, "what was sent is what was asked");
    }
}

//! What the cache takes, counted by the allocator.

use std::convert::Infallible;

use bytes::Bytes;
use donjon::conditional_cache::shared::{MemoryStore, SharedCacheLayer};
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer as _, ServiceExt as _};

use crate::support::{allocations, empty, get, now, whole};

const MIB: u64 = 1 << 20;

/// Sixteen times as much as there is room for: what is held stays within the room and a half.
#[test]
fn what_goes_through_a_store_does_not_stay() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = MemoryStore::new(4 * MIB);
    let mut sent = 0;
    let counted = allocation_counter::measure(|| {
        let inner = tower::service_fn(|request: Request<Empty<Bytes>>| {
            let size: usize = request.uri().path().rsplit('/').next().unwrap().parse().unwrap();
            let body = Full::new(Bytes::from(vec![b'x'; size]));
            std::future::ready(Ok::<_, Infallible>(Response::builder().header("cache-control", "max-age=60").body(body).unwrap()))
        });
        let service = SharedCacheLayer::with_store(store.clone()).layer(inner);
        runtime.block_on(async {
            for number in 0_u64.. {
                if sent > 64 * MIB {
                    break;
                }
                let size = 1024 + number * 7919 % 65_536;
                let request = empty(get(&format!("http://site.example/{number}/{size}")));
                let (_, body) = whole(service.clone().oneshot(request).await.unwrap()).await;
                assert_eq!(body.len() as u64, size);
                sent += size;
            }
        });
    });
    let stats = store.stats();
    assert_eq!(stats.refused, 0);
    assert!(stats.bytes <= stats.capacity && stats.bytes * 10 > stats.capacity * 8, "{stats:?}");
    assert!(counted.bytes_max < 6 * MIB, "{counted:?}");
}

#[test]
fn a_hit_costs_at_most_four_allocations_and_copies_no_content() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let inner = tower::service_fn(|_: Request<Empty<Bytes>>| {
        let body = Full::new(Bytes::from(vec![b'x'; 1 << 20]));
        std::future::ready(Ok::<_, Infallible>(Response::builder().header("cache-control", "max-age=60").body(body).unwrap()))
    });
    let service = SharedCacheLayer::new().layer(inner);
    let request = || empty(get("http://site.example/a").header("accept-encoding", "gzip").header("host", "site.example"));
    runtime.block_on(async { whole(service.clone().oneshot(request()).await.unwrap()).await });
    let (service, asked) = (service.clone(), request());
    let mut future = None;
    let counted = allocation_counter::measure(|| future = Some(now(service.oneshot(asked))));
    assert!(counted.count_total <= 4, "{counted:?}");
    let body = future.take().unwrap().into_body();
    let (frames, (_, content)) = allocations(|| runtime.block_on(whole(Response::new(body))));
    assert_eq!(content.len(), 1 << 20);
    assert!(counted.bytes_max < 4096 && frames < 20, "{frames}");
}

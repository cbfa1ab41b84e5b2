//! Beside a compressing layer, on either side of it.

use std::{
    convert::Infallible,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use donjon::conditional_cache::{ConditionalCacheLayer, EntityTag, EntityTags, shared::SharedCacheLayer};
use http::{Request, Response, header, response::Parts};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty, Full};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::compression::CompressionLayer;

use super::{Fields, request};

type Asked = Request<Empty<Bytes>>;

const CODINGS: [&str; 3] = ["identity", "gzip", "br"];

/// A handler that counts how often it is asked.
fn handler(
    count: &Arc<AtomicUsize>,
) -> impl Service<Asked, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone + Send + 'static {
    let (text, count) = ("a text that is long enough to be worth compressing, ".repeat(20), Arc::clone(count));
    service_fn(move |_: Asked| {
        count.fetch_add(1, SeqCst);
        let response = Response::builder().header("cache-control", "max-age=60").header("content-length", text.len());
        ready(Ok(response.body(Full::from(text.clone())).unwrap()))
    })
}

/// The content in each coding, as it comes without a cache.
async fn references() -> Vec<Bytes> {
    let service = ServiceBuilder::new().layer(CompressionLayer::new()).service(handler(&Arc::default()));
    let mut references = Vec::new();
    for coding in CODINGS {
        references.push(got(&service, &[("accept-encoding", coding)]).await.1);
    }
    assert!(references[1].starts_with(&[0x1f, 0x8b]) && references[2].len() < references[0].len());
    references
}

/// The answer, of which a length that is told is the right one, in the field and in the body's own words.
async fn got<S, B>(service: &S, fields: Fields<'_>) -> (Parts, Bytes)
where
    S: Service<Asked, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes, Error: Into<BoxError> + std::fmt::Debug>,
{
    let response = service.clone().oneshot(request("GET", "http://site.example/a", fields)).await.unwrap();
    let (parts, body) = response.into_parts();
    let hint = body.size_hint().exact();
    let content = body.collect().await.unwrap().to_bytes();
    let told = parts.headers.get(header::CONTENT_LENGTH).map(|length| length.to_str().unwrap().parse().unwrap());
    if parts.status != 304 {
        assert!([hint, told].into_iter().flatten().all(|length| length == content.len() as u64), "{hint:?} {told:?}");
    }
    (parts, content)
}

fn field<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).map(|value| value.to_str().unwrap())
}

/// All that must hold wherever the compressing layer stands. Asks for every coding twice, in this order; returns the tags.
async fn holds<S, B>(service: &S, order: [usize; 3], references: &[Bytes]) -> Vec<EntityTag>
where
    S: Service<Asked, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes, Error: Into<BoxError> + std::fmt::Debug>,
{
    let mut tags = vec![None; CODINGS.len()];
    for index in order.into_iter().chain(order) {
        let coding = CODINGS[index];
        let (parts, content) = got(service, &[("accept-encoding", coding)]).await;
        assert_eq!((parts.status.as_u16(), &content), (200, &references[index]), "{coding}");
        assert_eq!(field(&parts, "content-encoding").unwrap_or("identity"), coding);
        let vary: Vec<_> = parts.headers.get_all("vary").iter().map(|value| value.to_str().unwrap().to_lowercase()).collect();
        assert_eq!(vary, ["accept-encoding"], "{coding}");
        let tag = EntityTag::try_from(&parts.headers[header::ETAG]).unwrap();
        assert!(tags[index].replace(tag.clone()).is_none_or(|first| first == tag), "{coding}: a hit has the tag of its miss");
        let (parts, content) = got(service, &[("accept-encoding", coding), ("if-none-match", &tag.to_string())]).await;
        assert_eq!((parts.status.as_u16(), content.len(), field(&parts, "content-encoding")), (304, 0, None), "{coding}");
    }
    let tags: Vec<_> = tags.into_iter().flatten().collect();
    for (index, one) in tags.iter().enumerate() {
        assert!(!tags[index + 1..].iter().any(|other| one.strongly_equals(other)), "{tags:?}");
    }
    // Whatever part comes is one of the coding that its fields tell, and only of one with a strong tag if the client has asked by it.
    for (index, coding) in CODINGS.iter().enumerate() {
        let (parts, content) = got(service, &[("accept-encoding", coding), ("range", "bytes=5-14")]).await;
        let coded = CODINGS.iter().position(|coding| *coding == field(&parts, "content-encoding").unwrap_or("identity")).unwrap();
        let whole = &references[coded];
        let expected = format!("bytes 5-14/{}", whole.len());
        assert_eq!((parts.status.as_u16(), field(&parts, "content-range")), (206, Some(expected.as_str())), "{coding}");
        assert_eq!((content.as_ref(), field(&parts, "content-length")), (&whole[5..15], Some("10")), "{coding}");
        let on = [("accept-encoding", *coding), ("range", "bytes=5-14"), ("if-range", &tags[index].to_string())];
        let (parts, content) = got(service, &on).await;
        let expected = if tags[index].is_weak() { (200, &references[index][..]) } else { (206, &references[index][5..15]) };
        assert_eq!((parts.status.as_u16(), content.as_ref()), expected, "{coding}");
    }
    tags
}

const ORDERS: [[usize; 3]; 3] = [[0, 1, 2], [1, 2, 0], [2, 0, 1]];

#[tokio::test]
async fn with_the_compression_further_in_each_coding_is_stored_and_made_once() {
    let references = references().await;
    for order in ORDERS {
        let count = Arc::default();
        let service = ServiceBuilder::new()
            .layer(SharedCacheLayer::new())
            .layer(CompressionLayer::new())
            .layer(ConditionalCacheLayer::new())
            .service(handler(&count));
        let tags = holds(&service, order, &references).await;
        assert_eq!(tags.iter().map(EntityTag::is_weak).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(count.load(SeqCst), CODINGS.len());
    }
}

#[tokio::test]
async fn with_the_tags_made_around_the_compression_each_coding_has_a_strong_one_and_is_stored() {
    let references = references().await;
    for order in ORDERS {
        let count = Arc::default();
        let service = ServiceBuilder::new()
            .layer(SharedCacheLayer::new())
            .layer(ConditionalCacheLayer::new())
            .layer(CompressionLayer::new())
            .service(handler(&count));
        let tags = holds(&service, order, &references).await;
        assert!(!tags.iter().any(EntityTag::is_weak));
        assert_eq!(count.load(SeqCst), CODINGS.len());
    }
}

#[tokio::test]
async fn with_the_compression_further_out_one_is_stored_for_all_if_its_tag_is_weak() {
    let references = references().await;
    for order in ORDERS {
        let count = Arc::default();
        let service = ServiceBuilder::new()
            .layer(CompressionLayer::new())
            .layer(SharedCacheLayer::new())
            .layer(ConditionalCacheLayer::new().entity_tags(EntityTags::Weak))
            .service(handler(&count));
        let tags = holds(&service, order, &references).await;
        assert!(tags.iter().all(EntityTag::is_weak));
        assert_eq!(count.load(SeqCst), 1);
    }
}

//! Beside a compressing layer no two codings of one content are ever strongly equal, whichever stands further out.

use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use donjon::conditional_cache::{ConditionalCacheLayer, EntityTag, FromVersionLayer, PreconditionLayer};
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body;
use http_body_util::{Empty, Full};
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::compression::CompressionLayer;

use super::request;

type Asked = Request<Empty<Bytes>>;

const CODINGS: [&str; 3] = ["identity", "gzip", "br"];

fn handler() -> impl Service<Asked, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone {
    let text = "a text that is long enough to be worth compressing, ".repeat(20);
    service_fn(move |_: Asked| ready(Ok(Response::new(Full::from(text.clone())))))
}

/// The tag of every coding, each of which is known again.
async fn tags<S, B>(service: S) -> Vec<EntityTag>
where
    S: Service<Asked, Response = Response<B>, Error = Infallible> + Clone,
    B: Body,
{
    let mut tags = Vec::new();
    for coding in CODINGS {
        let first = service.clone().oneshot(request("GET", "/", &[("accept-encoding", coding)])).await.unwrap();
        let coded = first.headers().get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(coded.unwrap_or("identity"), coding);
        let tag = EntityTag::try_from(&first.headers()["etag"]).unwrap();
        let text = tag.to_string();
        let again = request("GET", "/", &[("accept-encoding", coding), ("if-none-match", &text)]);
        let second = service.clone().oneshot(again).await.unwrap();
        assert_eq!((second.status(), second.headers().get("content-encoding")), (StatusCode::NOT_MODIFIED, None), "{coding}");
        tags.push(tag);
    }
    tags
}

#[track_caller]
fn never_strongly_equal(tags: &[EntityTag]) {
    for (index, one) in tags.iter().enumerate() {
        assert!(!tags[index + 1..].iter().any(|other| one.strongly_equals(other)), "{tags:?}");
    }
}

#[tokio::test]
async fn with_the_compression_further_out_the_tag_is_weak_where_it_may_be_coded() {
    let service = ServiceBuilder::new().layer(CompressionLayer::new()).layer(ConditionalCacheLayer::new()).service(handler());
    let tags = tags(service).await;
    never_strongly_equal(&tags);
    assert_eq!(tags.iter().map(EntityTag::is_weak).collect::<Vec<_>>(), [false, true, true]);
}

#[tokio::test]
async fn with_the_compression_further_in_each_coding_has_a_strong_tag_of_its_own() {
    let service = ServiceBuilder::new().layer(ConditionalCacheLayer::new()).layer(CompressionLayer::new()).service(handler());
    let tags = tags(service).await;
    never_strongly_equal(&tags);
    assert!(!tags.iter().any(EntityTag::is_weak));
    assert!(!tags[0].weakly_equals(&tags[1]) && !tags[1].weakly_equals(&tags[2]) && !tags[0].weakly_equals(&tags[2]));
}

#[tokio::test]
async fn the_precondition_layer_alone_does_the_same() {
    let outside = ServiceBuilder::new().layer(CompressionLayer::new()).layer(PreconditionLayer::new()).service(handler());
    never_strongly_equal(&tags(outside).await);
    let inside = ServiceBuilder::new().layer(PreconditionLayer::new()).layer(CompressionLayer::new()).service(handler());
    never_strongly_equal(&tags(inside).await);
}

#[tokio::test]
async fn a_version_is_weak_for_who_may_get_it_coded() {
    let version = || FromVersionLayer::new(|_: &Parts| ready(Some(7)));
    let outside = ServiceBuilder::new().layer(CompressionLayer::new()).layer(version()).service(handler());
    never_strongly_equal(&tags(outside).await);
    let inside = ServiceBuilder::new().layer(version()).layer(CompressionLayer::new()).service(handler());
    never_strongly_equal(&tags(inside).await);
}

//! LazyImages from outside.

mod contract;
mod dom;
mod head;
mod markup;

mod sources;
mod stream;

use std::convert::Infallible;

use bytes::Bytes;
use donjon::lazy_images::LazyImagesLayer;
use http::{Request, Response, header};
use http_body_util::{Empty, Full};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use crate::support::{empty, get, whole};

/// A service that answers every request with `response`.
pub(super) fn answering<B>(
    response: Response<B>,
) -> impl Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible, Future: Send> + Clone
where
    B: Clone + Send + Sync,
{
    service_fn(move |_: Request<Empty<Bytes>>| std::future::ready(Ok(response.clone())))
}

/// An HTML response as a handler would make it.
pub(super) fn page(html: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8").body(Full::new(html.into())).unwrap()
}

/// What becomes of a page at `/docs/index.html` on example.org.
pub(super) async fn sent(layer: &LazyImagesLayer, html: impl Into<Bytes>) -> Bytes {
    let request = empty(get("/docs/index.html").header(header::HOST, "example.org"));
    let response = layer.layer(answering(page(html))).oneshot(request).await.unwrap();
    whole(response).await.1
}

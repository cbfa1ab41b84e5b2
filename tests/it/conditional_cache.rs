//! `ConditionalCache`, driven from outside.

mod alone;
#[cfg(feature = "conditional-cache-assets")]
mod assets;
mod bodies;
mod codings;
mod contract;
mod fresh;
mod not_modified;
mod oracle;
mod policy;
mod ranges;
mod version;
mod wire;
#[cfg(feature = "axum")]
mod writes;

use std::convert::Infallible;

use bytes::Bytes;
use donjon::conditional_cache::{ConditionalCacheLayer, ResponseBody};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{Empty, Full};
use tower::{Layer as _, Service, service_fn};

use crate::support::now;

/// Fields by name and value.
type Fields<'a> = &'a [(&'static str, &'a str)];

fn headers(fields: Fields<'_>) -> HeaderMap {
    fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse::<HeaderValue>().expect("a value"))).collect()
}

fn request(method: &str, path: &str, fields: Fields<'_>) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).body(Empty::new()).expect("a request");
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    request
}

fn response<B>(status: u16, fields: Fields<'_>, body: B) -> Response<B> {
    let mut response = Response::builder().status(status).body(body).expect("a response");
    *response.headers_mut() = headers(fields);
    response
}

/// What the layer makes of one request and the response to it, when nothing has to be awaited.
#[track_caller]
fn answer<B>(layer: &ConditionalCacheLayer, request: Request<Empty<Bytes>>, inner: Response<B>) -> Response<ResponseBody<B>>
where
    B: Body<Data = Bytes>,
{
    let mut inner = Some(inner);
    let handler = service_fn(move |_: Request<Empty<Bytes>>| {
        std::future::ready(Ok::<_, Infallible>(inner.take().expect("the handler is called once")))
    });
    now(layer.layer(handler).call(request))
}

/// The same for the usual case.
#[track_caller]
fn get(
    path: &str,
    asked: Fields<'_>,
    status: u16,
    fields: Fields<'_>,
    content: &'static str,
) -> Response<ResponseBody<Full<Bytes>>> {
    answer(&ConditionalCacheLayer::new(), request("GET", path, asked), response(status, fields, Full::from(content)))
}

/// The value of a field, or nothing.
fn field<'r, B>(response: &'r Response<B>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().expect("ASCII"))
}

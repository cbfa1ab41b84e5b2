//! One request to another server, bounded in time and size.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};

use super::error::{RemoteError, RemoteErrorKind};

/// The longest answer that is read, in bytes. Key sets in use stay below 20 KiB.
pub(in crate::token_auth) const MAX_LEN: usize = 512 * 1024;

/// Sends requests to identity providers: an HTTP client of your own in place of [`HttpsClient`](super::HttpsClient).
///
/// For proxies, client certificates, other roots of trust, or a test without a network. It must not follow redirects, and should stop reading
/// at 512 KiB: what is longer is refused. It need not care for time limits; whoever asks drops the future when the time is over.
///
/// ```
/// use bytes::Bytes;
/// use donjon::token_auth::{Fetch, RemoteError};
/// use http::{Request, Response};
///
/// /// Always the same keys.
/// struct Canned;
///
/// impl Fetch for Canned {
///     async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, RemoteError> {
///         match request.uri().path() {
///             "/keys" => Ok(Response::new(Bytes::from_static(b"{\"keys\":[]}"))),
///             _ => Err(RemoteError::unreachable("there is nothing else")),
///         }
///     }
/// }
/// ```
pub trait Fetch: Send + Sync + 'static {
    /// Sends `request` and reads the whole answer, of whatever status.
    ///
    /// # Errors
    ///
    /// If there is no whole answer.
    fn fetch(&self, request: Request<Bytes>) -> impl Future<Output = Result<Response<Bytes>, RemoteError>> + Send;
}

type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, RemoteError>> + Send + 'a>>;

/// A [`Fetch`] of any type.
trait ErasedFetch: Send + Sync + 'static {
    fn fetch(&self, request: Request<Bytes>) -> Fetching<'_>;
}

impl<F: Fetch> ErasedFetch for F {
    fn fetch(&self, request: Request<Bytes>) -> Fetching<'_> {
        Box::pin(Fetch::fetch(self, request))
    }
}

/// The client as its users hold it.
#[derive(Clone)]
pub(super) struct Client(Arc<dyn ErasedFetch>);

impl Client {
    pub(super) fn new(client: impl Fetch) -> Self {
        Self(Arc::new(client))
    }

    /// The header and the body of a 200.
    pub(super) async fn get(&self, url: &Uri) -> Result<(HeaderMap, Bytes), RemoteError> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = url.clone();
        request.headers_mut().insert(header::ACCEPT, header::HeaderValue::from_static("application/json"));
        let (head, body) = self.send(request).await?.into_parts();
        match head.status {
            StatusCode::OK => Ok((head.headers, body)),
            status => Err(unexpected(status)),
        }
    }

    /// An answer of any status.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, RemoteError> {
        let response = self.0.fetch(request).await?;
        if response.body().len() > MAX_LEN { Err(RemoteErrorKind::Oversized.into()) } else { Ok(response) }
    }
}

pub(super) fn unexpected(status: StatusCode) -> RemoteError {
    RemoteError::because(RemoteErrorKind::StatusUnexpected, status.to_string())
}

/// Ends `work` when the time is over.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, RemoteError>>) -> Result<T, RemoteError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(RemoteErrorKind::TimedOut.into()))
}

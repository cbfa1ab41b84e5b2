use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tower_service::Service;

use super::token_issuer::TokenIssuer;
use crate::{LayerBody, Problem};

/// Answers GET and HEAD with the [key set](TokenIssuer::jwks) of an issuer: the service for `/.well-known/jwks.json`.
///
/// The type is `application/jwk-set+json` ([RFC 7517 §8.5.1](https://www.rfc-editor.org/rfc/rfc7517#section-8.5.1)). Caches may keep the
/// answer for the issuer's [`jwks_max_age`](super::TokenIssuerBuilder::jwks_max_age). Another method is 405.
///
/// In axum: `Router::new().route_service("/.well-known/jwks.json", JwksService::new(issuer))`.
///
/// ```
/// use donjon::token_auth::JwksService;
/// # use donjon::token_auth::{Algorithm, Crypto, SigningKey, TokenIssuer};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let Some(crypto) = Crypto::compiled().first() else { return Ok(()) };
/// # let issuer = TokenIssuer::builder(SigningKey::from_secret(Algorithm::Hs256, &[7; 32])?).issuer("i").audience("a");
/// # let issuer = issuer.crypto(*crypto).build()?;
/// let response = JwksService::new(issuer).oneshot(http::Request::new(())).await?;
/// assert_eq!(response.headers()["content-type"], "application/jwk-set+json");
/// assert_eq!(response.headers()["cache-control"], "public, max-age=300");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct JwksService(TokenIssuer);

impl JwksService {
    /// Publishes the keys of `issuer`.
    #[must_use]
    pub fn new(issuer: TokenIssuer) -> Self {
        Self(issuer)
    }

    fn answer(&self, method: &Method) -> Response<LayerBody<String>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED).into_http_response();
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let document = self.0.jwks();
        let length = HeaderValue::from(document.len());
        let body = if *method == Method::HEAD { LayerBody::empty() } else { LayerBody::full(document) };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        headers.insert(header::CONTENT_LENGTH, length);
        let cache_control = HeaderValue::try_from(format!("public, max-age={}", self.0.jwks_max_age().as_secs()));
        // Digits and letters are always a value.
        headers.insert(header::CACHE_CONTROL, cache_control.unwrap_or(HeaderValue::from_static("no-cache")));
        response
    }
}

impl<ReqBody> Service<Request<ReqBody>> for JwksService {
    type Response = Response<LayerBody<String>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        ready(Ok(self.answer(request.method())))
    }
}

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    answer::{Answer, Freshness, Terms, decide},
    body::FileBody,
    future::AssetFuture,
    handle::Assets,
    name::beneath,
    settings::AssetMode,
};
use crate::core::LayerBody;

impl Assets {
    /// The service for a router that takes the mount off the path, such as `Router::nest_service`.
    #[must_use]
    pub fn service(&self) -> AssetService {
        AssetService { assets: self.clone(), paths: Paths::Beneath }
    }

    /// The service for whole paths: on bare hyper, or as a fallback. What is not beneath the mount is not found.
    #[must_use]
    pub fn service_at_mount(&self) -> AssetService {
        AssetService { assets: self.clone(), paths: Paths::Whole }
    }
}

/// Answers requests with [`Assets`].
///
/// ```
/// use axum::Router;
/// use donjon::conditional_cache::Assets;
///
/// let assets = Assets::builder().embedded([("app.js", "")]).build()?;
/// let app: Router = Router::new().nest_service("/assets", assets.service());
/// # Ok::<_, donjon::conditional_cache::AssetsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AssetService {
    assets: Assets,
    paths: Paths,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paths {
    Beneath,
    Whole,
}

impl AssetService {
    fn decide<B>(&self, request: &Request<B>) -> Answer {
        let path = match self.paths {
            Paths::Beneath => Some(request.uri().path()),
            Paths::Whole => beneath(self.assets.mount(), request.uri().path()),
        };
        let Some(path) = path else { return Answer::NotFound };
        let by_content = match self.assets.mode() {
            AssetMode::Release => Freshness::Immutable,
            AssetMode::Development => Freshness::Revalidate,
        };
        let terms = Terms { by_content, clock: self.assets.clock() };
        decide(request.method(), path, request.headers(), &self.assets.current(), &terms)
    }
}

impl<B> Service<Request<B>> for AssetService {
    type Response = Response<LayerBody<FileBody>>;
    type Error = Infallible;
    type Future = AssetFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        AssetFuture::new(self.decide(&request), request.method())
    }
}

use tower_layer::Layer;

use super::{document::ProtectedResource, service::ProtectedResourceService};

/// Serves the [metadata of a protected resource](ProtectedResource) at its well-known path, to anybody; every other request passes.
///
/// It stands outside `TokenAuth`: whoever asks for the document has no token yet.
///
/// ```
/// use donjon::token_auth::{JwtVerifier, ProtectedResource, ProtectedResourceLayer, TokenAuthLayer};
/// use tower::ServiceBuilder;
/// # use donjon::token_auth::ConfigError;
///
/// # fn stack(verifier: JwtVerifier) -> Result<(), ConfigError> {
/// let resource = ProtectedResource::builder("https://api.example").authorization_server("https://login.example").build()?;
/// let stack = ServiceBuilder::new()
///     .layer(ProtectedResourceLayer::new(resource.clone()))
///     .layer(TokenAuthLayer::new(verifier).resource_metadata(resource.metadata_url()));
/// # drop(stack);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProtectedResourceLayer(ProtectedResource);

impl ProtectedResourceLayer {
    /// A layer that serves this document.
    #[must_use]
    pub fn new(resource: ProtectedResource) -> Self {
        Self(resource)
    }
}

impl<S> Layer<S> for ProtectedResourceLayer {
    type Service = ProtectedResourceService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ProtectedResourceService::new(inner, self.0.clone())
    }
}

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use crate::token_auth::{
    crypto::Algorithm,
    error::{ConfigError, ConfigErrorKind},
    scope,
    url::{self, Transport},
};

const NAME: &str = "oauth-protected-resource";

/// The metadata of a protected resource: which API this is, and who issues tokens for it
/// ([RFC 9728 §2](https://www.rfc-editor.org/rfc/rfc9728#section-2)).
///
/// [`ProtectedResourceLayer`](super::ProtectedResourceLayer) serves the document, and a challenge points to it by
/// [`TokenAuthLayer::resource_metadata`](crate::token_auth::TokenAuthLayer::resource_metadata). Cloning is a reference count.
///
/// ```
/// use donjon::token_auth::ProtectedResource;
///
/// # fn main() -> Result<(), donjon::token_auth::ConfigError> {
/// let resource = ProtectedResource::builder("https://api.example/v1")
///     .authorization_server("https://login.example")
///     .scope("articles:read")
///     .build()?;
/// assert_eq!(resource.metadata_url(), "https://api.example/.well-known/oauth-protected-resource/v1");
/// assert_eq!(
///     resource.to_json(),
///     r#"{"resource":"https://api.example/v1","authorization_servers":["https://login.example"],"scopes_supported":["articles:read"],"bearer_methods_supported":["header"]}"#,
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ProtectedResource(Arc<Inner>);

struct Inner {
    url: Box<str>,
    path_at: usize,
    json: Bytes,
}

/// Builds a [`ProtectedResource`]; see there for an example.
#[must_use]
#[derive(Debug)]
pub struct ProtectedResourceBuilder {
    transport: Transport,
    document: Document,
}

/// The members in the order of the section; what is not said is left out.
#[derive(Debug, Default, Serialize)]
struct Document {
    resource: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_documentation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_tos_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_client_certificate_bound_access_tokens: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dpop_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_bound_access_tokens_required: Option<bool>,
}

impl ProtectedResource {
    /// Starts the metadata of the API at `resource`: its `https` URL, which is also what tokens should name as their audience.
    pub fn builder(resource: impl Into<String>) -> ProtectedResourceBuilder {
        let document = Document { resource: resource.into(), bearer_methods_supported: ["header"], ..Document::default() };
        ProtectedResourceBuilder { transport: Transport::Https, document }
    }

    /// Where clients look for the document: `/.well-known/oauth-protected-resource` put between host and path
    /// ([§3.1](https://www.rfc-editor.org/rfc/rfc9728#section-3.1)).
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.0.url
    }

    /// The path, and the query if there is one, of [`metadata_url`](Self::metadata_url).
    #[must_use]
    pub fn metadata_path(&self) -> &str {
        self.0.url.get(self.0.path_at..).unwrap_or_default()
    }

    /// The document.
    #[must_use]
    pub fn to_json(&self) -> &str {
        std::str::from_utf8(&self.0.json).unwrap_or_default()
    }

    pub(super) fn json(&self) -> Bytes {
        self.0.json.clone()
    }
}

impl ProtectedResourceBuilder {
    /// Names the issuer of an authorization server whose tokens are taken, and one more if it is called again.
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.document.authorization_servers.push(issuer.into());
        self
    }

    /// Where the resource's own public keys are.
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.document.jwks_uri = Some(url.into());
        self
    }

    /// Names a scope that a client may ask for, and one more if it is called again.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.document.scopes_supported.push(scope.into());
        self
    }

    /// The name of the API for people to read.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.document.resource_name = Some(name.into());
        self
    }

    /// Where developers read about it.
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.document.resource_documentation = Some(url.into());
        self
    }

    /// Where the rules are for what clients may do with the data.
    pub fn policy_uri(mut self, url: impl Into<String>) -> Self {
        self.document.resource_policy_uri = Some(url.into());
        self
    }

    /// Where the terms of service are.
    pub fn tos_uri(mut self, url: impl Into<String>) -> Self {
        self.document.resource_tos_uri = Some(url.into());
        self
    }

    /// Says that tokens may be bound to the client's certificate ([RFC 8705 §3](https://www.rfc-editor.org/rfc/rfc8705#section-3)).
    pub fn certificate_bound_tokens(mut self) -> Self {
        self.document.tls_client_certificate_bound_access_tokens = Some(true);
        self
    }

    /// Names an algorithm of DPoP proofs ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)), and one more if it is called again.
    pub fn dpop_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.document.dpop_signing_alg_values_supported.push(algorithm.as_str());
        self
    }

    /// Says that only tokens bound by DPoP are taken.
    pub fn require_dpop(mut self) -> Self {
        self.document.dpop_bound_access_tokens_required = Some(true);
        self
    }

    /// Takes an `http` URL for the resource, for an API on the same machine. What a client is told over it anybody between may have changed.
    pub fn dangerous_allow_http(mut self) -> Self {
        self.transport = Transport::AlsoHttp;
        self
    }

    /// The metadata.
    ///
    /// # Errors
    ///
    /// [`UrlInvalid`](ConfigErrorKind::UrlInvalid) and [`UrlInsecure`](ConfigErrorKind::UrlInsecure), for the resource and every other URL;
    /// [`ScopeInvalid`](ConfigErrorKind::ScopeInvalid).
    pub fn build(self) -> Result<ProtectedResource, ConfigError> {
        let Self { transport, document } = self;
        let resource = url::read(&document.resource, transport)?;
        let others =
            [&document.jwks_uri, &document.resource_documentation, &document.resource_policy_uri, &document.resource_tos_uri];
        for url in document.authorization_servers.iter().chain(others.into_iter().flatten()) {
            url::read(url, transport)?;
        }
        if !document.scopes_supported.iter().all(|scope| scope::is_scope(scope)) {
            return Err(ConfigErrorKind::ScopeInvalid.into());
        }
        let url = url::well_known_before_path(&resource, NAME);
        let path_at = url.find("/.well-known/").unwrap_or(url.len());
        // Texts, lists and flags always serialise.
        let json = serde_json::to_vec(&document).unwrap_or_default().into();
        Ok(ProtectedResource(Arc::new(Inner { url: url.into(), path_at, json })))
    }
}

impl fmt::Debug for ProtectedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProtectedResource").field(&self.to_json()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_scopes_are_checked_when_it_is_built() {
        let builder = || ProtectedResource::builder("https://api.example");
        for (name, builder, expected) in [
            ("good", builder(), Ok(())),
            ("http", ProtectedResource::builder("http://api.example"), Err(ConfigErrorKind::UrlInsecure)),
            ("fragment", ProtectedResource::builder("https://api.example/#x"), Err(ConfigErrorKind::UrlInvalid)),
            ("issuer", builder().authorization_server("login"), Err(ConfigErrorKind::UrlInvalid)),
            ("documentation", builder().documentation("http://docs.example"), Err(ConfigErrorKind::UrlInsecure)),
            ("scope", builder().scope("two words"), Err(ConfigErrorKind::ScopeInvalid)),
        ] {
            assert_eq!(builder.build().map(drop).map_err(|error| error.kind()), expected, "{name}");
        }
        assert!(ProtectedResource::builder("http://127.0.0.1:3000").dangerous_allow_http().build().is_ok());
    }

    #[test]
    fn every_member_has_the_name_of_the_registry() {
        let resource = ProtectedResource::builder("https://api.example")
            .authorization_server("https://a.example")
            .jwks_uri("https://api.example/jwks")
            .scope("read")
            .name("API")
            .documentation("https://api.example/docs")
            .policy_uri("https://api.example/policy")
            .tos_uri("https://api.example/tos")
            .certificate_bound_tokens()
            .dpop_algorithm(Algorithm::Es256)
            .require_dpop()
            .build()
            .unwrap();
        let json: serde_json::Value = serde_json::from_str(resource.to_json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "resource": "https://api.example",
                "authorization_servers": ["https://a.example"],
                "jwks_uri": "https://api.example/jwks",
                "scopes_supported": ["read"],
                "bearer_methods_supported": ["header"],
                "resource_name": "API",
                "resource_documentation": "https://api.example/docs",
                "resource_policy_uri": "https://api.example/policy",
                "resource_tos_uri": "https://api.example/tos",
                "tls_client_certificate_bound_access_tokens": true,
                "dpop_signing_alg_values_supported": ["ES256"],
                "dpop_bound_access_tokens_required": true,
            })
        );
        assert_eq!(resource.metadata_path(), "/.well-known/oauth-protected-resource");
    }
}

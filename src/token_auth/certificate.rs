//! Client certificates, as far as a token can be bound to one: [RFC 8705 §3](https://www.rfc-editor.org/rfc/rfc8705#section-3).

use super::thumbprint::Thumbprint;

/// The certificate that the client authenticated its TLS connection with, put into the request's extensions by whatever ends TLS.
///
/// A token with `cnf: {"x5t#S256": ...}` is taken only beside the certificate of that thumbprint
/// ([RFC 8705 §3](https://www.rfc-editor.org/rfc/rfc8705#section-3)). Nothing has to be configured for it: without this extension such a
/// token is refused.
///
/// A server that ends TLS itself takes the certificate from the connection. Behind a proxy it comes in a header of the proxy's, such as
/// `Client-Cert` ([RFC 9440](https://www.rfc-editor.org/rfc/rfc9440)): read it only if the proxy is known to overwrite what a client sends
/// under that name, or anybody can claim any certificate.
///
/// ```
/// use donjon::token_auth::ClientCertificate;
/// use http::Request;
///
/// fn with_certificate<B>(mut request: Request<B>, der: &[u8]) -> Request<B> {
///     request.extensions_mut().insert(ClientCertificate::from_der(der));
///     request
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCertificate(Thumbprint);

impl ClientCertificate {
    /// The certificate itself, the end-entity one, in DER.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Self {
        Self(Thumbprint::of_certificate(der))
    }

    /// Its SHA-256, where the proxy tells no more.
    #[must_use]
    pub const fn from_thumbprint(thumbprint: Thumbprint) -> Self {
        Self(thumbprint)
    }

    /// The thumbprint that a token is compared with.
    #[must_use]
    pub const fn thumbprint(&self) -> Thumbprint {
        self.0
    }
}

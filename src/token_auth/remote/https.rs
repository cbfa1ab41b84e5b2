use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{
    error::{RemoteError, RemoteErrorKind},
    fetch::{Fetch, MAX_LEN},
};
use crate::token_auth::{
    crypto::Crypto,
    error::{ConfigError, ConfigErrorKind},
    url::Transport,
};

/// Asks identity providers over HTTPS, trusting the authorities that the operating system trusts.
///
/// It follows no redirect, reads 512 KiB and no more, keeps connections for a while, and knows no proxies and no cookies. Whoever needs
/// more brings a [`Fetch`].
///
/// ```no_run
/// use donjon::token_auth::{HttpsClient, RemoteKeys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // An identity provider behind an authority of the company's own.
/// let client = HttpsClient::builder().trust_pem(std::fs::read_to_string("company-ca.pem")?).build()?;
/// let keys = RemoteKeys::discover("https://login.corp.example").client(client).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpsClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpsClient {
    /// Starts a client.
    pub fn builder() -> HttpsClientBuilder {
        HttpsClientBuilder::default()
    }
}

impl Fetch for HttpsClient {
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, RemoteError> {
        let response = self.client.request(request.map(Full::new)).await.map_err(RemoteError::unreachable)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_LEN).collect().await.map_err(|error| match error.is::<LengthLimitError>() {
            true => RemoteErrorKind::Oversized.into(),
            false => RemoteError::unreachable(error),
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsClient").finish_non_exhaustive()
    }
}

/// Builds an [`HttpsClient`]; see there for an example.
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct HttpsClientBuilder {
    trusted: Vec<String>,
    crypto: Option<Crypto>,
    transport: Transport,
}

impl HttpsClientBuilder {
    /// Trusts the certificates in this PEM, and no longer those of the operating system.
    pub fn trust_pem(mut self, pem: impl Into<String>) -> Self {
        self.trusted.push(pem.into());
        self
    }

    /// Which cryptography runs TLS; needed if more than one is compiled in. There is no TLS by the RustCrypto crates: `ring` takes their part.
    pub fn crypto(mut self, crypto: Crypto) -> Self {
        self.crypto = Some(crypto);
        self
    }

    /// Takes `http` URLs, too. Whoever stands between then hands out the keys that tokens are checked with.
    pub fn dangerous_allow_http(self) -> Self {
        self.transport(Transport::AlsoHttp)
    }

    pub(super) fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    pub(super) fn maybe_crypto(mut self, crypto: Option<Crypto>) -> Self {
        self.crypto = crypto;
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// [`CryptoMissing`](ConfigErrorKind::CryptoMissing), [`CryptoAmbiguous`](ConfigErrorKind::CryptoAmbiguous), or
    /// [`TrustMissing`](ConfigErrorKind::TrustMissing) if there is no certificate to trust, or one that cannot be read.
    pub fn build(self) -> Result<HttpsClient, ConfigError> {
        let provider = Arc::new(provider(Crypto::resolve(self.crypto)?));
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::because(ConfigErrorKind::CryptoMissing, error))?
            .with_root_certificates(roots(&self.trusted, self.transport)?)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = match self.transport {
            Transport::Https => connector.https_only(),
            Transport::AlsoHttp => connector.https_or_http(),
        };
        let mut client = Client::builder(TokioExecutor::new());
        client.timer(TokioTimer::new()).pool_timer(TokioTimer::new()).pool_max_idle_per_host(8);
        Ok(HttpsClient { client: client.build(connector.enable_http1().build()) })
    }
}

fn provider(crypto: Crypto) -> CryptoProvider {
    match crypto {
        #[cfg(feature = "aws-lc-rs")]
        Crypto::AwsLcRs => rustls::crypto::aws_lc_rs::default_provider(),
        #[cfg(feature = "rust-crypto")]
        Crypto::RustCrypto => rustls::crypto::ring::default_provider(),
    }
}

fn roots(trusted: &[String], transport: Transport) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    for pem in trusted {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| ConfigError::because(ConfigErrorKind::TrustMissing, error))?;
            roots.add(certificate).map_err(|error| ConfigError::because(ConfigErrorKind::TrustMissing, error))?;
        }
    }
    if trusted.is_empty() {
        // Some of the system's certificates are always too odd to be used.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() && transport == Transport::Https { Err(ConfigErrorKind::TrustMissing.into()) } else { Ok(roots) }
}

//! Tokens that are bound to a client certificate, RFC 8705 §3.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use donjon::token_auth::{ClientCertificate, Rejection, RejectionKind, Thumbprint, TokenErrorKind};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Forger, INVALID_TOKEN, answer, bearing, challenge, layer};

/// Stands for a certificate in DER: what is compared is its hash.
const CERTIFICATE: &[u8] = b"\x30\x82\x01\x0a";

fn token() -> String {
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(CERTIFICATE));
    Forger::good().claim("cnf", json!({ "x5t#S256": thumbprint })).sign()
}

#[tokio::test]
async fn the_certificate_of_the_connection_must_be_the_token_s() {
    let hash: [u8; 32] = Sha256::digest(CERTIFICATE).into();
    for (name, certificate, status) in [
        ("the one", Some(ClientCertificate::from_der(CERTIFICATE)), 200),
        ("its hash, from a proxy", Some(ClientCertificate::from_thumbprint(Thumbprint::from_sha256(hash))), 200),
        ("another", Some(ClientCertificate::from_der(b"\x30\x82\x01\x0b")), 401),
        ("none", None, 401),
    ] {
        let mut request = bearing(&token());
        if let Some(certificate) = certificate {
            request = request.extension(certificate);
        }
        let (parts, _) = answer(&layer(), request).await;
        assert_eq!(parts.status, status, "{name}");
        if status == 401 {
            assert_eq!(challenge(&parts.headers), INVALID_TOKEN, "{name}");
            let rejection = parts.extensions.get::<Rejection>().unwrap();
            assert_eq!(rejection.kind(), RejectionKind::InvalidToken(TokenErrorKind::BindingFailed), "{name}");
        }
    }
}

#[tokio::test]
async fn a_certificate_does_not_stand_in_the_way_of_other_tokens() {
    let request = bearing(&Forger::good().sign()).extension(ClientCertificate::from_der(CERTIFICATE));
    assert_eq!(answer(&layer(), request).await.0.status, 200);
}

#[tokio::test]
async fn the_thumbprint_of_another_kind_counts_for_nothing() {
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(CERTIFICATE));
    for cnf in [json!({ "x5t": thumbprint }), json!({ "x5t#s256": thumbprint })] {
        let request = bearing(&Forger::good().claim("cnf", cnf).sign()).extension(ClientCertificate::from_der(CERTIFICATE));
        assert_eq!(answer(&layer(), request).await.0.status, 401);
    }
}

/// The verified-token cache must not carry one connection's certificate over to the next.
#[tokio::test]
async fn a_token_that_was_seen_before_is_compared_anew() {
    let (layer, token) = (layer(), token());
    let mine = || bearing(&token).extension(ClientCertificate::from_der(CERTIFICATE));
    assert_eq!(answer(&layer, mine()).await.0.status, 200);
    assert_eq!(answer(&layer, bearing(&token)).await.0.status, 401);
    assert_eq!(answer(&layer, mine()).await.0.status, 200);
}

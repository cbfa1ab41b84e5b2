//! Who may read what went wrong: somebody who sits at the machine itself.

use std::{error::Error, net::IpAddr};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header, uri::Authority};

use super::{
    chain::{scrub, texts},
    guard::{Panicked, catch},
};
use crate::Value;

/// Finds the address of the peer.
pub(super) type PeerOf = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

/// What every proxy adds, and a browser on the machine does not. Behind one all the world is a loopback peer.
const FORWARDED: [HeaderName; 5] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// Whether the request came from the machine itself and by no proxy.
pub(super) fn is_local(peer_of: &PeerOf, headers: &HeaderMap, extensions: &Extensions) -> Result<bool, Panicked> {
    let peer = catch(|| peer_of(extensions))?;
    Ok(peer.is_some_and(|peer| peer.to_canonical().is_loopback())
        && !FORWARDED.iter().any(|name| headers.contains_key(name))
        && headers.get_all(header::HOST).iter().all(is_this_machine))
}

/// Whether it is a name that nobody else can give to an address of this machine. A foreign site that has led its own name here (DNS rebinding)
/// shares its origin with us, and its scripts read what we answer to the browser that sits here.
///
/// HTTP/2 has no such field; but no browser speaks it without TLS, whose certificate the foreign name has not.
fn is_this_machine(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    // No resolver asks another for it (RFC 6761 §6.3).
    let last_label = name.rsplit('.').next().unwrap_or(name);
    last_label.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// How many texts of a chain are shown.
const SHOWN: usize = 16;

/// The name of the member that shows them.
pub(super) const CAUSES: &str = "causes";

/// The texts of the chain, outermost first, as the log has them.
pub(super) fn causes(error: &(dyn Error + 'static)) -> Value {
    texts(error).take(SHOWN).map(|text| Value::from(scrub(&text))).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_a_peer_that_is_known_to_be_here() {
        for (name, peer, header, expected) in [
            ("IPv4", Some("127.0.0.1"), None, true),
            ("all of 127/8", Some("127.8.9.10"), None, true),
            ("IPv6", Some("::1"), None, true),
            ("IPv4 in IPv6", Some("::ffff:127.0.0.1"), None, true),
            ("the same network", Some("192.168.0.2"), None, false),
            ("any address", Some("0.0.0.0"), None, false),
            ("not known", None, None, false),
            ("by a proxy", Some("127.0.0.1"), Some("x-forwarded-for"), false),
            ("by a proxy of the standard", Some("127.0.0.1"), Some("forwarded"), false),
            ("by a gateway", Some("::1"), Some("via"), false),
            ("by another", Some("::1"), Some("x-real-ip"), false),
        ] {
            let mut extensions = Extensions::new();
            if let Some(peer) = peer {
                extensions.insert(peer.parse::<IpAddr>().unwrap());
            }
            let headers: HeaderMap =
                header.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x"))).into_iter().collect();
            assert_eq!(is_local(&|extensions| extensions.get().copied(), &headers, &extensions), Ok(expected), "{name}");
        }
    }

    #[test]
    fn only_by_a_name_of_this_machine() {
        for (hosts, expected) in [
            (&[][..], true),
            (&["localhost"], true),
            (&["LocalHost:3000"], true),
            (&["app.localhost:3000"], true),
            (&["127.0.0.1:3000"], true),
            (&["[::1]:3000"], true),
            (&["rebound.example"], false),
            (&["rebound.example:3000"], false),
            (&["localhost.rebound.example"], false),
            (&["notlocalhost"], false),
            (&["192.168.0.2"], false),
            (&["localhost", "rebound.example"], false),
            (&[""], false),
            (&["a b"], false),
        ] {
            let headers = hosts.iter().map(|host| (header::HOST, HeaderValue::from_static(host))).collect();
            let peer = |_: &Extensions| Some(IpAddr::from([127, 0, 0, 1]));
            assert_eq!(is_local(&peer, &headers, &Extensions::new()), Ok(expected), "{hosts:?}");
        }
    }

    #[test]
    fn a_peer_that_cannot_be_told_is_not_here() {
        assert!(is_local(&|_| panic!("no connection"), &HeaderMap::new(), &Extensions::new()).is_err());
    }

    #[test]
    fn every_error_of_a_chain_once_and_without_its_secrets() {
        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl std::fmt::Display for Outer {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("outer")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Outer(std::io::Error::other("https://user:secret@host/?key=secret"));
        let expected = ["outer", "https://…@host/?…"].map(Value::from);
        assert_eq!(causes(&error), Value::from(expected.to_vec()));
    }
}

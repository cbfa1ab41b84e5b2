//! What an intermediary tells of its own part in a response, [RFC 9209](https://www.rfc-editor.org/rfc/rfc9209).

use std::{error::Error, fmt};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::cause::Cause;
use crate::core::header::bare_item;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// The `Proxy-Status` of a gateway ([RFC 9209 §2](https://www.rfc-editor.org/rfc/rfc9209#section-2)): the name by which it calls itself, and
/// what becomes of the field that an upstream has sent.
///
/// ```
/// use donjon::error_mapping::{ErrorMappingLayer, ProxyStatus, Role, UpstreamProxyStatus};
///
/// # fn gateway() -> Result<ErrorMappingLayer, donjon::error_mapping::ProxyNameError> {
/// let status = ProxyStatus::new("edge.example.net")?.upstream(UpstreamProxyStatus::Strip);
/// Ok(ErrorMappingLayer::new().role(Role::Gateway).proxy_status(status))
/// # }
/// # assert!(gateway().is_ok());
/// ```
///
/// A refused connection is then told as `Proxy-Status: edge.example.net; error=connection_refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyStatus {
    /// As it stands in the field.
    name: Box<str>,
    upstream: UpstreamProxyStatus,
}

/// What becomes of the `Proxy-Status` of an upstream.
///
/// It tells of the machines behind the gateway ([RFC 9209 §4](https://www.rfc-editor.org/rfc/rfc9209#section-4)), and nothing proves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpstreamProxyStatus {
    /// It passes as it came.
    #[default]
    Keep,
    /// It is removed.
    Strip,
    /// It passes, and the gateway appends a member of its own, with the status that it received; also to a response of 500 and above that came
    /// without the field.
    Extend,
}

impl ProxyStatus {
    /// A gateway of this name: a host, or a word of its own.
    ///
    /// # Errors
    /// When the name is empty or has a character that a string of structured fields cannot hold
    /// ([RFC 9651 §3.3.3](https://www.rfc-editor.org/rfc/rfc9651#section-3.3.3)): any but printable ASCII.
    pub fn new(name: &str) -> Result<Self, ProxyNameError> {
        let name = bare_item(name).ok_or(ProxyNameError(()))?;
        Ok(Self { name: name.into_boxed_str(), upstream: UpstreamProxyStatus::default() })
    }

    /// What becomes of an upstream's own field; kept if not set.
    #[must_use]
    pub fn upstream(mut self, policy: UpstreamProxyStatus) -> Self {
        self.upstream = policy;
        self
    }

    /// On a response from within, and the status with which an upstream sent it if one did.
    pub(super) fn pass(&self, headers: &mut HeaderMap, received: Option<StatusCode>) {
        match self.upstream {
            UpstreamProxyStatus::Keep => {}
            UpstreamProxyStatus::Strip => drop(headers.remove(PROXY_STATUS)),
            UpstreamProxyStatus::Extend => {
                if let Some(status) = received
                    && (status.is_server_error() || headers.contains_key(PROXY_STATUS))
                {
                    self.append(headers, "received-status", status.as_str());
                }
            }
        }
    }

    /// On a response that was made for want of one. Whoever stands nearer to the failure has told it.
    pub(super) fn tell(&self, headers: &mut HeaderMap, cause: Cause) {
        if let (false, Some(error)) = (headers.contains_key(PROXY_STATUS), cause.proxy_error()) {
            self.append(headers, "error", error);
        }
    }

    fn append(&self, headers: &mut HeaderMap, parameter: &str, value: &str) {
        if let Ok(member) = HeaderValue::try_from(format!("{}; {parameter}={value}", self.name)) {
            headers.append(PROXY_STATUS, member);
        }
    }
}

/// A name that `Proxy-Status` cannot carry.
#[derive(Debug, PartialEq, Eq)]
pub struct ProxyNameError(());

impl fmt::Display for ProxyNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a proxy must be one or more characters of printable ASCII")
    }
}

impl Error for ProxyNameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sfv::{BareItem, List, ListEntry, Parser, Token};

    fn lines(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all(PROXY_STATUS).iter().map(|line| line.to_str().unwrap()).collect()
    }

    #[test]
    fn what_becomes_of_an_upstreams_own() {
        use UpstreamProxyStatus::{Extend, Keep, Strip};
        for (name, policy, status, before, after) in [
            ("kept", Keep, 502, &["far; error=dns_error"][..], &["far; error=dns_error"][..]),
            ("kept, none", Keep, 502, &[], &[]),
            ("stripped", Strip, 502, &["far", "near"], &[]),
            ("extended", Extend, 502, &["far; error=dns_error"], &["far; error=dns_error", "gw; received-status=502"]),
            ("extended, a success that tells", Extend, 200, &["far"], &["far", "gw; received-status=200"]),
            ("extended, a success that does not", Extend, 200, &[], &[]),
            ("extended, an error that does not", Extend, 500, &[], &["gw; received-status=500"]),
        ] {
            let mut headers = HeaderMap::new();
            for line in before {
                headers.append(PROXY_STATUS, HeaderValue::from_static(line));
            }
            let status = StatusCode::from_u16(status).unwrap();
            ProxyStatus::new("gw").unwrap().upstream(policy).pass(&mut headers, Some(status));
            assert_eq!(lines(&headers), after, "{name}");
        }
    }

    #[test]
    fn a_failure_is_told_once_by_whoever_is_nearest() {
        let mut headers = HeaderMap::new();
        ProxyStatus::new("inner").unwrap().tell(&mut headers, Cause::DnsError);
        ProxyStatus::new("outer").unwrap().tell(&mut headers, Cause::DnsError);
        assert_eq!(lines(&headers), ["inner; error=dns_error"]);
        let mut headers = HeaderMap::new();
        ProxyStatus::new("gw").unwrap().tell(&mut headers, Cause::Overloaded);
        assert!(headers.is_empty());
    }

    /// The names and parameters of all members, by another implementation of structured fields.
    fn read(headers: &HeaderMap) -> Vec<(BareItem, Vec<(String, BareItem)>)> {
        let list: List = Parser::new(&lines(headers).join(", ")).parse().unwrap();
        let read = |entry| match entry {
            ListEntry::Item(item) => {
                (item.bare_item, item.params.into_iter().map(|(key, value)| (key.as_str().to_owned(), value)).collect())
            }
            ListEntry::InnerList(list) => panic!("no inner list was written: {list:?}"),
        };
        list.into_iter().map(read).collect()
    }

    fn token(text: &str) -> BareItem {
        BareItem::Token(Token::from_string(text.to_owned()).unwrap())
    }

    #[test]
    #[ignore = "needs what tests/conformance/structured-fields fetches"]
    fn structured_field_tests() {
        for case in crate::core::header::structured_field_tests::texts() {
            let mut headers = HeaderMap::new();
            if let Ok(proxy) = ProxyStatus::new(&case.text) {
                proxy.tell(&mut headers, Cause::ConnectionRefused);
            }
            let expected = case.written.filter(|_| !case.text.is_empty()).map(|name| name + "; error=connection_refused");
            assert_eq!(lines(&headers), Vec::from_iter(expected.as_deref()), "{}", case.name);
        }
    }

    const CAUSES: [Cause; 5] =
        [Cause::ConnectionRefused, Cause::HeaderSectionTooLarge, Cause::TransferCoding, Cause::Internal, Cause::Overloaded];

    proptest! {
        /// Another implementation of structured fields reads back what was written: each name, and each parameter by its key and value.
        #[test]
        fn a_member_is_a_structured_field(name in "[ -~]{1,40}", status in 100_u16..600, cause in prop::sample::select(CAUSES.to_vec())) {
            let mut headers = HeaderMap::new();
            let proxy = ProxyStatus::new(&name).unwrap().upstream(UpstreamProxyStatus::Extend);
            proxy.tell(&mut headers, cause);
            proxy.pass(&mut headers, Some(StatusCode::from_u16(status).unwrap()));
            let error = cause.proxy_error().map(|error| vec![("error".to_owned(), token(error))]);
            // A status without an error is received only of what the server itself could not do.
            let received = (error.is_some() || status >= 500).then(|| vec![("received-status".to_owned(), i64::from(status).try_into().unwrap())]);
            let told = read(&headers);
            let name = Token::from_string(name.clone()).map_or_else(|(_, name)| BareItem::String(sfv::String::from_string(name).unwrap()), BareItem::Token);
            let expected: Vec<_> = error.into_iter().chain(received).map(|parameters| (name.clone(), parameters)).collect();
            prop_assert_eq!(told, expected);
        }

        #[test]
        fn any_name_is_told_rightly_or_refused(name in any::<String>()) {
            prop_assert_eq!(ProxyStatus::new(&name).is_ok(), !name.is_empty() && name.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }
}

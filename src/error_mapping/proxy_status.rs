//! What an intermediary tells of its own part in a response, [RFC 9209](https://www.rfc-editor.org/rfc/rfc9209).

use std::{error::Error, fmt};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::cause::Cause;
use crate::core::{header::bare_item, structured::list};

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
    /// It is removed, from the head and from the trailers.
    Strip,
    /// It passes, and the gateway appends a member of its own, with the status that it received; also to a response of 500 and above that came
    /// without the field. To what a cache beneath has stored with the field it appends the status that it is given now.
    ///
    /// A field that cannot be read (for its grammar, or for more than the 1024 members of
    /// [RFC 9651 §3.1](https://www.rfc-editor.org/rfc/rfc9651#section-3.1)), by which the gateway's own member would be lost too
    /// ([RFC 9651 §4.2](https://www.rfc-editor.org/rfc/rfc9651#section-4.2)), is removed, and so is one that speaks in the gateway's own name. In
    /// trailers it passes if all of its members were in the head, which is where an intermediary has to begin
    /// ([RFC 9209 §2](https://www.rfc-editor.org/rfc/rfc9209#section-2)).
    Extend,
}

/// Which proxies have told something in the head of a response.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Box<[Box<str>]>);

impl Heard {
    pub(super) fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }
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

    pub(super) fn strips(&self) -> bool {
        self.upstream == UpstreamProxyStatus::Strip
    }

    /// On a response from within, and the status with which an upstream sent it if one did. Says who has told something, once the gateway has
    /// something to say of it.
    pub(super) fn pass(&self, headers: &mut HeaderMap, received: Option<StatusCode>) -> Option<Heard> {
        match self.upstream {
            UpstreamProxyStatus::Keep => None,
            UpstreamProxyStatus::Strip => {
                headers.remove(PROXY_STATUS);
                None
            }
            UpstreamProxyStatus::Extend => {
                let heard = headers.contains_key(PROXY_STATUS).then(|| self.others(headers));
                if let Some(None) = heard {
                    headers.remove(PROXY_STATUS);
                }
                let heard = heard.flatten();
                let status = received.filter(|status| status.is_server_error() || heard.is_some())?;
                self.append(headers, "received-status", status.as_str());
                Some(heard.unwrap_or_default())
            }
        }
    }

    /// On trailers from within, and who has told something in the head.
    pub(super) fn pass_trailers(&self, trailers: &mut HeaderMap, heard: &Heard) {
        let pass = match self.upstream {
            _ if !trailers.contains_key(PROXY_STATUS) => true,
            UpstreamProxyStatus::Keep => true,
            UpstreamProxyStatus::Strip => false,
            UpstreamProxyStatus::Extend => {
                self.others(trailers).is_some_and(|told| told.0.iter().all(|name| heard.0.contains(name)))
            }
        };
        if !pass {
            trailers.remove(PROXY_STATUS);
        }
    }

    /// Who has told something. `None` if the field cannot be read, tells nothing, or names a proxy by what is no name or by this one's.
    fn others(&self, headers: &HeaderMap) -> Option<Heard> {
        let lines: Vec<&[u8]> = headers.get_all(PROXY_STATUS).iter().map(HeaderValue::as_bytes).collect();
        let (lines, ours) = (lines.join(b", ".as_slice()), list(self.name.as_bytes())?);
        let ours = ours.first()?.text()?;
        let names = list(&lines)?.iter().map(|member| member.text().filter(|name| *name != ours).map(Into::into)).collect();
        Option::<Box<[_]>>::filter(names, |names| !names.is_empty()).map(Heard)
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
    use sfv::{BareItem, List, ListEntry, Parser};

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

    proptest! {
        /// Another implementation of structured fields reads back what was written: each name, and each parameter by its key and value.
        #[test]
        fn a_member_is_a_structured_field(name in "[ -~]{1,40}", status in 100_u16..600) {
            let far = if name == "far" { "near" } else { "far" };
            let mut headers = HeaderMap::new();
            ProxyStatus::new(far).unwrap().tell(&mut headers, Cause::ConnectionRefused);
            let proxy = ProxyStatus::new(&name).unwrap().upstream(UpstreamProxyStatus::Extend);
            proxy.pass(&mut headers, Some(StatusCode::from_u16(status).unwrap()));
            let list: List = Parser::new(&lines(&headers).join(", ")).parse().unwrap();
            let expected = [
                (far, "error", BareItem::Token(sfv::token_ref("connection_refused").to_owned())),
                (name.as_str(), "received-status", BareItem::Integer(i64::from(status).try_into().unwrap())),
            ];
            prop_assert_eq!(list.len(), expected.len());
            for (entry, (name, key, value)) in list.iter().zip(expected) {
                let ListEntry::Item(item) = entry else { panic!("no inner list was written") };
                let told = match &item.bare_item {
                    BareItem::Token(token) => token.as_str(),
                    BareItem::String(string) => string.as_str(),
                    other => panic!("{other:?}"),
                };
                prop_assert_eq!(told, name);
                prop_assert_eq!(item.params.iter().map(|(key, value)| (key.as_str(), value)).collect::<Vec<_>>(), [(key, &value)]);
            }
        }

        /// Whatever an upstream writes, others read the field, and its last word is the gateway's own.
        #[test]
        fn what_is_extended_can_be_read(written in prop::collection::vec("[ -~]{0,20}|(far|\"far\"|gw|\"gw\")(; [a-z-]{1,8}=[a-z0-9]{1,3})?", 0..4)) {
            let mut headers = written.iter().map(|line| (PROXY_STATUS, HeaderValue::from_str(line).unwrap())).collect();
            let proxy = ProxyStatus::new("gw").unwrap().upstream(UpstreamProxyStatus::Extend);
            let heard = proxy.pass(&mut headers, Some(StatusCode::BAD_GATEWAY)).unwrap();
            let told = lines(&headers);
            prop_assert_eq!(told.last(), Some(&"gw; received-status=502"));
            let list: List = Parser::new(&told.join(", ")).parse().unwrap();
            prop_assert_eq!(list.len(), heard.0.len() + 1);
            prop_assert!(!heard.0.iter().any(|name| &**name == "gw"));
        }

        #[test]
        fn any_name_is_told_rightly_or_refused(name in any::<String>()) {
            prop_assert_eq!(ProxyStatus::new(&name).is_ok(), !name.is_empty() && name.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }
}

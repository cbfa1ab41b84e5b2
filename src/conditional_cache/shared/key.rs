//! What a response is stored under ([RFC 9111 §2](https://www.rfc-editor.org/rfc/rfc9111#section-2)).

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, Uri, header, uri::Scheme};

use super::query::{QueryKey, kept};
use crate::core::Principal;

/// The primary key of stored responses: scheme, authority, path, query, and whom they are for.
///
/// Each part is written with its length before it, so no two requests can be written alike. Two keys are equal only if all of their bytes are.
/// Cloning is a reference count.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CacheKey(Arc<[u8]>);

/// How many parts make a URL: scheme, authority, path, query.
const URL_PARTS: usize = 4;

/// Which of them the path is.
const PATH: usize = 2;

impl CacheKey {
    /// Its bytes, as a store over a network writes them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads what [`as_bytes`](Self::as_bytes) gave. `None` if no key is written so.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut parts = 0;
        while !rest.is_empty() {
            (_, rest) = split(rest)?;
            parts += 1;
        }
        (parts >= URL_PARTS).then(|| Self(bytes.into()))
    }

    /// The URL's part of the key, the same for all callers.
    pub(crate) fn url(&self) -> &[u8] {
        let rest = (0..URL_PARTS).try_fold(&*self.0, |rest, _| split(rest).map(|(_, rest)| rest)).unwrap_or_default();
        self.0.get(..self.0.len() - rest.len()).unwrap_or_default()
    }

    /// The key for those alone whose requests select alike, by what they are told apart. No response is stored under it.
    pub(super) fn divided_by<'a>(&self, selecting: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut key = self.0.to_vec();
        let out = &mut |bytes: &[u8]| key.extend_from_slice(bytes);
        part(out, b"vary");
        selecting.into_iter().for_each(|bytes| part(out, bytes));
        Self(key.into())
    }

    /// Whether it holds more than the URL.
    pub(crate) fn is_divided(&self) -> bool {
        self.url().len() < self.0.len()
    }

    /// The scheme and the authority, which make the origin ([RFC 9110 §4.3.1](https://www.rfc-editor.org/rfc/rfc9110#section-4.3.1)).
    pub(crate) fn origin(&self) -> (&[u8], &[u8]) {
        let mut parts = self.parts();
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }

    /// The same as a URL has it.
    pub(crate) fn origin_text(&self) -> String {
        let (scheme, authority) = self.origin();
        format!("{}://{}", String::from_utf8_lossy(scheme), String::from_utf8_lossy(authority))
    }

    /// Whether both are of one URL, be it for different callers.
    pub(crate) fn same_url(&self, other: &Self) -> bool {
        self.url() == other.url()
    }

    /// Whether the origin is the same and the path begins with the other's.
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        let path = |key| Self::parts(key).nth(PATH).unwrap_or_default();
        self.origin() == other.origin() && path(self).starts_with(path(other))
    }

    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (part, after) = split(rest)?;
            rest = after;
            Some(part)
        })
    }
}

/// Shows how long it is: a query may hold secrets.
impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({} bytes)", self.0.len())
    }
}

/// A part, and what comes after it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?)
}

/// Which requests share a stored response.
///
/// The authority is compared without regard to case and without the scheme's own port. Path and query are compared as they are: a path
/// that two programs might read differently is never taken for another.
///
/// ```
/// use donjon::conditional_cache::shared::KeyPolicy;
/// use http::{HeaderMap, Uri};
///
/// let policy = KeyPolicy::new().ignore_query(["utm_source"]);
/// let key = |uri: &'static str| policy.key(&Uri::from_static(uri), &HeaderMap::new(), None);
/// assert_eq!(key("http://Example.com:80/a?page=2&utm_source=x"), key("http://example.com/a?page=2"));
/// assert_ne!(key("http://example.com/a?page=2"), key("http://example.com/a?page=3"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct KeyPolicy {
    scheme: Scheme,
    query: QueryKey,
    fields: Vec<HeaderName>,
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyPolicy {
    /// The whole URL and nothing else.
    pub fn new() -> Self {
        Self { scheme: Scheme::HTTP, query: QueryKey::Whole, fields: Vec::new() }
    }

    /// Sets the scheme of requests that do not say theirs, as most do not; `http` if not set.
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Leaves these parameters of the query out: requests that differ in nothing else share a response. The inner service still sees them,
    /// and must not let them change its answer.
    ///
    /// Names are compared as they are written. A parameter with a `;` in it is never left out, since some programs see two in it.
    pub fn ignore_query<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.query = QueryKey::Without(names.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves all parameters of the query out but these. The inner service still sees the others, and must not let them change its answer.
    ///
    /// Names are compared after their percent-encoding is undone. A parameter with a `;` in it is never left out, since some programs see
    /// two in it.
    pub fn only_query<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.query = QueryKey::Only(names.into_iter().map(Into::into).collect());
        self
    }

    /// Divides by this field of the request also, for an inner service whose answer depends on it and whose `Vary` does not say so, such as
    /// `X-Forwarded-Proto`.
    pub fn field(mut self, name: HeaderName) -> Self {
        self.fields.push(name);
        self
    }

    /// The key of a request: with a principal for this caller alone, told by issuer, subject and scopes. One who comes with fewer scopes, such
    /// as a program that somebody has let do a little for them, does not share what came of more.
    ///
    /// `None` if it has no key that is only its own: it has more than one `Host`, or one that is not the URL's
    /// ([RFC 9112 §3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2)), or a principal without a subject.
    #[must_use]
    pub fn key(&self, uri: &Uri, headers: &HeaderMap, principal: Option<&Principal>) -> Option<CacheKey> {
        let scheme = uri.scheme().unwrap_or(&self.scheme);
        let parts = Parts {
            scheme: scheme.as_str(),
            authority: authority(uri, headers, scheme)?,
            path: if uri.path().is_empty() { "/" } else { uri.path() },
            query: uri.query(),
            caller: match principal {
                Some(principal) => Some((principal, principal.subject()?)),
                None => None,
            },
            policy: self,
            headers,
        };
        let mut length = 0;
        parts.write(&mut |bytes| length += bytes.len());
        // All at once, so that a look-up costs one allocation.
        let mut key: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
        let bytes = Arc::get_mut(&mut key)?;
        let mut rest = &mut *bytes;
        parts.write(&mut |bytes| {
            if let Some((here, after)) = std::mem::take(&mut rest).split_at_mut_checked(bytes.len()) {
                here.copy_from_slice(bytes);
                rest = after;
            }
        });
        let authority = LENGTH + parts.scheme.len() + LENGTH;
        bytes.get_mut(authority..authority + parts.authority.len())?.make_ascii_lowercase();
        Some(CacheKey(key))
    }
}

/// The bytes of a length.
const LENGTH: usize = 4;

/// What is written into a key.
struct Parts<'a> {
    scheme: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    caller: Option<(&'a Principal, &'a str)>,
    policy: &'a KeyPolicy,
    headers: &'a HeaderMap,
}

impl Parts<'_> {
    fn write(&self, out: &mut impl FnMut(&[u8])) {
        for text in [self.scheme, self.authority, self.path] {
            part(out, text.as_bytes());
        }
        match self.query {
            Some(query) => self.write_query(query, out),
            None => length(out, 0),
        }
        if self.caller.is_none() && self.policy.fields.is_empty() {
            return;
        }
        match self.caller {
            Some((principal, subject)) => {
                let issuer = principal.issuer();
                part(out, if issuer.is_some() { b"iss" } else { b"sub" });
                part(out, issuer.unwrap_or_default().as_bytes());
                part(out, subject.as_bytes());
                // Their number first, as with the lines of a field.
                part(out, &(principal.scopes().len() as u64).to_be_bytes());
                principal.scopes().for_each(|scope| part(out, scope.as_bytes()));
            }
            None => part(out, b""),
        }
        for name in &self.policy.fields {
            let lines = self.headers.get_all(name);
            // Their number first, or the lines of two fields could be told apart no more.
            part(out, &(lines.iter().count() as u64).to_be_bytes());
            lines.iter().for_each(|line| part(out, line.as_bytes()));
        }
    }

    /// Told by what joins the parameters: `?` stands before the first, so an empty query is not the same as none.
    fn write_query(&self, query: &str, out: &mut impl FnMut(&[u8])) {
        let parameters = || kept(query, &self.policy.query);
        length(out, parameters().map(|parameter| 1 + parameter.len()).sum());
        for (number, parameter) in parameters().enumerate() {
            out(if number == 0 { b"?" } else { b"&" });
            out(parameter.as_bytes());
        }
    }
}

fn part(out: &mut impl FnMut(&[u8]), bytes: &[u8]) {
    length(out, bytes.len());
    out(bytes);
}

/// No part is longer: neither a URL nor a field can be, in any server of hyper's.
fn length(out: &mut impl FnMut(&[u8]), length: usize) {
    out(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

/// The authority without the scheme's own port. The one of the URL and the one of `Host` must be the same: an inner service might go by either.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap, scheme: &Scheme) -> Option<&'a str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(without_port(host.to_str().ok()?.trim_ascii(), scheme)),
        (Some(_), Some(_)) => return None,
    };
    let own = uri.authority().map(|authority| without_port(authority.as_str(), scheme));
    let authority = match (own, host) {
        (Some(own), Some(host)) if !own.eq_ignore_ascii_case(host) => return None,
        (own, host) => own.or(host).unwrap_or_default(),
    };
    // `user@host`, or what only looks like it.
    (!authority.contains('@')).then_some(authority)
}

fn without_port<'a>(authority: &'a str, scheme: &Scheme) -> &'a str {
    let default = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return authority,
    };
    // An empty port is the default one ([RFC 3986 §6.2.3](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.3)).
    authority.strip_suffix(default).or_else(|| authority.strip_suffix(':')).unwrap_or(authority)
}

#[cfg(test)]
mod tests;

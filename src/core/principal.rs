use std::{any::Any, fmt, sync::Arc, time::SystemTime};

use super::signal::{Revoked, Revoker};

/// Who is calling, as the layer that verified it says.
///
/// `TokenAuth` puts one into the request's extensions, for handlers and for the layers within, and into the response's, for the
/// layers around it: a cache keys private answers by it, a WebSocket ends when it does. Cloning is a reference count.
///
/// ```
/// use donjon::Principal;
///
/// #[derive(Debug)]
/// struct MyClaims { tenant: u32 }
///
/// let principal = Principal::builder()
///     .issuer("https://login.example")
///     .subject("alice")
///     .scopes(["articles:read", "articles:write"])
///     .claims(MyClaims { tenant: 7 })
///     .build();
/// assert!(principal.has_scope("articles:read"));
/// assert_eq!(principal.claims::<MyClaims>().map(|claims| claims.tenant), Some(7));
/// ```
#[derive(Clone)]
pub struct Principal(Arc<Inner>);

struct Inner {
    /// The same for many: shared with who verified it.
    issuer: Option<Arc<str>>,
    subject: Option<Box<str>>,
    scopes: Scopes,
    expires_at: Option<SystemTime>,
    revoker: Option<Revoker>,
    claims: Option<Box<dyn Any + Send + Sync>>,
}

/// Texts in one, and where each ends.
#[derive(Default)]
struct Scopes {
    text: String,
    ends: Vec<usize>,
}

impl Scopes {
    fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| self.text.get(std::mem::replace(&mut start, *end)..*end).unwrap_or_default())
    }
}

impl<S: AsRef<str>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(scopes: I) -> Self {
        let mut all = Self::default();
        for scope in scopes {
            // Room for a usual number of them at once.
            if all.ends.is_empty() {
                all.text.reserve(64);
                all.ends.reserve(8);
            }
            all.text.push_str(scope.as_ref());
            all.ends.push(all.text.len());
        }
        all
    }
}

/// As a list of texts.
impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Principal {
    /// Starts a principal of which nothing is known.
    pub fn builder() -> PrincipalBuilder {
        PrincipalBuilder(Inner {
            issuer: None,
            subject: None,
            scopes: Scopes::default(),
            expires_at: None,
            revoker: None,
            claims: None,
        })
    }

    /// Who vouches for it, the `iss` of a token ([RFC 7519 §4.1.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.1)).
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// Who it is, unique within the issuer ([RFC 7519 §4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// What it was allowed, in the order granted ([RFC 8693 §4.2](https://www.rfc-editor.org/rfc/rfc8693#section-4.2)).
    #[must_use]
    pub fn scopes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.scopes.iter()
    }

    /// Whether `scope` was granted; scopes are case-sensitive ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|granted| granted == scope)
    }

    /// When it ends by itself; `None` if it does not.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at
    }

    /// Whether it was revoked before its time.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.0.revoker.as_ref().is_some_and(Revoker::is_revoked)
    }

    /// Completes when it is revoked; stays pending for ever if nobody can revoke it.
    pub fn revoked(&self) -> Revoked {
        self.0.revoker.as_ref().map_or_else(Revoked::never, Revoker::revoked)
    }

    /// The verified claims, if they were kept as a `T`.
    #[must_use]
    pub fn claims<T: 'static>(&self) -> Option<&T> {
        self.0.claims.as_deref()?.downcast_ref()
    }
}

/// Shows who it is, never what else the token said.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.0.issuer)
            .field("subject", &self.0.subject)
            .field("scopes", &self.0.scopes)
            .field("expires_at", &self.0.expires_at)
            .field("revoked", &self.is_revoked())
            .finish_non_exhaustive()
    }
}

/// Builds a [`Principal`]; see there for an example.
#[must_use]
pub struct PrincipalBuilder(Inner);

impl PrincipalBuilder {
    /// Sets [`Principal::issuer`].
    pub fn issuer(mut self, issuer: impl Into<Arc<str>>) -> Self {
        self.0.issuer = Some(issuer.into());
        self
    }

    /// Sets [`Principal::subject`].
    pub fn subject(mut self, subject: impl Into<Box<str>>) -> Self {
        self.0.subject = Some(subject.into());
        self
    }

    /// Sets [`Principal::scopes`].
    pub fn scopes<I>(mut self, scopes: I) -> Self
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.0.scopes = scopes.into_iter().collect();
        self
    }

    /// Sets [`Principal::expires_at`].
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.0.expires_at = Some(time);
        self
    }

    /// Lets `revoker` end the principal early. One revoker may stand behind many principals.
    pub fn revoker(mut self, revoker: &Revoker) -> Self {
        self.0.revoker = Some(revoker.clone());
        self
    }

    /// Sets [`Principal::claims`].
    pub fn claims<T: Send + Sync + 'static>(mut self, claims: T) -> Self {
        self.0.claims = Some(Box::new(claims));
        self
    }

    /// The principal.
    #[must_use]
    pub fn build(self) -> Principal {
        Principal(Arc::new(self.0))
    }
}

impl fmt::Debug for PrincipalBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrincipalBuilder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_compared_whole_and_by_case() {
        let principal = Principal::builder().scopes(["read", "write"]).build();
        assert!(principal.has_scope("read"));
        assert!(!principal.has_scope("Read"));
        assert!(!principal.has_scope("rea"));
        assert_eq!(principal.scopes().collect::<Vec<_>>(), ["read", "write"]);
        assert_eq!(principal.scopes().len(), 2);
    }

    #[test]
    fn scopes_stay_apart_whatever_they_are() {
        for scopes in [vec![], vec![""], vec!["", "a", ""], vec!["a b", "c\0d", "\u{fc}\u{1f600}"], vec!["x"; 100]] {
            let principal = Principal::builder().scopes(&scopes).build();
            assert_eq!(principal.scopes().collect::<Vec<_>>(), scopes);
            assert!(!principal.has_scope("b"));
        }
    }

    #[test]
    fn debug_hides_the_claims() {
        let principal = Principal::builder().subject("alice").claims("secret".to_owned()).build();
        let shown = format!("{principal:?}");
        assert!(shown.contains("alice") && !shown.contains("secret"), "{shown}");
        assert_eq!(principal.claims::<String>().map(String::as_str), Some("secret"));
        assert_eq!(principal.claims::<u8>(), None);
    }
}

/// A place to look for the token.
///
/// ```
/// use donjon::token_auth::{JwtVerifier, TokenAuthLayer, TokenSource};
///
/// fn layer(verifier: JwtVerifier) -> TokenAuthLayer<JwtVerifier> {
///     TokenAuthLayer::new(verifier).source(TokenSource::cookie("session")).source(TokenSource::websocket_subprotocol())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSource {
    pub(super) place: Place,
    pub(super) presence: Presence,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    Dpop,
    Cookie(Box<str>),
    Subprotocol,
    Query(Box<str>),
}

/// Whether a token in that place was put there on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Explicit,
    Ambient,
}

impl TokenSource {
    pub(in crate::token_auth) const HEADER: Self = Self::explicit(Place::Header);
    /// `Authorization: DPoP <token>` ([RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    pub(in crate::token_auth) const DPOP: Self = Self::explicit(Place::Dpop);

    const fn explicit(place: Place) -> Self {
        Self { place, presence: Presence::Explicit }
    }

    /// `Authorization: Bearer <token>` ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)), the scheme in any case.
    ///
    /// Credentials of another scheme are no token: they are left to whom they concern.
    #[must_use]
    pub fn header() -> Self {
        Self::HEADER
    }

    /// The cookie of that name ([RFC 6265 §4.2](https://www.rfc-editor.org/rfc/rfc6265#section-4.2)); its value may be quoted, and if it is
    /// empty there is no token.
    ///
    /// A browser sends cookies with requests that other sites cause: set it `HttpOnly; Secure; SameSite=Lax` at least, and protect
    /// against cross-site request forgery whatever changes state.
    #[must_use]
    pub fn cookie(name: impl Into<Box<str>>) -> Self {
        Self::explicit(Place::Cookie(name.into()))
    }

    /// `Sec-WebSocket-Protocol`, the one field that a browser lets a page fill in: `new WebSocket(url, ["bearer", token])`.
    ///
    /// The token is the element after an element `bearer`, or the rest of an element `bearer.<token>`. It is taken out of the request before
    /// the service sees it; the marker `bearer` stays, for the service to select, since a browser closes a connection for which none of the
    /// subprotocols that it offered was selected. With `bearer.<token>` offer a second subprotocol for that.
    ///
    /// Looked at in an opening handshake only: `Upgrade: websocket`
    /// ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)) or `CONNECT`
    /// ([RFC 8441 §4](https://www.rfc-editor.org/rfc/rfc8441#section-4)).
    #[must_use]
    pub fn websocket_subprotocol() -> Self {
        Self::explicit(Place::Subprotocol)
    }

    /// The parameter of that name in the URL's query, `access_token` in
    /// [RFC 6750 §2.3](https://www.rfc-editor.org/rfc/rfc6750#section-2.3), for what can send nothing but a URL.
    ///
    /// It is dangerous because URLs are logged, kept in histories and handed on as referrers, by everything between the client and here. The
    /// token is taken out of the URL before the service sees it, and the section wants such answers to be `Cache-Control: private`, which is
    /// left to the service. The value is not percent-decoded: of the characters of a JWT none needs to be encoded.
    #[must_use]
    pub fn dangerous_query_parameter(name: impl Into<Box<str>>) -> Self {
        Self::explicit(Place::Query(name.into()))
    }

    /// Gives way to every token that was sent on purpose: one found here counts only if no other place has one.
    ///
    /// A browser adds a cookie by itself, also to the request that a page has put a token on; without this, two tokens are two tokens, and
    /// refused ([RFC 6750 §2](https://www.rfc-editor.org/rfc/rfc6750#section-2)). One that gives way is taken out of the request, or marked
    /// as sensitive, like one that counts. It is a mistake where anything in front of this service authenticates by the cookie: it would see
    /// one caller, and the service another.
    ///
    /// ```
    /// use donjon::token_auth::{JwtVerifier, TokenAuthLayer, TokenSource};
    ///
    /// fn layer(verifier: JwtVerifier) -> TokenAuthLayer<JwtVerifier> {
    ///     TokenAuthLayer::new(verifier).source(TokenSource::cookie("session").ambient())
    /// }
    /// ```
    #[must_use]
    pub fn ambient(mut self) -> Self {
        self.presence = Presence::Ambient;
        self
    }
}

//! From an error to its cause.
//!
//! `hyper::Error` and `io::Error` are the same types for an upstream, the client's own upload, the disk and the database, so a type alone
//! says nothing: what counts is beneath what it stands.

use std::{error::Error, io, net::SocketAddr, ops::ControlFlow};

use http::{Uri, uri::Authority};
use http_body_util::LengthLimitError;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use tower::{
    balance::error::Discover, buffer::error::Closed, load_shed::error::Overloaded, ready_cache::error::Failed,
    timeout::error::Elapsed,
};
use tower_http::timeout::TimeoutError;
use tower_service::Service;

use super::{
    cause::Cause,
    chain::{chain, ends},
    upstream::UpstreamError,
};

/// The cause of an error that came out of this place.
pub(super) fn cause_of(error: &(dyn Error + 'static), place: Place) -> Cause {
    let mut walk = Walk { place, cause: Cause::Internal };
    match chain(error).try_for_each(|error| walk.enter(error)) {
        ControlFlow::Break(cause) => cause,
        ControlFlow::Continue(()) => walk.cause,
    }
}

/// Where in the work the errors stand that come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In this server, or between it and its client.
    Here,
    /// In the body of a response of this server's own.
    Answer,
    /// In the body of the request that was sent on.
    Upload,
    /// In the body of a response that a gateway hands on: what hyper says there it says of an upstream.
    Relayed,
    /// At an upstream; what was done by then is unknown.
    Upstream,
    /// On the way to an upstream: nothing was sent.
    Connecting,
    /// At an upstream that something may have reached, and that has sent no head.
    Asked,
    /// At an upstream that something may have reached.
    Sent,
}

struct Walk {
    place: Place,
    /// The best that is known, should nothing beneath say more.
    cause: Cause,
}

impl Walk {
    fn enter(&mut self, error: &(dyn Error + 'static)) -> ControlFlow<Cause> {
        match signpost(error) {
            Some(sign) => ControlFlow::Break(self.read(sign)),
            None => self.pass(error),
        }
    }

    /// What a sign says where it stands.
    fn read(&self, sign: Cause) -> Cause {
        match (self.place, sign) {
            (_, Cause::TimedOut) => self.timed_out(),
            // The types are those of a bound on any body, and this one is a response's.
            (Place::Answer, Cause::RequestTimedOut) => Cause::TimedOut,
            (Place::Answer, Cause::ContentTooLarge) => Cause::Internal,
            (Place::Relayed, Cause::RequestTimedOut) => Cause::ResponseTimedOut,
            (Place::Relayed, Cause::ContentTooLarge) => Cause::UpstreamFailed,
            _ if self.is_ours() => sign,
            (_, Cause::RequestTimedOut) => self.timed_out(),
            // What an upstream's parts say of themselves says nothing of how far we got.
            _ => self.cause,
        }
    }

    /// What says where the errors beneath it stand.
    fn pass(&mut self, error: &(dyn Error + 'static)) -> ControlFlow<Cause> {
        if error.is::<UpstreamError>() {
            if self.is_ours() {
                *self = Self { place: Place::Upstream, cause: Cause::UpstreamFailed };
            }
        } else if let Some(error) = error.downcast_ref::<legacy::Error>() {
            self.enter_client(error);
        } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
            self.enter_hyper(error);
        } else if let Some(error) = error.downcast_ref::<io::Error>() {
            return self.enter_io(error.kind());
        } else if self.place == Place::Connecting && is_dns(error) {
            self.cause = Cause::DnsError;
        } else {
            #[cfg(feature = "error-mapping-reqwest")]
            self.enter_reqwest(error);
            #[cfg(feature = "error-mapping-http2")]
            self.enter_http2(error);
            #[cfg(feature = "error-mapping-rustls")]
            self.enter_tls(error);
        }
        ControlFlow::Continue(())
    }

    /// In this server, as far as it is known.
    fn is_ours(&self) -> bool {
        matches!(self.place, Place::Here | Place::Answer | Place::Upload | Place::Relayed)
    }

    fn enter_client(&mut self, error: &legacy::Error) {
        *self = if error.is_connect() {
            // What stands around it may have known by its own clock that it took too long.
            let late = matches!(self.cause, Cause::ResponseTimedOut);
            Self { place: Place::Connecting, cause: if late { Cause::ConnectionTimedOut } else { Cause::ConnectionFailed } }
        } else if error.source().is_some() {
            Self { place: Place::Asked, cause: Cause::UpstreamFailed }
        } else {
            // Only its complaints of the request that we made (method, version, relative URI) have no source.
            Self { place: Place::Here, cause: Cause::Internal }
        };
    }

    /// The type covers all that its client does, from building the request to decoding the content.
    #[cfg(feature = "error-mapping-reqwest")]
    fn enter_reqwest(&mut self, error: &(dyn Error + 'static)) {
        let Some(client) = error.downcast_ref::<reqwest::Error>() else { return };
        // Around what the body that it was given to send has failed with.
        if self.place == Place::Upload && client.is_body() {
            return;
        }
        *self = if client.is_builder() {
            Self { place: Place::Here, cause: Cause::Internal }
        } else if ends(client) && client.is_timeout() {
            Self { place: Place::Sent, cause: Cause::ResponseTimedOut }
        } else {
            Self { place: Place::Sent, cause: Cause::UpstreamFailed }
        };
    }

    /// Beneath hyper's error.
    #[cfg(feature = "error-mapping-http2")]
    fn enter_http2(&mut self, error: &(dyn Error + 'static)) {
        let (Place::Asked | Place::Sent, Some(error)) = (self.place, error.downcast_ref::<h2::Error>()) else { return };
        // h2 gives the error of a GOAWAY to the streams after the last one that it names, and to no other.
        let by_client = !error.is_remote() && !error.is_library();
        if error.is_reset() && by_client {
            // So hyper's client ends a stream whose upload fails, and keeps the upload's own error to itself.
            *self = Self { place: Place::Upload, cause: Cause::RequestIncomplete };
            return;
        }
        let left_out = error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM));
        self.cause = if error.is_library() {
            Cause::ProtocolError
        } else if left_out && self.place == Place::Asked {
            Cause::Unprocessed
        } else if error.is_remote() {
            Cause::ResponseIncomplete
        } else {
            self.cause
        };
    }

    /// Of the handshake. What comes later may follow a request: a server that speaks TLS 1.3 refuses its client's certificate only then.
    #[cfg(feature = "error-mapping-rustls")]
    fn enter_tls(&mut self, error: &(dyn Error + 'static)) {
        if let (Place::Connecting, Some(error)) = (self.place, error.downcast_ref::<rustls::Error>()) {
            self.cause = match error {
                rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Cause::TlsCertificate,
                rustls::Error::AlertReceived(_) => Cause::TlsAlert,
                _ => Cause::TlsFailed,
            };
        }
    }

    fn enter_hyper(&mut self, error: &hyper::Error) {
        match self.place {
            Place::Here | Place::Answer => return,
            Place::Upload => {
                self.cause = Cause::RequestIncomplete;
                return;
            }
            _ => {}
        }
        if error.is_user() {
            // Not the upstream's doing: the request that we made, or the upload of our client that went into it.
            *self = Self { place: Place::Upload, cause: Cause::Internal };
            return;
        }
        // Of a request hyper's client says it for one that it did not begin (`hyper::client::conn::TrySendError`).
        let unbegun = error.is_canceled() && self.place == Place::Asked;
        if matches!(self.place, Place::Upstream | Place::Relayed) {
            self.place = Place::Sent;
        }
        self.cause = if unbegun {
            Cause::Unprocessed
        } else if error.is_incomplete_message() {
            Cause::ResponseIncomplete
        } else if error.is_parse_too_large() {
            Cause::HeaderSectionTooLarge
        } else if error.is_parse() {
            Cause::ProtocolError
        } else if ends(error) && error.is_timeout() {
            self.timed_out()
        } else if error.is_canceled() || error.is_closed() {
            Cause::ConnectionTerminated
        } else if self.place == Place::Sent && error.source().is_some_and(is_text) {
            // What an upstream does is an error of the connection's or of h2's. A text is what hyper's client, in HTTP/1.1, leaves to the response
            // of a connection that it ends because the upload into it failed; the upload's own error it keeps to itself.
            self.place = Place::Upload;
            Cause::RequestIncomplete
        } else {
            match self.cause {
                Cause::Internal => Cause::UpstreamFailed,
                known => known,
            }
        };
    }

    fn enter_io(&self, kind: io::ErrorKind) -> ControlFlow<Cause> {
        use io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, InvalidInput, NetworkUnreachable,
            TimedOut, UnexpectedEof,
        };
        match (self.place, kind) {
            (Place::Upstream | Place::Connecting | Place::Asked | Place::Sent, TimedOut) => ControlFlow::Break(self.timed_out()),
            // The name server's connection, not the upstream's.
            (Place::Connecting, _) if self.cause == Cause::DnsError => ControlFlow::Continue(()),
            // The connection's own error, which was there before the request.
            (Place::Asked, _) if self.cause == Cause::Unprocessed => ControlFlow::Break(Cause::Unprocessed),
            (Place::Upstream | Place::Connecting, ConnectionRefused) => ControlFlow::Break(Cause::ConnectionRefused),
            (Place::Upstream | Place::Connecting, HostUnreachable | NetworkUnreachable) => {
                ControlFlow::Break(Cause::DestinationUnroutable)
            }
            (Place::Upstream | Place::Asked | Place::Sent, ConnectionReset | ConnectionAborted | BrokenPipe) => {
                ControlFlow::Break(Cause::ConnectionTerminated)
            }
            (Place::Upstream | Place::Asked | Place::Sent, UnexpectedEof) => ControlFlow::Break(Cause::ResponseIncomplete),
            // How hyper's decoder calls a chunk that is none.
            (Place::Asked | Place::Sent, InvalidInput) => ControlFlow::Break(Cause::TransferCoding),
            _ => ControlFlow::Continue(()),
        }
    }

    fn timed_out(&self) -> Cause {
        match self.place {
            Place::Here | Place::Answer | Place::Upload | Place::Relayed => Cause::TimedOut,
            Place::Connecting if self.cause == Cause::DnsError => Cause::DnsTimedOut,
            Place::Connecting => Cause::ConnectionTimedOut,
            Place::Upstream | Place::Asked | Place::Sent => Cause::ResponseTimedOut,
        }
    }
}

/// The types that say by themselves what happened.
fn signpost(error: &(dyn Error + 'static)) -> Option<Cause> {
    if error.is::<Elapsed>() {
        Some(Cause::TimedOut)
    } else if error.is::<TimeoutError>() {
        Some(Cause::RequestTimedOut)
    } else if error.is::<LengthLimitError>() {
        Some(Cause::ContentTooLarge)
    } else if error.is::<Overloaded>() {
        Some(Cause::Overloaded)
    } else if error.is::<Closed>() {
        Some(Cause::Unavailable)
    } else if error.is::<Discover>() || is_failed_endpoint(error) {
        Some(Cause::DestinationUnavailable)
    } else {
        None
    }
}

/// The type has the key of the endpoint for a parameter; these are the keys that endpoints go by.
fn is_failed_endpoint(error: &(dyn Error + 'static)) -> bool {
    error.is::<Failed<usize>>()
        || error.is::<Failed<String>>()
        || error.is::<Failed<&'static str>>()
        || error.is::<Failed<SocketAddr>>()
        || error.is::<Failed<Authority>>()
        || error.is::<Failed<Uri>>()
}

/// Whether an error is a mere text in a box, whose type has no name: `Debug` shows it as it shows a string.
fn is_text(error: &(dyn Error + 'static)) -> bool {
    format!("{error:?}") == format!("{:?}", error.to_string())
}

/// hyper-util exports no name for the error of its connector, which says in its text alone at which step it stands.
fn is_dns(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<<HttpConnector as Service<Uri>>::Error>().is_some_and(|error| error.to_string() == "dns error")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_mapping::upstream::BoxError;
    use std::fmt;

    #[derive(Debug)]
    struct Wrap(Option<BoxError>);

    impl fmt::Display for Wrap {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrapped")
        }
    }

    impl Error for Wrap {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.0.as_deref().map(|error| error as _)
        }
    }

    fn io(kind: io::ErrorKind) -> BoxError {
        io::Error::from(kind).into()
    }

    fn wrapped(error: BoxError) -> BoxError {
        Wrap(Some(error)).into()
    }

    fn marked(error: BoxError) -> BoxError {
        UpstreamError::new(error).into()
    }

    #[test]
    fn the_same_error_here_and_at_an_upstream() {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound, TimedOut, UnexpectedEof};
        for (name, error, here, upstream) in [
            ("refused", (|| io(ConnectionRefused)) as fn() -> BoxError, Cause::Internal, Cause::ConnectionRefused),
            ("reset", || io(ConnectionReset), Cause::Internal, Cause::ConnectionTerminated),
            ("cut", || io(UnexpectedEof), Cause::Internal, Cause::ResponseIncomplete),
            ("io timeout", || io(TimedOut), Cause::Internal, Cause::ResponseTimedOut),
            ("missing file", || io(NotFound), Cause::Internal, Cause::UpstreamFailed),
            ("text", || "sql".into(), Cause::Internal, Cause::UpstreamFailed),
            ("tower timeout", || Elapsed::new().into(), Cause::TimedOut, Cause::ResponseTimedOut),
            ("tower timeout within io", || io::Error::other(Elapsed::new()).into(), Cause::TimedOut, Cause::ResponseTimedOut),
            ("load shed", || Overloaded::new().into(), Cause::Overloaded, Cause::UpstreamFailed),
            ("no route", || io(io::ErrorKind::HostUnreachable), Cause::Internal, Cause::DestinationUnroutable),
            ("an endpoint", || Failed(1_usize, "gone".into()).into(), Cause::DestinationUnavailable, Cause::UpstreamFailed),
            ("a named endpoint", || Failed("a", "gone".into()).into(), Cause::DestinationUnavailable, Cause::UpstreamFailed),
            (
                "an endpoint of another key",
                || Failed('a', Elapsed::new().into()).into(),
                Cause::TimedOut,
                Cause::ResponseTimedOut,
            ),
        ] {
            assert_eq!(cause_of(&*error(), Place::Here), here, "{name}");
            assert_eq!(cause_of(&*wrapped(error()), Place::Here), here, "{name}, wrapped");
            assert_eq!(cause_of(&*marked(error()), Place::Here), upstream, "{name}, marked");
            assert_eq!(cause_of(&*wrapped(marked(wrapped(error()))), Place::Here), upstream, "{name}, marked and wrapped");
            assert_eq!(cause_of(&*marked(marked(error())), Place::Here), upstream, "{name}, marked twice");
        }
    }

    #[test]
    fn a_text_and_what_is_none() {
        for (name, error, expected) in [
            ("text", "connection \"error\"".into(), true),
            ("text in an io error", io::Error::other("text").into(), false),
            ("io", io(io::ErrorKind::ConnectionReset), false),
            ("a type", wrapped("wrapped".into()), false),
        ] {
            assert_eq!(is_text(&*error), expected, "{name}");
        }
    }

    #[test]
    fn beyond_the_depth_cap_nothing_is_seen() {
        let mut error: BoxError = Elapsed::new().into();
        for _ in 0..63 {
            error = wrapped(error);
        }
        assert_eq!(cause_of(&*error, Place::Here), Cause::TimedOut);
        assert_eq!(cause_of(&*wrapped(error), Place::Here), Cause::Internal);
    }
}

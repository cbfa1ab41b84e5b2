//! From an error to its cause.
//!
//! `hyper::Error` and `io::Error` are the same types for an upstream, the client's own upload, the disk and the database, so a type alone
//! says nothing: what counts is beneath what it stands.

use std::{error::Error, io, ops::ControlFlow};

use http_body_util::LengthLimitError;
use hyper_util::client::legacy;
use tower::{buffer::error::Closed, load_shed::error::Overloaded, timeout::error::Elapsed};

use super::{
    cause::Cause,
    chain::chain,
    config::Config,
    guard::{Panicked, guard},
    upstream::{BoxError, UpstreamError},
};
use crate::Problem;

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Failure {
    Error(BoxError),
    Panic,
}

impl Failure {
    /// The conversion of an error is foreign code, too.
    #[cold]
    pub(super) fn of(error: impl Into<BoxError>) -> Self {
        guard(|| error.into()).map_or_else(Self::from, Self::Error)
    }
}

impl From<Panicked> for Failure {
    fn from(_: Panicked) -> Self {
        Self::Panic
    }
}

/// What is known of a failure.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Somebody has said what to answer: an own mapping, or a `Problem` in the chain.
    Own(Problem),
    Known(Cause),
}

pub(super) fn classify(failure: &Failure, config: &Config) -> Verdict {
    let error = match failure {
        Failure::Panic => return Verdict::Known(Cause::Panic),
        Failure::Error(error) => &**error,
    };
    match chain(error).find_map(|error| own(error, config)) {
        Some(problem) => Verdict::Own(problem),
        None => Verdict::Known(cause_of(error)),
    }
}

fn own(error: &(dyn Error + 'static), config: &Config) -> Option<Problem> {
    config.mappings.iter().find_map(|mapping| mapping(error)).or_else(|| error.downcast_ref::<Problem>().cloned())
}

fn cause_of(error: &(dyn Error + 'static)) -> Cause {
    let mut walk = Walk { place: Place::Here, cause: Cause::Internal };
    match chain(error).try_for_each(|error| walk.enter(error)) {
        ControlFlow::Break(cause) => cause,
        ControlFlow::Continue(()) => walk.cause,
    }
}

/// Where in the work the errors stand that come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In this server, or between it and its client.
    Here,
    /// At an upstream; what was done by then is unknown.
    Upstream,
    /// On the way to an upstream: nothing was sent.
    Connecting,
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
        if error.is::<Elapsed>() {
            return ControlFlow::Break(self.timed_out());
        }
        if error.is::<Overloaded>() {
            return ControlFlow::Break(self.unless_here(Cause::Overloaded));
        }
        if error.is::<Closed>() {
            return ControlFlow::Break(self.unless_here(Cause::Unavailable));
        }
        if error.is::<LengthLimitError>() {
            return ControlFlow::Break(self.unless_here(Cause::ContentTooLarge));
        }
        if error.is::<UpstreamError>() {
            if self.place == Place::Here {
                *self = Self { place: Place::Upstream, cause: Cause::UpstreamFailed };
            }
        } else if let Some(error) = error.downcast_ref::<legacy::Error>() {
            *self = entered_client(error);
        } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
            self.enter_hyper(error);
        } else if let Some(error) = error.downcast_ref::<io::Error>() {
            return self.enter_io(error.kind());
        }
        ControlFlow::Continue(())
    }

    fn enter_hyper(&mut self, error: &hyper::Error) {
        if self.place == Place::Here {
            return;
        }
        if error.is_user() {
            // Not the upstream's doing: the request that we made, or the upload of our client that went into it.
            *self = Self { place: Place::Here, cause: Cause::Internal };
        } else if error.is_incomplete_message() {
            self.cause = Cause::ResponseIncomplete;
        } else if error.is_parse() {
            self.cause = Cause::ProtocolError;
        } else if error.is_timeout() {
            self.cause = self.timed_out();
        } else if error.is_canceled() || error.is_closed() {
            self.cause = Cause::ConnectionTerminated;
        }
    }

    fn enter_io(&self, kind: io::ErrorKind) -> ControlFlow<Cause> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut, UnexpectedEof};
        match (self.place, kind) {
            (Place::Upstream | Place::Connecting, ConnectionRefused) => ControlFlow::Break(Cause::ConnectionRefused),
            (Place::Upstream | Place::Connecting | Place::Sent, TimedOut) => ControlFlow::Break(self.timed_out()),
            (Place::Upstream | Place::Sent, ConnectionReset | ConnectionAborted | BrokenPipe) => {
                ControlFlow::Break(Cause::ConnectionTerminated)
            }
            (Place::Upstream | Place::Sent, UnexpectedEof) => ControlFlow::Break(Cause::ResponseIncomplete),
            _ => ControlFlow::Continue(()),
        }
    }

    /// What an upstream's parts say of themselves says nothing of how far we got.
    fn unless_here(&self, cause: Cause) -> Cause {
        if self.place == Place::Here { cause } else { self.cause }
    }

    fn timed_out(&self) -> Cause {
        match self.place {
            Place::Here => Cause::TimedOut,
            Place::Connecting => Cause::ConnectionTimedOut,
            Place::Upstream | Place::Sent => Cause::ResponseTimedOut,
        }
    }
}

fn entered_client(error: &legacy::Error) -> Walk {
    if error.is_connect() {
        Walk { place: Place::Connecting, cause: Cause::ConnectionFailed }
    } else if error.source().is_some() {
        Walk { place: Place::Sent, cause: Cause::UpstreamFailed }
    } else {
        // Only its complaints of the request that we made (method, version, relative URI) have no source.
        Walk { place: Place::Here, cause: Cause::Internal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        ] {
            assert_eq!(cause_of(&*error()), here, "{name}");
            assert_eq!(cause_of(&*wrapped(error())), here, "{name}, wrapped");
            assert_eq!(cause_of(&*marked(error())), upstream, "{name}, marked");
            assert_eq!(cause_of(&*wrapped(marked(wrapped(error())))), upstream, "{name}, marked and wrapped");
            assert_eq!(cause_of(&*marked(marked(error()))), upstream, "{name}, marked twice");
        }
    }

    #[test]
    fn beyond_the_depth_cap_nothing_is_seen() {
        let mut error: BoxError = Elapsed::new().into();
        for _ in 0..63 {
            error = wrapped(error);
        }
        assert_eq!(cause_of(&*error), Cause::TimedOut);
        assert_eq!(cause_of(&*wrapped(error)), Cause::Internal);
    }

    #[test]
    fn what_somebody_said_comes_first_and_the_outermost_of_it() {
        let mut config = Config::default();
        config
            .mappings
            .push(std::sync::Arc::new(|error| error.is::<Elapsed>().then(|| Problem::new(http::StatusCode::IM_A_TEAPOT))));
        for (name, error, status) in [
            ("mapped", Elapsed::new().into(), Some(418)),
            ("mapped beneath a marker", marked(Elapsed::new().into()), Some(418)),
            ("a problem", wrapped(Problem::new(http::StatusCode::CONFLICT).into()), Some(409)),
            ("not mapped", Overloaded::new().into(), None),
        ] {
            match classify(&Failure::Error(error), &config) {
                Verdict::Own(problem) => assert_eq!(Some(problem.status().as_u16()), status, "{name}"),
                Verdict::Known(_) => assert_eq!(None, status, "{name}"),
            }
        }
    }
}

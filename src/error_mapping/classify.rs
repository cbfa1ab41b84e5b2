//! From a failure to what is answered.

use std::{error::Error, sync::Arc};

use tower::{buffer::error::ServiceError, load_shed::error::Overloaded};

use super::{
    cause::{Cause, Role},
    chain::chain,
    config::Config,
    guard::{Foreign, Panicked, catch},
    inner::InnerError,
    walk::{Place, cause_of},
};
use crate::Problem;

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Failure {
    Error(Foreign),
    /// Of a handler, which had begun by then.
    Handler(Arc<Foreign>),
    Panic(Panicked),
}

impl Failure {
    /// The conversion of an error is foreign code, too.
    #[cold]
    pub(super) fn of(error: impl InnerError) -> Self {
        catch(|| error.into_box()).map_or_else(Self::Panic, |error| Self::Error(Foreign::new(error)))
    }

    /// The error as it came, if it is one.
    pub(super) fn error(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => Some(&**error),
            Self::Handler(error) => Some(&***error),
            Self::Panic(_) => None,
        }
    }

    /// Whether the service had no room for the request and did not begin it: nothing stands around the limit but what a buffer puts there.
    fn is_unbegun(&self) -> bool {
        let Self::Error(error) = self else { return false };
        chain(&**error).find(|error| !error.is::<ServiceError>()).is_some_and(|error| error.is::<Overloaded>())
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
    let Some(error) = failure.error() else { return Verdict::Known(Cause::Panic) };
    if let Some(problem) = chain(error).find_map(|error| own(error, config)) {
        return Verdict::Own(problem);
    }
    let cause = match cause_of(error, Place::Here) {
        // What an origin sends to a server that it asks is its own, whoever it has it from.
        Cause::RequestIncomplete if config.role == Role::Origin => Cause::Internal,
        // Of a limit within a handler, which may have done half of its work by then.
        Cause::Overloaded if config.role == Role::Origin && !failure.is_unbegun() => Cause::Unavailable,
        cause => cause,
    };
    match (cause, &config.fallback) {
        (Cause::Internal, Some(fallback)) => Verdict::Own(fallback(error)),
        _ => Verdict::Known(cause),
    }
}

fn own(error: &(dyn Error + 'static), config: &Config) -> Option<Problem> {
    config.mappings.iter().find_map(|mapping| mapping(error)).or_else(|| error.downcast_ref::<Problem>().cloned())
}

#[cfg(test)]
mod tests {
    use std::io;

    use tower::timeout::error::Elapsed;

    use super::*;
    use crate::error_mapping::UpstreamError;

    #[test]
    fn what_somebody_said_comes_first_and_the_outermost_of_it() {
        let mut config = Config::default();
        config
            .change()
            .mappings
            .push(std::sync::Arc::new(|error| error.is::<Elapsed>().then(|| Problem::new(http::StatusCode::IM_A_TEAPOT))));
        for (name, error, status) in [
            ("mapped", Elapsed::new().into(), Some(418)),
            ("mapped beneath a marker", UpstreamError::new(Elapsed::new()).into(), Some(418)),
            ("a problem", io::Error::other(Problem::new(http::StatusCode::CONFLICT)).into(), Some(409)),
            ("not mapped", Overloaded::new().into(), None),
        ] {
            match classify(&Failure::Error(Foreign::new(error)), &config) {
                Verdict::Own(problem) => assert_eq!(Some(problem.status().as_u16()), status, "{name}"),
                Verdict::Known(_) => assert_eq!(None, status, "{name}"),
            }
        }
    }
}

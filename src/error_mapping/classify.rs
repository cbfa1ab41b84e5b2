//! From a failure to what is answered.

use std::error::Error;

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
    Panic(Panicked),
}

impl Failure {
    /// The conversion of an error is foreign code, too.
    #[cold]
    pub(super) fn of(error: impl InnerError) -> Self {
        catch(|| error.into_box()).map_or_else(Self::Panic, |error| Self::Error(Foreign::new(error)))
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
        Failure::Panic(_) => return Verdict::Known(Cause::Panic),
        Failure::Error(error) => &**error,
    };
    if let Some(problem) = chain(error).find_map(|error| own(error, config)) {
        return Verdict::Own(problem);
    }
    let cause = match cause_of(error, Place::Here) {
        // What an origin sends to a server that it asks is its own, whoever it has it from.
        Cause::RequestIncomplete if config.role == Role::Origin => Cause::Internal,
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

    use tower::{load_shed::error::Overloaded, timeout::error::Elapsed};

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

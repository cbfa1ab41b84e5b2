//! What the app itself refuses, in the same words everywhere.

use axum::extract::rejection::PathRejection;
use donjon::Problem;
use http::StatusCode;

/// A problem that its status says all about.
pub(crate) fn bare(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(status).with_detail("There is nothing at this address."),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(status).with_detail("This address answers to other methods; the Allow header names them.")
        }
        _ => Problem::new(status),
    }
}

/// For a name that is not even text, as `%ff`: nothing has one.
pub(crate) fn no_such_name(_: PathRejection) -> Problem {
    bare(StatusCode::NOT_FOUND)
}

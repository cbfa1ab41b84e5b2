//! What the log is told: each error in one event, with the texts of its chain and the names of its request.

use std::error::Error;

use http::StatusCode;

use super::{
    cause::Cause,
    chain::Chain,
    classify::Failure,
    correlation::Ids,
    guard::{Panicked, catch, told},
};
use crate::{Problem, core::trace::event};

/// Why there was no response; with what panicked when it was looked at.
pub(super) fn failure(
    failure: &Failure,
    looking: Option<&Panicked>,
    (cause, status): (Option<Cause>, StatusCode),
    ids: Option<&Ids>,
) {
    let panicked = if let Failure::Panic(panicked) = failure { Some(panicked) } else { looking };
    whole(ids, || match (panicked, failure.error()) {
        (Some(panicked), error) => panicked.tell(error, ids),
        (None, error) => error.into_iter().for_each(|error| answered(cause, status, error, ids)),
    });
}

/// A problem from within, or that of an error that came empty.
pub(super) fn problem(problem: &Problem, cause: Option<Cause>, ids: Option<&Ids>) {
    whole(ids, || answered(cause, problem.status(), problem, ids));
}

/// An error that an upstream has answered with, and that came empty: nobody's here, whatever its status.
pub(super) fn received(problem: &Problem, ids: Option<&Ids>) {
    let (status, id, trace) = (problem.status(), ids.and_then(Ids::request), ids.and_then(Ids::trace));
    whole(ids, || match status.is_server_error() {
        true => {
            event!(WARN, "an upstream answered with an error", status = status.as_u16(); request_id = id, trace_id = trace);
        }
        false => {
            event!(DEBUG, "an upstream answered with an error", status = status.as_u16(); request_id = id, trace_id = trace);
        }
    });
}

/// Why a message was cut; with what panicked when it was looked at.
pub(super) fn cut(cause: Cause, error: &(dyn Error + 'static), looking: Option<&Panicked>, ids: Option<&Ids>) {
    whole(ids, || match looking {
        Some(panicked) => panicked.tell(Some(error), ids),
        None => broke(cause, error, ids),
    });
}

/// Where a `Display` (or a subscriber) panics on the way, that is the one thing told.
fn whole(ids: Option<&Ids>, tell: impl FnOnce()) {
    if let Err(panicked) = catch(tell) {
        told(&panicked, ids);
    }
}

/// A failure of our own is an error of the log; one of an upstream, and a lack of room, a warning; a refusal not even that.
fn answered(cause: Option<Cause>, status: StatusCode, error: &(dyn Error + 'static), ids: Option<&Ids>) {
    let (cause, status, error) = (cause.map_or("own", Cause::as_str), status.as_u16(), Chain(error));
    let (id, trace) = (ids.and_then(Ids::request), ids.and_then(Ids::trace));
    match status {
        500 => {
            event!(ERROR, "a request failed", cause = cause, status = status, error = error; request_id = id, trace_id = trace);
        }
        501.. => {
            event!(WARN, "a request failed", cause = cause, status = status, error = error; request_id = id, trace_id = trace);
        }
        _ => {
            event!(DEBUG, "a request was refused", cause = cause, status = status, error = error; request_id = id, trace_id = trace);
        }
    }
}

/// An upstream that breaks off is a warning; what breaks here an error.
fn broke(cause: Cause, error: &(dyn Error + 'static), ids: Option<&Ids>) {
    let (id, trace) = (ids.and_then(Ids::request), ids.and_then(Ids::trace));
    match cause.is_upstreams() {
        true => {
            event!(WARN, "the body of a response failed", cause = cause, error = Chain(error); request_id = id, trace_id = trace)
        }
        false => {
            event!(ERROR, "the body of a response failed", cause = cause, error = Chain(error); request_id = id, trace_id = trace)
        }
    }
}

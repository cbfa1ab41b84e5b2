use std::{error::Error, fmt, sync::Arc};

use super::{cause::Cause, correlation::Ids, guard::guard_for};
use crate::Problem;

/// One error, as [`on_error`](super::ErrorMappingLayer::on_error) is told of it. For operators: what is in it does not all belong to the client.
#[derive(Clone, Copy)]
pub struct ErrorReport<'a> {
    pub(super) stage: ErrorStage,
    pub(super) problem: Option<&'a Problem>,
    pub(super) cause: Option<Cause>,
    pub(super) error: Option<&'a (dyn Error + 'static)>,
    pub(super) ids: Option<&'a Ids>,
}

/// How far the response had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorStage {
    /// The client is answered with the problem.
    Head,
    /// The status was sent; the message is cut.
    Body,
}

impl<'a> ErrorReport<'a> {
    /// How far the response had come.
    #[must_use]
    pub fn stage(&self) -> ErrorStage {
        self.stage
    }

    /// What the client is told; nothing when the body of a response fails.
    #[must_use]
    pub fn problem(&self) -> Option<&'a Problem> {
        self.problem
    }

    /// What went wrong, as far as the layer found it out. None for a refusal, and for what a mapping answered.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// The error as it came. None for a panic and for a refusal. Its texts may hold secrets: those that are logged by the layer are scrubbed.
    #[must_use]
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        self.error
    }

    /// The id of the request, with a [`Correlation`](super::Correlation).
    #[must_use]
    pub fn request_id(&self) -> Option<&'a str> {
        self.ids.and_then(Ids::request)
    }

    /// The id of the trace that the request belongs to, with a [`Correlation`](super::Correlation).
    #[must_use]
    pub fn trace_id(&self) -> Option<&'a str> {
        self.ids.and_then(Ids::trace)
    }
}

/// Without the error, whose texts are not for every log.
impl fmt::Debug for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorReport")
            .field("stage", &self.stage)
            .field("problem", &self.problem)
            .field("cause", &self.cause)
            .field("request_id", &self.request_id())
            .field("trace_id", &self.trace_id())
            .finish_non_exhaustive()
    }
}

/// Who is told.
pub(super) type Hook = Arc<dyn Fn(&ErrorReport<'_>) + Send + Sync>;

/// Each on its own: one that panics keeps it from nobody else.
pub(super) fn report(hooks: &[Hook], report: &ErrorReport<'_>) {
    for hook in hooks {
        let _ = guard_for(report.ids, || hook(report));
    }
}

/// In the extensions of a response whose error was reported: of stacked layers the innermost that has somebody to tell does.
#[derive(Clone, Copy)]
pub(super) struct Reported;

/// In the extensions of a response whose error the log was told of: of stacked layers the innermost does.
#[derive(Clone, Copy)]
pub(super) struct Logged;

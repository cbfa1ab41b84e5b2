use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::report::ErrorReport;

/// How many kinds are told apart. Types are few and the program's own; should one put what changes into a type, memory does not follow it.
const KINDS: usize = 256;

const OTHER: &str = "other";

/// Counts errors by the type of their problem; a clone counts into the same.
///
/// ```
/// use donjon::error_mapping::{ErrorCounts, ErrorMappingLayer};
///
/// let counts = ErrorCounts::new();
/// let layer = ErrorMappingLayer::new().count_in(&counts);
/// // ... and where metrics are read:
/// for kind in counts.read() {
///     println!("errors{{type={:?},status=\"{}\",cause={:?}}} {}", kind.type_uri, kind.status, kind.cause, kind.count);
/// }
/// ```
#[derive(Clone, Default)]
pub struct ErrorCounts(Arc<Mutex<BTreeMap<Kind, u64>>>);

type Kind = (Cow<'static, str>, u16, &'static str);

/// How often one kind of error was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorCount {
    /// The type of the problem; `about:blank` where there is nothing beyond the status, and for what failed in the body of a response. `other` for
    /// what came after the first 256 kinds.
    pub type_uri: Cow<'static, str>,
    /// The status of the problem; 0 for what failed in the body of a response, whose status was sent before.
    pub status: u16,
    /// [`Cause::as_str`](super::Cause::as_str); empty where the layer knows no cause, as for a refusal.
    pub cause: &'static str,
    /// Since the counts were made.
    pub count: u64,
}

impl ErrorCounts {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was counted until now, in the order of type, status and cause.
    #[must_use]
    pub fn read(&self) -> Vec<ErrorCount> {
        let kinds = self.kinds();
        kinds
            .iter()
            .map(|((type_uri, status, cause), count)| ErrorCount {
                type_uri: type_uri.clone(),
                status: *status,
                cause,
                count: *count,
            })
            .collect()
    }

    pub(super) fn add(&self, report: &ErrorReport<'_>) {
        let (type_uri, status) =
            report.problem().map_or(("about:blank", 0), |problem| (problem.type_uri(), problem.status().as_u16()));
        let cause = report.cause().map_or("", |cause| cause.as_str());
        let mut kinds = self.kinds();
        let mut kind: Kind = (Cow::Owned(type_uri.to_owned()), status, cause);
        if kinds.len() >= KINDS && !kinds.contains_key(&kind) {
            kind = (Cow::Borrowed(OTHER), 0, "");
        }
        let count = kinds.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    /// Nothing foreign runs under the lock, so a poisoned one holds whole counts.
    fn kinds(&self) -> MutexGuard<'_, BTreeMap<Kind, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ErrorCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorCounts").field("kinds", &self.kinds().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Problem,
        error_mapping::{Cause, report::ErrorStage},
    };
    use http::StatusCode;

    fn told(problem: Option<&Problem>, cause: Option<Cause>) -> ErrorReport<'_> {
        ErrorReport { stage: ErrorStage::Head, problem, cause, error: None, ids: None }
    }

    #[test]
    fn each_kind_has_its_count() {
        let counts = ErrorCounts::new();
        let refusal = Problem::new(StatusCode::CONFLICT).with_type("https://a.example/taken");
        let internal = Problem::new(StatusCode::INTERNAL_SERVER_ERROR);
        for _ in 0..3 {
            counts.clone().add(&told(Some(&refusal), None));
        }
        counts.add(&told(Some(&internal), Some(Cause::Panic)));
        counts.add(&told(Some(&internal), Some(Cause::Internal)));
        counts.add(&told(None, Some(Cause::Panic)));
        let read: Vec<_> =
            counts.read().into_iter().map(|kind| (kind.type_uri.into_owned(), kind.status, kind.cause, kind.count)).collect();
        let blank = || "about:blank".to_owned();
        let expected = [
            (blank(), 0, "panic", 1),
            (blank(), 500, "internal", 1),
            (blank(), 500, "panic", 1),
            ("https://a.example/taken".to_owned(), 409, "", 3),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn types_without_end_do_not_fill_the_memory() {
        let counts = ErrorCounts::new();
        for number in 0..10_000 {
            counts.add(&told(Some(&Problem::new(StatusCode::CONFLICT).with_type(format!("urn:x:{number}"))), None));
        }
        let read = counts.read();
        assert_eq!(read.len(), KINDS + 1);
        assert_eq!(read.iter().map(|kind| kind.count).sum::<u64>(), 10_000);
        assert_eq!(read.iter().find(|kind| kind.type_uri == OTHER).map(|kind| kind.count), Some(10_000 - KINDS as u64));
    }
}

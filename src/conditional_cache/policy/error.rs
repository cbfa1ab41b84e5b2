use std::fmt;

/// Why a [`CachePolicy`](super::CachePolicy) cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    kind: PolicyErrorKind,
    rule: usize,
    subject: Box<str>,
}

/// The kinds of [`PolicyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// A path pattern does not begin with `/`, holds `**` beside other characters of a segment, or a `?` or `#`.
    Path,
    /// A content type is not `type/subtype`, `type/*` or `*/*`.
    ContentType,
    /// A range of status codes is empty or leaves 200 to 599.
    Status,
    /// `public` stands beside `private` or `no-store`.
    Contradiction,
    /// The name of a targeted field does not end in `-cache-control`.
    Targeted,
    /// There are more than 64 rules.
    TooManyRules,
}

impl PolicyError {
    pub(super) fn new(kind: PolicyErrorKind, rule: usize, subject: impl Into<Box<str>>) -> Self {
        Self { kind, rule, subject: subject.into() }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> PolicyErrorKind {
        self.kind
    }

    /// Which rule it is, counted from 0 in the order added.
    #[must_use]
    pub fn rule(&self) -> usize {
        self.rule
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            PolicyErrorKind::Path => "is not a path pattern",
            PolicyErrorKind::ContentType => "is not a content type",
            PolicyErrorKind::Status => "is not a range of final status codes",
            PolicyErrorKind::Contradiction => "contradicts itself",
            PolicyErrorKind::Targeted => "is not the name of a targeted field, which ends in -cache-control",
            PolicyErrorKind::TooManyRules => "are more rules than the 64 that a policy can hold",
        };
        write!(f, "cache rule {}: {:?} {what}", self.rule, self.subject)
    }
}

impl std::error::Error for PolicyError {}

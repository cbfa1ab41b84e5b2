use std::{error::Error, fmt, io};

/// Assets that cannot be served as they were configured, or files that cannot be read.
///
/// It comes when the files are read, at the start of the program; no request can cause one.
pub struct AssetsError {
    kind: AssetsErrorKind,
    /// The file, folder or name that it is about.
    subject: Box<str>,
    source: Option<io::Error>,
}

/// What is wrong with the assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssetsErrorKind {
    /// The folder does not exist, or is none.
    RootMissing,
    /// A folder or a file cannot be read; the cause is its [`source`](Error::source).
    Unreadable,
    /// A file changes while it is read, again and again.
    Unsteady,
    /// Two files, of two folders or embedded ones, have the same name.
    NameTaken,
    /// A file has the very name that another one gets by its content.
    HashedNameTaken,
    /// The name of an embedded file is empty, has a segment that is empty or begins with a dot, or holds a backslash, a percent sign or a
    /// control character.
    NameInvalid,
    /// The mount is not `/` or `/` and segments of letters, digits and `-._~`, none of which begins with a dot.
    MountInvalid,
}

impl AssetsErrorKind {
    const fn message(self) -> &'static str {
        match self {
            Self::RootMissing => "the folder of assets is missing",
            Self::Unreadable => "the asset cannot be read",
            Self::Unsteady => "the asset changes while it is read",
            Self::NameTaken => "two assets have the same name",
            Self::HashedNameTaken => "an asset has the name that another one gets by its content",
            Self::NameInvalid => "the name of an asset cannot stand in a URL",
            Self::MountInvalid => "the mount of the assets is not a plain path",
        }
    }
}

impl AssetsError {
    pub(super) fn new(kind: AssetsErrorKind, subject: impl Into<Box<str>>) -> Self {
        Self { kind, subject: subject.into(), source: None }
    }

    pub(super) fn unreadable(path: &std::path::Path, error: io::Error) -> Self {
        let source = Some(error);
        Self { kind: AssetsErrorKind::Unreadable, subject: path.display().to_string().into(), source }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> AssetsErrorKind {
        self.kind
    }
}

impl fmt::Display for AssetsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.message(), self.subject)
    }
}

impl fmt::Debug for AssetsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssetsError").field("kind", &self.kind).field("subject", &self.subject).finish_non_exhaustive()
    }
}

impl Error for AssetsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

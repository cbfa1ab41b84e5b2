use std::{error::Error, fmt};

/// Any error that may cross threads.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Says that an error came from an upstream: a server that this one asked on behalf of its client.
///
/// The layer cannot see it otherwise. A refused connection to a database and one to the server that a gateway forwards to are the same
/// `io::Error`, and only the second is a 502. Errors of hyper-util's client need no marker.
///
/// ```
/// use std::io;
/// use donjon::error_mapping::UpstreamError;
///
/// fn forward() -> Result<(), UpstreamError> {
///     Err(io::Error::from(io::ErrorKind::ConnectionReset)).map_err(UpstreamError::new)
/// }
/// assert_eq!(forward().unwrap_err().to_string(), "an upstream failed");
/// ```
///
/// Its own texts say nothing of the error that it marks, which is the [`source`](Error::source).
pub struct UpstreamError {
    source: BoxError,
}

impl UpstreamError {
    /// Marks `error`.
    #[must_use]
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self { source: error.into() }
    }
}

impl fmt::Debug for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamError").finish_non_exhaustive()
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an upstream failed")
    }
}

impl Error for UpstreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

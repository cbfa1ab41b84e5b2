//! How and why a connection ends.

use super::{
    close::{CloseCode, CloseFrame},
    error::{WsError, WsErrorKind},
};

/// How to end.
#[derive(Debug)]
pub(super) struct Ending {
    /// What the peer is told; nothing if it said goodbye itself or cannot hear.
    pub(super) frame: Option<CloseFrame>,
    pub(super) wait: WaitFor,
    pub(super) cause: WsErrorKind,
}

/// What to wait for after the last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitFor {
    /// What is still queued, then the peer's Close frame
    /// ([RFC 6455 §7.1.2](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.2)).
    QueueAndCloseFrame,
    /// The peer's Close frame.
    CloseFrame,
    /// The end of what the peer sends, which no longer makes sense. To drop the connection with bytes unread would reset it and
    /// may take the Close frame along.
    EndOfData,
    /// Nothing: the connection is broken, or nobody is there any more.
    Nothing,
}

impl Ending {
    /// The handler has ended it.
    pub(super) fn ours(frame: CloseFrame) -> Self {
        Self { frame: Some(frame), wait: WaitFor::QueueAndCloseFrame, cause: WsErrorKind::Closed }
    }

    /// The server goes down.
    pub(super) fn drained(frame: CloseFrame) -> Self {
        Self { frame: Some(frame), wait: WaitFor::QueueAndCloseFrame, cause: WsErrorKind::Draining }
    }

    /// The principal is no longer valid: nothing of what waits is for its eyes any more.
    pub(super) fn principal(cause: WsErrorKind, code: CloseCode) -> Self {
        let reason = if cause == WsErrorKind::Revoked { "token revoked" } else { "token expired" };
        Self { frame: Some(CloseFrame::of(code, reason)), wait: WaitFor::CloseFrame, cause }
    }

    /// The peer's Close frame was read; the codec has the answer ready.
    pub(super) fn theirs() -> Self {
        Self { frame: None, wait: WaitFor::CloseFrame, cause: WsErrorKind::Closed }
    }

    /// The peer cannot follow what it is sent.
    pub(super) fn slow() -> Self {
        let frame = CloseFrame::of(CloseCode::TRY_AGAIN_LATER, "too slow");
        Self { frame: Some(frame), wait: WaitFor::CloseFrame, cause: WsErrorKind::Slow }
    }

    /// A time is over.
    pub(super) fn timed_out(cause: WsErrorKind) -> Self {
        let (reason, wait) = match cause {
            WsErrorKind::Unresponsive => ("no sign of life", WaitFor::Nothing),
            WsErrorKind::WriteTimeout => ("", WaitFor::Nothing),
            WsErrorKind::Idle => ("idle", WaitFor::QueueAndCloseFrame),
            _ => ("maximum lifetime", WaitFor::QueueAndCloseFrame),
        };
        Self { frame: Some(CloseFrame::of(CloseCode::GOING_AWAY, reason)), wait, cause }
    }

    pub(super) fn failed(error: &WsError) -> Self {
        let frame = error.kind().close_code().map(CloseFrame::from);
        let wait = if frame.is_some() { WaitFor::EndOfData } else { WaitFor::Nothing };
        Self { frame, wait, cause: error.kind() }
    }
}

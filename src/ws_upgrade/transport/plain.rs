use bytes::{Buf as _, Bytes, BytesMut, buf::Limit};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{
    head::{BINARY, CONTINUATION, FIN, Head, TEXT, mask},
    inspector::Inspector,
    text::Utf8,
};
use crate::ws_upgrade::{budget::Budget, error::WsErrorKind};

/// Reads where nothing is compressed.
///
/// A message in one frame, which most are, is made here from the bytes in which it came. Everything else (fragments, control frames,
/// and whatever breaks the protocol) is the codec's.
#[derive(Debug, Default)]
pub(super) struct Plain {
    max_frame: u64,
    /// How many of the next bytes are the codec's.
    pass: u64,
    /// Judges the text among those.
    inspector: Inspector,
    /// Whether a message in fragments is under way.
    fragmented: bool,
    whole: Option<Whole>,
    /// The codec has the rest, but for what has begun.
    closing: bool,
}

/// What there is to do with what was read.
pub(super) enum Step {
    Message(Message),
    /// The codec should read.
    Codec,
    /// There is too little to tell.
    More,
}

/// A message in one frame, of which a part has come.
#[derive(Debug)]
struct Whole {
    text: bool,
    key: [u8; 4],
    len: usize,
    payload: BytesMut,
    /// How much of it is unmasked and, if it is text, found to be.
    judged: usize,
    utf8: Utf8,
}

impl Plain {
    pub(super) fn new(max_frame: usize) -> Self {
        Self { max_frame: max_frame as u64, ..Self::default() }
    }

    /// Leaves messages to the codec, which discards what comes after a Close frame.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Where the rest of a message is best read to.
    pub(super) fn room(&mut self) -> Option<Limit<&mut BytesMut>> {
        use bytes::BufMut as _;
        let Whole { payload, len, .. } = self.whole.as_mut()?;
        let missing = len.saturating_sub(payload.len());
        Some(payload.limit(missing))
    }

    /// Goes on with what was read.
    pub(super) fn advance(&mut self, ahead: &mut BytesMut, budget: &mut Budget) -> Result<Step, WsErrorKind> {
        loop {
            if let Some(whole) = &mut self.whole {
                if !whole.fill(ahead)? {
                    return Ok(Step::More);
                }
                let message = self.whole.take().map(Whole::message).transpose()?;
                match message.filter(|_| !self.closing) {
                    Some(message) => return Ok(Step::Message(message)),
                    None => continue,
                }
            }
            if ahead.is_empty() {
                return Ok(Step::More);
            }
            if self.pass > 0 {
                return Ok(Step::Codec);
            }
            let Some((head, size)) = Head::parse(ahead) else { return Ok(Step::More) };
            if let Some(counted) = head.counted() {
                budget.frame(counted, Instant::now)?;
            }
            self.begin(head, size, ahead)?;
        }
    }

    /// The message that `bytes` start with, if all of it is there and nothing else is under way; then it is taken from them.
    ///
    /// What is read in small pieces is copied, so that a small message keeps no more than itself.
    pub(super) fn take(&mut self, bytes: &mut &[u8], budget: &mut Budget) -> Result<Option<Message>, WsErrorKind> {
        if self.whole.is_some() || self.pass > 0 {
            return Ok(None);
        }
        let Some((head, size)) = Head::parse(bytes) else { return Ok(None) };
        let Some(key) = self.key_of_whole(&head) else { return Ok(None) };
        let Some((payload, rest)) = usize::try_from(head.len).ok().and_then(|len| bytes.get(size..)?.split_at_checked(len))
        else {
            return Ok(None);
        };
        if head.len > self.max_frame {
            return Err(WsErrorKind::TooBig);
        }
        if let Some(counted) = head.counted() {
            budget.frame(counted, Instant::now)?;
        }
        *bytes = rest;
        let mut payload = payload.to_vec();
        mask(&mut payload, key, 0);
        message(head.opcode() == TEXT, payload.into()).map(Some)
    }

    /// The key, if the frame is a whole message and may be.
    fn key_of_whole(&self, head: &Head) -> Option<[u8; 4]> {
        let whole = head.first == FIN | TEXT || head.first == FIN | BINARY;
        head.key.filter(|_| whole && !self.fragmented && !self.closing)
    }

    fn begin(&mut self, head: Head, size: usize, ahead: &mut BytesMut) -> Result<(), WsErrorKind> {
        match self.key_of_whole(&head) {
            Some(key) => {
                if head.len > self.max_frame {
                    return Err(WsErrorKind::TooBig);
                }
                let len = usize::try_from(head.len).map_err(|_| WsErrorKind::TooBig)?;
                ahead.advance(size);
                self.whole = Some(Whole::begin(head.opcode() == TEXT, key, len, ahead));
            }
            None => {
                self.pass = head.len.saturating_add(size as u64);
                match (head.opcode(), head.is_final()) {
                    (TEXT | BINARY, false) => self.fragmented = true,
                    (CONTINUATION, true) => self.fragmented = false,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// How many of these bytes the codec may have.
    pub(super) fn passing(&self, available: usize) -> usize {
        usize::try_from(self.pass).map_or(available, |pass| pass.min(available))
    }

    /// The codec is given these. The error tells how many of them come before the piece that is at fault.
    pub(super) fn passed(&mut self, bytes: &[u8]) -> Result<(), (usize, WsErrorKind)> {
        self.pass = self.pass.saturating_sub(bytes.len() as u64);
        self.inspector.inspect(bytes)
    }
}

impl Whole {
    fn begin(text: bool, key: [u8; 4], len: usize, ahead: &mut BytesMut) -> Self {
        // In the bytes in which it came if it is all there, else in some of its own.
        let payload = if ahead.len() >= len { ahead.split_to(len) } else { BytesMut::with_capacity(len) };
        Self { text, key, len, payload, judged: 0, utf8: Utf8::default() }
    }

    /// Takes what has come; `true` if that is all.
    fn fill(&mut self, ahead: &mut BytesMut) -> Result<bool, WsErrorKind> {
        let size = ahead.len().min(self.len.saturating_sub(self.payload.len()));
        if size > 0 {
            self.payload.extend_from_slice(ahead.get(..size).unwrap_or_default());
            ahead.advance(size);
        }
        let complete = self.payload.len() == self.len;
        let at_once = complete && self.judged == 0;
        let fresh = self.payload.get_mut(self.judged..).unwrap_or_default();
        mask(fresh, self.key, self.judged as u64);
        // What comes at once is judged once, when it becomes a text.
        if self.text && !at_once {
            self.utf8.push(fresh).map_err(|_| WsErrorKind::InvalidUtf8)?;
        }
        self.judged = self.payload.len();
        Ok(complete)
    }

    fn message(self) -> Result<Message, WsErrorKind> {
        message(self.text, self.payload.freeze())
    }
}

fn message(text: bool, payload: Bytes) -> Result<Message, WsErrorKind> {
    if !text {
        return Ok(Message::Binary(payload));
    }
    Utf8Bytes::try_from(payload).map(Message::Text).map_err(|_| WsErrorKind::InvalidUtf8)
}

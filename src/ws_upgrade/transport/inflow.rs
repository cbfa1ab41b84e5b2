use bytes::{Buf, BytesMut};
use tokio::{io::ReadBuf, time::Instant};

use super::{
    head::{BINARY, CONTINUATION, FIN, Frames, Head, RSV1, TEXT, mask},
    plain::Step,
};
use crate::ws_upgrade::{
    budget::Budget,
    deflate::{Inflated, Inflater},
    error::WsErrorKind,
};

/// The largest piece of an inflated message: what a bomb may take beside what the codec has counted.
const CHUNK: usize = 16 * 1024;
/// Room before a piece for its head: two bytes, two of length, four of key.
const ROOM: usize = 8;

/// Turns compressed messages into plain ones ([RFC 7692 §7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2)) on their way to
/// the codec, which counts and judges them as it does all others.
///
/// A compressed message becomes fragments of at most `CHUNK` bytes, each made only when the one before was taken; one that is smaller
/// becomes one frame. All other frames pass as they are.
pub(super) struct Inflow {
    frames: Frames,
    inflater: Inflater,
    max_message: u64,
    message: Message,
    frame: Option<CompressedFrame>,
    /// What waits to be taken, from `taken` on.
    out: Vec<u8>,
    taken: usize,
}

/// The data message in progress.
enum Message {
    None,
    Plain,
    Compressed {
        /// Of its next fragment.
        opcode: u8,
        /// On the wire so far.
        bytes: u64,
    },
}

/// A frame of a compressed message.
struct CompressedFrame {
    key: [u8; 4],
    at: u64,
    is_final: bool,
}

impl Inflow {
    pub(super) fn new(inflater: Inflater, max_message: usize) -> Self {
        // What cannot be compressed grows, by an eighth where the compressor is in a hurry.
        let max_message = (max_message as u64).saturating_add(max_message as u64 / 8).saturating_add(1024);
        Self { frames: Frames::default(), inflater, max_message, message: Message::None, frame: None, out: Vec::new(), taken: 0 }
    }

    fn is_empty(&self) -> bool {
        self.out.len() == self.taken
    }

    /// Hands on what waits; `false` if nothing does.
    pub(super) fn hand_on(&mut self, to: &mut ReadBuf<'_>) -> bool {
        let mut waiting = self.out.get(self.taken..).unwrap_or_default();
        let before = waiting.len();
        hand_on(&mut waiting, to);
        self.taken += before - waiting.len();
        before > 0
    }

    /// Reads on, until something waits or more input is needed.
    pub(super) fn advance(&mut self, input: &mut BytesMut, budget: &mut Budget) -> Result<Step, WsErrorKind> {
        let read = self.read(input, budget);
        if !matches!(read, Ok(Step::Codec)) {
            // Nothing is kept while nothing comes, and nothing of what makes no sense.
            self.out = Vec::new();
            self.taken = 0;
        }
        read
    }

    fn read(&mut self, input: &mut BytesMut, budget: &mut Budget) -> Result<Step, WsErrorKind> {
        while self.is_empty() {
            let left = self.frames.left() > 0;
            if left && input.is_empty() {
                return Ok(Step::More);
            }
            if self.frame.is_some() {
                self.inflate(input)?;
            } else if left {
                self.start(0);
                self.pass(input);
            } else {
                let mut rest = &input[..];
                let head = self.frames.take_head(&mut rest);
                let taken = input.len() - rest.len();
                input.advance(taken);
                let Some(head) = head else {
                    return Ok(Step::More);
                };
                if let Some(counted) = head.counted() {
                    budget.frame(counted, Instant::now)?;
                }
                self.begin(&head, input)?;
            }
        }
        Ok(Step::Codec)
    }

    fn begin(&mut self, head: &Head, input: &mut BytesMut) -> Result<(), WsErrorKind> {
        self.frame = self.compressed(head)?;
        if self.frame.is_none() {
            // The codec tells what is wrong with it, if anything is.
            match (head.opcode(), head.is_final()) {
                (TEXT | BINARY, false) => self.message = Message::Plain,
                (CONTINUATION, true) => self.message = Message::None,
                _ => {}
            }
            self.start(0);
            head.put(&mut self.out);
            self.pass(input);
        }
        Ok(())
    }

    /// Whether the frame is one of a compressed message. RSV1 stands on the first frame of one, and nowhere else
    /// ([RFC 7692 §6](https://www.rfc-editor.org/rfc/rfc7692#section-6)).
    fn compressed(&mut self, head: &Head) -> Result<Option<CompressedFrame>, WsErrorKind> {
        let Some(key) = head.key else { return Ok(None) };
        match (head.first & !FIN, &mut self.message) {
            (first, Message::None) if first == RSV1 | TEXT || first == RSV1 | BINARY => {
                self.message = Message::Compressed { opcode: head.opcode(), bytes: head.len };
            }
            (CONTINUATION, Message::Compressed { bytes, .. }) => *bytes = bytes.saturating_add(head.len),
            _ => return Ok(None),
        }
        match self.message {
            Message::Compressed { bytes, .. } if bytes > self.max_message => Err(WsErrorKind::TooBig),
            _ => Ok(Some(CompressedFrame { key, at: 0, is_final: head.is_final() })),
        }
    }

    /// One piece of a compressed message: all that there is, or as much as a chunk holds.
    fn inflate(&mut self, input: &mut BytesMut) -> Result<(), WsErrorKind> {
        self.start(CHUNK);
        self.out.resize(ROOM, 0);
        let Some(frame) = &mut self.frame else { return Ok(()) };
        let available = self.frames.within(input.len());
        let masked = input.get_mut(..available).unwrap_or_default();
        // Unmasked where it stands. What is not taken now is masked again.
        mask(masked, frame.key, frame.at);
        let taken = self.inflater.inflate(masked, &mut self.out)?;
        if taken == 0 && available > 0 && self.out.len() == ROOM {
            return Err(WsErrorKind::Deflate);
        }
        if let Some(rest) = masked.get_mut(taken..).filter(|rest| !rest.is_empty()) {
            mask(rest, frame.key, frame.at + taken as u64);
        }
        frame.at += taken as u64;
        let is_final = frame.is_final;
        input.advance(taken);
        self.frames.advance(taken);
        // A full chunk may have more behind it, and is taken first.
        let complete = self.frames.left() == 0 && self.out.len() < self.out.capacity();
        let ended = complete && is_final && self.inflater.finish(&mut self.out)? == Inflated::All;
        if ended || (complete && !is_final) {
            self.frame = None;
        }
        if self.frame.is_some() && self.out.len() == ROOM {
            self.start(0);
        } else {
            // Even if empty, so that the codec knows of the message before it sees the next frame.
            self.seal(ended);
        }
        Ok(())
    }

    /// Writes the head before a piece, in the shortest form, with a key that changes nothing.
    fn seal(&mut self, ended: bool) {
        let Message::Compressed { opcode, .. } = &mut self.message else { return };
        let first = *opcode | if ended { FIN } else { 0 };
        *opcode = CONTINUATION;
        if ended {
            self.message = Message::None;
        }
        let len = self.out.len() - ROOM;
        let long = len > 125;
        self.taken = if long { 0 } else { 2 };
        let [high, low] = (len as u16).to_be_bytes();
        let head = if long { [first, 0x80 | 126, high, low] } else { [0, 0, first, 0x80 | low] };
        if let Some(room) = self.out.first_chunk_mut() {
            *room = head;
        }
    }

    /// What there is of a frame that is not compressed.
    fn pass(&mut self, input: &mut BytesMut) {
        let size = self.frames.within(input.len()).min(CHUNK);
        self.out.extend_from_slice(input.get(..size).unwrap_or_default());
        self.frames.advance(size);
        input.advance(size);
    }

    fn start(&mut self, room: usize) {
        self.out.clear();
        self.taken = 0;
        self.out.reserve(room);
    }
}

/// As much as there is room for.
pub(super) fn hand_on(from: &mut impl Buf, to: &mut ReadBuf<'_>) {
    while from.has_remaining() && to.remaining() > 0 {
        let chunk = from.chunk();
        let size = chunk.len().min(to.remaining());
        to.put_slice(chunk.get(..size).unwrap_or_default());
        from.advance(size);
    }
}

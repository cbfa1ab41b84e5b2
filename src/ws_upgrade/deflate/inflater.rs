use std::{fmt, sync::Arc};

use flate2::{Decompress, FlushDecompress, Status};

use super::{agreement::Agreement, config::MAX_WINDOW_BITS, pool::Pool};
use crate::ws_upgrade::error::WsErrorKind;

/// What the sender has cut off the end of a message
/// ([RFC 7692 §7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2)).
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

/// Inflates the messages of one client.
pub(in crate::ws_upgrade) struct Inflater {
    stream: Option<Decompress>,
    takeover: bool,
    /// How much of the [`TAIL`] the present message was given.
    tail: usize,
    /// Whether the present message has ended a DEFLATE stream ([RFC 7692 §7.2.3.4](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.3.4)).
    ended: bool,
    pool: Arc<Pool>,
}

/// Whether a message is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ws_upgrade) enum Inflated {
    All,
    /// There was no room for the rest.
    More,
}

impl Inflater {
    pub(in crate::ws_upgrade) fn new(agreement: &Agreement, pool: Arc<Pool>) -> Self {
        Self { stream: None, takeover: agreement.client_takeover, tail: 0, ended: false, pool }
    }

    /// Inflates into the free capacity of `out`, and tells how much of `input` it took: less than all only if `out` is full.
    pub(in crate::ws_upgrade) fn inflate(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, WsErrorKind> {
        let pool = &self.pool;
        // The largest window reads what any smaller one has written.
        let stream = self
            .stream
            .get_or_insert_with(|| pool.inflater().unwrap_or_else(|| Decompress::new_with_window_bits(false, MAX_WINDOW_BITS)));
        let mut taken = 0;
        while out.len() < out.capacity() {
            let (before, room) = (stream.total_in(), out.len());
            let status = stream
                .decompress_vec(input.get(taken..).unwrap_or_default(), out, FlushDecompress::Sync)
                .map_err(|_| WsErrorKind::Deflate)?;
            let progress = (stream.total_in() - before) as usize;
            taken += progress;
            if status == Status::StreamEnd {
                stream.reset(false);
                self.ended = true;
            } else if progress == 0 && out.len() == room {
                break;
            }
            if taken == input.len() && out.len() < out.capacity() {
                break;
            }
        }
        Ok(taken)
    }

    /// Ends the message, of which all was taken.
    pub(in crate::ws_upgrade) fn finish(&mut self, out: &mut Vec<u8>) -> Result<Inflated, WsErrorKind> {
        self.tail += self.inflate(TAIL.get(self.tail..).unwrap_or_default(), out)?;
        if out.len() == out.capacity() {
            return Ok(Inflated::More);
        }
        // With room left, everything that the tail can bring out is out; what it has not taken follows the end of a stream.
        self.tail = 0;
        let over = std::mem::take(&mut self.ended) || !self.takeover;
        if let Some(stream) = self.stream.as_mut().filter(|_| over) {
            stream.reset(false);
        }
        if !self.takeover
            && let Some(stream) = self.stream.take()
        {
            self.pool.keep_inflater(stream);
        }
        Ok(Inflated::All)
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("takeover", &self.takeover).finish_non_exhaustive()
    }
}

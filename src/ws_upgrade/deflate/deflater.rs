use std::{fmt, sync::Arc};

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::{agreement::Agreement, config::Deflate, forms::Forms, pool::Pool};

/// Compresses the messages to one client.
pub(in crate::ws_upgrade) struct Deflater {
    stream: Option<Compress>,
    takeover: bool,
    bits: u8,
    level: Compression,
    threshold: usize,
    pool: Arc<Pool>,
}

impl Deflater {
    pub(in crate::ws_upgrade) fn new(config: &Deflate, agreement: &Agreement, pool: Arc<Pool>) -> Self {
        Self {
            stream: None,
            takeover: agreement.server_takeover,
            bits: agreement.server_bits,
            level: Compression::new(config.level),
            threshold: config.threshold,
            pool,
        }
    }

    /// The payload of the compressed message ([RFC 7692 §7.2.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1)); `None` if it is
    /// better sent as it is, which every message may be. Of one that is for many, `forms` has what others have made of it.
    pub(in crate::ws_upgrade) fn deflate(&mut self, message: &[u8], forms: Option<&Forms>) -> Option<Bytes> {
        // The end that every message has is not made for an empty one.
        if message.is_empty() || message.len() < self.threshold {
            return None;
        }
        match forms {
            Some(forms) if !self.takeover => {
                let (pool, bits) = (Arc::clone(&self.pool), self.bits);
                forms.form(&pool, bits, || self.compress(message))
            }
            _ => self.compress(message),
        }
    }

    fn compress(&mut self, message: &[u8]) -> Option<Bytes> {
        let mut stream = self
            .stream
            .take()
            .or_else(|| if self.takeover { None } else { self.pool.deflater(self.bits) })
            .unwrap_or_else(|| Compress::new_with_window_bits(self.level, false, self.bits));
        let deflated = deflate(&mut stream, message)?;
        if self.takeover {
            // The client has to see it, or would not know what the next one refers to.
            self.stream = Some(stream);
            return Some(deflated);
        }
        stream.reset();
        self.pool.keep_deflater(self.bits, stream);
        (deflated.len() < message.len()).then_some(deflated)
    }

    /// Starts anew: what was compressed last does not reach the client.
    pub(in crate::ws_upgrade) fn forget(&mut self) {
        self.stream = None;
    }
}

fn deflate(stream: &mut Compress, message: &[u8]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(message.len() / 2 + 64);
    let mut taken = 0;
    loop {
        let before = stream.total_in();
        let status = stream.compress_vec(message.get(taken..)?, &mut out, FlushCompress::Sync).ok()?;
        taken += (stream.total_in() - before) as usize;
        if out.len() < out.capacity() || status == Status::BufError {
            break;
        }
        out.reserve(out.len());
    }
    // A sync flush ends with an empty block, whose last four bytes are not sent.
    let end = out.len().checked_sub(4).filter(|_| taken == message.len() && out.ends_with(&[0, 0, 0xff, 0xff]))?;
    out.truncate(end);
    Some(out.into())
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("takeover", &self.takeover).field("bits", &self.bits).finish_non_exhaustive()
    }
}

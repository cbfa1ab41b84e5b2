use super::{
    head::{CONTINUATION, Frames, Head, TEXT, mask},
    text::Utf8,
};
use crate::ws_upgrade::error::WsErrorKind;

/// Judges text in fragments while it comes.
#[derive(Debug, Default)]
pub(super) struct Inspector {
    frames: Frames,
    /// Whether the present message is text.
    text: bool,
    utf8: Utf8,
    /// The key of the present frame and how much of it was judged, if it is to be judged here.
    judged: Option<([u8; 4], u64)>,
}

impl Inspector {
    /// Looks at what was read. The error tells how many bytes came before the piece that is at fault.
    pub(super) fn inspect(&mut self, bytes: &[u8]) -> Result<(), (usize, WsErrorKind)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.frames.left() == 0 {
                let Some(head) = self.frames.take_head(&mut rest) else { break };
                self.begin(&head, rest.len());
            }
            let sound = bytes.len() - rest.len();
            let payload = self.frames.take_payload(&mut rest);
            self.judge(payload).map_err(|kind| (sound, kind))?;
        }
        Ok(())
    }

    fn begin(&mut self, head: &Head, available: usize) {
        let whole = head.len <= available as u64;
        let judge = match head.opcode() {
            TEXT => {
                self.text = true;
                self.utf8 = Utf8::default();
                !(whole && head.is_final())
            }
            CONTINUATION => self.text,
            _ if head.is_control() => false,
            _ => {
                self.text = false;
                false
            }
        };
        // Without a key it is refused by the codec in any case.
        self.judged = head.key.filter(|_| judge).map(|key| (key, 0));
    }

    fn judge(&mut self, payload: &[u8]) -> Result<(), WsErrorKind> {
        let Some((key, at)) = &mut self.judged else { return Ok(()) };
        let mut plain = [0; 512];
        for piece in payload.chunks(plain.len()) {
            for (to, from) in plain.iter_mut().zip(piece) {
                *to = *from;
            }
            let plain = plain.get_mut(..piece.len()).unwrap_or_default();
            mask(plain, *key, *at);
            *at += piece.len() as u64;
            self.utf8.push(plain).map_err(|_| WsErrorKind::InvalidUtf8)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames with a key of their own, each `(first byte, payload)`.
    fn wire(frames: &[(u8, &[u8])]) -> Vec<u8> {
        let mut wire = Vec::new();
        for (first, payload) in frames {
            let key = [1, 2, 3, *first];
            wire.extend([*first, 0x80 | payload.len() as u8]);
            wire.extend(key);
            let mut payload = payload.to_vec();
            mask(&mut payload, key, 0);
            wire.extend(payload);
        }
        wire
    }

    /// The index of the byte with which the fault is found when they come one by one.
    fn fault(bytes: &[u8]) -> Option<usize> {
        let mut inspector = Inspector::default();
        bytes.iter().position(|byte| inspector.inspect(&[*byte]).is_err())
    }

    #[test]
    fn text_is_refused_at_its_first_wrong_byte() {
        for (row, frames, expected) in [
            ("in one frame", &[(0x81, &b"ab\xf4\x90\x80\x80cd"[..])][..], Some(6 + 3)),
            ("in a fragment", &[(0x01, b"a"), (0x80, b"\xff")], Some(7 + 6)),
            ("a character over two fragments", &[(0x01, b"\xe2"), (0x80, b"\x82\xac")], None),
            ("with a ping between", &[(0x01, b"\xe2"), (0x89, b"\xff"), (0x80, b"\x82\xac")], None),
            ("binary", &[(0x82, b"\xff\xff")], None),
            ("binary in fragments", &[(0x02, b"\xff"), (0x80, b"\xff")], None),
            ("a new message starts anew", &[(0x82, b"\xff"), (0x81, b"a\xff")], Some(7 + 7)),
        ] {
            assert_eq!(fault(&wire(frames)), expected, "{row}");
        }
    }

    #[test]
    fn what_comes_before_the_fault_is_sound() {
        let mut bytes = wire(&[(0x81, b"fine"), (0x01, b"\xff")]);
        let sound = wire(&[(0x81, b"fine")]).len() + 6;
        assert_eq!(Inspector::default().inspect(&bytes), Err((sound, WsErrorKind::InvalidUtf8)));
        bytes.truncate(sound);
        assert_eq!(Inspector::default().inspect(&bytes), Ok(()));
    }
}

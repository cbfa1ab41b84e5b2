use bytes::BufMut;

use crate::ws_upgrade::budget::Counted;

/// The head of a frame ([RFC 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// FIN, the reserved bits and the opcode.
    pub(super) first: u8,
    pub(super) key: Option<[u8; 4]>,
    pub(super) len: u64,
}

pub(super) const FIN: u8 = 0x80;
pub(super) const RSV1: u8 = 0x40;
pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
const CLOSE: u8 = 8;

impl Head {
    /// The longest head: two bytes, eight of length, four of key.
    pub(super) const MAX: usize = 14;

    /// The head that `bytes` start with and how many of them it takes; `None` if more are needed.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (len, rest) = match second & 0x7f {
            126 => rest.split_first_chunk().map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
            127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
            len => (u64::from(len), rest),
        };
        let (key, rest) = match second & 0x80 {
            0 => (None, rest),
            _ => rest.split_first_chunk().map(|(key, rest)| (Some(*key), rest))?,
        };
        Some((Self { first, key, len }, bytes.len() - rest.len()))
    }

    /// Writes it, in the shortest form.
    pub(super) fn put(&self, to: &mut impl BufMut) {
        let masked = if self.key.is_some() { 0x80 } else { 0 };
        match self.len {
            0..=125 => to.put_slice(&[self.first, masked | self.len as u8]),
            126..=0xffff => {
                let [high, low] = (self.len as u16).to_be_bytes();
                to.put_slice(&[self.first, masked | 126, high, low]);
            }
            _ => {
                to.put_slice(&[self.first, masked | 127]);
                to.put_slice(&self.len.to_be_bytes());
            }
        }
        if let Some(key) = &self.key {
            to.put_slice(key);
        }
    }

    pub(super) fn is_final(&self) -> bool {
        self.first & FIN != 0
    }

    pub(super) fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    /// What it counts for in its peer's budget; the last frame counts for nothing.
    pub(super) fn counted(&self) -> Option<Counted> {
        let counted = Counted { control: self.is_control(), fin: self.is_final(), length: self.len };
        (self.opcode() != CLOSE).then_some(counted)
    }

    pub(super) fn is_control(&self) -> bool {
        self.opcode() >= 8
    }
}

/// Finds the heads in what comes, however it is cut.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// A head of which the end has not come.
    partial: [u8; Head::MAX],
    held: usize,
    left: u64,
}

impl Frames {
    /// How much of the present frame's payload has not come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Takes the next head, or as much of it as there is, from the front of `bytes`. To be called when nothing is [`left`](Self::left).
    pub(super) fn take_head(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        let (head, rest) = match Head::parse(bytes) {
            Some((head, size)) if self.held == 0 => (head, bytes.get(size..)?),
            _ => self.complete(bytes)?,
        };
        *bytes = rest;
        self.left = head.len;
        Some(head)
    }

    fn complete<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<(Head, &'a [u8])> {
        while let Some((byte, rest)) = bytes.split_first() {
            *bytes = rest;
            *self.partial.get_mut(self.held)? = *byte;
            self.held += 1;
            if let Some((head, _)) = self.partial.get(..self.held).and_then(Head::parse) {
                self.held = 0;
                return Some((head, rest));
            }
        }
        None
    }

    /// Takes what there is of the present frame's payload from the front of `bytes`.
    pub(super) fn take_payload<'a>(&mut self, bytes: &mut &'a [u8]) -> &'a [u8] {
        let (payload, rest) = bytes.split_at(self.within(bytes.len()));
        *bytes = rest;
        self.advance(payload.len());
        payload
    }

    /// How many of `available` bytes belong to the present frame.
    pub(super) fn within(&self, available: usize) -> usize {
        usize::try_from(self.left).map_or(available, |left| left.min(available))
    }

    /// So much of the payload was taken.
    pub(super) fn advance(&mut self, taken: usize) {
        self.left = self.left.saturating_sub(taken as u64);
    }
}

/// Masks or unmasks ([RFC 6455 §5.3](https://www.rfc-editor.org/rfc/rfc6455#section-5.3)) what stands at `at` in its payload.
pub(super) fn mask(bytes: &mut [u8], key: [u8; 4], at: u64) {
    let mut key = key;
    key.rotate_left((at % 4) as usize);
    let [a, b, c, d] = key;
    let wide = u128::from_ne_bytes([a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]);
    let (blocks, rest) = bytes.as_chunks_mut();
    for block in blocks {
        *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn heads() {
        for (row, bytes, expected) in [
            ("nothing", &[][..], None),
            ("half", &[0x81], None),
            ("empty text", &[0x81, 0], Some((0x81, None, 0, 2))),
            ("masked", &[0x81, 0x85, 1, 2, 3, 4], Some((0x81, Some([1, 2, 3, 4]), 5, 6))),
            ("half a key", &[0x81, 0x85, 1, 2, 3], None),
            ("two bytes of length", &[0x02, 126, 1, 0], Some((0x02, None, 256, 4))),
            ("eight bytes of length", &[0x02, 127, 0, 0, 0, 1, 0, 0, 0, 0], Some((0x02, None, 1 << 32, 10))),
            ("the largest", &[0x02, 127, 255, 255, 255, 255, 255, 255, 255, 255], Some((0x02, None, u64::MAX, 10))),
            ("half a length", &[0x02, 127, 0, 0, 0, 1, 0, 0, 0], None),
        ] {
            let expected = expected.map(|(first, key, len, size)| (Head { first, key, len }, size));
            assert_eq!(Head::parse(bytes), expected, "{row}");
        }
    }

    proptest! {
        #[test]
        fn any_cut_finds_the_same_frames(
            frames in prop::collection::vec((any::<u8>(), any::<Option<[u8; 4]>>(), 0..400_usize), 0..8),
            cuts in prop::collection::vec(1..40_usize, 1..60),
        ) {
            let mut wire = Vec::new();
            for (first, key, len) in &frames {
                wire.push(*first);
                let masked = if key.is_some() { 0x80 } else { 0 };
                match len {
                    ..=125 => wire.push(masked | *len as u8),
                    _ => {
                        wire.push(masked | 126);
                        wire.extend((*len as u16).to_be_bytes());
                    }
                }
                wire.extend(key.iter().flatten());
                wire.extend(vec![7; *len]);
            }
            let (mut walker, mut found) = (Frames::default(), Vec::new());
            let mut cuts = cuts.into_iter().cycle();
            let mut rest = &wire[..];
            while !rest.is_empty() {
                let (mut piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                rest = after;
                while !piece.is_empty() {
                    if walker.left() > 0 {
                        prop_assert!(walker.take_payload(&mut piece).iter().all(|byte| *byte == 7));
                    } else if let Some(head) = walker.take_head(&mut piece) {
                        found.push((head.first, head.key, head.len as usize));
                    }
                }
            }
            prop_assert_eq!(found, frames);
            prop_assert_eq!(walker.left(), 0);
        }

        #[test]
        fn masking_in_pieces_is_masking_at_once(bytes in prop::collection::vec(any::<u8>(), 0..100), key: [u8; 4], at in 0..100_usize) {
            let mut whole = bytes.clone();
            mask(&mut whole, key, 0);
            let mut pieces = bytes;
            let at = at.min(pieces.len());
            mask(&mut pieces[..at], key, 0);
            mask(&mut pieces[at..], key, at as u64);
            prop_assert_eq!(whole, pieces);
        }
    }
}

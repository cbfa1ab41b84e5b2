/// Judges text that comes in pieces: an error is found with the byte that makes it one.
#[derive(Clone, Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end has not come.
    partial: [u8; 4],
    held: usize,
}

/// No continuation can make it UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

impl Utf8 {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Invalid> {
        let mut bytes = bytes;
        while self.held > 0 {
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            // A fourth byte either ends a character or is wrong, so there is always room.
            *self.partial.get_mut(self.held).ok_or(Invalid)? = *byte;
            self.held += 1;
            match std::str::from_utf8(self.partial.get(..self.held).unwrap_or_default()) {
                Ok(_) => self.held = 0,
                Err(error) if error.error_len().is_some() => return Err(Invalid),
                Err(_) => {}
            }
        }
        let Err(error) = std::str::from_utf8(bytes) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Invalid);
        }
        for (slot, byte) in self.partial.iter_mut().zip(bytes.get(error.valid_up_to()..).unwrap_or_default()) {
            *slot = *byte;
            self.held += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_byte_that_makes_it_invalid_is_the_one_refused() {
        for (row, bytes, refused_at) in [
            ("a continuation alone", &b"\x80"[..], Some(0)),
            ("beyond the last character", b"\xf4\x90\x80\x80", Some(1)),
            ("overlong", b"\xc0\xaf", Some(0)),
            ("overlong of three", b"\xe0\x80\xaf", Some(1)),
            ("a surrogate", b"\xed\xa0\x80", Some(1)),
            ("cut short", b"\xe2\x82a", Some(2)),
            ("unfinished", b"\xe2\x82", None),
            ("four bytes", "𝄞".as_bytes(), None),
        ] {
            let mut text = Utf8::default();
            let found = bytes.iter().position(|byte| text.push(&[*byte]).is_err());
            assert_eq!(found, refused_at, "{row}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole(
            bytes in prop_oneof![any::<String>().prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..40)],
            cut in 0..40_usize,
        ) {
            let mut text = Utf8::default();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let judged = text.push(first).and_then(|()| text.push(second));
            let whole = std::str::from_utf8(&bytes);
            prop_assert_eq!(judged.is_ok(), whole.is_ok_and(|_| true) || whole.is_err_and(|error| error.error_len().is_none()));
            prop_assert_eq!(text.held > 0 && judged.is_ok(), whole.is_err_and(|error| error.error_len().is_none()));
        }
    }
}

//! Short field values, put together on the stack, so that a value costs one allocation of its own size.

use std::fmt;

use http::HeaderValue;

/// More than what the cache has to say of one response.
const CAPACITY: usize = 128;

/// A value in the making.
pub(super) struct Line {
    bytes: [u8; CAPACITY],
    used: usize,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { bytes: [0; CAPACITY], used: 0 }
    }

    pub(super) fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(self.bytes.get(..self.used)?).ok()
    }
}

/// Fails when there is no more room.
impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.used + text.len();
        self.bytes.get_mut(self.used..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}

/// Writes a number, without the machinery that `write!` needs for widths and signs.
pub(super) fn number(out: &mut impl fmt::Write, number: i64) -> fmt::Result {
    let mut digits = [b'0'; 20];
    let mut rest = number.unsigned_abs();
    let mut first = digits.len();
    for place in digits.iter_mut().rev() {
        *place += (rest % 10) as u8;
        rest /= 10;
        first -= 1;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.write_str("-")?;
    }
    out.write_str(digits.get(first..).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn written(of: i64) -> String {
        let mut text = String::new();
        number(&mut text, of).unwrap();
        text
    }

    #[test]
    fn numbers_at_their_ends() {
        for edge in [0, 9, 10, -1, i64::MAX, i64::MIN, 2_147_483_648] {
            assert_eq!(written(edge), edge.to_string());
        }
    }

    #[test]
    fn what_has_no_room_is_refused_and_leaves_what_is_there() {
        let mut line = Line::new();
        line.write_str(&"a".repeat(CAPACITY - 1)).unwrap();
        assert!(line.write_str("bc").is_err());
        line.write_str("b").unwrap();
        assert_eq!(line.value().unwrap(), format!("{}b", "a".repeat(CAPACITY - 1)));
        assert!(line.write_str("c").is_err());
    }

    #[test]
    fn a_line_break_is_no_value() {
        let mut line = Line::new();
        line.write_str("a\r\nb").unwrap();
        assert!(line.value().is_none());
    }

    proptest! {
        #[test]
        fn numbers(any: i64) {
            prop_assert_eq!(written(any), any.to_string());
        }
    }
}

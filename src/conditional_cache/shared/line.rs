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

/// The numbers from 0 to 999, of three digits each.
const GROUPS: &str = {
    const BYTES: [u8; 3000] = {
        let mut bytes = [b'0'; 3000];
        let mut number = 0;
        while let Some((group, _)) = bytes.split_at_mut(3 * number).1.split_first_chunk_mut::<3>() {
            *group = [b'0' + (number / 100) as u8, b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
            number += 1;
        }
        bytes
    };
    match str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

/// A number of up to three digits; none if it has more.
pub(super) fn small(number: u64) -> Option<&'static str> {
    let leading_zeros = match number {
        0..=9 => 2,
        10..=99 => 1,
        _ => 0,
    };
    let start = usize::try_from(number).ok()?.checked_mul(3)?;
    GROUPS.get(start + leading_zeros..start + 3)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn small_numbers() {
        for number in 0..1000 {
            assert_eq!(small(number), Some(number.to_string().as_str()));
        }
        assert_eq!([1000, u64::MAX].map(small), [None, None]);
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
}

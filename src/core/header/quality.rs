/// A quality value in thousandths, 0 to 1000 ([RFC 9110 §12.4.2](https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quality(u16);

impl Quality {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const FULL: Self = Self(1000);

    /// `0`, `0.5`, `1.000`; `None` for anything else.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (whole, fraction) = match bytes {
            [whole] | [whole, b'.'] => (*whole, [].as_slice()),
            [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
            _ => return None,
        };
        let mut thousandths = match whole {
            b'0' => 0,
            b'1' => 1000,
            _ => return None,
        };
        let mut place = 100;
        for digit in fraction {
            if !digit.is_ascii_digit() {
                return None;
            }
            thousandths += u16::from(digit - b'0') * place;
            place /= 10;
        }
        (thousandths <= 1000).then_some(Self(thousandths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_values() {
        for (text, expected) in [
            ("1", Some(1000)),
            ("1.", Some(1000)),
            ("1.000", Some(1000)),
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.8", Some(800)),
            ("0.123", Some(123)),
            ("0.001", Some(1)),
            ("1.001", None),
            ("0.1234", None),
            ("2", None),
            ("-1", None),
            (".5", None),
            ("0.x", None),
            ("", None),
        ] {
            assert_eq!(Quality::parse(text.as_bytes()), expected.map(Quality), "{text:?}");
        }
        assert!(Quality::NONE < Quality::FULL);
    }
}

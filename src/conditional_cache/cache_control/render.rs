use std::fmt;

use http::{HeaderName, HeaderValue};

use super::{CacheControl, Reach, parse::FLAGS};
use crate::core::header::{is_token, quote};

impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List { f, first: true };
        // In the order that people write them: who may keep it, for how long, and what else holds.
        let (head, flags) = FLAGS.split_at(1);
        let (storing, others) = flags.split_at(2);
        list.flags(self.flags, head)?;
        list.reach("private", &self.private)?;
        list.reach("no-cache", &self.no_cache)?;
        list.flags(self.flags, storing)?;
        for (name, seconds) in [
            ("max-age", self.max_age),
            ("s-maxage", self.s_maxage),
            ("stale-while-revalidate", self.stale_while_revalidate),
            ("stale-if-error", self.stale_if_error),
            ("max-stale", self.max_stale),
            ("min-fresh", self.min_fresh),
        ] {
            if let Some(seconds) = seconds {
                list.element(format_args!("{name}={seconds}"))?;
            }
        }
        list.flags(self.flags, others)?;
        for (name, argument) in self.extensions() {
            match argument {
                None => list.element(format_args!("{name}"))?,
                Some(token) if is_token(token.as_bytes()) => list.element(format_args!("{name}={token}"))?,
                Some(text) => list.element(format_args!("{name}={}", quote(text)))?,
            }
        }
        Ok(())
    }
}

/// The value of a `Cache-Control` field.
impl From<&CacheControl> for HeaderValue {
    fn from(directives: &CacheControl) -> Self {
        // Tokens, numbers and quoted strings always make a field value; if one did not, nothing must be kept.
        Self::try_from(directives.to_string()).unwrap_or(Self::from_static("no-store"))
    }
}

/// The value of a `Cache-Control` field.
impl From<CacheControl> for HeaderValue {
    fn from(directives: CacheControl) -> Self {
        Self::from(&directives)
    }
}

struct List<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    first: bool,
}

impl List<'_, '_> {
    fn element(&mut self, element: fmt::Arguments<'_>) -> fmt::Result {
        if !std::mem::take(&mut self.first) {
            self.f.write_str(", ")?;
        }
        self.f.write_fmt(element)
    }

    fn flags(&mut self, set: u16, table: &[(&str, u16)]) -> fmt::Result {
        for (name, flag) in table {
            if set & flag != 0 {
                self.element(format_args!("{name}"))?;
            }
        }
        Ok(())
    }

    fn reach(&mut self, name: &str, reach: &Reach) -> fmt::Result {
        match reach {
            Reach::Absent => Ok(()),
            Reach::Everything => self.element(format_args!("{name}")),
            Reach::Fields(fields) => {
                let fields: Vec<_> = fields.iter().map(HeaderName::as_str).collect();
                self.element(format_args!("{name}=\"{}\"", fields.join(", ")))
            }
        }
    }
}

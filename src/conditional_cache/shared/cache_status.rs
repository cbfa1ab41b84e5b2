//! `Cache-Status`, [RFC 9211](https://www.rfc-editor.org/rfc/rfc9211): what the cache did with a request.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::Entry};

use super::{cache_name::CacheName, line::Line, memo::Memo, reuse::Reason, storability::NotStored};
use crate::core::trace::event;

const NAME: HeaderName = HeaderName::from_static("cache-status");

/// How much responses tell of what the cache did, in [RFC 9211](https://www.rfc-editor.org/rfc/rfc9211)'s `Cache-Status`.
///
/// It helps whoever runs the service, and whoever probes it
/// ([RFC 9211 §6](https://www.rfc-editor.org/rfc/rfc9211#section-6)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheStatus {
    /// Nothing.
    #[default]
    Off,
    /// Whether it was a hit, and if not, why the request was forwarded.
    On,
    /// Also for how long it stays fresh, and why a response was not stored.
    Detailed,
}

/// How much is told, and under which name.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling {
    pub(super) setting: CacheStatus,
    pub(super) name: CacheName,
}

/// What the cache did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    /// Answered from what was stored, with this many seconds of freshness left.
    Hit {
        ttl: i64,
        detail: Option<&'static str>,
    },
    Forwarded {
        why: Forward,
        status: Option<StatusCode>,
        outcome: Outcome,
        collapsed: Collapsed,
    },
    /// Neither: the client wanted a stored response or none.
    Nothing,
}

/// Why a request was forwarded ([RFC 9211 §2.2](https://www.rfc-editor.org/rfc/rfc9211#section-2.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forward {
    /// It is none that a cache answers.
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Request,
    Stale,
    Partial,
}

/// What became of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored {
        ttl: i64,
    },
    Refused(NotStored),
    /// It was never to be stored, or confirmed what is.
    Passed,
    /// It could not be had or was an error, and what is stored was sent in its place.
    Replaced {
        ttl: i64,
    },
}

/// Whether the answer is that to another request, made at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collapsed {
    No,
    Yes,
}

impl Forward {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl From<Reason> for Forward {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Stale => Self::Stale,
            Reason::Request => Self::Request,
        }
    }
}

/// Adds the member of this cache behind those of the caches nearer to the origin, and tells the operator.
pub(super) fn write(headers: &mut HeaderMap, telling: &Telling, handling: Handling) {
    // An empty line is our place only behind all others.
    let mut lines = headers.get_all(NAME).iter();
    let is_first = lines.next().is_some_and(HeaderValue::is_empty) && lines.next().is_some();
    if is_first && telling.setting != CacheStatus::Off {
        drop_empty_lines(headers);
    }
    tell(headers, telling, handling, |member| member.value());
}

/// The same of a hit. What is told of nearly all differs in the seconds that are left, or in nothing.
pub(super) fn write_hit(headers: &mut HeaderMap, telling: &Telling, ttl: i64, detail: Option<&'static str>, known: &Memo) {
    vacate(headers, telling.setting);
    tell(headers, telling, Handling::Hit { ttl, detail }, |member| match (telling.setting, detail) {
        (CacheStatus::Detailed, None) => known.value(ttl, || member.value()),
        (CacheStatus::Detailed, Some(_)) => member.value(),
        _ => known.value(0, || member.value()),
    });
}

fn tell(
    headers: &mut HeaderMap,
    Telling { setting, name }: &Telling,
    handling: Handling,
    value: impl FnOnce(&Member<'_>) -> HeaderValue,
) {
    event!(DEBUG, "shared cache", did = Member { name, setting: CacheStatus::Detailed, handling });
    let value = match (setting, handling) {
        (CacheStatus::Off, _) => return,
        (CacheStatus::On, Handling::Hit { .. }) if name.is_default() => HeaderValue::from_static("donjon; hit"),
        (&setting, _) => value(&Member { name, setting, handling }),
    };
    place(headers, value);
}

fn place(headers: &mut HeaderMap, value: HeaderValue) {
    // An entry would see to it that there is room for one more, though none is needed.
    match headers.get_mut(NAME) {
        Some(line) if line.is_empty() => *line = value,
        Some(_) => match headers.entry(NAME) {
            Entry::Occupied(mut lines) => match lines.iter_mut().last() {
                Some(line) if line.is_empty() => *line = value,
                _ => lines.append(value),
            },
            Entry::Vacant(place) => drop(place.insert(value)),
        },
        None => drop(headers.insert(NAME, value)),
    }
}

/// Holds a place in what is stored for the member of this cache, or the fields of every answer would have to be moved to where there is room
/// for it. It is a line with nothing in it, which is no member ([RFC 9110 §5.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1)), and
/// the only one, whatever came.
pub(super) fn reserve(headers: &mut HeaderMap, setting: CacheStatus) {
    drop_empty_lines(headers);
    if setting != CacheStatus::Off {
        headers.append(NAME, HeaderValue::from_static(""));
    }
}

/// Gives up the place that another layer, which tells more, holds in what is stored.
pub(super) fn vacate(headers: &mut HeaderMap, setting: CacheStatus) {
    if setting == CacheStatus::Off {
        drop_empty_lines(headers);
    }
}

/// They are another cache's, or the place that another layer with the same store holds.
fn drop_empty_lines(headers: &mut HeaderMap) {
    if headers.contains_key(NAME) && headers.get_all(NAME).iter().any(HeaderValue::is_empty) {
        let others: Vec<_> = headers.get_all(NAME).iter().filter(|line| !line.is_empty()).cloned().collect();
        headers.remove(NAME);
        headers.extend(others.into_iter().map(|line| (NAME, line)));
    }
}

/// What the cache did, as a member of the list.
struct Member<'a> {
    name: &'a CacheName,
    setting: CacheStatus,
    handling: Handling,
}

impl Member<'_> {
    fn value(&self) -> HeaderValue {
        let mut line = Line::new();
        let value = match self.write(&mut line) {
            Ok(()) => line.value(),
            Err(fmt::Error) => HeaderValue::try_from(self.to_string()).ok(),
        };
        // Tokens, strings and numbers are always a field value.
        value.unwrap_or(HeaderValue::from_static("donjon"))
    }

    fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let detailed = self.setting == CacheStatus::Detailed;
        f.write_str(self.name.as_item())?;
        match self.handling {
            Handling::Hit { ttl, detail } => {
                f.write_str("; hit")?;
                if detailed {
                    write!(f, "; ttl={ttl}")?;
                }
                match detail.filter(|_| detailed) {
                    Some(detail) => write!(f, "; detail={detail}"),
                    None => Ok(()),
                }
            }
            Handling::Forwarded { why, status, outcome, collapsed } => {
                write!(f, "; fwd={}", why.as_str())?;
                if let Some(status) = status {
                    write!(f, "; fwd-status={}", status.as_u16())?;
                }
                match outcome {
                    Outcome::Stored { ttl } if detailed => write!(f, "; stored; ttl={ttl}")?,
                    Outcome::Stored { .. } => f.write_str("; stored")?,
                    Outcome::Refused(reason) if detailed => write!(f, "; detail={reason}")?,
                    Outcome::Replaced { ttl } if detailed => write!(f, "; ttl={ttl}; detail=stale-if-error")?,
                    Outcome::Refused(_) | Outcome::Passed | Outcome::Replaced { .. } => {}
                }
                f.write_str(if collapsed == Collapsed::Yes { "; collapsed" } else { "" })
            }
            Handling::Nothing => f.write_str("; detail=only-if-cached"),
        }
    }
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

#[cfg(test)]
mod tests;

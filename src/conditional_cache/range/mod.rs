//! Range requests, [RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110#section-14): what is asked for, and how a part of the content is
//! sent.

mod byte_ranges;
mod cut;
mod multipart;

pub use self::byte_ranges::{ByteRanges, Selection};
pub(super) use self::{
    cut::{Cut, Segment},
    multipart::{Multipart, content_range},
};

/// Whether the layer answers requests for a part of a representation
/// ([RFC 9110 §14](https://www.rfc-editor.org/rfc/rfc9110#section-14)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ranges {
    /// A GET with `Range` gets its part of any 200 whose length is known, unless the handler says `Accept-Ranges: none`. Nothing is added
    /// to the answer of a request without `Range`.
    #[default]
    Automatic,
    /// The same, and every 200 of known length says `Accept-Ranges: bytes`, for clients that want to know before they ask.
    Advertised,
    /// As `Automatic`, and neither `Range` nor `If-Range` reaches the inner service, whose own answer to them would pass.
    ///
    /// For one that ignores `If-Range` or refuses several ranges, as tower-http's `ServeDir` 0.7 does. The price: where it could have
    /// sought, it has to send all that comes before the part.
    Exclusive,
    /// `Range` is left to the inner service.
    Off,
}

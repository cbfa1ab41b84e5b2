//! What the errors of this layer have in common.

/// An error of a `kind`, which says all that is shown, and a `source`, which is for those who ask for it: it may hold what is nobody's business.
macro_rules! kind_error {
    ($error:ident, $kind:ident) => {
        impl From<$kind> for $error {
            fn from(kind: $kind) -> Self {
                Self { kind, source: None }
            }
        }

        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_tuple(stringify!($error)).field(&self.kind).finish()
            }
        }

        impl ::std::fmt::Display for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.kind.message())
            }
        }

        impl ::std::error::Error for $error {
            fn source(&self) -> Option<&(dyn ::std::error::Error + 'static)> {
                self.source.as_deref().map(|source| source as _)
            }
        }
    };
}

pub(in crate::token_auth) use kind_error;

//! Events that vanish without the `tracing` feature.

/// `event!(WARN, "message", field = value, ...; maybe = option, ...)`: every field is recorded by its `Display`, those after the semicolon
/// only if there is one.
///
/// Without the feature the fields are still type-checked, never evaluated into text.
macro_rules! event {
    ($level:ident, $message:literal $(, $field:ident = $value:expr)* $(,)? $(; $($maybe:ident = $option:expr),* $(,)?)?) => {{
        #[cfg(feature = "tracing")]
        ::tracing::event!(
            ::tracing::Level::$level,
            $($field = %$value,)*
            $($($maybe = $option.map(::tracing::field::display),)*)?
            $message
        );
        #[cfg(not(feature = "tracing"))]
        { $(let _ = &$value;)* $($(let _ = &$option;)*)? }
    }};
}

pub(crate) use event;

/// A task of its own that still belongs to the span of whoever starts it.
#[cfg(feature = "tracing")]
pub(crate) fn in_current_span<F>(future: F) -> tracing::instrument::Instrumented<F> {
    tracing::Instrument::in_current_span(future)
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn in_current_span<F>(future: F) -> F {
    future
}

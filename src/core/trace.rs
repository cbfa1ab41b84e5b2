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

/// What is told while `work` runs on this thread.
#[cfg(all(test, feature = "tracing", any(feature = "token-auth", feature = "ws-upgrade")))]
pub(crate) fn logged(work: impl FnOnce()) -> String {
    use std::{
        io,
        sync::{Arc, Mutex, PoisonError},
    };

    use tracing_subscriber::util::SubscriberInitExt as _;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let written = log.clone();
    let listening = tracing_subscriber::fmt().with_writer(move || written.clone()).with_ansi(false).finish().set_default();
    // While there is one subscriber alone, the thread that reaches an event first decides for all whether anybody listens to it.
    let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    work();
    drop((listening, second));
    let told = log.0.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&told).into_owned()
}

/// A task of its own that still belongs to the span of whoever starts it.
#[cfg(feature = "tracing")]
pub(crate) fn in_current_span<F>(future: F) -> tracing::instrument::Instrumented<F> {
    tracing::Instrument::in_current_span(future)
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn in_current_span<F>(future: F) -> F {
    future
}

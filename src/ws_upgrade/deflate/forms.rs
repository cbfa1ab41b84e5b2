use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use super::pool::Pool;

/// What a message for many is compressed to: once for all who hold to the same parameters and keep no context.
#[derive(Default)]
pub(in crate::ws_upgrade) struct Forms(Mutex<Vec<Form>>);

struct Form {
    /// Stands for the layer, and with it for its level and threshold.
    pool: Arc<Pool>,
    bits: u8,
    /// `None` if it is better sent as it is.
    deflated: Option<Bytes>,
}

impl Forms {
    /// The form for these parameters, made by `deflate` if nobody has made it. Who wants it meanwhile waits, as it would compress
    /// for as long.
    pub(super) fn form(&self, pool: &Arc<Pool>, bits: u8, deflate: impl FnOnce() -> Option<Bytes>) -> Option<Bytes> {
        // A list is whole after any panic.
        let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = forms.iter().find(|form| form.bits == bits && Arc::ptr_eq(&form.pool, pool)) {
            return known.deflated.clone();
        }
        let deflated = deflate();
        forms.push(Form { pool: Arc::clone(pool), bits, deflated: deflated.clone() });
        deflated
    }
}

impl fmt::Debug for Forms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forms").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};

    use super::*;
    use crate::ws_upgrade::deflate::{Deflate, Deflater, Extension};

    fn deflater(extension: &Extension, offer: &'static str) -> Deflater {
        let headers = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(offer))]);
        extension.negotiate(&headers).unwrap().deflater()
    }

    #[test]
    fn a_message_is_compressed_once_for_each_set_of_parameters() {
        const SMALL: &str = "permessage-deflate; server_max_window_bits=10";
        let (lean, other) = (Extension::new(Deflate::lean()), Extension::new(Deflate::lean()));
        let (forms, text) = (Forms::default(), "once for all ".repeat(100));
        let mut sent = Vec::new();
        for (extension, offer, compressed) in [
            (&lean, "permessage-deflate", 1),
            (&lean, "permessage-deflate", 1),
            (&lean, SMALL, 2),
            (&other, "permessage-deflate", 3),
            (&lean, SMALL, 3),
            (&lean, "permessage-deflate", 3),
        ] {
            sent.push(deflater(extension, offer).deflate(text.as_bytes(), Some(&forms)).unwrap());
            assert_eq!(forms.0.lock().unwrap().len(), compressed);
        }
        assert!([1, 5].iter().all(|same| sent[*same].as_ptr() == sent[0].as_ptr()), "the same bytes");
        assert_eq!(sent[4].as_ptr(), sent[2].as_ptr());
    }

    #[test]
    fn who_keeps_a_context_compresses_alone() {
        let (extension, forms) = (Extension::new(Deflate::new()), Forms::default());
        let mut deflater = deflater(&extension, "permessage-deflate");
        let text = "as before ".repeat(50);
        let first = deflater.deflate(text.as_bytes(), Some(&forms)).unwrap();
        let second = deflater.deflate(text.as_bytes(), Some(&forms)).unwrap();
        assert!(second.len() < first.len(), "refers to the first");
        assert!(forms.0.lock().unwrap().is_empty());
        deflater.forget();
        assert_eq!(deflater.deflate(text.as_bytes(), None), Some(first), "refers to nothing");
    }
}

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::{agreement::Agreement, config::Deflate, deflater::Deflater, inflater::Inflater, pool::Pool};

/// The extension as a layer has it.
#[derive(Clone, Debug)]
pub(in crate::ws_upgrade) struct Extension {
    config: Deflate,
    pool: Arc<Pool>,
}

/// The extension as one connection has it.
#[derive(Debug)]
pub(in crate::ws_upgrade) struct Negotiated {
    agreement: Agreement,
    extension: Extension,
}

impl Extension {
    pub(in crate::ws_upgrade) fn new(config: Deflate) -> Self {
        Self { config, pool: Arc::default() }
    }

    /// What a client that sends `headers` and we can agree on, if anything.
    pub(in crate::ws_upgrade) fn negotiate(&self, headers: &HeaderMap) -> Option<Negotiated> {
        let agreement = Agreement::reach(&self.config, headers)?;
        Some(Negotiated { agreement, extension: self.clone() })
    }
}

impl Negotiated {
    /// What the client is told in `Sec-WebSocket-Extensions`.
    pub(in crate::ws_upgrade) fn header_value(&self) -> Option<HeaderValue> {
        self.agreement.header_value()
    }

    pub(in crate::ws_upgrade) fn inflater(&self) -> Inflater {
        Inflater::new(&self.agreement, Arc::clone(&self.extension.pool))
    }

    pub(in crate::ws_upgrade) fn deflater(&self) -> Deflater {
        Deflater::new(&self.extension.config, &self.agreement, Arc::clone(&self.extension.pool))
    }
}

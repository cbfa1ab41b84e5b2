use std::sync::Arc;

use tower_layer::Layer;

use super::{
    admission::{Admission, Door},
    close::CloseCode,
    config::Config,
    counters::Counters,
    deflate::{Deflate, Extension},
    drain::Drain,
    error::{ConfigError, ConfigErrorKind},
    limits::Limits,
    link::SlowConsumer,
    origin::OriginPolicy,
    service::WsUpgrade,
    subprotocol::{SubprotocolPreference, Subprotocols},
    timeouts::Timeouts,
};
use crate::core::{Clock, SharedClock};

/// Validates WebSocket handshakes and opens the sockets that the inner service accepts; see the [module](crate::ws_upgrade).
///
/// ```
/// use donjon::ws_upgrade::WsUpgradeLayer;
///
/// let layer = WsUpgradeLayer::new();
/// ```
#[derive(Clone, Debug, Default)]
pub struct WsUpgradeLayer {
    config: Arc<Config>,
}

impl WsUpgradeLayer {
    /// Pages of the same host, no subprotocol, the default [`Limits`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts from the defaults of [`new`](Self::new).
    pub fn builder() -> WsUpgradeBuilder {
        WsUpgradeBuilder { config: Config::default(), subprotocols: Vec::new(), deflate: None, admission: None }
    }

    /// What has happened to the sockets of this layer and its clones.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.config.counters.clone()
    }
}

impl<S> Layer<S> for WsUpgradeLayer {
    type Service = WsUpgrade<S>;

    fn layer(&self, inner: S) -> WsUpgrade<S> {
        WsUpgrade::new(inner, Arc::clone(&self.config))
    }
}

/// Builds a [`WsUpgradeLayer`].
///
/// ```
/// use donjon::ws_upgrade::{ConfigErrorKind, Limits, OriginPolicy, WsUpgradeLayer};
///
/// let layer = WsUpgradeLayer::builder()
///     .origins(OriginPolicy::only(["https://app.example.com"]).require_origin())
///     .subprotocols(["chat.v2", "chat.v1"])
///     .limits(Limits::default().max_message_size(64 * 1024))
///     .build()?;
///
/// let error = WsUpgradeLayer::builder().origins(OriginPolicy::only(["*"])).build().unwrap_err();
/// assert_eq!(error.kind(), ConfigErrorKind::Origin);
/// # Ok::<_, donjon::ws_upgrade::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct WsUpgradeBuilder {
    config: Config,
    subprotocols: Vec<String>,
    deflate: Option<Deflate>,
    admission: Option<Admission>,
}

impl WsUpgradeBuilder {
    /// Which pages may connect; those of the same host by default.
    pub fn origins(mut self, policy: OriginPolicy) -> Self {
        self.config.origins = policy;
        self
    }

    /// The subprotocols that the handlers speak, most preferred first; none by default. They replace those given before.
    ///
    /// A browser that offered some and is answered with none gives up, so a page that carries its token in the offer needs the
    /// marker `bearer` listed here, or a real subprotocol beside it (always with `bearer.<token>`).
    pub fn subprotocols<I>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Whose order of subprotocols decides; the server's by default.
    pub fn subprotocol_preference(mut self, preference: SubprotocolPreference) -> Self {
        self.config.subprotocols.preference = preference;
        self
    }

    /// How much one socket may take, and how often.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Compresses messages with clients that can; off by default. See [`Deflate`] for what it costs.
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.deflate = Some(deflate);
        self
    }

    /// How long a socket may do nothing, or too little.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.config.timeouts = timeouts;
        self
    }

    /// What happens to a socket whose peer takes less than it is sent by handles and rooms; it is disconnected by default.
    pub fn slow_consumer(mut self, policy: SlowConsumer) -> Self {
        self.config.slow_consumer = policy;
        self
    }

    /// How many sockets there may be; unlimited by default.
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = Some(admission);
        self
    }

    /// Lets `drain` end the sockets when the server goes down.
    pub fn drain(mut self, drain: &Drain) -> Self {
        self.config.drain = Some(drain.clone());
        self
    }

    /// What a peer is told whose principal expires or is revoked;
    /// [`UNAUTHORIZED`](CloseCode::UNAUTHORIZED) (3000) by default.
    pub fn principal_close_code(mut self, code: CloseCode) -> Self {
        self.config.principal_code = code;
        self
    }

    /// The clock by which a principal's expiry becomes a lifetime, read when a socket opens; the system's by default. The
    /// lifetime itself is counted by tokio's timers.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.config.clock = SharedClock::new(clock);
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// If an origin or a subprotocol is malformed, a limit or timeout is zero, or a setting of [`Deflate`] is out of its range.
    pub fn build(self) -> Result<WsUpgradeLayer, ConfigError> {
        let Self { mut config, subprotocols, deflate, admission } = self;
        if let Some(origin) = config.origins.malformed() {
            return Err(ConfigError::new(ConfigErrorKind::Origin, origin));
        }
        let zero = config.limits.zero().or(config.timeouts.zero()).or(admission.as_ref().and_then(Admission::zero));
        if let Some(name) = zero {
            return Err(ConfigError::new(ConfigErrorKind::Limit, name));
        }
        if let Some(name) = deflate.as_ref().and_then(Deflate::out_of_range) {
            return Err(ConfigError::new(ConfigErrorKind::Deflate, name));
        }
        config.deflate = deflate.map(Extension::new);
        config.subprotocols = Subprotocols::new(subprotocols, config.subprotocols.preference)
            .map_err(|name| ConfigError::new(ConfigErrorKind::Subprotocol, name))?;
        config.door = admission.map(|admission| Arc::new(Door::new(admission)));
        Ok(WsUpgradeLayer { config: Arc::new(config) })
    }
}

use std::sync::Arc;

use tower_layer::Layer;

use super::{
    config::Config,
    deflate::{Deflate, Extension},
    error::{ConfigError, ConfigErrorKind},
    limits::Limits,
    origin::OriginPolicy,
    service::WsUpgrade,
    subprotocol::{SubprotocolPreference, Subprotocols},
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
        WsUpgradeBuilder { config: Config::default(), subprotocols: Vec::new(), deflate: None }
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

    /// How much one socket may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Compresses messages with clients that can; off by default. See [`Deflate`] for what it costs.
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.deflate = Some(deflate);
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
    /// If an origin or a subprotocol is malformed, a limit is zero, or a setting of [`Deflate`] is out of its range.
    pub fn build(self) -> Result<WsUpgradeLayer, ConfigError> {
        let Self { mut config, subprotocols, deflate } = self;
        if let Some(origin) = config.origins.malformed() {
            return Err(ConfigError::new(ConfigErrorKind::Origin, origin));
        }
        if let Some(name) = config.limits.zero() {
            return Err(ConfigError::new(ConfigErrorKind::Limit, name));
        }
        if let Some(name) = deflate.as_ref().and_then(Deflate::out_of_range) {
            return Err(ConfigError::new(ConfigErrorKind::Deflate, name));
        }
        config.deflate = deflate.map(Extension::new);
        config.subprotocols = Subprotocols::new(subprotocols, config.subprotocols.preference)
            .map_err(|name| ConfigError::new(ConfigErrorKind::Subprotocol, name))?;
        Ok(WsUpgradeLayer { config: Arc::new(config) })
    }
}

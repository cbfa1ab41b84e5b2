//! What `WsUpgrade` costs: a request that asks for no WebSocket, and a handshake that is refused.
//!
//! The handshake that is accepted spawns a task; it is measured in `benches/peers`, within a runtime.

mod support;

use donjon::ws_upgrade::WsUpgradeLayer;
use http::{HeaderName, header};
use tower::Layer as _;

use support::{BROWSER, bare, compare, criterion, pass_through, request, request_with};

const HANDSHAKE: [(HeaderName, &str); 6] = [
    (header::HOST, "app.example"),
    (header::CONNECTION, "Upgrade"),
    (header::UPGRADE, "websocket"),
    (header::SEC_WEBSOCKET_VERSION, "13"),
    (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
    (header::ORIGIN, "https://foreign.example"),
];

fn main() {
    let mut criterion = criterion();
    let layered = WsUpgradeLayer::new().layer(bare());
    pass_through(&mut criterion, ("ws_upgrade", "GET"), request, layered.clone(), bare());
    pass_through(&mut criterion, ("ws_upgrade", "GET-browser"), || request_with(&BROWSER), layered.clone(), bare());
    compare(&mut criterion, ("ws_upgrade", "foreign-origin"), || request_with(&HANDSHAKE), layered, ("bare", bare()));
    criterion.final_summary();
}

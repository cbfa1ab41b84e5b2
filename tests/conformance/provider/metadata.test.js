// The protected resource's metadata (RFC 9728), found and read by oauth4webapi.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as oauth from "oauth4webapi";
import { AUDIENCE, startProvider } from "./provider.js";
import { startServer } from "./server.js";

let provider, server;
before(async () => {
  provider = await startProvider();
  server = await startServer("--issuer", provider.issuer, "--audience", AUDIENCE);
});
after(async () => {
  await server?.stop();
  await provider?.stop();
});

test("a challenge leads to the metadata, and the metadata to the provider", async () => {
  const refused = await server.get("/me");
  const [, url] = /resource_metadata="([^"]+)"/.exec(refused.headers.get("www-authenticate"));
  assert.ok(url.startsWith(server.url), url);
  const response = await fetch(url);
  const { resource } = await response.clone().json();
  const metadata = await oauth.processResourceDiscoveryResponse(new URL(resource), response);
  assert.deepEqual(metadata.authorization_servers, [provider.issuer]);
});

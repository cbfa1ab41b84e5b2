// Opaque tokens: the provider is asked what they are (RFC 7662).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CLIENT, OPAQUE, basic, startProvider, tokenFrom } from "./provider.js";
import { startServer } from "./server.js";

describe("opaque tokens of oidc-provider", () => {
  let provider, server;
  const questions = () => provider.requests.filter((line) => line === "POST /token/introspection").length;
  before(async () => {
    provider = await startProvider();
    server = await startServer(
      "--issuer", provider.issuer, "--audience", OPAQUE,
      "--introspection", `${provider.issuer}/token/introspection`, "--client", `${CLIENT.id}:${CLIENT.secret}`,
    );
  });
  after(async () => {
    await server?.stop();
    await provider?.stop();
  });

  test("one that is active is let in, and asked for once", async () => {
    const token = await tokenFrom(provider, { resource: OPAQUE });
    const before = questions();
    for (let n = 0; n < 20; n++) {
      const response = await server.me(token);
      assert.equal(response.status, 200, response.headers.get("www-authenticate"));
      assert.equal((await response.json()).client_id, CLIENT.id);
    }
    assert.equal(questions() - before, 1);
  });

  test("a hundred at once are one question", async () => {
    const token = await tokenFrom(provider, { resource: OPAQUE });
    const before = questions();
    const answers = await Promise.all(Array.from({ length: 100 }, () => server.me(token)));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal(questions() - before, 1);
  });

  test("a scope opens what wants it", async () => {
    const get = async (scope) => server.get("/admin", { authorization: `Bearer ${await tokenFrom(provider, { resource: OPAQUE, scope })}` });
    assert.equal((await get("admin")).status, 200);
    assert.equal((await get("read")).status, 403);
  });

  test("one that nobody issued is refused, and asked for once", async () => {
    const before = questions();
    for (let n = 0; n < 5; n++) {
      const response = await server.me("nobody-issued-this");
      assert.equal(response.status, 401);
      assert.match(response.headers.get("www-authenticate"), /error="invalid_token"/);
    }
    assert.equal(questions() - before, 1);
  });

  test("one that was revoked is refused at its first use", async () => {
    const token = await tokenFrom(provider, { resource: OPAQUE });
    const revoked = await fetch(`${provider.issuer}/token/revocation`, {
      method: "POST",
      headers: { authorization: basic(CLIENT) },
      body: new URLSearchParams({ token }),
    });
    assert.equal(revoked.status, 200);
    assert.equal((await server.me(token)).status, 401);
  });

  test("one for another audience is refused", async () => {
    assert.equal((await server.me(await tokenFrom(provider, { resource: `${OPAQUE}/another` }))).status, 401);
  });

  test("a signed token, about which the provider says nothing, is not let in", async () => {
    const token = await tokenFrom(provider, { resource: "https://api.example" });
    assert.ok([401, 503].includes((await server.me(token)).status));
  });

  test("when nobody answers, an unknown one gets 503 and a known one goes on", async () => {
    const [known, unknown] = [await tokenFrom(provider, { resource: OPAQUE }), await tokenFrom(provider, { resource: OPAQUE })];
    assert.equal((await server.me(known)).status, 200);
    provider.cutOff(true);
    try {
      const response = await server.me(unknown);
      assert.equal(response.status, 503);
      assert.match(response.headers.get("retry-after"), /^\d+$/);
      assert.equal((await server.me(known)).status, 200);
    } finally {
      provider.cutOff(false);
    }
  });

  test("no token comes into a URL or a log", () => {
    assert.ok(provider.requests.every((line) => !line.includes("?")));
    assert.ok(!server.log().includes("nobody-issued-this"));
  });
});

// Tokens of a provider that others wrote, verified by its published keys.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { SignJWT, importJWK } from "jose";
import { AUDIENCE, KEYS, makeKeys, startProvider, tokenFrom } from "./provider.js";
import { eventually, startServer } from "./server.js";

const challenge = (response) => response.headers.get("www-authenticate") ?? "none";

async function assertRefused(response, status = 401) {
  assert.equal(response.status, status);
  assert.match(challenge(response), /error="invalid_token"/);
  assert.equal((await response.json()).status, status);
}

/** A token by one of the provider's own keys, with whatever is asked for. */
async function signed(provider, { alg = "ES256", typ = "at+jwt", key, kid, ...claims } = {}) {
  key ??= KEYS.find((key) => key.alg === alg);
  const jwt = new SignJWT({ scope: "read", ...claims })
    .setProtectedHeader({ alg, typ, kid: kid ?? key.kid })
    .setIssuer(claims.iss ?? provider.issuer)
    .setSubject("service")
    .setIssuedAt()
    .setExpirationTime("5m");
  return jwt.setAudience(claims.aud ?? AUDIENCE).sign(await importJWK(key, alg));
}

describe("access tokens of oidc-provider", () => {
  let provider, server;
  before(async () => {
    provider = await startProvider();
    server = await startServer("--issuer", provider.issuer, "--audience", AUDIENCE);
  });
  after(async () => {
    await server?.stop();
    await provider?.stop();
  });

  for (const { alg } of KEYS) {
    test(`by ${alg}, as at+jwt`, async () => {
      const response = await server.me(await tokenFrom(provider, { resource: `${AUDIENCE}?${alg}` }));
      assert.equal(response.status, 200, challenge(response));
      const claims = await response.json();
      assert.equal(claims.iss, provider.issuer);
      assert.equal(claims.aud, AUDIENCE);
      assert.equal(claims.client_id, "service");
      assert.equal(claims.scope, "read");
    });
  }

  test("a scope opens what wants it", async () => {
    const get = async (scope) => server.get("/admin", { authorization: `Bearer ${await tokenFrom(provider, { scope })}` });
    assert.equal((await get("read admin")).status, 200);
    const response = await get("read");
    assert.equal(response.status, 403);
    assert.match(challenge(response), /error="insufficient_scope"/);
    assert.match(challenge(response), /scope="admin"/);
  });

  test("one of another audience is refused", async () => {
    await assertRefused(await server.me(await tokenFrom(provider, { resource: "https://other.example" })));
  });

  test("one that calls itself another issuer's is refused", async () => {
    await assertRefused(await server.me(await signed(provider, { iss: `${provider.issuer}/` })));
    assert.equal((await server.me(await signed(provider))).status, 200);
  });

  test("what the provider signs for another purpose is refused", async () => {
    for (const typ of ["logout+jwt", "token-introspection+jwt", "secevent+jwt", "oauth-authz-req+jwt"]) {
      await assertRefused(await server.me(await signed(provider, { typ })));
    }
  });

  test("a forger's key under the provider's name is refused", async () => {
    const [key] = await makeKeys("ES256");
    await assertRefused(await server.me(await signed(provider, { key, kid: KEYS.find(({ alg }) => alg === "ES256").kid })));
  });

  test("keys are asked for once, whatever was sent so far", () => {
    assert.equal(provider.fetches(), 1);
  });
});

describe("a key that was rotated", () => {
  let provider, server;
  before(async () => {
    provider = await startProvider();
    server = await startServer("--issuer", provider.issuer, "--audience", AUDIENCE);
  });
  after(async () => {
    await server?.stop();
    await provider?.stop();
  });

  test("is accepted after one fetch, and the removed one refused", async () => {
    const old = await tokenFrom(provider);
    assert.equal((await server.me(old)).status, 200);
    provider.rotate(await makeKeys("RS256", "ES256"));
    assert.equal((await server.me(old)).status, 200, "nobody has looked yet");

    const fresh = await tokenFrom(provider);
    assert.equal((await server.me(fresh)).status, 200);
    assert.equal(provider.fetches(), 2);
    await assertRefused(await server.me(old));
    assert.equal((await server.me(fresh)).status, 200);
    assert.equal(provider.fetches(), 2);
  });

  test("a thousand unknown names cause one fetch at most, and hold nobody up", async () => {
    const before = provider.fetches();
    const good = await tokenFrom(provider);
    const forged = await Promise.all(Array.from({ length: 1000 }, (_, n) => signed(provider, { kid: `random-${n}/../../${n}` })));
    const answers = await Promise.all(forged.map((token) => server.me(token)));
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [401]);
    assert.equal((await server.me(good)).status, 200);
    assert.ok(provider.fetches() - before <= 1, `${provider.fetches() - before} fetches`);
  });

  test("no name of a key comes into a URL", () => {
    const asked = provider.requests.filter((line) => !line.startsWith("POST /token"));
    assert.deepEqual([...new Set(asked)].sort(), ["GET /.well-known/openid-configuration", "GET /jwks"]);
  });
});

describe("a provider in trouble", () => {
  test("that hangs while keys are looked for holds up no valid request", async () => {
    const provider = await startProvider();
    const server = await startServer("--issuer", provider.issuer, "--audience", AUDIENCE);
    try {
      const good = await tokenFrom(provider);
      assert.equal((await server.me(good)).status, 200);
      provider.hold();
      const order = [];
      const unknown = server.me(await signed(provider, { kid: "nobody's" })).then((answer) => order.push(["unknown", answer.status]));
      for (let n = 0; n < 100; n++) order.push(["good", (await server.me(good)).status]);
      provider.release();
      await unknown;
      assert.deepEqual(order.slice(0, 100), Array(100).fill(["good", 200]));
      assert.equal(order[100][0], "unknown");
      assert.ok([401, 503].includes(order[100][1]));
    } finally {
      await server.stop();
      await provider.stop();
    }
  });

  test("that is gone leaves its keys in use", async () => {
    const provider = await startProvider();
    const server = await startServer("--issuer", provider.issuer, "--audience", AUDIENCE);
    try {
      const [good, another] = [await tokenFrom(provider), await tokenFrom(provider)];
      assert.equal((await server.me(good)).status, 200);
      provider.cutOff(true);
      const unknown = await server.me(await signed(provider, { kid: "nobody's" }));
      assert.ok([401, 503].includes(unknown.status));
      assert.equal((await server.me(good)).status, 200);
      assert.equal((await server.me(another)).status, 200);
    } finally {
      await server.stop();
      await provider.stop();
    }
  });

  test("that was never there is answered for with 503, until it comes", async () => {
    const away = await startProvider();
    const { port } = away;
    await away.stop();
    const server = await startServer("--issuer", `http://127.0.0.1:${port}`, "--audience", AUDIENCE);
    let provider;
    try {
      const token = await signed({ issuer: `http://127.0.0.1:${port}` });
      const refused = await server.me(token);
      assert.equal(refused.status, 503);
      assert.match(refused.headers.get("retry-after"), /^\d+$/);
      assert.equal((await server.get("/me")).status, 401, "without a token there is nothing to wait for");

      provider = await startProvider({ port });
      await eventually(() => server.me(token), (answer) => answer.status === 200, 400);
    } finally {
      await server.stop();
      await provider?.stop();
    }
  });

  test("whose metadata names another issuer is not believed", async () => {
    const provider = await startProvider();
    // The same server by another name.
    const alias = provider.issuer.replace("127.0.0.1", "localhost");
    const server = await startServer("--issuer", alias, "--audience", AUDIENCE);
    try {
      const response = await server.me(await signed(provider, { iss: alias }));
      assert.equal(response.status, 503);
      assert.ok(provider.requests.some((line) => line.includes("/.well-known/")), "it was asked");
      assert.equal(provider.fetches(), 0);
    } finally {
      await server.stop();
      await provider.stop();
    }
  });
});

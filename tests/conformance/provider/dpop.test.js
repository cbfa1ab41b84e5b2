// Tokens that are bound to a key: oidc-provider issues them, oauth4webapi proves that it has the key.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as oauth from "oauth4webapi";
import { AUDIENCE, CLIENT, startProvider, tokenFrom } from "./provider.js";
import { startServer } from "./server.js";

const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id: CLIENT.id };

async function boundToken(provider, DPoP, scope = "read") {
  const issuer = new URL(provider.issuer);
  const metadata = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
  const request = () =>
    oauth.clientCredentialsGrantRequest(metadata, client, oauth.ClientSecretBasic(CLIENT.secret), { resource: `${AUDIENCE}?ES256`, scope }, { DPoP, ...insecure });
  const answer = await again(async () => oauth.processClientCredentialsResponse(metadata, client, await request()));
  assert.equal(answer.token_type, "dpop");
  return answer.access_token;
}

/** Once more with the nonce that the answer asked for, which the handle remembers (RFC 9449 §8, §9). */
async function again(work) {
  try {
    return await work();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return work();
  }
}

const proven = (server, path, token, DPoP, method = "GET") =>
  again(() => oauth.protectedResourceRequest(token, method, new URL(server.url + path), undefined, undefined, { DPoP, ...insecure }));

/** What was refused, as the challenge says. */
async function refusal(work) {
  const error = await work.then(() => assert.fail("it was let in"), (error) => error);
  assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, error.stack);
  return { status: error.status, ...error.cause.find(({ scheme }) => scheme === "dpop") };
}

describe("DPoP with oauth4webapi as the client", () => {
  let provider, server;
  before(async () => {
    provider = await startProvider();
    server = await startServer("--issuer", provider.issuer, "--audience", AUDIENCE, "--dpop");
  });
  after(async () => {
    await server?.stop();
    await provider?.stop();
  });

  for (const alg of ["ES256", "RS256", "PS256", "Ed25519"]) {
    test(`a token bound to a key for ${alg}`, async () => {
      const DPoP = oauth.DPoP(client, await oauth.generateKeyPair(alg));
      const token = await boundToken(provider, DPoP);
      const response = await proven(server, "/me", token, DPoP);
      assert.equal(response.status, 200);
      assert.equal(typeof (await response.json()).cnf.jkt, "string");
    });
  }

  test("with a query, which the proof does not name", async () => {
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
    const token = await boundToken(provider, DPoP);
    assert.equal((await proven(server, "/me?a=1&b=2", token, DPoP)).status, 200);
  });

  test("a scope is asked for as of any token", async () => {
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
    assert.equal((await proven(server, "/admin", await boundToken(provider, DPoP, "admin"), DPoP)).status, 200);
    const { status, parameters } = await refusal(proven(server, "/admin", await boundToken(provider, DPoP), DPoP));
    assert.deepEqual([status, parameters.error], [403, "insufficient_scope"]);
  });

  test("another's key proves nothing", async () => {
    const mine = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
    const theirs = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
    const { status, parameters } = await refusal(proven(server, "/me", await boundToken(provider, mine), theirs));
    assert.equal(status, 401);
    assert.match(parameters.error, /^invalid_(token|dpop_proof)$/);
  });

  test("a bound token is no bearer token", async () => {
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
    const response = await server.me(await boundToken(provider, DPoP));
    assert.equal(response.status, 401);
    assert.match(response.headers.get("www-authenticate"), /DPoP .*algs="/);
  });

  test("a bearer token is no bound token", async () => {
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair("ES256"));
    const { status, parameters } = await refusal(proven(server, "/me", await tokenFrom(provider), DPoP));
    assert.deepEqual([status, parameters.error], [401, "invalid_token"]);
  });

  test("a proof is good once, for one method, one URL and one token", async () => {
    const keys = await oauth.generateKeyPair("ES256");
    const DPoP = oauth.DPoP(client, keys);
    const token = await boundToken(provider, DPoP);
    const seen = [];
    const capture = (url, init) => {
      seen.push(new Headers(init.headers).get("dpop"));
      return fetch(url, init);
    };
    await again(() =>
      oauth.protectedResourceRequest(token, "GET", new URL(`${server.url}/me`), undefined, undefined, { DPoP, ...insecure, [oauth.customFetch]: capture }),
    );
    const proof = seen.at(-1);
    const send = (path, headers, method = "GET") => fetch(server.url + path, { method, headers: { authorization: `DPoP ${token}`, ...headers } });
    const other = await boundToken(provider, DPoP);
    for (const [name, response] of [
      ["again", await send("/me", { dpop: proof })],
      ["elsewhere", await send("/admin", { dpop: proof })],
      ["without it", await send("/me", {})],
      ["garbage", await send("/me", { dpop: "a.b.c" })],
      ["for another token", await fetch(`${server.url}/me`, { headers: { authorization: `DPoP ${other}`, dpop: proof } })],
    ]) {
      assert.equal(response.status, 401, name);
      assert.match(response.headers.get("www-authenticate"), /DPoP .*error="(invalid_dpop_proof|use_dpop_nonce)"/, name);
    }
  });

  test("a plain bearer token is still taken where both are", async () => {
    assert.equal((await server.me(await tokenFrom(provider))).status, 200);
  });
});

// Proofs of possession that are not good, made by jose: every check of RFC 9449 §4.3, from outside.

import assert from "node:assert/strict";
import { createHash, createHmac, randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { SignJWT, UnsecuredJWT, base64url, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from "jose";
import { AUDIENCE, KEYS, startProvider } from "./provider.js";
import { startServer } from "./server.js";

describe("proofs", () => {
  let provider, server, keys, jwk, token;

  before(async () => {
    provider = await startProvider();
    server = await startServer("--issuer", provider.issuer, "--audience", AUDIENCE, "--dpop");
    keys = await generateKeyPair("ES256", { extractable: true });
    jwk = await exportJWK(keys.publicKey);
    token = await bound(jwk);
  });
  after(async () => {
    await server?.stop();
    await provider?.stop();
  });

  /** An access token by the provider's key, bound to `jwk`. */
  async function bound(jwk) {
    const key = KEYS.find(({ alg }) => alg === "ES256");
    const jwt = new SignJWT({ cnf: { jkt: await calculateJwkThumbprint(jwk) }, scope: "read" });
    jwt.setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: key.kid }).setIssuer(provider.issuer).setAudience(AUDIENCE);
    return jwt.setSubject("service").setIssuedAt().setExpirationTime("5m").sign(await importJWK(key, "ES256"));
  }

  const now = () => Math.floor(Date.now() / 1000);
  const head = (others = {}) => clean({ typ: "dpop+jwt", alg: "ES256", jwk, ...others });
  const body = (others = {}) =>
    clean({ jti: randomUUID(), htm: "GET", htu: `${server.url}/me`, iat: now(), ath: createHash("sha256").update(token).digest("base64url"), ...others });
  const clean = (members) => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
  const proof = (header = head(), claims = body(), key = keys.privateKey) => new SignJWT(claims).setProtectedHeader(header).sign(key);

  const send = (proofs, path = "/me", scheme = "DPoP") => {
    const headers = new Headers({ authorization: `${scheme} ${token}` });
    for (const one of [proofs].flat()) headers.append("dpop", one);
    return fetch(server.url + path, { headers });
  };

  const good = {
    "a plain one": () => proof(),
    "with a fragment in its URL": () => proof(head(), body({ htu: `${server.url}/me#part` })),
    "with a query in its URL": () => proof(head(), body({ htu: `${server.url}/me?a=1` })),
    "with its scheme and host in capitals": () => proof(head(), body({ htu: `${server.url.replace("http", "HTTP")}/me` })),
    "of five seconds ago": () => proof(head(), body({ iat: now() - 5 })),
    "with claims of its own": () => proof(head(), body({ nonce: "not asked for", x: { y: [1] } })),
  };
  for (const [name, make] of Object.entries(good)) {
    test(`taken: ${name}`, async () => {
      const response = await send(await make());
      assert.equal(response.status, 200, response.headers.get("www-authenticate"));
    });
  }

  test("the scheme is taken in any case", async () => {
    assert.equal((await send(await proof(), "/me", "dpop")).status, 200);
  });

  const bad = {
    "without a type": () => proof(head({ typ: undefined })),
    "of another type": () => proof(head({ typ: "JWT" })),
    "of an access token's type": () => proof(head({ typ: "at+jwt" })),
    "unsigned": () => new UnsecuredJWT(body()).encode().replace(/^[^.]*/, base64url.encode(JSON.stringify(head({ alg: "none" })))),
    "by a secret": async () => {
      const secret = new Uint8Array(32).fill(7);
      return proof(head({ alg: "HS256", jwk: { kty: "oct", k: base64url.encode(secret) } }), body(), secret);
    },
    "by the public key as a secret": async () => {
      const signed = `${base64url.encode(JSON.stringify(head({ alg: "HS256" })))}.${base64url.encode(JSON.stringify(body()))}`;
      return `${signed}.${createHmac("sha256", JSON.stringify(jwk)).update(signed).digest("base64url")}`;
    },
    "without its key": () => proof(head({ jwk: undefined })),
    "with its private key": async () => proof(head({ jwk: await exportJWK(keys.privateKey) })),
    "with another key": async () => proof(head({ jwk: await exportJWK((await generateKeyPair("ES256", { extractable: true })).publicKey) })),
    "by another key, good in itself": async () => {
      const other = await generateKeyPair("ES256", { extractable: true });
      return proof(head({ jwk: await exportJWK(other.publicKey) }), body(), other.privateKey);
    },
    "with its key as a text": () => proof(head({ jwk: JSON.stringify(jwk) })),
    "that names its key and does not bring it": () => proof(head({ jwk: undefined, kid: "mine" })),
    "for another method": () => proof(head(), body({ htm: "POST" })),
    "for the method in small letters": () => proof(head(), body({ htm: "get" })),
    "without a method": () => proof(head(), body({ htm: undefined })),
    "for another path": () => proof(head(), body({ htu: `${server.url}/admin` })),
    "for the path below": () => proof(head(), body({ htu: `${server.url}/me/` })),
    "for another host": () => proof(head(), body({ htu: "http://api.example/me" })),
    "for another port": () => proof(head(), body({ htu: "http://127.0.0.1:1/me" })),
    "for another scheme": () => proof(head(), body({ htu: `${server.url.replace("http:", "https:")}/me` })),
    "for a path alone": () => proof(head(), body({ htu: "/me" })),
    "for no URL": () => proof(head(), body({ htu: undefined })),
    "for several URLs": () => proof(head(), body({ htu: [`${server.url}/me`] })),
    "of an hour ago": () => proof(head(), body({ iat: now() - 3600 })),
    "of the next hour": () => proof(head(), body({ iat: now() + 3600 })),
    "of no time": () => proof(head(), body({ iat: undefined })),
    "of a time in letters": () => proof(head(), body({ iat: `${now()}` })),
    "without a name of its own": () => proof(head(), body({ jti: undefined })),
    "with a number for a name": () => proof(head(), body({ jti: 7 })),
    "with nothing for a name": () => proof(head(), body({ jti: "" })),
    "for no token": () => proof(head(), body({ ath: undefined })),
    "for another token": () => proof(head(), body({ ath: createHash("sha256").update("another").digest("base64url") })),
    "for the token in hexadecimal": () => proof(head(), body({ ath: createHash("sha256").update(token).digest("hex") })),
    "with a name for itself ten thousand letters long": () => proof(head(), body({ jti: "j".repeat(10_000) })),
    "changed after it was signed": async () => (await proof()).replace(/\.[^.]*\./, `.${base64url.encode(JSON.stringify(body()))}.`),
    "with half a signature": async () => (await proof()).slice(0, -43),
    "of two segments": () => "a.b",
    "of nothing": () => "",
    "of dots": () => ".".repeat(5000),
  };
  for (const [name, make] of Object.entries(bad)) {
    test(`refused: ${name}`, async () => {
      const response = await send(await make());
      assert.equal(response.status, 401);
      assert.match(response.headers.get("www-authenticate"), /DPoP .*error="invalid_(dpop_proof|token)"/);
    });
  }

  test("crit is refused", async () => {
    const signed = `${base64url.encode(JSON.stringify(head({ crit: ["x"], x: 1 })))}.${base64url.encode(JSON.stringify(body()))}`;
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys.privateKey, new TextEncoder().encode(signed));
    assert.equal((await send(`${signed}.${Buffer.from(signature).toString("base64url")}`)).status, 401);
  });

  test("two proofs are refused, good as they are", async () => {
    const response = await send([await proof(), await proof()]);
    assert.ok([400, 401].includes(response.status));
  });

  test("a proof is used once, though a hundred come with it at the same time", async () => {
    const one = await proof();
    const answers = await Promise.all(Array.from({ length: 100 }, () => send(one)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.equal(answers.filter(({ status }) => status === 401).length, 99);
  });

  test("a token that is bound is refused under every other scheme", async () => {
    for (const scheme of ["Bearer", "bearer"]) assert.equal((await send(await proof(), "/me", scheme)).status, 401);
    assert.equal((await fetch(`${server.url}/me`, { headers: { authorization: `Bearer ${token}` } })).status, 401);
  });
});

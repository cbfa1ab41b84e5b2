// An OpenID provider on a free port of this machine, whose key set can be changed, held back or cut off.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

export const AUDIENCE = "https://api.example";
/** Audiences of this beginning get opaque tokens. */
export const OPAQUE = "https://opaque.example";
export const CLIENT = { id: "service", secret: "a secret of the tests, as long as it should be" };

/** One private key per algorithm, each with a name of its own. */
export async function makeKeys(...algorithms) {
  const keys = [];
  for (const alg of algorithms) {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    keys.push({ ...(await exportJWK(privateKey)), alg, use: "sig", kid: `${alg}-${randomBytes(4).toString("hex")}` });
  }
  return keys;
}

/** RSA keys take the time, so every test starts from the same ones. */
export const KEYS = await makeKeys("RS256", "PS256", "ES256", "EdDSA", "Ed25519");

export async function startProvider({ port = 0, keys = KEYS, nonces = false } = {}) {
  let handle, opened;
  let held = null;
  let down = false;
  const requests = [];
  const sockets = new Set();

  const server = createServer(async (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (down) return request.socket.destroy();
    if (held && /jwks|well-known/.test(request.url)) await held.promise;
    handle(request, response);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const use = (keys) => (handle = new Provider(issuer, configuration(keys, nonces)).callback());
  use(keys);

  return {
    issuer,
    port: server.address().port,
    /** Every request line so far. */
    requests,
    /** How often the key set was asked for. */
    fetches: () => requests.filter((line) => line === "GET /jwks").length,
    /** From now on these keys sign, and only these are published. */
    rotate: use,
    /** Keys and metadata are not answered until `release`. */
    hold() {
      held = { promise: new Promise((resolve) => (opened = resolve)) };
    },
    release() {
      held = null;
      opened?.();
    },
    /** Connections are cut, as by a provider that crashed. */
    cutOff(is) {
      down = is;
      if (is) for (const socket of sockets) socket.destroy();
    },
    async stop() {
      this.release();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function configuration(keys, nonces) {
  const algorithms = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
  return {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        scope: "read admin",
      },
    ],
    jwks: { keys },
    scopes: ["read", "admin"],
    enabledJWA: { idTokenSigningAlgValues: algorithms, dPoPSigningAlgValues: ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => nonces },
      resourceIndicators: {
        enabled: true,
        // The audience says what kind of token it wants: `https://api.example?ES256`.
        getResourceServerInfo: (_context, resource) => {
          const [audience, alg] = resource.split("?");
          const opaque = audience.startsWith(OPAQUE);
          return {
            scope: "read admin",
            audience,
            accessTokenTTL: 300,
            accessTokenFormat: opaque ? "opaque" : "jwt",
            ...(opaque ? {} : { jwt: { sign: { alg: alg ?? "RS256" } } }),
          };
        },
      },
    },
  };
}

/** A token by the client credentials grant (RFC 6749 §4.4) for a resource (RFC 8707). */
export async function tokenFrom(provider, { resource = AUDIENCE, scope = "read" } = {}) {
  const response = await fetch(`${provider.issuer}/token`, {
    method: "POST",
    headers: { authorization: basic(CLIENT) },
    body: new URLSearchParams({ grant_type: "client_credentials", resource, scope }),
  });
  const answer = await response.json();
  if (response.status !== 200) throw new Error(`the provider answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer.access_token;
}

export function basic({ id, secret }) {
  return `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString("base64")}`;
}

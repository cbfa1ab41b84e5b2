// How long valid requests take while the provider does not answer: once without trouble, then with a fetch of its keys that hangs for as
// long, caused by tokens of an unknown name that keep coming. Prints one tab-separated line per phase; asserts nothing.
//
//     cargo build --release --features full --example resource_server
//     PROFILE=release npm run soak

import { Agent, get } from "node:http";
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { SignJWT, importJWK } from "jose";
import { AUDIENCE, KEYS, startProvider } from "./provider.js";
import { startServer } from "./server.js";

const SECONDS = Number(process.env.SECONDS ?? 3);
const CLIENTS = Number(process.env.CLIENTS ?? 4);
/** Between two requests of one client, so that the queue measured is the server's and not this program's. */
const PAUSE_MS = 1;

const provider = await startProvider();
const server = await startServer("--issuer", provider.issuer, "--audience", AUDIENCE);
const key = KEYS.find(({ alg }) => alg === "ES256");
const signing = await importJWK(key, "ES256");
const token = (n, kid = key.kid) =>
  new SignJWT({ n }).setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid }).setIssuer(provider.issuer).setAudience(AUDIENCE).setIssuedAt().setExpirationTime("5m").sign(signing);

const agent = new Agent({ keepAlive: true });

/** The time in milliseconds until the whole answer is there. */
function ask(bearer, wanted = 200) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const request = get(`${server.url}/me`, { agent, headers: { authorization: `Bearer ${bearer}` } }, (response) => {
      response.resume().on("end", () => {
        if (response.statusCode !== wanted && wanted) reject(new Error(`${response.statusCode} instead of ${wanted}`));
        else resolve(performance.now() - start);
      });
    });
    request.on("error", reject);
  });
}

/** Every client asks until the time is up, by turns with a token seen before and with a new one. */
async function load(milliseconds, fresh) {
  const until = performance.now() + milliseconds;
  const times = [];
  const client = async (repeated) => {
    while (performance.now() < until) {
      times.push(await ask(times.length % 2 ? repeated : (fresh.pop() ?? repeated)));
      await wait(PAUSE_MS);
    }
  };
  const repeated = await token("again");
  await ask(repeated);
  await Promise.all(Array.from({ length: CLIENTS }, () => client(repeated)));
  return times.sort((a, b) => a - b);
}

function report(phase, times) {
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(2);
  console.log([phase, times.length, at(0.5), at(0.99), at(0.999), times.at(-1).toFixed(2)].join("\t"));
}

const stock = () => Promise.all(Array.from({ length: 600 * SECONDS }, (_, n) => token(n + Math.random())));
console.log(["phase", "requests", "p50_ms", "p99_ms", "p999_ms", "max_ms"].join("\t"));
await load(500, await stock());
report("provider well", await load(SECONDS * 1000, await stock()));

const forged = await Promise.all(Array.from({ length: 20 }, (_, n) => token(n, `nobody's ${n}`)));
const fresh = await stock();
const fetches = provider.fetches();
provider.hold();
let forging = true;
const waiting = [];
const forger = (async () => {
  for (let n = 0; forging; n++) {
    waiting.push(ask(forged[n % forged.length], 0).catch(() => {}));
    await wait(50);
  }
})();
report("provider hangs", await load(SECONDS * 1000, fresh));
forging = false;
await forger;
provider.release();
await Promise.all(waiting);
console.log(`key fetches meanwhile\t${provider.fetches() - fetches}`);
report("provider back", await load(1000, await stock()));
agent.destroy();
await server.stop();
await provider.stop();

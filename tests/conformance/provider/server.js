// Starts the built resource server on a free port.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../../target", import.meta.url));
const BINARY = `${target}/${process.env.PROFILE ?? "debug"}/examples/resource_server`;

export async function startServer(...args) {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is not there: cargo build --features full --example resource_server`);
  const child = spawn(BINARY, [...args, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const url = await new Promise((resolve, reject) => {
    let printed = "";
    const late = setTimeout(() => reject(new Error(`no URL within 20 s:\n${printed}${log}`)), 20_000);
    child.stdout.on("data", (chunk) => {
      printed += chunk;
      const found = /http:\/\/[\w.:[\]]+/.exec(printed);
      if (found && printed.includes("\n")) {
        clearTimeout(late);
        resolve(found[0]);
      }
    });
    child.once("exit", (code) => reject(new Error(`the resource server ended with ${code}:\n${log}`)));
  });
  return {
    url,
    log: () => log,
    get: (path, headers = {}) => fetch(url + path, { headers }),
    /** `GET /me` with a bearer token. */
    me: (token) => fetch(`${url}/me`, { headers: { authorization: `Bearer ${token}` } }),
    async stop() {
      if (child.exitCode !== null) return;
      const ended = once(child, "close");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Asks again until `wanted` says yes, for a second or so. */
export async function eventually(ask, wanted, tries = 100) {
  let answer;
  for (let n = 0; n < tries; n++) {
    answer = await ask();
    if (wanted(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`still ${answer?.status ?? answer} after ${tries} tries`);
}

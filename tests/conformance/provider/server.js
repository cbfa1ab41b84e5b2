// Starts the built resource server on a free port.

import { start } from "../../example.mjs";

export async function startServer(...args) {
  const server = await start("resource_server", ...args);
  return {
    ...server,
    get: (path, headers = {}) => fetch(server.url + path, { headers }),
    /** `GET /me` with a bearer token. */
    me: (token) => fetch(`${server.url}/me`, { headers: { authorization: `Bearer ${token}` } }),
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

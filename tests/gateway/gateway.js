// Starts the built gateway, and upstreams and clients that do what well-behaved ones never would.

import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";

import { run as runExample, start } from "../example.mjs";

export { start };

/** Runs the gateway with `args` and waits for its end. */
export const run = (...args) => runExample("gateway", ...args);

/** Where a test names none: what is true of a proxy is true with and without a cache in it. */
const PROFILE = process.env.GATEWAY_PROFILE ?? "off";

/** The gateway before `upstream` (which has a `url`), with an impatience that tests can wait for. */
export const gateway = (upstream, ...args) => start("gateway", "--upstream", upstream.url, "--patience", "1", ...(args.includes("--profile") ? [] : ["--profile", PROFILE]), ...args);

/** Runs `test` with what `make` gives, and takes that down again. */
export const using = async (things, test) => {
  const made = [];
  try {
    for (const make of things) made.push(await make(...made));
    await test(...made);
  } finally {
    for (const thing of made.reverse()) await thing.stop();
  }
};

async function listening(server) {
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  return {
    port,
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}`,
    connections: () => sockets.size,
    async stop() {
      sockets.forEach((socket) => socket.destroy());
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
}

/** An upstream of Node's own. `requests` holds what it was asked. */
export async function upstream(answer) {
  const requests = [];
  const server = createHttpServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  return Object.assign(await listening(server), { requests, server });
}

/** An upstream of bare sockets: `speak(socket, head, nth)` once a head has arrived. `heard` is all that arrived. */
export async function rawUpstream(speak) {
  let count = 0;
  const heard = [];
  const server = createServer((socket) => {
    let text = "";
    const at = heard.push("") - 1;
    socket.on("data", (chunk) => {
      heard[at] += chunk;
      const before = text.includes("\r\n\r\n");
      text += chunk;
      if (!before && text.includes("\r\n\r\n")) speak(socket, text, ++count);
    });
  });
  return Object.assign(await listening(server), { heard, count: () => count });
}

/** A port where nobody listens. */
export async function nobody() {
  const closed = await listening(createServer());
  await closed.stop();
  return { ...closed, stop: async () => {} };
}

/** A client of one bare socket. */
export function client(server) {
  const socket = connect(server.port, "127.0.0.1");
  socket.setNoDelay(true);
  let received = "";
  let failed;
  socket.on("data", (chunk) => (received += chunk.toString("latin1")));
  socket.on("error", (error) => (failed = error));
  const closed = new Promise((resolve) => socket.on("close", resolve));
  return {
    socket,
    received: () => received,
    send: (text) => socket.write(text),
    /** Waits until what was received matches, and returns it. */
    async until(pattern, patience = 5_000) {
      const end = Date.now() + patience;
      while (!pattern.test(received)) {
        if (Date.now() > end) throw new Error(`${pattern} did not come: ${JSON.stringify(received)} ${failed ?? ""}`);
        await sleep(5);
      }
      return received;
    },
    /** Everything, until the other side hangs up. */
    async all() {
      await closed;
      return received;
    },
    closed,
    close: () => socket.destroy(),
  };
}

/** Sends `text` and returns everything until the other side hangs up. */
export async function exchange(server, text) {
  const one = client(server);
  one.send(text);
  return one.all();
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `wanted` says yes. */
export async function eventually(wanted, what, patience = 5_000) {
  const end = Date.now() + patience;
  while (!(await wanted())) {
    if (Date.now() > end) throw new Error(`it never happened: ${what}`);
    await sleep(10);
  }
}

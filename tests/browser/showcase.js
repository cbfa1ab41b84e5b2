// Starts the built showcase on a free port, and speaks to it in ways that `fetch` cannot.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";

const BINARY = process.env.SHOWCASE_BIN ?? fileURLToPath(new URL("../../target/debug/examples/showcase", import.meta.url));

/** Runs the binary with `args` and waits for its end. */
export async function run(...args) {
  assertBuilt();
  const child = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  return { code, output };
}

/** Starts the showcase; `url` has no slash at its end. */
export async function start() {
  assertBuilt();
  const child = spawn(BINARY, ["--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const url = await new Promise((resolve, reject) => {
    let printed = "";
    const late = setTimeout(() => reject(new Error(`the showcase printed no URL within 20 s:\n${printed}${log}`)), 20_000);
    child.stdout.on("data", (chunk) => {
      printed += chunk;
      const found = /http:\/\/[\w.:[\]]+/.exec(printed);
      if (found && printed.includes("\n")) {
        clearTimeout(late);
        resolve(found[0]);
      }
    });
    child.once("exit", (code) => reject(new Error(`the showcase ended with ${code}:\n${log}`)));
  });
  return {
    url,
    host: new URL(url).host,
    /** What it wrote to stderr so far. */
    log: () => log,
    /** Asks it to stop, as Ctrl-C does, and returns its exit code. */
    async stop(signal = "SIGINT") {
      if (child.exitCode !== null) return child.exitCode;
      const ended = once(child, "close");
      child.kill(signal);
      const [code] = await ended;
      return code;
    },
  };
}

/** Logs in and returns the token and the cookie. */
export async function logIn(server) {
  const response = await postJson(server, "/login", { username: "demo", password: "demo" });
  if (response.status !== 200) throw new Error(`login answered ${response.status}`);
  const { access_token: token } = await response.json();
  return { token, cookie: response.headers.get("set-cookie").split(";")[0] };
}

export function postJson(server, path, body, headers = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: text });
}

function open(server) {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.setTimeout(60_000, () => socket.destroy(new Error("silence for 60 s")));
  return socket;
}

/**
 * Writes a head and `body` to a fresh connection and reads the head of what comes back, and the body that its length announces.
 * With `end` nothing more can come after.
 */
export async function raw(server, lines, body = "", { end = false } = {}) {
  const socket = open(server);
  socket.write(lines.join("\r\n") + "\r\n\r\n" + body);
  if (end) socket.end();
  let received = "";
  for await (const chunk of socket) {
    received += chunk;
    const at = received.indexOf("\r\n\r\n");
    if (at < 0) continue;
    const [first, ...fields] = received.slice(0, at).split("\r\n");
    const headers = new Headers(fields.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
    const content = received.slice(at + 4);
    if (content.length < Number(headers.get("content-length") ?? 0)) continue;
    socket.destroy();
    return { status: Number(first.split(" ")[1]), headers, body: content };
  }
  throw new Error(`the connection ended early: ${received}`);
}

/** Writes `text` to a fresh connection and waits for the server to hang up; what came until then. */
export async function untilHungUp(server, text) {
  const socket = open(server);
  socket.write(text);
  let received = "";
  for await (const chunk of socket) received += chunk;
  return received;
}

function assertBuilt() {
  if (!existsSync(BINARY)) {
    throw new Error(`${BINARY} is not there. Build it: cargo build --example showcase --features full (or set SHOWCASE_BIN)`);
  }
}

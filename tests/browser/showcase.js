// Starts the built showcase on a free port, and speaks to it in ways that `fetch` cannot.

import { connect } from "node:net";

import * as example from "../example.mjs";

/** Runs the showcase with `args` and waits for its end. */
export const run = (...args) => example.run("showcase", ...args);

/** Starts the showcase. */
export const start = () => example.start("showcase");

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

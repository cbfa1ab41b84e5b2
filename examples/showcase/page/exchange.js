// Sends a request and shows what went over the wire, as far as the browser lets a script see it.
// Everything that comes from the network is written as text, never as markup.

/**
 * @typedef {object} Sent
 * @property {Response} response
 * @property {string} text
 * @property {number} ms
 * @property {boolean} cut whether the connection broke before the text was whole
 */

/**
 * Sends one request and renders the exchange into `view`.
 *
 * @param {HTMLElement} view
 * @param {string} path
 * @param {{method?: string, headers?: Record<string, string>, body?: string, credentials?: RequestCredentials,
 *   cache?: RequestCache, sentNote?: string, receivedNote?: string, says?: (response: Response, text: string) => string}} options
 * @returns {Promise<Sent | null>} null if no answer came
 */
export async function exchange(view, path, options = {}) {
  const { method = "GET", headers = {}, body, credentials = "same-origin", cache = "no-store" } = options;
  const started = performance.now();
  let response;
  try {
    response = await fetch(path, { method, headers, body, credentials, cache });
  } catch {
    view.replaceChildren(
      verdict("No answer", "failed", "", "The connection failed before an answer came. Is the server still running?"),
      part("Request", requestLines(method, path, headers, body, options.sentNote)),
    );
    return null;
  }
  const { text, cut } = await read(response);
  const ms = performance.now() - started;
  const status = `${response.status} ${response.statusText || phrase(response.status)}`;
  const says = options.says?.(response, text) ?? advice(text);
  // A call of gRPC that failed is a 200, and where it has no content its head says so.
  const rpc = response.headers.get("grpc-status") ?? "0";
  const failure = cut ? ", then cut off" : rpc === "0" ? "" : `, grpc-status ${rpc}`;
  view.replaceChildren(
    verdict(status + failure, failure ? "failed" : kind(response.status), `${Math.round(ms)} ms`, says),
    part("Request", requestLines(method, path, headers, body, options.sentNote)),
    part("Response", [...responseLines(response, text, options.receivedNote), ...(cut ? [note("here the connection broke")] : [])]),
  );
  // On a narrow screen the exchange is below the button.
  view.scrollIntoView({ block: "nearest" });
  return { response, text, ms, cut };
}

/** The body, as far as it comes. */
async function read(response) {
  let text = "";
  try {
    const decoder = new TextDecoder();
    for (const reader = response.body?.getReader(); reader; ) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    return { text: text + decoder.decode(), cut: false };
  } catch {
    return { text, cut: true };
  }
}

/** A list of names and what is to be said of each. */
export function facts(values) {
  const list = element("dl", "facts");
  for (const [name, value] of Object.entries(values)) {
    const row = element("div");
    row.append(element("dt", "", name), element("dd", "", value));
    list.append(row);
  }
  return list;
}

/** Shows an exchange of which a script sees only the outside, such as a WebSocket's opening handshake. */
export function showHandshake(view, status, ok, says, request, response) {
  view.replaceChildren(
    verdict(status, ok ? "ok" : "refused", "", says),
    part("Request", request),
    ...(response.length ? [part("Response", response)] : []),
  );
}

/** A token is a secret: enough of it to recognise it, not enough to use it. */
export function abbreviated(token) {
  return token.length > 24 ? `${token.slice(0, 8)}…${token.slice(-4)}` : "…";
}

export const line = (text, className) => ({ text, className });
export const field = (name, value) => ({ name, value });
export const note = (text) => line(text, "note");

function requestLines(method, path, headers, body, sentNote) {
  const lines = [line(`${method} ${path}`, "first")];
  for (const [name, value] of Object.entries(headers)) {
    const bearer = /^Bearer (.*)$/.exec(value);
    lines.push(field(name, bearer ? `Bearer ${abbreviated(bearer[1])}` : value));
  }
  if (sentNote) lines.push(note(sentNote));
  if (body) lines.push(line(""), line(body.replace(/("password":")[^"]*/, "$1••••")));
  return lines;
}

function responseLines(response, text, receivedNote) {
  const lines = [line(`HTTP ${response.status} ${response.statusText || phrase(response.status)}`, "first")];
  for (const [name, value] of response.headers) lines.push(field(name, value));
  if (receivedNote) lines.push(note(receivedNote));
  lines.push(line(""));
  lines.push(text ? line(readable(text)) : note("no body"));
  return lines;
}

/** JSON is indented, and a token in it shortened; anything else is left as it came. */
function readable(text) {
  try {
    const shorten = (key, value) => (key === "access_token" ? abbreviated(value) : value);
    return JSON.stringify(JSON.parse(text), shorten, 2);
  } catch {
    return text;
  }
}

const ADVICE = {
  never: "Do not send it again: the same request would fail, or do harm twice.",
  "idempotent-only": "A request that may safely be repeated, like this one, can be tried again.",
  safe: "The request was not acted on. It is safe to try again.",
};

function advice(text) {
  try {
    return ADVICE[JSON.parse(text).retry] ?? "";
  } catch {
    return "";
  }
}

function verdict(status, className, time, says) {
  const bar = element("div", "verdict");
  document.getElementById("announce").textContent = `${status}. ${says ?? ""}`;
  bar.append(element("span", `status ${className}`, status));
  if (time) bar.append(element("span", "time", time));
  if (says) bar.append(element("p", "says", says));
  return bar;
}

function part(title, lines) {
  const section = element("div", "part");
  const pre = element("pre");
  pre.tabIndex = 0;
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", title);
  lines.forEach((item, index) => {
    if (index > 0) pre.append("\n");
    if (item.name) pre.append(element("span", "name", `${item.name}:`), ` ${item.value}`);
    else pre.append(item.className ? element("span", item.className, item.text) : item.text);
  });
  section.append(element("h3", "", title), pre);
  return section;
}

export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function kind(status) {
  if (status === 304) return "same";
  if (status >= 500) return "failed";
  return status >= 400 ? "refused" : "ok";
}

// HTTP/2 sends no reason phrases.
const PHRASES = {
  200: "OK", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 413: "Content Too Large",
  426: "Upgrade Required", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
};
const phrase = (status) => PHRASES[status] ?? "";

// The chat: a WebSocket that carries JSON texts from each tab to all the others.

import { abbreviated, element, exchange, field, line, note, showHandshake } from "/assets/exchange.js";
import { session } from "/assets/session.js";

const byId = (id) => document.getElementById(id);
const view = byId("ws-upgrade-exchange");
const log = byId("chat-log");
const input = byId("chat-text");
const tab = `Tab ${crypto.getRandomValues(new Uint16Array(1))[0].toString(16).padStart(4, "0")}`;

let socket = null;

const REASONS = {
  1000: "closed",
  1001: "the server is going away",
  1003: "only text is spoken here",
  1006: "refused, or the connection was lost",
  1009: "the message was too big",
  1013: "too far behind the others",
  3000: "the token ended",
};

byId("chat-join").addEventListener("click", () => {
  const bySubprotocol = document.querySelector('input[name="chat-credential"]:checked').value === "subprotocol" && session.token;
  const offered = bySubprotocol ? ["chat", "bearer", session.token] : ["chat"];
  const url = new URL("/ws/chat", location.href);
  url.protocol = url.protocol.replace("http", "ws");

  const joining = new WebSocket(url, offered);
  joining.binaryType = "arraybuffer";
  socket = joining;
  state(`Joining as ${tab} …`, false, true);

  const request = [
    line("GET /ws/chat", "first"),
    field("Upgrade", "websocket"),
    field("Origin", location.origin),
    field("Sec-WebSocket-Protocol", bySubprotocol ? `chat, bearer, ${abbreviated(session.token)}` : "chat"),
    note(bySubprotocol ? "The layer takes the token out before the handler sees the request." : "Cookie: sent by the browser, hidden from this script"),
  ];
  let opened = false;

  joining.addEventListener("open", () => {
    opened = true;
    state(`Connected as ${tab}`, true, true);
    showHandshake(view, "101 Switching Protocols", true, "A real WebSocket. A script sees no more of its handshake than this.", request, [
      line("HTTP 101 Switching Protocols", "first"),
      field("Sec-WebSocket-Protocol", joining.protocol || "(none)"),
    ]);
    input.focus();
  });
  joining.addEventListener("message", ({ data }) => {
    if (typeof data === "string") return show(data);
    const { here } = JSON.parse(new TextDecoder().decode(data));
    state(`Connected as ${tab}, ${here} here`, true, true);
  });
  joining.addEventListener("close", ({ code, reason }) => {
    if (socket !== joining) return;
    socket = null;
    const why = `${code}: ${reason || REASONS[code] || "closed"}`;
    state(`Not connected (${why})`, false, false);
    if (opened) say(`Closed with ${why}`);
    else showHandshake(view, "Refused", false, "The browser hides why from scripts. Knock without a token to see the answer; log in, then join.", request, []);
  });
});

byId("chat-leave").addEventListener("click", () => socket?.close(1000, "left"));

byId("chat-refused").addEventListener("click", () =>
  exchange(view, "/ws/chat", { headers: { Accept: "application/json" }, credentials: "omit", says: () => "Refused before anything is upgraded: the token is asked for first." }),
);

byId("chat-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text || socket?.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ from: tab, text }));
  add("own", tab, text);
  input.value = "";
});

/** Another tab's message, or anything else that somebody sends by hand. */
function show(data) {
  let message = null;
  try {
    message = JSON.parse(data);
  } catch {
    return add("", "Somebody", data);
  }
  if (message && typeof message.text === "string") add("", String(message.from ?? "Somebody"), message.text);
  else if (message && typeof message.status === "number") say(String(message.detail ?? message.title));
  else add("", "Somebody", data);
}

function add(className, from, text) {
  const item = element("p", className);
  item.append(element("span", "from", from), text);
  append(item);
}

function say(text) {
  append(element("p", "notice", text));
}

function append(item) {
  log.append(item);
  while (log.childElementCount > 200) log.firstElementChild.remove();
  log.scrollTop = log.scrollHeight;
}

function state(text, on, busy) {
  byId("chat-state").textContent = text;
  byId("chat-dot").classList.toggle("on", on);
  byId("chat-join").disabled = busy;
  byId("chat-leave").disabled = !busy;
  input.disabled = !on;
  input.placeholder = on ? "Write to the other tabs" : "Join, then write to the other tabs";
  byId("chat-send").disabled = !on;
}

// Wires the cards: tokens and caching. The failures are in failures.js and upstream.js, the chat is in chat.js.

import { exchange } from "/assets/exchange.js";
import { credentials, knownByCookie, loggedIn, loggedOut, session } from "/assets/session.js";
import "/assets/chat.js";
import "/assets/failures.js";
import "/assets/upstream.js";

const byId = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

/** Runs `work` on a click, once at a time. */
function onClick(button, work) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      await work(button);
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}

// --- TokenAuth

const tokenView = byId("token-auth-exchange");

async function logIn(username, password) {
  const sent = await exchange(tokenView, "/login", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ username, password }),
    receivedNote: "Set-Cookie: a browser hides it from scripts",
    says: (response) => (response.ok ? "Verified against an argon2 hash. The token is kept in this tab’s memory, and in a cookie that no script can read." : undefined),
  });
  if (!sent?.response.ok) return;
  const issued = JSON.parse(sent.text);
  loggedIn(issued.access_token, issued.expires_in, username);
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  logIn(form.get("username"), form.get("password"));
});
onClick(byId("login-wrong"), () => logIn("demo", "not the password"));
onClick(byId("logout"), async () => {
  const sent = await exchange(tokenView, "/logout", { method: "POST", says: () => "The cookie is gone, and this tab has forgotten the token." });
  if (sent?.response.ok) loggedOut();
});

/** The same token with one character of its signature changed. */
function tampered(token) {
  const at = token.length - 10;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

onClick(byId("me"), () => {
  const Accept = "application/json";
  switch (chosen("credential")) {
    case "bearer":
      return exchange(tokenView, "/api/me", { headers: { Accept, Authorization: `Bearer ${session.token}` }, credentials: "omit" });
    case "tampered":
      return exchange(tokenView, "/api/me", { headers: { Accept, Authorization: `Bearer ${tampered(session.token)}` }, credentials: "omit" });
    case "cookie":
      return exchange(tokenView, "/api/me", { headers: { Accept }, sentNote: "Cookie: sent by the browser, hidden from this script" });
    default:
      return exchange(tokenView, "/api/me", { headers: { Accept }, credentials: "omit" });
  }
});

// --- ConditionalCache

const cacheView = byId("conditional-cache-exchange");
let entityTag = null;

const articleRequest = () => {
  const { headers, ...rest } = credentials();
  return { ...rest, headers: { Accept: "application/json", ...headers } };
};

onClick(byId("articles"), async () => {
  const sent = await exchange(cacheView, "/api/articles", {
    ...articleRequest(),
    says: (response, text) => (response.ok ? `${new Blob([text]).size} bytes of body. Its entity tag names exactly these bytes.` : undefined),
  });
  entityTag = sent?.response.ok ? sent.response.headers.get("etag") : null;
  byId("articles-again").disabled = entityTag === null;
});

onClick(byId("articles-again"), () => {
  const request = articleRequest();
  return exchange(cacheView, "/api/articles", {
    ...request,
    headers: { ...request.headers, "If-None-Match": entityTag },
    says: (response) => (response.status === 304 ? "The same tag, and not one byte of body." : "The answer is another one now, so it came whole."),
  });
});

onClick(byId("articles-cached"), () => {
  performance.clearResourceTimings();
  return exchange(cacheView, "/api/articles", { ...articleRequest(), cache: "default", says: fromTheBrowsersCache });
});

/** What the browser itself measured on the wire; a revalidated answer brings its header only. */
function fromTheBrowsersCache(response) {
  if (!response.ok) return undefined;
  const timing = performance.getEntriesByType("resource").findLast((entry) => new URL(entry.name).pathname === "/api/articles");
  if (!timing) return "";
  const reused = timing.transferSize <= timing.encodedBodySize || timing.transferSize === 300;
  return reused
    ? `Body from the browser’s cache after a 304: ${timing.transferSize} bytes came over the wire, ${timing.encodedBodySize} bytes of body did not have to.`
    : `All of it came over the wire: ${timing.transferSize} bytes. Press again and the browser will revalidate what it has kept.`;
}

// --- The page itself

// Written with the address that the server has if it is given no other, for those who read without this script.
for (const example of document.querySelectorAll("[data-origin]")) {
  example.textContent = example.textContent.replaceAll("http://127.0.0.1:3000", location.origin);
}

// Did another tab log in? The articles are for everybody and say who reads them.
const reader = await fetch("/api/articles", { cache: "no-store" }).catch(() => null);
if (reader?.ok && !session.cookie) {
  const { reader: username } = await reader.json();
  if (username) knownByCookie(username);
} else if (reader?.status === 401) {
  // A cookie from before the server was started anew: its key is gone, so it can only stand in the way.
  await fetch("/logout", { method: "POST" });
}
document.documentElement.dataset.ready = "true";

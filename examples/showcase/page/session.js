// What this tab knows of the login. The token lives in memory only; the cookie is out of a script's reach.

const who = document.getElementById("who");
const dot = document.getElementById("who-dot");
const logout = document.getElementById("logout");

export const session = {
  /** The access token, if this tab logged in itself. */
  token: null,
  /** Whether the browser holds the cookie, as far as we know. */
  cookie: false,
};

let ends = 0;
let name = "";

export function loggedIn(token, seconds, username) {
  session.token = token;
  session.cookie = true;
  ends = Date.now() + seconds * 1000;
  name = username;
  select("credential", "bearer");
  show();
}

/** Another tab logged in: the cookie speaks for this one, too. */
export function knownByCookie(username) {
  session.cookie = true;
  name = username;
  select("credential", "cookie");
  show();
}

export function loggedOut() {
  Object.assign(session, { token: null, cookie: false });
  ends = 0;
  select("credential", "none");
  show();
}

/** The header that speaks for this tab, and whether the cookie may go along. A request must carry one token, not two. */
export function credentials() {
  if (session.token) return { headers: { Authorization: `Bearer ${session.token}` }, credentials: "omit" };
  return { headers: {}, credentials: "same-origin", sentNote: session.cookie ? "Cookie: sent by the browser, hidden from this script" : "" };
}

function show() {
  const minutes = Math.ceil((ends - Date.now()) / 60_000);
  if (ends && minutes <= 0) return loggedOut();
  dot.classList.toggle("on", session.cookie);
  logout.hidden = !session.cookie;
  who.textContent = session.cookie ? `Logged in as ${name}${ends ? `, ${minutes} min left` : ""}` : "Not logged in";
  for (const value of ["bearer", "tampered"]) enable("credential", value, session.token !== null);
  enable("credential", "cookie", session.cookie);
  enable("chat-credential", "subprotocol", session.token !== null);
  if (!session.token) select("chat-credential", "cookie");
}

const radio = (group, value) => document.querySelector(`input[name="${group}"][value="${value}"]`);
const enable = (group, value, on) => { radio(group, value).disabled = !on; };
const select = (group, value) => { radio(group, value).checked = true; };

setInterval(show, 10_000);
show();

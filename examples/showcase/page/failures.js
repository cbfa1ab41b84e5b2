// The failures: what each is told as, and what that lets its client do.

import { exchange, facts } from "/assets/exchange.js";
import { credentials } from "/assets/session.js";

const view = document.getElementById("error-mapping-exchange");

/** What is sent where a GET alone would not fail. */
const SENT = {
  "too-large": { method: "POST", body: "x".repeat(100), type: "text/plain" },
  grpc: { method: "POST", body: "", type: "application/grpc" },
};

oneAtATime(document.querySelectorAll("[data-fail]"), (button) => fail(button.dataset.fail));

/** Runs `work` on a click: of buttons that share one view one after the other. */
export function oneAtATime(buttons, work) {
  const all = [...buttons];
  for (const button of all) {
    button.addEventListener("click", async () => {
      if (all.some((other) => other.ariaBusy === "true")) return;
      button.ariaBusy = "true";
      // Not by `disabled`, which takes the focus away.
      for (const other of all) other.ariaDisabled = "true";
      try {
        await work(button);
      } finally {
        button.ariaBusy = null;
        for (const other of all) other.ariaDisabled = null;
      }
    });
  }
}

async function fail(name) {
  const { headers, ...rest } = credentials();
  const { method = "GET", body, type } = SENT[name] ?? {};
  const Accept = document.querySelector('input[name="accept"]:checked').value;
  const sent = await exchange(view, `/api/fail/${name}`, {
    ...rest,
    method,
    body,
    headers: { ...(type === "application/grpc" ? {} : { Accept }), ...(type ? { "Content-Type": type } : {}), ...headers },
    says: () => "",
  });
  if (!sent) return;
  const values = told(sent);
  view.querySelector(".verdict").after(facts(values));
  document.getElementById("announce").textContent += Object.entries(values).flat().join(" ");
}

const ADVICE = {
  never: "No: it would fail again, or do harm twice.",
  "idempotent-only": "If repeating it does no harm: the work may have been done.",
  safe: "Yes, whatever it was: nothing was done.",
};
const GRPC = { 14: "Yes: 14 is UNAVAILABLE, after which gRPC’s own retries ask again." };

/** What a client makes of the answer, as names and values. */
export function told({ response, text, cut }) {
  if (cut) {
    return {
      "The client sees": "a message without its end, as an error and not as half an answer",
      "Send it again?": ADVICE["idempotent-only"],
    };
  }
  const rpc = response.headers.get("grpc-status");
  const { title, advice } = rpc === null ? read(response, text) : { title: `status ${rpc} of gRPC`, advice: GRPC[rpc] ?? "" };
  const wait = response.headers.get("retry-after");
  return {
    "The client sees": title,
    "Send it again?": advice,
    ...(wait ? { After: `${wait} second${wait === "1" ? "" : "s"}, says Retry-After` } : {}),
  };
}

/** A problem tells its advice to programs, a page to people. */
function read(response, text) {
  if (response.headers.get("content-type")?.startsWith("text/html")) {
    // This page's policy would complain of the other's style.
    const page = new DOMParser().parseFromString(text.replace(/<style>[^]*?<\/style>/, ""), "text/html");
    const said = (selector) => page.querySelector(selector)?.textContent ?? "";
    return { title: `a page: ${said("h1")}`, advice: said(".advice") };
  }
  if (response.ok) return { title: "the upstream’s answer, as if nothing had been", advice: "There is no need to." };
  const { title, retry } = JSON.parse(text);
  return { title: `a problem: ${title}`, advice: ADVICE[retry] ?? "" };
}

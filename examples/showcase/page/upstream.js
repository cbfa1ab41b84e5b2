// The gateway: what it makes of an upstream's failures, and how often it asked.

import { exchange, facts } from "/assets/exchange.js";
import { oneAtATime, told } from "/assets/failures.js";
import { credentials } from "/assets/session.js";

const view = document.getElementById("upstream-exchange");

oneAtATime(document.querySelectorAll("[data-upstream]"), (button) => ask(button.dataset.upstream));

async function ask(name) {
  const { headers, ...rest } = credentials();
  const method = document.querySelector('input[name="upstream-method"]:checked').value;
  const sent = await exchange(view, `/upstream/${name}`, {
    ...rest,
    method,
    headers: { Accept: "application/problem+json", ...(method === "POST" ? { "Content-Type": "text/plain" } : {}), ...headers },
    body: method === "POST" ? "one order" : undefined,
    says: () => "",
  });
  if (!sent) return;
  const values = { ...told(sent), ...within(sent.response.headers) };
  view.querySelector(".verdict").after(facts(values));
  document.getElementById("announce").textContent += Object.entries(values).flat().join(" ");
}

const CIRCUIT = { open: "open: nothing is sent until its five seconds are over", "half-open": "half open: the next request is a probe", closed: "closed: requests pass" };

/** What the gateway says of its own part. */
function within(headers) {
  const [, sent, arrived, circuit] = /^sent=(\d+), arrived=(\d+), circuit=(.*)$/.exec(headers.get("showcase-upstream")) ?? [];
  if (!circuit) return {};
  return {
    "Proxy-Status": headers.get("proxy-status") ?? "none: the upstream has answered",
    Attempts: `${sent} sent, of which the upstream saw ${arrived}`,
    Circuit: CIRCUIT[circuit],
  };
}

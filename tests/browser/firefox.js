// Debian's Firefox, headless, driven over WebDriver BiDi, which it speaks itself.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

const PREFERENCES = {
  "app.update.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

/** A browser with a profile of its own that is thrown away. */
export async function launchFirefox({ javaScript = true } = {}) {
  if (!existsSync(FIREFOX)) throw new Error(`${FIREFOX} is not there. Install it (apt-get install firefox-esr), or name another with FIREFOX=/path`);
  const profile = mkdtempSync(join(tmpdir(), "firefox-"));
  const preferences = { ...PREFERENCES, "javascript.enabled": javaScript };
  writeFileSync(join(profile, "user.js"), Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${value});\n`).join(""));
  const child = spawn(FIREFOX, ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"], { stdio: ["ignore", "ignore", "pipe"] });
  const address = await new Promise((resolve, reject) => {
    let said = "";
    const late = setTimeout(() => reject(new Error(`Firefox opened no port within 60 s:\n${said}`)), 60_000);
    child.stderr.on("data", (chunk) => {
      said += chunk;
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
      if (found) {
        clearTimeout(late);
        resolve(found[1]);
      }
    });
    child.once("exit", (code) => reject(new Error(`Firefox ended with ${code}:\n${said}`)));
  });

  const socket = new WebSocket(`${address}/session`);
  await once(socket, "open");
  const waiting = new Map();
  socket.on("message", (text) => {
    const { id, result, error, message } = JSON.parse(text);
    const answer = waiting.get(id);
    waiting.delete(id);
    if (answer) error ? answer.reject(new Error(`${error}: ${message}`)) : answer.resolve(result);
  });
  let last = 0;
  const command = (method, params = {}) =>
    new Promise((resolve, reject) => {
      waiting.set((last += 1), { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  await command("session.new", { capabilities: {} });

  return {
    /** A page that has loaded, in a tab of 1280×720. */
    async open(url) {
      const { context } = await command("browsingContext.create", { type: "tab" });
      await command("browsingContext.setViewport", { context, viewport: { width: 1280, height: 720 } });
      await command("browsingContext.navigate", { context, url, wait: "complete" });
      return {
        async evaluate(expression) {
          const { type, result, exceptionDetails } = await command("script.evaluate", { expression, target: { context }, awaitPromise: true });
          if (type !== "success") throw new Error(exceptionDetails.text);
          return result.value;
        },
        close: () => command("browsingContext.close", { context }),
      };
    },
    async close() {
      const ended = once(child, "close");
      socket.terminate();
      child.kill("SIGKILL");
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

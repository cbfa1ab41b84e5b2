// Starts a built example on a free port.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export async function start(example, ...args) {
  const binary = fileURLToPath(new URL(`../../../target/debug/examples/${example}`, import.meta.url));
  const child = spawn(binary, ["--listen", "127.0.0.1:0", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${example} printed no URL within 20 s:\n${log}`)), 20_000);
    child.stdout.once("data", (chunk) => (clearTimeout(late), resolve(chunk.toString().trim())));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${example} ended with ${code}:\n${log}`)));
  });
  return {
    url,
    ws: url.replace(/^http/, "ws"),
    /** Asks it to stop, as Ctrl-C does, and returns its exit code. */
    async stop(signal = "SIGINT") {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const ended = once(child, "close");
      child.kill(signal);
      return (await ended)[0];
    },
  };
}

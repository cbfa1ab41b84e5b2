// Starts the built examples, for every suite that is written in JavaScript.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../target", import.meta.url));

function launch(name, args) {
  const binary = `${target}/${process.env.PROFILE ?? "debug"}/examples/${name}`;
  if (!existsSync(binary)) throw new Error(`${binary} is not there: cargo build --features full --example ${name}`);
  return spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs the example `name` with `args` and waits for its end. */
export async function run(name, ...args) {
  const child = launch(name, args);
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  return { code, output };
}

/** Starts the example `name` with `args`, on a free port unless they say where. Stop it in the end. */
export async function start(name, ...args) {
  const listen = args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const child = launch(name, [...listen, ...args]);
  const ended = once(child, "close");
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  const [, secure, host] = await new Promise((resolve, reject) => {
    let printed = "";
    const late = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`${name} printed no URL within 20 s:\n${printed}${log}`));
    }, 20_000);
    child.stdout.on("data", (chunk) => {
      printed += chunk;
      const found = /(?:http|ws)(s?):\/\/([\w.:[\]]+)\/?\n/.exec(printed);
      if (!found) return;
      clearTimeout(late);
      resolve(found);
    });
    child.once("close", (code) => {
      clearTimeout(late);
      reject(new Error(`${name} ended with ${code}:\n${log}`));
    });
  });
  return {
    host,
    /** Without a slash at its end. */
    url: `http${secure}://${host}`,
    ws: `ws${secure}://${host}`,
    port: Number(host.split(":").at(-1)),
    pid: child.pid,
    /** What it wrote to stderr so far. */
    log: () => log,
    /** Asks it to stop, and returns its exit code. */
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      return (await ended)[0];
    },
  };
}

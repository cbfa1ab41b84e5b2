// Starts the suite's server, the gateway before it, and the suite's client; then counts.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { honoured, kindOf, outcome, score, surprises } from "./score.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({
  options: { profile: { type: "string", default: "eager" }, suite: { type: "string" }, id: { type: "string", default: "" }, base: { type: "string" } },
});
const OWN_SUITE = here("node_modules/http-cache-tests");
const SUITE = resolve(options.suite ?? OWN_SUITE);
const target = process.env.CARGO_TARGET_DIR ?? here("../../../target");
const GATEWAY = `${target}/${process.env.PROFILE ?? "debug"}/examples/gateway`;

const children = [];
process.once("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** Starts a program and waits for the line that says where it is. */
async function start(program, args, { told, ...settings }) {
  // What they have to say of upstreams that hang up is of interest where one test is looked at.
  const child = spawn(program, args, { stdio: ["ignore", "pipe", options.id ? "inherit" : "ignore"], ...settings });
  children.push(child);
  let printed = "";
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${program} says nothing: ${printed}`)), 20_000);
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code}: ${printed}`)));
    child.stdout.on("data", (chunk) => {
      printed = (printed + chunk).slice(0, 10_000);
      const found = told.exec(printed);
      if (found) {
        clearTimeout(late);
        resolve(found[1]);
      }
    });
  });
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/** The suite's own command line, against `base`; what it prints. */
async function client(base, id) {
  const env = { ...process.env, npm_config_base: base, npm_config_id: id, npm_package_config_id: "" };
  const child = spawn(process.execPath, ["--no-warnings", "cli.mjs"], { cwd: SUITE, env, stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  let printed = "";
  child.stdout.on("data", (chunk) => (printed += chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`the suite's client ended with ${code}: ${printed.slice(0, 1000)}`);
  return printed;
}

async function main() {
  if (!existsSync(GATEWAY)) throw new Error(`${GATEWAY} is not there: cargo build --features full --example gateway`);
  const { default: suites } = await import(pathToFileURL(join(SUITE, "tests/index.mjs")));
  const tests = new Map(suites.flatMap((suite) => suite.tests).map((test) => [test.id, test]));

  const port = String(await freePort());
  const env = { ...process.env, npm_config_protocol: "http", npm_config_port: port, npm_config_pidfile: join(tmpdir(), `http-cache-tests-${port}.pid`) };
  await start(process.execPath, ["server/server.mjs"], { cwd: SUITE, env, told: /(Listening)/ });
  const args = ["--listen", "127.0.0.1:0", "--upstream", `http://127.0.0.1:${port}`, "--profile", options.profile];
  const base = options.base ?? (await start(GATEWAY, args, { told: /(http:\/\/\S+)\n/ }));

  if (options.id) {
    console.log(await client(base, options.id));
    return 0;
  }
  const run = async () => JSON.parse(await client(base, ""));
  let results = await run();
  report(tests, results);

  const list = here(`expected/${options.profile}.json`);
  if (SUITE !== OWN_SUITE || !existsSync(list)) {
    tell(tests, results);
    return 0;
  }
  const exceptions = JSON.parse(readFileSync(list, "utf8"));
  let found = surprises(tests, results, exceptions);
  if (found.length > 0) {
    // The suite waits by the clock, and a busy machine can come too late. What is no accident happens twice.
    console.log(`otherwise than expected, so once more:\n  ${found.join("\n  ")}`);
    const ids = new Set(found.map((line) => line.split(/[ :]/, 1)[0]));
    results = { ...results, ...Object.fromEntries(Object.entries(await run()).filter(([id]) => ids.has(id))) };
    report(tests, results);
    found = surprises(tests, results, exceptions);
  }
  if (found.length === 0) {
    console.log("all as expected");
    return 0;
  }
  console.log(`otherwise than in expected/${options.profile}.json:\n  ${found.join("\n  ")}`);
  return 1;
}

function report(tests, results) {
  console.log(`profile ${options.profile}           raw   with dependencies`);
  for (const [kind, { total, raw, honoured }] of Object.entries(score(tests, results))) {
    console.log(`  ${kind.padEnd(10)} ${`${raw}/${total}`.padStart(12)} ${`${honoured}/${total}`.padStart(12)}`);
  }
}

/** Everything that has not passed. */
function tell(tests, results) {
  for (const [id, test] of tests) {
    const result = results[id];
    if (test.browser_only || (result === true && honoured(tests, results, id) === "passed")) continue;
    const word = result === true ? honoured(tests, results, id) : outcome(result);
    console.log(`  ${kindOf(test)} ${id}: ${word}${Array.isArray(result) ? ` (${result[1]})` : ""}`);
  }
}

process.exit(await main());

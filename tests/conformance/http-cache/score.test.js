import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { honoured, score, surprises } from "./score.js";

const TESTS = new Map(
  [
    { id: "a" },
    { id: "b", kind: "optimal", depends_on: ["a"] },
    { id: "c", kind: "check", depends_on: ["b"] },
    { id: "d", depends_on: ["c"] },
    { id: "e", depends_on: ["gone"] },
    { id: "f", browser_only: true },
  ].map((one) => [one.id, one]),
);
const ALL = { a: true, b: true, c: true, d: true, e: true };

test("a failure takes with it what depends on it, and on that", () => {
  const results = { ...ALL, b: ["Assertion", "stale"] };
  assert.deepEqual(["a", "b", "c", "d", "e"].map((id) => honoured(TESTS, results, id)), [
    "passed",
    "failed",
    "dependency failed",
    "dependency failed",
    "dependency failed",
  ]);
  assert.deepEqual(score(TESTS, results), {
    required: { total: 3, raw: 3, honoured: 1 },
    optimal: { total: 1, raw: 0, honoured: 0 },
    check: { total: 1, raw: 1, honoured: 0 },
  });
});

test("a change in either direction is a surprise, and so is a list that is not true", () => {
  const failing = [{ outcome: "failed", tests: ["b"], reason: "because" }];
  const b = (result) => ({ ...ALL, b: result });
  assert.deepEqual(surprises(TESTS, b(["Assertion", "x"]), failing), []);
  assert.deepEqual(surprises(TESTS, b(["Assertion", "x"]), []), ["b (optimal): failed, expected: passed (x)"]);
  assert.deepEqual(surprises(TESTS, ALL, failing), ["b (optimal): passed, expected: failed"]);
  assert.deepEqual(surprises(TESTS, b(["Setup", "retry"]), failing), ["b (optimal): retried, expected: failed (retry)"]);
  assert.deepEqual(surprises(TESTS, { ...ALL, a: undefined }, []), ["a (required): untested, expected: passed"]);
  assert.deepEqual(surprises(TESTS, ALL, [{ outcome: "passed", tests: ["z", "a", "a"] }]), [
    "an exception without a reason: z, a, a",
    "z: listed, and no test of this edition",
    "a: listed twice",
  ]);
});

test("it comes to the same as the suite's own reading of the results that it carries", async () => {
  const suite = (path) => import(new URL(`node_modules/http-cache-tests/${path}`, import.meta.url));
  const { default: suites } = await suite("tests/index.mjs");
  const { determineTestResult } = await suite("lib/display.mjs");
  const tests = new Map(suites.flatMap((one) => one.tests).map((one) => [one.id, one]));
  const words = { "✅": "passed", Y: "passed", "⛔️": "failed", "⚠️": "failed", N: "failed", "🔹": "setup failed", "⚪️": "dependency failed", "↻": "retried", "-": "untested" };
  for (const name of ["apache", "nginx", "squid", "varnish", "trafficserver"]) {
    const results = JSON.parse(readFileSync(new URL(`node_modules/http-cache-tests/results/${name}.json`, import.meta.url), "utf8"));
    for (const [id] of tests) {
      const theirs = words[determineTestResult(suites, id, results)[2]];
      // They see no harness failures in results, and call them failures.
      const ours = honoured(tests, results, id).replace("harness failed", "failed");
      assert.equal(ours, theirs, `${name}, ${id}`);
    }
  }
});

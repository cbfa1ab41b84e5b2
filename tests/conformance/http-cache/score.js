// What the suite's results mean, by its own rules: a test counts only where all that it depends on has passed.

/** `true`, or `[kind, message]` as the suite's client tells it, to one word. */
export function outcome(result) {
  if (result === undefined) return "untested";
  if (result === true) return "passed";
  const [kind, message] = result;
  if (kind === "Setup") return message === "retry" ? "retried" : "setup failed";
  return kind === "Assertion" ? "failed" : "harness failed";
}

/** A test's outcome with its dependencies honoured: the first that has not passed makes it `dependency failed`. */
export function honoured(tests, results, id) {
  const missing = (tests.get(id).depends_on ?? []).some((needed) => !tests.has(needed) || honoured(tests, results, needed) !== "passed");
  return results[id] !== undefined && missing ? "dependency failed" : outcome(results[id]);
}

export const kindOf = (test) => test.kind ?? "required";

/** For each kind: how many there are, how many passed by themselves, and how many with all that they depend on. */
export function score(tests, results) {
  const kinds = { required: blank(), optimal: blank(), check: blank() };
  for (const [id, test] of tests) {
    if (test.browser_only) continue;
    const kind = kinds[kindOf(test)];
    kind.total += 1;
    if (outcome(results[id]) === "passed") kind.raw += 1;
    if (honoured(tests, results, id) === "passed") kind.honoured += 1;
  }
  return kinds;
}

const blank = () => ({ total: 0, raw: 0, honoured: 0 });

/**
 * What is otherwise than expected, a line each. `exceptions` is a list of `{ outcome, tests, reason }`; every other test is expected to
 * pass.
 */
export function surprises(tests, results, exceptions) {
  const expected = new Map();
  const lines = [];
  for (const exception of exceptions) {
    if (!exception.reason) lines.push(`an exception without a reason: ${exception.tests.join(", ")}`);
    for (const id of exception.tests) {
      if (expected.has(id)) lines.push(`${id}: listed twice`);
      if (!tests.has(id)) lines.push(`${id}: listed, and no test of this edition`);
      expected.set(id, exception.outcome);
    }
  }
  for (const [id, test] of tests) {
    if (test.browser_only) continue;
    const [wanted, got] = [expected.get(id) ?? "passed", outcome(results[id])];
    if (wanted !== got) lines.push(`${id} (${kindOf(test)}): ${got}, expected: ${wanted}${detail(results[id])}`);
  }
  return lines;
}

export const detail = (result) => (Array.isArray(result) ? ` (${result[1]})` : "");

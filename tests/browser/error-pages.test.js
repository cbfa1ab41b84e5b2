// The pages that failures get: what an accessibility checker says of them in Chromium, in both schemes, and that nothing is loaded for them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "../example.mjs";
import { launch } from "./chromium.js";

const { source: AXE } = createRequire(import.meta.url)("axe-core");
// For somebody to look at: SCREENSHOTS=1 npm test -- error-pages.test.js
const PICTURES = process.env.SCREENSHOTS && fileURLToPath(new URL("screenshots/", import.meta.url));

/** Who answers, what is asked, and the status: of an origin, and of gateways whose upstream is not there, says nothing, or is left alone. */
const PAGES = [
  ["origin", "/fail/panic", 500],
  ["origin", "/fail/order", 402],
  ["origin", "/fail/upstream", 502],
  ["origin", "/fail/timeout", 504],
  ["origin", "/fail/overload", 503],
  ["origin", "/nowhere", 404],
  ["refused", "/a", 502],
  ["silent", "/b", 504],
  ["given-up", "/c", 503],
];
const SIZES = { desktop: [1280, 800], phone: [320, 640] };

/** A port on which somebody reads and never answers; nobody listens on it any more once that is stopped. */
async function silent() {
  const server = createServer((socket) => socket.on("error", () => {}).resume());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => new Promise((done) => server.close(done)) };
}

/** Asks until the gateway no longer asks its upstream. */
async function giveUp({ url }) {
  for (let asked = 0; asked < 200; asked += 1) {
    const response = await fetch(url);
    await response.text();
    if (response.status === 503) return;
  }
  throw new Error("the circuit never opens");
}

describe("the page of a failure", () => {
  let browser, servers, upstream;
  before(async () => {
    if (PICTURES) mkdirSync(PICTURES, { recursive: true });
    upstream = await silent();
    const nobody = await silent();
    await nobody.stop();
    const [origin, telling, refused, slow, givenUp] = await Promise.all([
      start("error_mapping"),
      start("error_mapping", "--show-causes"),
      start("gateway", "--upstream", nobody.url),
      start("gateway", "--upstream", upstream.url, "--patience", "0.3"),
      start("gateway", "--upstream", nobody.url),
    ]);
    servers = { origin, telling, refused, silent: slow, "given-up": givenUp };
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    for (const server of Object.values(servers)) server.stop();
    await upstream.stop();
  });

  async function look(url, status, { colorScheme = "light", size = "desktop", name } = {}) {
    const [width, height] = SIZES[size];
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    const page = await context.newPage();
    const [loaded, complaints] = [[], []];
    page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
    page.on("console", (message) => {
      if (!/Failed to load resource/.test(message.text())) complaints.push(message.text());
    });
    const response = await page.goto(url);
    assert.equal(response.status(), status);
    await page.evaluate(AXE);
    const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
    const seen = await page.evaluate(() => ({
      background: getComputedStyle(document.body).backgroundColor,
      overflows: document.documentElement.scrollWidth > innerWidth,
      text: document.body.innerText,
    }));
    if (PICTURES) await page.screenshot({ path: `${PICTURES}error-${name}-${size}-${colorScheme}.png` });
    await context.close();
    return { violations, passes, seen, loaded: loaded.filter((path) => path !== "/favicon.ico"), complaints };
  }

  for (const [who, path, status] of PAGES) {
    for (const colorScheme of ["light", "dark"]) {
      for (const size of Object.keys(SIZES)) {
        const name = who === "origin" ? path.split("/").at(-1) : `gateway-${who}`;
        test(`${name} is ${status}, ${colorScheme}, ${size}`, async () => {
          if (who === "given-up") await giveUp(servers[who]);
          const found = await look(servers[who].url + path, status, { colorScheme, size, name });
          assert.deepEqual(found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
          assert.ok(found.passes.some(({ id }) => id === "color-contrast") && found.passes.length > 10, "it was looked at");
          assert.deepEqual(found.loaded, [path], "the page is all there is to load");
          assert.deepEqual(found.complaints, []);
          assert.equal(found.seen.background === "rgb(20, 22, 26)", colorScheme === "dark", found.seen.background);
          assert.ok(!found.seen.overflows, "nothing to scroll sideways");
          assert.match(found.seen.text, new RegExp(`Error ${status}`));
          if (who === "origin") assert.match(found.seen.text, /Reference: [0-9a-f]{32}/);
          else assert.match(found.seen.text, /Trying again may work/);
        });
      }
    }
  }

  test("the causes, on the machine itself", async () => {
    const found = await look(`${servers.telling.url}/fail/upstream`, 502, { name: "causes" });
    assert.deepEqual(found.violations.map(({ id }) => id), []);
    assert.match(found.seen.text, /Causes/);
    const without = await look(`${servers.origin.url}/fail/upstream`, 502, { name: "no-causes" });
    assert.doesNotMatch(without.seen.text, /Causes/);
  });

  test("the checker can say no", async () => {
    const page = await browser.newPage();
    await page.setContent("<p style='color:#aaa;background:#fff'>hard to read</p><img src='data:,'>");
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    await page.close();
    for (const expected of ["color-contrast", "image-alt", "document-title"]) assert.ok(violations.some(({ id }) => id === expected), expected);
  });
});

// The pages that failures get: what an accessibility checker says of them in Chromium, in both schemes, and that nothing is loaded for them.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { start } from "../example.mjs";
import { launch } from "./chromium.js";

const { source: AXE } = createRequire(import.meta.url)("axe-core");
// For somebody to look at: SCREENSHOTS=1 npm test -- error-pages.test.js
const PICTURES = process.env.SCREENSHOTS && fileURLToPath(new URL("screenshots/", import.meta.url));

const PAGES = { "/fail/panic": 500, "/fail/order": 402, "/fail/upstream": 502, "/fail/timeout": 504, "/fail/overload": 503, "/nowhere": 404 };
const SIZES = { desktop: [1280, 800], phone: [320, 640] };

const serve = (...options) => start("error_mapping", ...options);

describe("the page of a failure", () => {
  let browser, servers;
  before(async () => {
    if (PICTURES) mkdirSync(PICTURES, { recursive: true });
    [browser, ...servers] = await Promise.all([launch(), serve(), serve("--show-causes")]);
  });
  after(async () => {
    await browser.close();
    for (const server of servers) server.stop();
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

  for (const [path, status] of Object.entries(PAGES)) {
    for (const colorScheme of ["light", "dark"]) {
      for (const size of Object.keys(SIZES)) {
        test(`${path}, ${colorScheme}, ${size}`, async () => {
          const found = await look(servers[0].url + path, status, { colorScheme, size, name: path.split("/").at(-1) });
          assert.deepEqual(found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
          assert.ok(found.passes.some(({ id }) => id === "color-contrast") && found.passes.length > 10, "it was looked at");
          assert.deepEqual(found.loaded, [path], "the page is all there is to load");
          assert.deepEqual(found.complaints, []);
          assert.equal(found.seen.background === "rgb(20, 22, 26)", colorScheme === "dark", found.seen.background);
          assert.ok(!found.seen.overflows, "nothing to scroll sideways");
          assert.match(found.seen.text, new RegExp(`Error ${status}`));
          assert.match(found.seen.text, /Reference: [0-9a-f]{32}/);
        });
      }
    }
  }

  test("the causes, on the machine itself", async () => {
    const found = await look(`${servers[1].url}/fail/upstream`, 502, { name: "causes" });
    assert.deepEqual(found.violations.map(({ id }) => id), []);
    assert.match(found.seen.text, /Causes/);
    const without = await look(`${servers[0].url}/fail/upstream`, 502, { name: "no-causes" });
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

// Versioned assets in Chromium's own cache, over deploys: what is asked for, as a proxy before the server counts.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { launchWithProfile } from "./chromium.js";
import { site } from "./deploy.js";

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Tower</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="{{site.css}}"><script type="importmap">{{importmap}}</script>
<script type="module" src="{{app.js}}"></script><img src="{{tower.svg}}" alt="Tower">`;

const svg = (colour) => `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="${colour}"/></svg>`;

const FILES = {
  "index.html": PAGE,
  "site.css": "@import 'base.css'; body { background: url(ground.svg) }",
  "base.css": "h1 { color: #123 }",
  "app.js": 'import { word } from "./word.js"; document.documentElement.dataset.ready = word;',
  "word.js": 'export const word = "one";',
  "tower.svg": svg("grey"),
  "ground.svg": svg("green"),
};

const ASSETS = ["site.css", "base.css", "app.js", "word.js", "tower.svg", "ground.svg"];

/** `/assets/app.0123456789abcdef.js 200` → `app.js 200`: the names of what was asked for by its hash. */
const hashed = (lines) => lines.map((line) => line.replace(/^\/assets\/(\w+)\.[0-9a-f]{16}\.(\w+) /, "$1.$2 "));

describe("versioned assets in Chromium", () => {
  let root, profile, server, browser;
  const write = (name, content) => writeFileSync(join(root, name), content);
  before(async () => {
    root = mkdtempSync(join(tmpdir(), "versioned-assets-"));
    profile = mkdtempSync(join(tmpdir(), "versioned-assets-profile-"));
    for (const [name, content] of Object.entries(FILES)) write(name, content);
    server = await site(root);
    browser = await launchWithProfile(profile);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    for (const folder of [root, profile]) if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** Goes there as `go` does, waits until all is loaded, and tells what the server and what the cache gave. */
  async function visit(page, go, word = "one") {
    const network = await page.context().newCDPSession(page);
    await network.send("Network.enable");
    const cached = new Set();
    network.on("Network.responseReceived", ({ response }) => {
      if (response.fromDiskCache && response.url.includes("/assets/")) cached.add(response.url);
    });
    await go();
    await page.waitForFunction((word) => document.documentElement.dataset.ready === word && document.readyState === "complete", word);
    // The ground is asked for when the page is laid out.
    await page.waitForFunction(() => performance.getEntriesByType("resource").some(({ name }) => name.includes("/ground.")));
    await page.waitForTimeout(300);
    await network.detach();
    return { asked: hashed(server.seen()), cached: cached.size };
  }

  const all = (status) => ASSETS.map((name) => `${name} ${status}`);

  test("the first visit asks for everything once, by its hash", async (t) => {
    const page = await browser.newPage();
    const { asked } = await visit(page, () => page.goto(server.url));
    t.diagnostic(JSON.stringify(asked));
    assert.deepEqual(asked.sort(), ["/ 200", ...all(200)].sort());
    await page.close();
  });

  test("another visit, a reload and the way back ask for the page alone", async (t) => {
    const page = await browser.newPage();
    for (const [name, go] of [["visit", () => page.goto(server.url)], ["reload", () => page.reload()]]) {
      const { asked } = await visit(page, go);
      t.diagnostic(`${name}: ${JSON.stringify(asked)}`);
      assert.deepEqual(asked, ["/ 304"], name);
    }
    await page.goto("about:blank");
    const { asked } = await visit(page, () => page.goBack());
    t.diagnostic(`back: ${JSON.stringify(asked)}`);
    assert.ok(asked.every((line) => line === "/ 304"), JSON.stringify(asked));
    await page.close();
  });

  test("a browser that was closed has everything on its disk", async (t) => {
    await browser.close();
    browser = await launchWithProfile(profile);
    const page = await browser.newPage();
    const { asked, cached } = await visit(page, () => page.goto(server.url));
    t.diagnostic(JSON.stringify({ asked, cached }));
    assert.deepEqual(asked, ["/ 304"]);
    assert.equal(cached, ASSETS.length, "from the disk cache");
    await page.close();
  });

  test("a deploy without a change is not noticed", async () => {
    await server.deploy();
    const page = await browser.newPage();
    const { asked } = await visit(page, () => page.goto(server.url));
    assert.deepEqual(asked, ["/ 304"]);
    await page.close();
  });

  test("after a deploy what changed is fetched once, with what names it, and nothing else", async (t) => {
    const page = await browser.newPage();
    for (const [name, files, word, expected] of [
      // The module that imports it stays: the import map leads to it.
      ["a module", { "word.js": 'export const word = "two";' }, "two", ["/ 200", "word.js 200"]],
      ["an image of a stylesheet", { "ground.svg": svg("blue") }, "two", ["/ 200", "ground.svg 200", "site.css 200"]],
      ["the page", { "index.html": `${PAGE}<p>New.` }, "two", ["/ 200"]],
    ]) {
      for (const [file, content] of Object.entries(files)) write(file, content);
      await server.deploy();
      const first = await visit(page, () => page.goto(server.url), word);
      t.diagnostic(`${name}: ${JSON.stringify(first.asked)}`);
      assert.deepEqual(first.asked.sort(), expected, name);
      const second = await visit(page, () => page.reload(), word);
      assert.deepEqual(second.asked, ["/ 304"], `${name}, again`);
    }
    await page.close();
  });

  test("an unknown hash is asked for again and again, for no cache keeps its 404", async () => {
    const page = await browser.newPage();
    const url = `${server.url}assets/app.0123456789abcdef.js`;
    for (let visit = 0; visit < 2; visit += 1) {
      await page.goto(url);
      assert.deepEqual(hashed(server.seen()), ["app.js 404"]);
    }
    await page.close();
  });
});

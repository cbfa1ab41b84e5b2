// The showcase's page, as a person uses it.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { launch, open } from "./chromium.js";
import { start } from "./showcase.js";

let server, browser, context, page, complaints;

before(async () => {
  [server, browser] = await Promise.all([start(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(async () => {
  context = await browser.newContext();
  context.setDefaultTimeout(15_000);
  ({ page, complaints } = await open(context, server.url));
});
afterEach(async () => {
  await context.close();
  assert.deepEqual(complaints, [], "the page complained of nothing");
});

const button = (name, within = page) => within.getByRole("button", { name, exact: true });
const status = (card) => page.locator(`#${card}-exchange .status`);
const view = (card) => page.locator(`#${card}-exchange`);

async function logIn(within = page) {
  await button("Log in", within).click();
  await within.getByText(/Logged in as demo/).waitFor();
}

/** Waits until the exchange shows `expected`, and returns all that it says. */
async function shows(card, expected) {
  await view(card).locator(".status", { hasText: expected }).waitFor();
  return view(card).innerText();
}

describe("tokens", () => {
  test("no token, log in, protected call, tampered token, log out", async () => {
    await button("GET /api/me").click();
    let said = await shows("token-auth", "401");
    assert.match(said, /www-authenticate: Bearer/i);
    assert.doesNotMatch(said, /invalid_token/);

    await logIn();
    said = await shows("token-auth", "200");
    assert.match(said, /"token_type": "Bearer"/);
    assert.doesNotMatch(said, /eyJ[\w-]{20,}/, "the token is shortened");
    assert.doesNotMatch(said, /"password":"demo"/);

    await button("GET /api/me").click();
    await view("token-auth").getByText("GET /api/me").waitFor();
    said = await shows("token-auth", "200");
    assert.match(said, /Authorization: Bearer eyJ\w+…/);
    assert.match(said, /"username": "demo"/);

    await page.getByLabel("tampered token").check();
    await button("GET /api/me").click();
    said = await shows("token-auth", "401");
    assert.match(said, /error="invalid_token"/);

    await page.getByLabel("cookie", { exact: true }).check();
    await button("GET /api/me").click();
    said = await shows("token-auth", "200");
    assert.doesNotMatch(said, /Authorization/);

    await button("Log out").click();
    await page.getByText("Not logged in").waitFor();
    assert.equal((await context.cookies()).length, 0);
    await button("GET /api/me").click();
    await shows("token-auth", "401");
  });

  test("a wrong password is refused in words that help", async () => {
    await button("Log in with a wrong password").click();
    const said = await shows("token-auth", "401");
    assert.match(said, /application\/problem\+json/);
    assert.equal(await page.locator("#who").innerText(), "Not logged in");
  });

  test("a second tab is known by the cookie, and the cookie by no script", async () => {
    await logIn();
    assert.equal(await page.evaluate(() => document.cookie), "");
    const second = await open(context, server.url);
    await second.page.getByText("Logged in as demo").waitFor();
    await button("GET /api/me", second.page).click();
    await second.page.locator("#token-auth-exchange .status", { hasText: "200" }).waitFor();
    assert.deepEqual(second.complaints, []);
  });

  test("a cookie that the server no longer knows is taken away", async () => {
    await context.addCookies([{ name: "donjon_showcase", value: "old.old.old", url: server.url }]);
    await page.reload();
    await page.locator("html[data-ready]").waitFor();
    assert.equal((await context.cookies()).length, 0);
    assert.equal(await page.locator("#who").innerText(), "Not logged in");
  });
});

describe("caching", () => {
  /** Gives the status codes that truly came over the wire for one path, once there are `count` of them. */
  async function wire(path) {
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    // The browser tells of a request and of its answer in either order, and late.
    const ids = new Set(), answers = [];
    session.on("Network.requestWillBeSent", ({ requestId, request }) => new URL(request.url).pathname === path && ids.add(requestId));
    session.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode }) => answers.push([requestId, statusCode]));
    return async (count) => {
      const codes = () => answers.filter(([id]) => ids.has(id)).map(([, code]) => code);
      for (let patience = 300; codes().length < count && patience > 0; patience--) await page.waitForTimeout(50);
      return codes();
    };
  }

  test("the same articles with their tag: 304 and no body", async () => {
    await logIn();
    const again = button("Load again, If-None-Match");
    assert.ok(await again.isDisabled(), "there is no tag yet");
    await button("Load", page).click();
    const tag = /etag: (.*)/i.exec(await shows("conditional-cache", "200"))[1];
    await again.click();
    const said = await shows("conditional-cache", "304");
    assert.ok(said.includes(`If-None-Match: ${tag}`));
    assert.ok(said.toLowerCase().includes(`etag: ${tag.toLowerCase()}`));
    assert.match(said, /no body/);
  });

  test("the second load through the browser's cache is a 304 on the wire", async () => {
    await logIn();
    const codes = await wire("/api/articles");
    const load = button("Load through the browser’s cache");
    await load.click();
    await view("conditional-cache").getByText("All of it came over the wire").waitFor();
    await load.click();
    await view("conditional-cache").getByText("Body from the browser’s cache after a 304").waitFor();
    assert.deepEqual(await codes(2), [200, 304]);
    assert.match(await status("conditional-cache").innerText(), /^200/, "the script is given the whole answer");
    assert.match(await view("conditional-cache").innerText(), /"title"/);
  });

  test("loaded again, the page and its modules are revalidated, and its hashed assets not even asked for", async () => {
    const hashed = await page.locator('link[rel="stylesheet"]').getAttribute("href");
    assert.match(hashed, /^\/assets\/style\.[0-9a-f]{16}\.css$/);
    const [home, app, style] = [await wire("/"), await wire("/assets/app.js"), await wire(hashed)];
    await page.reload();
    await page.locator("html[data-ready]").waitFor();
    assert.deepEqual(await home(1), [304]);
    assert.deepEqual(await app(1), [304]);
    assert.deepEqual(await style(0), []);
  });

  test("another reader is given other articles, not the cached ones", async () => {
    const load = button("Load through the browser’s cache");
    await load.click();
    assert.match(await shows("conditional-cache", "200"), /"reader": null/);
    await logIn();
    await load.click();
    await view("conditional-cache").getByText('"reader": "demo"').waitFor();
  });
});

describe("errors", () => {
  const CARDS = [
    ["error", "500", "Internal Server Error", /^No/],
    ["panic", "500", "Internal Server Error", /^No/],
    ["upstream", "502", "Bad Gateway", /^If repeating/],
    ["garbage", "502", "Bad Gateway", /^If repeating/],
    ["timeout", "504", "Gateway Timeout", /^If repeating/],
    ["overload", "503", "Service Unavailable", /^Yes/],
    ["empty", "404", "Not Found", /^No/],
  ];
  const UPLOAD = ["too-large", "413", "Content Too Large", /^No/];

  /** What is told of a name in the list above the exchange. */
  const fact = (name) => view("error-mapping").locator("dl.facts div", { hasText: name }).locator("dd").innerText();

  for (const [name, code, title, advice] of [...CARDS, UPLOAD]) {
    test(`${name} is shown as a ${code} with its advice`, async () => {
      await page.locator(`[data-fail="${name}"]`).click();
      const said = await shows("error-mapping", code);
      assert.match(said, /no-store/);
      assert.match(said, /application\/problem\+json/);
      assert.equal(await fact("The client sees"), `a problem: ${title}`);
      assert.match(await fact("Send it again?"), advice);
      assert.equal(/^retry-after: \d/im.test(said), name === "overload");
      if (name === "overload") assert.match(await fact("After"), /^1 second,/);
    });
  }

  for (const name of ["cut", "body-panic"]) {
    test(`${name}: a body that breaks off is an error and no half of an answer`, async () => {
      await page.locator(`[data-fail="${name}"]`).click();
      const said = await shows("error-mapping", "200 OK, then cut off");
      assert.match(said, /The first half of an answer, and then\s+here the connection broke/);
      assert.match(await fact("Send it again?"), /^If repeating/);
    });
  }

  test("a client of gRPC is answered in its own terms", async () => {
    await page.locator('[data-fail="grpc"]').click();
    const said = await shows("error-mapping", "200");
    assert.match(said, /^grpc-status: 14$/m);
    assert.equal(await fact("The client sees"), "status 14 of gRPC");
    assert.equal(await status("error-mapping").innerText(), "200 OK, grpc-status 14");
    assert.match(await status("error-mapping").getAttribute("class"), /failed/, "in no colour of success");
    assert.match(await fact("Send it again?"), /^Yes/);
  });

  test("as HTML it is shown as text, not as a part of the page", async () => {
    await page.getByLabel("HTML").check();
    await page.locator('[data-fail="overload"]').click();
    const said = await shows("error-mapping", "503");
    assert.match(said, /content-type: text\/html/i);
    assert.match(said, /<h1/);
    assert.equal(await page.locator("h1").count(), 1);
    assert.equal(await fact("The client sees"), "a page: Service Unavailable");
    assert.equal(await fact("Send it again?"), "Trying again may work.");
  });

  test("followed as a link it is a page that a browser shows without complaint", async () => {
    for (const [name, code, title] of CARDS) {
      const response = await page.goto(`${server.url}/api/fail/${name}`);
      assert.equal(String(response.status()), code);
      assert.equal(await page.locator("h1").innerText(), title);
      assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    }
  });
});

describe("the gateway", () => {
  const fact = (name) => view("upstream").locator("dl.facts div", { hasText: name }).locator("dd").innerText();
  const press = (name) => page.locator(`[data-upstream="${name}"]`).click();

  test("by keyboard alone: a failure, its token, its attempts and its circuit", async () => {
    await page.locator('[data-upstream="refused"]').focus();
    await page.keyboard.press("Enter");
    await shows("upstream", "502 Bad Gateway");
    assert.equal(await fact("The client sees"), "a problem: Bad Gateway");
    assert.match(await fact("Send it again?"), /^Yes/);
    assert.equal(await fact("Proxy-Status"), "showcase; error=connection_refused");
    assert.equal(await fact("Attempts"), "3 sent, of which the upstream saw 0");
    assert.match(await fact("Circuit"), /^closed/);
    assert.equal(await page.evaluate(() => document.activeElement.dataset.upstream), "refused", "the focus stays");
    assert.match(await page.locator("#announce").innerText(), /502 Bad Gateway.*connection_refused.*3 sent/s);
  });

  test("a POST is asked once, whatever became of it", async () => {
    await page.getByLabel("POST, which may not").check();
    await press("garbage");
    await shows("upstream", "502");
    assert.equal(await fact("Attempts"), "1 sent, of which the upstream saw 1");
    assert.match(await fact("Send it again?"), /^If repeating/);
  });

  test("a busy upstream is asked again when it says, and its wait is passed on", async () => {
    await press("busy");
    await shows("upstream", "503");
    assert.match(await fact("After"), /^1 second,/);
    assert.equal(await fact("Attempts"), "3 sent, of which the upstream saw 3");
  });

  test("a second attempt that succeeds is an answer like any other", async () => {
    await press("flaky");
    const said = await shows("upstream", "200 OK");
    assert.match(said, /At the second attempt\./);
    assert.equal(await fact("Attempts"), "2 sent, of which the upstream saw 2");
    assert.match(await fact("Proxy-Status"), /^none/);
  });

  test("an answer that breaks off", async () => {
    await press("cut");
    await shows("upstream", "200 OK, then cut off");
    assert.equal(await fact("Attempts"), "1 sent, of which the upstream saw 1");
  });

  test("while one is on its way the others say that they wait, and take the focus but no press", async () => {
    const [slow, other] = ["slow", "error"].map((name) => page.locator(`[data-upstream="${name}"]`));
    await slow.click();
    assert.equal(await page.locator('[data-upstream][aria-disabled="true"]').count(), 8);
    await other.focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => getComputedStyle(document.activeElement).opacity === "0.6");
    await shows("upstream", "504");
    assert.equal(await page.locator('[data-upstream][aria-disabled="true"]').count(), 0);
    assert.equal(await other.evaluate((node) => node === document.activeElement), true);
    await other.press("Enter");
    await shows("upstream", "500");
  });

  test("the third time the circuit is open", async () => {
    for (const circuit of [/^closed/, /^open/]) {
      await press("hang-up");
      await view("upstream").locator("dd", { hasText: circuit }).waitFor();
      assert.equal(await status("upstream").innerText(), "502 Bad Gateway");
    }
    await press("hang-up");
    await shows("upstream", "503");
    assert.equal(await fact("Proxy-Status"), "showcase; error=destination_unavailable");
    assert.equal(await fact("Attempts"), "0 sent, of which the upstream saw 0");
    assert.match(await fact("Send it again?"), /^Yes/);
    assert.match(await fact("After"), /^[345] seconds,/);
  });
});

describe("the chat", () => {
  const connected = (within) => within.getByText(/^Connected as Tab/).waitFor();
  const write = async (within, text) => {
    await within.getByLabel("Message", { exact: true }).fill(text);
    await within.getByLabel("Message", { exact: true }).press("Enter");
  };

  test("two tabs, one by subprotocol and one by cookie, read each other", async () => {
    await logIn();
    await page.getByLabel("the token as a subprotocol").check();
    await button("Join").click();
    await connected(page);
    assert.match(await shows("ws-upgrade", "101"), /Sec-WebSocket-Protocol: chat$/m);

    const second = await open(context, server.url);
    await button("Join", second.page).click();
    await connected(second.page);
    for (const tab of [page, second.page]) await tab.getByText(/^Connected as Tab .*, 2 here$/).waitFor();

    const markup = "<img src=x onerror=alert(1)> & hello";
    await write(page, markup);
    await second.page.getByText(markup).waitFor();
    assert.equal(await second.page.locator("#chat-log img").count(), 0);
    await write(second.page, "hello yourself");
    await page.getByText("hello yourself").waitFor();
    assert.equal(await page.locator("#chat-log p").count(), 2, "its own message once, the other's once");

    await button("Leave").click();
    await page.getByText("Not connected (1000", { exact: false }).waitFor();
    assert.ok(await button("Join").isEnabled());
    assert.deepEqual(second.complaints, []);
  });

  test("without a login it is refused, and one sees the answer", async () => {
    await button("Join").click();
    await shows("ws-upgrade", "Refused");
    await button("Knock without a token").click();
    assert.match(await shows("ws-upgrade", "401"), /www-authenticate: Bearer/i);
  });
});

describe("the page", () => {
  for (const [width, height] of [[1280, 800], [1000, 800], [700, 900], [390, 844], [320, 640]]) {
    for (const colorScheme of ["light", "dark"]) {
      test(`fits ${width}×${height}, ${colorScheme}, and its words can be read`, async () => {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        await logIn();
        await button("Load").click();
        await page.locator('[data-fail="overload"]').click();
        await shows("conditional-cache", "200");
        await page.locator('[data-upstream="error"]').click();
        await shows("error-mapping", "503");
        await shows("upstream", "500");
        for (const summary of await page.getByText("With curl").all()) await summary.click();
        assert.equal(await page.locator("details[open]").count(), 5);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out");
        assert.deepEqual(await page.evaluate(outOfPlace), []);
        assert.deepEqual(await page.evaluate(lowContrast), []);
      });
    }
  }

  test("every control can be reached and has a name", async () => {
    const controls = await page.locator("button:visible, input:visible, a:visible, summary:visible").all();
    assert.ok(controls.length > 25);
    for (const control of controls) {
      const name = await control.evaluate((node) => (node.labels?.[0]?.textContent || node.ariaLabel || node.textContent).trim());
      assert.ok(name, await control.evaluate((node) => node.outerHTML));
    }
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the layers");
  });

  test("the gallery shows its pictures without moving anything", async () => {
    await page.goto(`${server.url}/gallery`);
    const shift = page.evaluate(() => new Promise((resolve) => {
      let sum = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((entry) => (sum += entry.value))).observe({ type: "layout-shift", buffered: true });
      setTimeout(() => resolve(sum), 1_000);
    }));
    assert.equal(await shift, 0);
    assert.equal(await page.locator("main img").count(), 60);
    for (const image of await page.locator("main img").all()) {
      await image.scrollIntoViewIfNeeded();
      await image.evaluate((node) => node.decode());
    }
  });
});

/** Runs in the page: what stands out of its column of a card or out of the bar on top. What a text of fixed lines scrolls to does not. */
function outOfPlace() {
  const lost = [];
  for (const column of document.querySelectorAll(".card > *, .bar")) {
    const { left, right } = column.getBoundingClientRect();
    for (const node of column.querySelectorAll(":not(pre *, .visually-hidden)")) {
      const box = node.getBoundingClientRect();
      if (box.width && (box.left < left - 1 || box.right > right + 1)) lost.push(`${node.tagName} ${node.className} "${node.textContent.trim().slice(0, 30)}"`);
    }
  }
  return lost;
}

/** Runs in the page: the texts whose contrast with their ground is below WCAG's AA. */
function lowContrast() {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = (value) => ((value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
    if (!own || !node.checkVisibility() || node.matches(":disabled, :disabled *, .visually-hidden, noscript")) continue;
    const style = getComputedStyle(node);
    const [light, dark] = [luminance(channels(style.color)), luminance(ground(node))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) poor.push(`${ratio.toFixed(2)} ${node.tagName} ${node.className} "${node.textContent.trim().slice(0, 30)}"`);
  }
  return poor;
}

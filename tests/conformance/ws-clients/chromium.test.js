// Chromium's WebSocket, over TLS: in a stream of the page's own HTTP/2 connection, and over HTTP/1.1.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { start } from "../../example.mjs";

let server;
before(async () => (server = await start("wss")));
after(() => server?.stop());

for (const [version, args] of [["HTTP/2.0", []], ["HTTP/1.1", ["--disable-http2"]]]) {
  describe(version, () => {
    let browser, page;
    before(async () => {
      browser = await chromium.launch({
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--ignore-certificate-errors", ...args],
      });
      page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
      await page.goto(server.url);
      // The first message says by which version the socket was opened; the others come back in order.
      await page.evaluate(() => {
        window.talk = (protocols, messages, close) =>
          new Promise((resolve) => {
            const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/echo", protocols);
            socket.binaryType = "arraybuffer";
            const heard = [];
            socket.onmessage = ({ data }) => {
              heard.push(typeof data === "string" ? data : [...new Uint8Array(data)]);
              if (heard.length === messages.length + 1) close ? socket.close(...close) : socket.close();
            };
            socket.onopen = () => messages.forEach((message) => socket.send(typeof message === "string" ? message : new Uint8Array(message)));
            socket.onclose = ({ code, reason, wasClean }) =>
              resolve({ heard, code, reason, wasClean, protocol: socket.protocol, extensions: socket.extensions });
          });
      });
    });
    after(() => browser?.close());

    const talk = (...given) => page.evaluate((given) => window.talk(...given), given);

    test("text and binary come back, compressed, and the end is clean", async () => {
      const messages = ["grüße", "", [0, 255, 128], "x".repeat(100_000)];
      const { heard, wasClean, code, extensions } = await talk([], messages);
      assert.deepEqual(heard, [version, ...messages]);
      assert.ok(wasClean);
      assert.equal(code, 1005);
      assert.match(extensions, /^permessage-deflate/);
    });

    test("the code and the reason of a close come back", async () => {
      const { code, reason, wasClean } = await talk([], [], [4321, "fertig ✓"]);
      assert.deepEqual({ code, reason, wasClean }, { code: 4321, reason: "fertig ✓", wasClean: true });
    });

    test("a subprotocol is agreed on", async () => {
      assert.equal((await talk(["soap", "echo.v1"], [])).protocol, "echo.v1");
      const foreign = await talk(["soap"], []);
      assert.deepEqual([foreign.code, foreign.heard], [1006, []], "a browser hangs up when none of its offer is chosen");
    });

    test("what is too big is closed with 1009", async () => {
      const { code, heard } = await talk([], ["x".repeat(2 * 1024 * 1024), "never"]);
      assert.deepEqual([code, heard], [1009, [version]]);
    });

    test("a foreign page is refused", async () => {
      const foreign = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
      await foreign.goto("data:text/html,<title>elsewhere</title>");
      const code = await foreign.evaluate(
        (url) => new Promise((resolve) => (new WebSocket(url).onclose = (event) => resolve(event.code))),
        server.ws,
      );
      assert.equal(code, 1006);
    });
  });
}

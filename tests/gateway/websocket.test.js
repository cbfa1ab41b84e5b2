// WebSockets through the gateway: Node's `ws` before it, donjon's own `ws_echo` or bare sockets behind it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { WebSocket } from "ws";

import { client, eventually, gateway, rawUpstream, sleep, start, using } from "./gateway.js";

const open = async (server, ...args) => {
  const socket = new WebSocket(`ws://${server.host}/`, ...args);
  await once(socket, "open");
  return socket;
};
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const ASK = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";

const echoing = () => start("ws_echo");
const switching = (speak = () => {}) => () => rawUpstream((socket, head) => (socket.write(SWITCH), speak(socket, head)));

describe("through to an echo", () => {
  test("text, binary, pings and the closing code pass", () =>
    using([echoing, gateway], async (_, server) => {
      const socket = await open(server);
      const large = Buffer.alloc(1024 * 1024, 7);
      for (const [message, binary] of [["hello", false], [large, true], ["", false]]) {
        socket.send(message);
        const [echo, isBinary] = await once(socket, "message");
        assert.equal(isBinary, binary);
        assert.ok(Buffer.from(message).equals(echo));
      }
      socket.ping("x");
      assert.equal(String((await once(socket, "pong"))[0]), "x");
      socket.close(4001, "enough");
      assert.equal((await once(socket, "close"))[0], 4001);
    }));

  test("a hundred at a time do not mix", () =>
    using([echoing, gateway], async (_, server) => {
      const sockets = await Promise.all(Array.from({ length: 100 }, () => open(server)));
      const answers = sockets.map(async (socket, n) => {
        socket.send(`${n}`);
        return String((await once(socket, "message"))[0]);
      });
      assert.deepEqual(await Promise.all(answers), sockets.map((_, n) => `${n}`));
      sockets.forEach((socket) => socket.terminate());
    }));

  test("there are no more than there are places, and a place that is left can be taken", () =>
    using([echoing, (up) => gateway(up, "--tunnels", "2")], async (_, server) => {
      const [first] = [await open(server), await open(server)];
      await assert.rejects(open(server), /503/);
      first.close();
      await once(first, "close");
      await eventually(() => open(server).then(() => true, () => false), "the place is free");
    }));

  test("the protocol that tokens are sent in is passed on and answered like any other", () =>
    using([switching((_, head) => assert.match(head, /sec-websocket-protocol: chat/i)), gateway], async (up, server) => {
      const asking = client(server);
      asking.send(ASK.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"));
      await asking.until(/^HTTP\/1\.1 101 /);
      assert.match(up.heard[0], /sec-websocket-key: AQIDBAUGBwgJCgsMDQ4PEA==/i);
      asking.close();
    }));
});

describe("the tunnel", () => {
  test("bytes that come right behind the switch are not lost, and each side has an end of its own", () =>
    using([() => rawUpstream((socket) => (socket.write(`${SWITCH}early`), socket.on("end", () => socket.end("last words")))), gateway], async (up, server) => {
      const asking = client(server);
      asking.send(ASK);
      await asking.until(/upgrade: websocket[^]*\r\n\r\nearly$/i);
      asking.send("from the client");
      await eventually(() => up.heard[0].endsWith("from the client"), "the bytes arrived");
      asking.socket.end();
      assert.match(await asking.all(), /earlylast words$/);
    }));

  test("nobody speaks: it is closed when patience ends, and not before", () =>
    using([switching(), (up) => gateway(up, "--patience", "3")], async (up, server) => {
      const asking = client(server);
      asking.send(ASK);
      await asking.until(/101/);
      const begun = Date.now();
      for (let n = 0; n < 5; n++) {
        await sleep(700);
        asking.send("x");
      }
      await asking.closed;
      assert.ok(Date.now() - begun >= 6_000, "it was closed while somebody spoke");
      await eventually(() => up.connections() === 0, "the upstream is let go");
    }));

  test("an upstream that dies takes the client's end with it", () =>
    using([echoing, gateway], async (up, server) => {
      const socket = await open(server);
      const closed = once(socket, "close");
      await up.stop("SIGKILL");
      assert.equal((await closed)[0], 1006);
    }));

  test("a refusal passes as it is, and takes no place", () =>
    using([() => rawUpstream((socket) => socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")), (up) => gateway(up, "--tunnels", "1")], async (_, server) => {
      for (let n = 0; n < 3; n++) {
        const asking = client(server);
        asking.send(ASK);
        assert.match(await asking.until(/no$/), /^HTTP\/1\.1 403/);
        asking.close();
      }
    }));

  test("only WebSockets are switched to", () =>
    using([() => rawUpstream((socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")), gateway], async (up, server) => {
      const asking = client(server);
      asking.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
      await asking.until(/ok$/);
      asking.close();
      assert.doesNotMatch(up.heard[0], /upgrade|h2c|http2-settings/i);
    }));

  test("it is waited for when the gateway stops, but not for ever", () =>
    using([echoing, gateway], async (_, server) => {
      const socket = await open(server);
      const stopped = server.stop();
      await sleep(300);
      socket.send("still here");
      assert.equal(String((await once(socket, "message"))[0]), "still here");
      socket.close();
      assert.equal(await stopped, 0);
    }));
});

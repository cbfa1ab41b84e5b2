// The chat's handshake, refused and accepted, and what two clients say to each other.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { logIn, raw, start } from "./showcase.js";

let server, token, cookie;
before(async () => {
  server = await start();
  ({ token, cookie } = await logIn(server));
});
after(() => server?.stop());

const bearer = () => ({ authorization: `Bearer ${token}` });

/** A handshake by hand; a `null` leaves a field out. */
function knock(changes = {}, path = "/ws/chat") {
  const fields = {
    Host: server.host,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...changes,
  };
  const lines = Object.entries(fields).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`);
  return raw(server, [`GET ${path} HTTP/1.1`, ...lines]);
}

/** Connects, and keeps what comes in until it is asked for. */
async function join(protocols = [], headers = bearer(), options = {}) {
  const socket = new WebSocket(`ws://${server.host}/ws/chat`, protocols, { headers, ...options });
  const queue = [], waiting = [], counts = [];
  const closed = new Promise((resolve) => socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() })));
  // Who has been told how many are here is one of them, and hears whatever is said from then on.
  const joined = new Promise((resolve) =>
    socket.on("message", (data, isBinary) => {
      if (isBinary) return resolve(counts.push(JSON.parse(data).here));
      waiting.length ? waiting.shift()(data.toString()) : queue.push(data.toString());
    }),
  );
  await Promise.all([once(socket, "open"), joined]);
  return {
    socket,
    closed,
    counts,
    next: () => (queue.length ? Promise.resolve(queue.shift()) : new Promise((resolve) => waiting.push(resolve))),
    leave: () => (socket.close(), closed),
  };
}

describe("the handshake", () => {
  test("without a token: 401 before the upgrade, the bare challenge", async () => {
    const answer = await knock();
    assert.equal(answer.status, 401);
    assert.match(answer.headers.get("www-authenticate"), /^Bearer/);
    assert.doesNotMatch(answer.headers.get("www-authenticate"), /error/);
    assert.equal(answer.headers.get("upgrade"), null);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
  });

  test("with a bad token, wherever it is: 401, invalid_token", async () => {
    for (const fields of [
      { Authorization: "Bearer x.y.z" },
      { Cookie: `${cookie}x` },
      { "Sec-WebSocket-Protocol": "bearer, x.y.z" },
      { "Sec-WebSocket-Protocol": "chat, bearer.x.y.z" },
    ]) {
      const answer = await knock(fields);
      assert.equal(answer.status, 401, JSON.stringify(fields));
      assert.match(answer.headers.get("www-authenticate"), /invalid_token/);
    }
  });

  test("a foreign origin: 403, with whatever token", async () => {
    for (const origin of ["https://elsewhere.example", "null", `http://${server.host}.elsewhere.example`, "http://127.0.0.1:1"]) {
      for (const fields of [{ Authorization: `Bearer ${token}` }, { Cookie: cookie }, { "Sec-WebSocket-Protocol": `bearer, ${token}` }]) {
        const answer = await knock({ Origin: origin, ...fields });
        assert.equal(answer.status, 403, origin);
        assert.equal(answer.headers.get("upgrade"), null);
      }
    }
  });

  test("no handshake at all: told to upgrade", async () => {
    const response = await fetch(`${server.url}/ws/chat`, { headers: bearer() });
    assert.ok([400, 426].includes(response.status));
    assert.equal(response.headers.get("content-type"), "application/problem+json");
  });

  const malformed = [
    ["version 12", { "Sec-WebSocket-Version": "12" }, 426],
    ["no key", { "Sec-WebSocket-Key": null }, 400],
    ["a short key", { "Sec-WebSocket-Key": "c2hvcnQ=" }, 400],
    ["Connection without upgrade", { Connection: "not-upgrade" }, 400],
  ];
  for (const [name, fields, status] of malformed) {
    test(`${name}: ${status}`, async () => {
      const answer = await knock({ Authorization: `Bearer ${token}`, ...fields });
      assert.equal(answer.status, status);
      if (status === 426) assert.equal(answer.headers.get("sec-websocket-version"), "13");
    });
  }

  test("the token as header, cookie or subprotocol: 101, and it is never repeated", async () => {
    const accepted = [
      [{ Authorization: `Bearer ${token}` }, null],
      [{ Cookie: cookie }, null],
      [{ Cookie: cookie, "Sec-WebSocket-Protocol": "chat" }, "chat"],
      [{ "Sec-WebSocket-Protocol": `bearer, ${token}` }, "bearer"],
      [{ "Sec-WebSocket-Protocol": `chat, bearer, ${token}` }, "chat"],
      [{ "Sec-WebSocket-Protocol": `chat, bearer.${token}` }, "chat"],
      // A browser always sends its cookie along.
      [{ Cookie: cookie, "Sec-WebSocket-Protocol": `chat, bearer, ${token}` }, "chat"],
      [{ Authorization: `Bearer ${token}`, Origin: server.url }, null],
    ];
    for (const [fields, protocol] of accepted) {
      const answer = await knock(fields);
      assert.equal(answer.status, 101, JSON.stringify(Object.keys(fields)));
      assert.equal(answer.headers.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
      assert.equal(answer.headers.get("sec-websocket-protocol"), protocol);
      assert.ok(!JSON.stringify([...answer.headers]).includes(token));
    }
    assert.ok(!server.log().includes(token));
  });
});

describe("the chat", () => {
  test("a JSON text goes to everybody else, as it is, and not to its sender", async () => {
    const [a, b, c] = [await join(), await join(["chat"], { cookie }), await join(["bearer", token], {})];
    assert.equal(c.socket.protocol, "bearer");
    const texts = ['{"from":"a","text":"hello"}', '{ "unusual" :\t[1, "ä 🏰", null] }', '"just a string"', "42"];
    for (const text of texts) a.socket.send(text);
    for (const text of texts) {
      assert.equal(await b.next(), text);
      assert.equal(await c.next(), text);
    }
    // Its own messages did not come back: the next thing that it hears is another's.
    b.socket.send('{"text":"from b"}');
    assert.equal(await a.next(), '{"text":"from b"}');
    await Promise.all([a.leave(), b.leave(), c.leave()]);
  });

  test("everybody is told how many are here, whenever somebody comes or goes", async () => {
    // Those of other tests may still be leaving.
    const told = async (count, ...members) => {
      for (const { socket, counts } of members) while (counts.at(-1) !== count) await once(socket, "message");
    };
    const a = await join();
    await told(1, a);
    const [b, c] = [await join(), await join()];
    await told(3, a, b, c);
    await c.leave();
    await told(2, a, b);
    assert.deepEqual(b.counts, [2, 3, 2]);
    await Promise.all([a.leave(), b.leave()]);
  });

  test("a text that is not JSON is answered to its sender alone", async () => {
    const [a, b] = [await join(), await join()];
    a.socket.send("not JSON");
    const problem = JSON.parse(await a.next());
    assert.equal(problem.status, 400);
    assert.ok(problem.detail.length > 10);
    a.socket.send("[]");
    assert.equal(await b.next(), "[]");
    await Promise.all([a.leave(), b.leave()]);
  });

  test("a binary message closes with 1003, and only that socket", async () => {
    const [a, b, c] = [await join(), await join(), await join()];
    a.socket.send(Buffer.from("{}"));
    assert.equal((await a.closed).code, 1003);
    b.socket.send("1");
    assert.equal(await c.next(), "1");
    await Promise.all([b.leave(), c.leave()]);
  });

  test("a message over 16 KiB closes with 1009, one of 16 KiB does not", async () => {
    const [a, b] = [await join(), await join()];
    const largest = JSON.stringify("x".repeat(16 * 1024 - 2));
    a.socket.send(largest);
    assert.equal(await b.next(), largest);
    a.socket.send(JSON.stringify("x".repeat(16 * 1024)));
    assert.equal((await a.closed).code, 1009);
    await b.leave();
  });

  test("JSON at its edges is passed on and harms nobody", async () => {
    const [a, b] = [await join(), await join()];
    for (const text of ["[".repeat(8_000) + "]".repeat(8_000), '{"a":1,"a":2}', "1e999", '"\\ud800"', '"\u2028"']) {
      a.socket.send(text);
      assert.equal(await b.next(), text);
    }
    for (const text of ["", " ", "{}{}", "{'a':1}", "NaN", "[1,]", "\ufeff{}", '"\t"']) {
      a.socket.send(text);
      assert.equal(JSON.parse(await a.next()).status, 400, text);
    }
    await Promise.all([a.leave(), b.leave()]);
  });

  test("a ping is answered, a close returned", async () => {
    const a = await join();
    a.socket.ping("hello");
    const [data] = await once(a.socket, "pong");
    assert.equal(data.toString(), "hello");
    a.socket.close(1000, "done");
    assert.equal((await a.closed).code, 1000);
  });

  test("a client that does not read is cut off, and the others go on", async () => {
    const [a, slow, b] = [await join(), await join(), await join()];
    slow.socket._socket.pause();
    const text = JSON.stringify("x".repeat(16_000));
    for (let sent = 0; sent < 1_500; sent += 1) {
      a.socket.send(text);
      assert.equal(await b.next(), text);
    }
    slow.socket._socket.resume();
    assert.notEqual((await slow.closed).code, 1000);
    await Promise.all([a.leave(), b.leave()]);
  });
});

describe("stopping", () => {
  test("Ctrl-C tells the sockets that the server goes away, and ends with 0", async () => {
    const other = await start();
    const session = await logIn(other);
    const socket = new WebSocket(`ws://${other.host}/ws/chat`, { headers: { cookie: session.cookie } });
    await once(socket, "open");
    const closed = once(socket, "close");
    assert.equal(await other.stop("SIGINT"), 0);
    const [code] = await closed;
    assert.equal(code, 1001);
  });

  test("an idle connection does not keep it", async () => {
    const other = await start();
    await fetch(other.url);
    assert.equal(await other.stop("SIGTERM"), 0);
  });
});

// npm's ws: the echo with and without compression, and the chat from the token to the server's goodbye.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { start } from "../../example.mjs";

/** Connects, and keeps what comes in until it is asked for. */
async function connect(url, protocols = [], options = {}) {
  const socket = new WebSocket(url, protocols, options);
  const queue = [], waiting = [];
  socket.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    waiting.length ? waiting.shift()(message) : queue.push(message);
  });
  const closed = new Promise((resolve) => socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() })));
  await once(socket, "open");
  const next = () => (queue.length ? Promise.resolve(queue.shift()) : new Promise((resolve) => waiting.push(resolve)));
  return { socket, closed, next, json: async () => JSON.parse(await next()) };
}

for (const deflate of ["off", "on", "lean"]) {
  describe(`the echo, compression ${deflate}`, () => {
    let server;
    before(async () => (server = await start("ws_echo", "--deflate", deflate, "--max-message", "1000000")));
    after(() => server?.stop());

    test("text, binary, fragments and pings", async () => {
      const { socket, next, closed } = await connect(server.ws);
      assert.equal(socket.extensions.includes("permessage-deflate"), deflate !== "off");
      for (const message of ["", "grüße", "x".repeat(70_000), Buffer.from([0, 255, 128]), Buffer.alloc(900_000, "abc")]) {
        socket.send(message);
        assert.deepEqual(await next(), message);
      }
      socket.send("one, ", { fin: false });
      socket.ping("between");
      assert.equal((await once(socket, "pong"))[0].toString(), "between");
      socket.send("two", { fin: true });
      assert.equal(await next(), "one, two");
      socket.close(4000, "done");
      assert.deepEqual(await closed, { code: 4000, reason: "done" });
    });

    test("a message over the limit is 1009", async () => {
      const { socket, closed } = await connect(server.ws);
      socket.on("error", () => {});
      socket.send("x".repeat(1_000_001));
      assert.equal((await closed).code, 1009);
    });
  });
}

describe("the chat", () => {
  let server;
  before(async () => (server = await start("ws_upgrade")));
  after(() => server?.stop());

  const token = async (name) => (await fetch(`${server.url}/token`, { method: "POST", body: name })).text();
  const enter = async (room, name, options) => connect(`${server.ws}/rooms/${room}`, ["chat", `bearer.${await token(name)}`], options);

  /** The status with which a handshake is refused. */
  const refused = (path, protocols, options) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(server.ws + path, protocols, options);
      socket.on("unexpected-response", (_, response) => resolve(response.statusCode));
      socket.on("open", () => reject(new Error("it was opened")));
      socket.on("error", () => {});
    });

  test("nobody without a token, and no foreign page", async () => {
    assert.equal(await refused("/rooms/lobby", ["chat"]), 401);
    assert.equal(await refused("/rooms/lobby", ["chat", "bearer.forged"]), 401);
    const headers = { origin: "https://evil.example" };
    assert.equal(await refused("/rooms/lobby", ["chat", `bearer.${await token("mallory")}`], { headers }), 403);
  });

  test("what one says, all in the room hear, and nobody elsewhere", async () => {
    const alice = await enter("one", "alice"), bob = await enter("one", "bob"), carol = await enter("two", "carol");
    assert.deepEqual(await alice.json(), { here: { count: 1 } });
    assert.deepEqual(await alice.json(), { here: { count: 2 } });
    assert.deepEqual(await bob.json(), { here: { count: 2 } });
    assert.deepEqual(await carol.json(), { here: { count: 1 } });
    alice.socket.send(JSON.stringify({ say: { text: "hello" } }));
    for (const member of [alice, bob]) assert.deepEqual(await member.json(), { said: { by: "alice", text: "hello" } });
    bob.socket.close();
    assert.deepEqual(await alice.json(), { here: { count: 1 } });
    carol.socket.send("not JSON");
    assert.deepEqual(await carol.closed, { code: 1007, reason: "message not understood" });
    alice.socket.close();
    await alice.closed;
  });

  test("a token of one's own renews, another's ends", async () => {
    const alice = await enter("renewals", "alice");
    await alice.json();
    alice.socket.send(JSON.stringify({ renew: { token: await token("alice") } }));
    alice.socket.send(JSON.stringify({ say: { text: "still here" } }));
    assert.deepEqual(await alice.json(), { said: { by: "alice", text: "still here" } });
    alice.socket.send(JSON.stringify({ renew: { token: await token("bob") } }));
    assert.equal((await alice.closed).code, 3000);
  });

  test("a fifth socket of one user is refused, and a place is free again", async () => {
    const sockets = [];
    for (let number = 0; number < 4; number++) sockets.push(await enter("many", "dave"));
    const protocols = ["chat", `bearer.${await token("dave")}`];
    assert.equal(await refused("/rooms/many", protocols), 429);
    sockets[0].socket.close();
    await sockets[0].closed;
    // The server frees the place when the connection is gone, which the client sees a moment earlier.
    for (let attempt = 0; ; attempt++) {
      try {
        sockets.push(await connect(`${server.ws}/rooms/many`, protocols));
        break;
      } catch (error) {
        if (attempt === 20) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    for (const { socket } of sockets) socket.close();
  });

  test("a flood is 1008", async () => {
    const flooder = await enter("flood", "eve");
    for (let number = 0; number < 30; number++) flooder.socket.send(JSON.stringify({ say: { text: "x" } }));
    assert.equal((await flooder.closed).code, 1008);
  });

  test("Ctrl-C sends everybody home with 1012, and then the server ends well", async () => {
    const members = [];
    for (let number = 0; number < 40; number++) members.push(await enter("home", `member ${number}`));
    const exit = server.stop("SIGINT");
    for (const { closed } of members) assert.deepEqual(await closed, { code: 1012, reason: "back soon" });
    assert.equal(await exit, 0);
  });
});

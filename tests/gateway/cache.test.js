// The shared cache in the gateway: what the upstream is spared, and what the clients see when it is gone.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { parse as parseForwarded } from "forwarded-parse";
import { parseList } from "structured-headers";
import { WebSocket } from "ws";

import { client, eventually, gateway, nobody, rawUpstream, sleep, start, upstream, using } from "./gateway.js";

const cached = (...profile) => (up) => gateway(up, "--profile", ...(profile.length ? profile : ["safe"]));
const FRESH = { "cache-control": "max-age=60" };

/** The last member of `Cache-Status`, read by other people's parser of structured fields (RFC 9651). */
function cacheStatus(response) {
  const list = parseList(response.headers.get("cache-status") ?? "");
  const [name, parameters] = list.at(-1) ?? [];
  return { name: String(name), ...Object.fromEntries([...(parameters ?? [])].map(([key, value]) => [key, value?.toString?.() ?? value])) };
}
const isHit = (response) => cacheStatus(response).hit !== undefined;

/** An answer that waits until it is let go; to `/heard` at once. */
function holding() {
  let release, count = 0;
  const released = new Promise((resolve) => (release = resolve));
  const answer = async (request, response) => {
    if (request.url === "/heard") return response.writeHead(200, { "cache-control": "no-store" }).end();
    count += 1;
    await released;
    response.writeHead(200, FRESH).end("shared");
  };
  return { answer, release, asked: () => count };
}

/** A client of its own connection, whose request is on its way. */
function asksForShared(server) {
  const one = client(server);
  one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const isAnswered = async () => {
    await one.until(/shared/);
    one.close();
  };
  return { isAnswered, close: one.close };
}

/**
 * The gateway has gone round: whatever was sent to it before, it has had the time to read. Who comes later yet is answered from the store, and
 * what a test says of the upstream holds for it as well.
 */
async function heard(server) {
  for (let round = 0; round < 20; round += 1) await (await fetch(`${server.url}/heard`)).text();
}

describe("one upstream for many clients", () => {
  test("what is fresh is asked for once, and says so", () =>
    using([() => upstream((request, response) => response.writeHead(200, FRESH).end(request.url)), cached()], async (up, server) => {
      const [miss, hit] = [await fetch(`${server.url}/x`), await fetch(`${server.url}/x`)];
      assert.deepEqual([await miss.text(), await hit.text(), up.requests.length], ["/x", "/x", 1]);
      assert.equal(isHit(miss), false);
      assert.equal(isHit(hit), true);
      assert.match(hit.headers.get("age"), /^\d+$/);
    }));

  test("one URL of two hosts is two resources, in every form of the target", () =>
    using([() => upstream((request, response) => response.writeHead(200, FRESH).end(request.headers.host)), cached()], async (up, server) => {
      for (const [target, host, body] of [["/", "a", "a"], ["/", "b", "b"], ["http://a/", "x", "a"], ["http://B/", "x", "b"]]) {
        const one = client(server);
        one.send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
        // With a length from the store, in chunks on the way there.
        assert.match((await one.all()).toLowerCase(), new RegExp(`\r\n\r\n(1\r\n)?${body}(\r\n0\r\n\r\n)?$`));
      }
      assert.equal(up.requests.length, 2);
    }));

  test("fifty who ask at once are one to the upstream", () => {
    const held = holding();
    return using([() => upstream(held.answer), cached("safe", "--patience", "60")], async (up, server) => {
      const asking = Array.from({ length: 50 }, () => asksForShared(server));
      await heard(server);
      held.release();
      for (const one of asking) await one.isAnswered();
      assert.equal(held.asked(), 1);
    });
  });

  test("one who goes away leaves one successor", () => {
    const held = holding();
    return using([() => upstream(held.answer), cached("safe", "--patience", "60")], async (up, server) => {
      const leader = asksForShared(server);
      await eventually(() => held.asked() === 1, "the leader was passed on");
      const followers = Array.from({ length: 10 }, () => asksForShared(server));
      await heard(server);
      leader.close();
      await eventually(() => held.asked() === 2, "a follower was passed on");
      held.release();
      for (const follower of followers) await follower.isAnswered();
      assert.equal(held.asked(), 2);
    });
  });

  test("what is private is nobody else's, asked for at once or not", () =>
    using(
      [() => upstream((request, response) => setTimeout(() => response.writeHead(200, { "cache-control": "private, max-age=60", "set-cookie": `who=${request.headers["x-who"]}` }).end(request.headers["x-who"]), 100)), cached()],
      async (up, server) => {
        const who = Array.from({ length: 10 }, (_, n) => `${n}`);
        const answers = await Promise.all(who.map((one) => fetch(server.url, { headers: { "x-who": one } }).then((response) => response.text())));
        assert.deepEqual(answers, who);
        assert.equal(up.requests.length, 10);
      },
    ));

  test("the beginning of a miss is there before its end", () => {
    let finish;
    return using([() => upstream((_, response) => (response.writeHead(200, FRESH), response.write("first"), (finish = () => response.end("last")))), cached()], async (up, server) => {
      const reading = await Promise.all([fetch(server.url), fetch(server.url)]);
      const readers = reading.map((response) => response.body.getReader());
      for (const reader of readers) assert.equal(Buffer.from((await reader.read()).value).toString(), "first");
      finish();
      for (const reader of readers) assert.equal(Buffer.from((await reader.read()).value).toString(), "last");
      assert.equal(up.requests.length, 1);
    });
  });

  test("a body that was cut is cut for who reads it, and kept for nobody", () => {
    const half = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf";
    const whole = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nwhole";
    let cut;
    return using([() => rawUpstream((socket, _, nth) => (nth === 1 ? (socket.write(half), (cut = () => socket.end())) : socket.end(whole))), cached()], async (up, server) => {
      // Both have the head before the body is cut.
      const responses = await Promise.all([fetch(server.url), fetch(server.url)]);
      assert.equal(up.count(), 1);
      cut();
      for (const response of responses) await assert.rejects(response.text());
      assert.equal(await (await fetch(server.url)).text(), "whole");
      assert.equal(up.count(), 2);
    });
  });

  test("interim answers pass to the one who led, and are not kept", () => {
    const answer = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nkept";
    return using([() => rawUpstream((socket) => socket.end(answer)), cached()], async (up, server) => {
      const one = client(server);
      one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.match(await one.until(/kept$/), /^HTTP\/1\.1 103 [^]*x-early: 1\r\n[^]*\r\n\r\nHTTP\/1\.1 200 /);
      const before = one.received().length;
      one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await eventually(() => one.received().slice(before).endsWith("kept"), "the hit came");
      const hit = one.received().slice(before);
      assert.match(hit, /^HTTP\/1\.1 200 /);
      assert.doesNotMatch(hit, /x-early|link/i);
      assert.equal(up.count(), 1);
      one.close();
    });
  });

  test("WebSockets are no business of the cache", () =>
    using([() => start("ws_echo"), cached("eager")], async (_, server) => {
      const sockets = Array.from({ length: 10 }, () => new WebSocket(`ws://${server.host}/`));
      await Promise.all(sockets.map((socket) => once(socket, "open")));
      const answers = sockets.map(async (socket, n) => {
        socket.send(`${n}`);
        return String((await once(socket, "message"))[0]);
      });
      assert.deepEqual(await Promise.all(answers), sockets.map((_, n) => `${n}`));
      sockets.forEach((socket) => socket.terminate());
    }));
});

describe("an upstream that is killed", () => {
  test("fresh hits go on, then stale ones where that is allowed, then 502", () =>
    // Their ages are told by the upstream, so that nobody has to grow old here.
    using([() => upstream((request, response) => response.writeHead(200, { "cache-control": "max-age=1000, stale-if-error=1000", age: request.url.slice(1) }).end("kept")), cached()], async (up, server) => {
      for (const age of [0, 1500, 2500]) assert.equal(await (await fetch(`${server.url}/${age}`)).text(), "kept");
      await up.stop();

      const fresh = await fetch(`${server.url}/0`);
      assert.deepEqual([fresh.status, await fresh.text(), isHit(fresh)], [200, "kept", true]);

      const stale = await fetch(`${server.url}/1500`);
      assert.deepEqual([stale.status, await stale.text()], [200, "kept"]);
      assert.ok(Number(stale.headers.get("age")) >= 1500, `Age: ${stale.headers.get("age")}`);
      assert.ok(stale.headers.get("cache-status"));

      const gone = await fetch(`${server.url}/2500`, { headers: { accept: "text/html" } });
      assert.equal(gone.status, 502);
      assert.match(gone.headers.get("content-type"), /^text\/html/);
      assert.equal(gone.headers.get("cache-control"), "no-store");
    }));

  test("an upstream that only says that it is broken is covered for as well", () => {
    let broken = false;
    const answer = (_, response) => (broken ? response.writeHead(503).end("broken") : response.writeHead(200, { "cache-control": "max-age=1, stale-if-error=60" }).end("kept"));
    return using([() => upstream(answer), cached()], async (up, server) => {
      await (await fetch(server.url)).text();
      broken = true;
      await sleep(2_100);
      const stale = await fetch(server.url);
      assert.deepEqual([stale.status, await stale.text(), up.requests.length], [200, "kept", 2]);
    });
  });
});

describe("fields that have a grammar", () => {
  /** Every line of `name` in `responses`. */
  const lines = (responses, name) => responses.map((response) => response.headers.get(name)).filter(Boolean);

  test("what the gateway says about caches and proxies is read by others' parsers", () =>
    using([() => upstream((request, response) => response.writeHead(request.url === "/no" ? 404 : 200, request.url === "/store" ? { "cache-control": "no-store" } : { "cache-control": "max-age=1", etag: '"x"' }).end(JSON.stringify(request.headers))), cached()], async (up, server) => {
      const responses = [];
      const ask = async (path, init) => {
        const response = await fetch(server.url + path, init);
        const text = await response.text();
        responses.push(response);
        return text;
      };
      const headers = JSON.parse(await ask("/"));
      const [element] = parseForwarded(headers.forwarded);
      assert.deepEqual({ ...element }, { for: "127.0.0.1", host: server.host, proto: "http" });
      for (const path of ["/", "/no", "/no", "/store", "/store"]) await ask(path);
      await ask("/", { method: "POST", body: "x" });
      await ask("/", { headers: { "cache-control": "no-cache" } });
      await ask("/", { headers: { "if-none-match": '"x"' } });
      await sleep(2_100);
      await ask("/");
      await up.stop();
      await ask("/gone");
      await ask("/gone", { method: "POST", body: "x" });

      const statuses = lines(responses, "cache-status");
      assert.ok(statuses.length >= 8, statuses.join("\n"));
      for (const line of statuses) {
        for (const [name, parameters] of parseList(line)) {
          assert.match(String(name), /^[\w.-]+$/, line);
          assert.equal(parameters.has("hit") && parameters.has("fwd"), false, line);
        }
      }
      assert.ok(lines(responses, "via").length >= 9);
      const vias = new Set(lines(responses, "via"));
      assert.equal(vias.size, 1);
      const [via] = vias;
      assert.match(via, /^1\.1 donjon-[0-9a-f]{8}$/);
      // It is known by one name everywhere.
      const told = lines(responses, "proxy-status");
      assert.ok(told.length >= 1, "the failures are told");
      assert.deepEqual(new Set([...statuses, ...told].map((line) => String(parseList(line)[0][0]))), new Set([via.split(" ")[1]]));
    }));

  test("why an upstream could not be asked is said in Proxy-Status", () =>
    using([nobody, cached()], async (_, server) => {
      const response = await fetch(server.url);
      assert.equal(response.status, 502);
      const [[name, parameters]] = parseList(response.headers.get("proxy-status") ?? "");
      assert.ok(String(name));
      assert.equal(String(parameters.get("error")), "connection_refused");
    }));
});

// What the client sees when an upstream, or it itself, falls.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";

import { client, eventually, exchange, gateway, nobody, rawUpstream, sleep, upstream, using } from "./gateway.js";

const GET = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const post = (body) => `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** What comes every 700 ms, for longer than three seconds in all, is far from the limit each time. */
const patient = (up) => gateway(up, "--patience", "3");

async function assertProblem(url, status, headers = {}) {
  const response = await fetch(url, { headers });
  assert.equal(response.status, status);
  assert.match(response.headers.get("content-type"), headers.accept ? /^text\/html/ : /^application\/problem\+json/);
  assert.equal(response.headers.get("cache-control"), "no-store");
  const text = await response.text();
  if (!headers.accept) assert.equal(JSON.parse(text).status, status);
  return { response, text };
}

describe("before the head has come", () => {
  test("nobody listens: 502, in the form that the client reads", () =>
    using([nobody, gateway], async (_, server) => {
      await assertProblem(server.url, 502);
      const { text } = await assertProblem(`${server.url}/<script>?token=secret`, 502, { accept: "text/html" });
      assert.doesNotMatch(text, /<script>|secret|127\.0\.0\.1/);
      assert.doesNotMatch(server.log(), /secret/);
    }));

  const ANSWERS = {
    "it hangs up": ["", 502],
    "it speaks another language": ["SSH-2.0-OpenSSH_9.9\r\n\r\n", 502],
    "the status is no status": ["HTTP/1.1 099 What\r\n\r\n", 502],
    "two lengths": ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 502],
    "half a head": ["HTTP/1.1 200 OK\r\nContent-Le", 502],
    "a switch that nobody asked for": ["HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 502],
  };
  for (const [name, [answer, status]] of Object.entries(ANSWERS)) {
    test(`${name}: ${status}`, () =>
      using([() => rawUpstream((socket) => socket.end(answer)), gateway], async (_, server) => {
        const { text } = await assertProblem(server.url, status);
        assert.doesNotMatch(text, /SSH|hyper/);
      }));
  }

  test("it is silent: 504 when patience ends, and the connection is given up", () =>
    using([() => rawUpstream(() => {}), gateway], async (silent, server) => {
      await assertProblem(server.url, 504);
      await eventually(() => silent.connections() === 0, "the connection to the upstream is closed");
    }));

  test("it is silent while a client uploads slowly: the upload is no silence", () =>
    using([() => upstream((request, response) => request.resume().on("end", () => response.end("all of it"))), patient], async (_, server) => {
      const uploading = client(server);
      uploading.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n");
      for (const letter of "abcde") {
        await sleep(700);
        uploading.send(letter);
      }
      assert.match(await uploading.all(), /^HTTP\/1\.1 200[^]*all of it/);
    }));

  test("it answers early, while the client still sends", () =>
    using([() => upstream((_, response) => response.writeHead(413, { connection: "close" }).end("too much")), gateway], async (_, server) => {
      const uploading = client(server);
      uploading.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning");
      assert.match(await uploading.until(/too much/), /^HTTP\/1\.1 413/);
      uploading.close();
    }));
});

describe("after the head has come", () => {
  const CUTS = {
    "a body with a length": ["Content-Length: 10\r\n\r\nhalf", /\r\n\r\nhalf$/],
    "a chunked body": ["Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", /\r\n\r\n4\r\nhalf\r\n$/],
    "a broken chunk": ["Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", /\r\n\r\n4\r\nhalf\r\n$/],
  };
  for (const [name, [rest, seen]] of Object.entries(CUTS)) {
    test(`${name} that ends too early never ends cleanly`, () =>
      using([() => rawUpstream((socket) => (socket.write(`HTTP/1.1 200 OK\r\n${rest}`), setTimeout(() => socket.end(), 50))), gateway], async (_, server) => {
        const received = await exchange(server, GET);
        assert.match(received, /^HTTP\/1\.1 200/);
        assert.match(received, seen);
      }));
  }

  test("a body that falls silent is cut when patience ends", () =>
    using([() => rawUpstream((socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")), gateway], async (silent, server) => {
      assert.match(await exchange(server, GET), /\r\n\r\nhalf$/);
      await eventually(() => silent.connections() === 0, "the connection to the upstream is closed");
    }));

  test("a body that is slow but not silent comes whole", () =>
    using(
      [
        () =>
          upstream(async (_, response) => {
            for (const letter of "abcde") {
              response.write(letter);
              await sleep(700);
            }
            response.end();
          }),
        patient,
      ],
      async (_, server) => assert.equal(await (await fetch(server.url)).text(), "abcde"),
    ));

  test("the next request on the same connection is none the worse", () =>
    using([() => rawUpstream((socket, _, nth) => socket.end(nth === 1 ? "nonsense\r\n\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")), gateway], async (_, server) => {
      const one = client(server);
      one.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
      await one.until(/"status":502/);
      one.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.match(await one.until(/ok$/), /HTTP\/1\.1 200/);
      one.close();
    }));
});

describe("a client that goes away", () => {
  test("before the answer: the upstream learns of it", () =>
    using([() => rawUpstream(() => {}), (up) => gateway(up, "--patience", "30")], async (up, server) => {
      const impatient = client(server);
      impatient.send(GET);
      await eventually(() => up.connections() === 1, "the upstream was asked");
      impatient.close();
      await eventually(() => up.connections() === 0, "the upstream is let go");
    }));

  test("without going: its upload falls silent, which is its own fault and not the upstream's", () =>
    using([() => upstream((request) => request.resume().on("error", () => {})), gateway], async (up, server) => {
      const silent = client(server);
      silent.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
      assert.match(await silent.until(/\r\n\r\n/), /^HTTP\/1\.1 408/);
      await eventually(() => up.connections() === 0, "the upstream is let go");
      silent.close();
    }));

  test("without going: it reads nothing for longer than patience, and the upstream is let go", () => {
    let written = 0;
    const flood = (_, response) => {
      const more = () => {
        written += 65_536;
        if (response.write(Buffer.alloc(65_536))) setImmediate(more);
        else response.once("drain", more);
      };
      more();
    };
    return using([() => upstream(flood), gateway], async (up, server) => {
      const deaf = client(server);
      await once(deaf.socket, "connect");
      deaf.socket.pause();
      deaf.send(GET);
      await eventually(() => written > 0, "the answer has begun");
      await eventually(() => up.connections() === 0, "the upstream is let go");
      deaf.close();
    });
  });

  test("in the middle of the answer: the upstream is not read to its end", () => {
    let closed;
    const endless = (_, response) => {
      const more = () => response.write(Buffer.alloc(65_536)) || response.once("drain", more);
      const pump = setInterval(more, 5);
      closed = once(response, "close").then(() => clearInterval(pump));
    };
    return using([() => upstream(endless), gateway], async (_, server) => {
      const reading = client(server);
      reading.send(GET);
      await reading.until(/\0{1000}/);
      reading.close();
      await closed;
    });
  });

  const UPLOADS = {
    "the end of an upload too early": ["Content-Length: 10\r\n\r\nhalf", true],
    "an upload that is no chunk": ["Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\n", false],
  };
  for (const [name, [rest, ends]] of Object.entries(UPLOADS)) {
    test(`without going: ${name} is its own fault and not the upstream's`, () =>
      using([() => upstream((request) => request.resume().on("error", () => {})), gateway], async (up, server) => {
        const uploading = client(server);
        uploading.send(`POST / HTTP/1.1\r\nHost: a\r\n${rest}`);
        if (ends) uploading.socket.end();
        assert.match(await uploading.until(/"status":/), /^HTTP\/1\.1 400[^]*proxy-status: donjon-[0-9a-f]{8}; error=http_request_error/i);
        await eventually(() => up.connections() === 0, "the upstream is let go");
        uploading.close();
      }));
  }

  test("in the middle of its own upload: the upstream sees no clean end", () => {
    const aborted = [];
    return using([() => upstream((request) => request.resume().on("aborted", () => aborted.push(request)).on("error", () => {})), gateway], async (up, server) => {
      const uploading = client(server);
      uploading.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
      await eventually(() => up.requests.length === 1, "the upload has begun");
      uploading.close();
      await eventually(() => aborted.length === 1, "the upload was aborted");
    });
  });
});

describe("how often an upstream is asked", () => {
  test("a 500 passes, after one attempt", () =>
    using([() => upstream((_, response) => response.writeHead(500).end("broken")), gateway], async (up, server) => {
      const response = await fetch(server.url);
      assert.deepEqual([response.status, await response.text(), up.requests.length], [500, "broken", 1]);
    }));

  test("one that fails to answer a GET is asked again, out of a budget of one for five", () => {
    const failing = new Set([6, 8]);
    const answer = (socket, _, nth) => (failing.has(nth) ? socket.destroy() : socket.end("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"));
    return using([() => rawUpstream(answer), gateway], async (up, server) => {
      for (let n = 1; n <= 5; n++) assert.equal((await fetch(server.url)).status, 200);
      assert.equal((await fetch(server.url)).status, 200);
      assert.equal(up.count(), 7);
      assert.equal((await fetch(server.url)).status, 502);
      assert.equal(up.count(), 8);
    });
  });

  test("one that is down is spared: a fifth more than was asked, then nothing", () =>
    using([() => rawUpstream((socket) => socket.destroy()), gateway], async (up, server) => {
      const statuses = [];
      for (let n = 0; n < 100; n++) statuses.push((await fetch(server.url)).status);
      assert.deepEqual(new Set(statuses), new Set([502, 503]));
      const asked = statuses.lastIndexOf(502) + 1;
      assert.ok(up.count() <= 1.2 * asked, `${up.count()} for ${asked}`);
      assert.ok(up.count() <= 64, `${up.count()} before the circuit opened`);
      const spared = await fetch(server.url);
      assert.equal(spared.status, 503);
      assert.match(spared.headers.get("retry-after"), /^[1-5]$/);
      assert.match(spared.headers.get("proxy-status"), /error=destination_unavailable/);
    }));

  test("one that cuts off what it sends is spared too", () =>
    using([() => rawUpstream((socket) => socket.end("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 10\r\n\r\nhalf")), gateway], async (up, server) => {
      let cut = 0;
      let response;
      while ((response = await fetch(server.url)).status === 200 && cut < 100) {
        await assert.rejects(response.text());
        cut++;
      }
      assert.equal(response.status, 503);
      assert.deepEqual([cut, up.count()], [48, 48]);
    }));

  /** More than open the circuit, one after the other, if they are an upstream's failures. */
  const MANY = 56;
  const many = (one) => Promise.all(Array.from({ length: MANY }, (_, nth) => one(nth)));
  const endless = (_, response) => response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" }).write("data: 1\n\n");
  const assertWell = async (server, up) => {
    assert.equal(up.requests.length, MANY);
    up.server.removeAllListeners("request").on("request", (_, response) => response.end("well"));
    const response = await fetch(`${server.url}/well`);
    assert.deepEqual([response.status, await response.text()], [200, "well"]);
  };

  const UPLOADS = { "turn to garbage": ["zz\r\n", false], "end too early": ["4\r\nha", true], "fall silent": ["", false] };
  for (const [name, [rest, ends]] of Object.entries(UPLOADS)) {
    test(`one whose clients' uploads ${name} once it has answered is not spared`, () =>
      using([() => upstream((request, response) => (request.resume().on("error", () => {}), endless(request, response))), gateway], async (up, server) => {
        await many(async (nth) => {
          const uploading = client(server);
          uploading.send(`POST /${nth} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n`);
          await uploading.until(/data: 1/);
          uploading.send(rest);
          if (ends) uploading.socket.end();
          assert.doesNotMatch(await uploading.all(), /\r\n0\r\n\r\n$/, "never a clean end");
        });
        await assertWell(server, up);
      }));
  }

  test("one whose streams have nothing to say for longer than patience is not spared", () =>
    using([() => upstream(endless), gateway], async (up, server) => {
      await many(async (nth) => assert.match(await exchange(server, `GET /${nth} HTTP/1.1\r\nHost: a\r\n\r\n`), /data: 1\n\n\r\n$/));
      await assertWell(server, up);
    }));

  test("what the gateway answers by itself says nothing of an upstream that is down", () =>
    using([() => rawUpstream((socket) => socket.destroy()), gateway], async (up, server) => {
      const options = async () => assert.match(await exchange(server, "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n"), /^HTTP\/1\.1 200/);
      const statuses = [];
      for (let n = 0; n < 60; n++) {
        statuses.push((await fetch(server.url)).status);
        await options();
      }
      assert.equal(statuses.at(-1), 503, "it does not keep the circuit closed");
      await sleep(5_100);
      const asked = up.count();
      await options();
      assert.equal(up.count(), asked);
      // The probe, which opens it again: not even its retry passes.
      for (let n = 0; n < 2; n++) assert.equal((await fetch(server.url)).status, 503);
      assert.equal(up.count(), asked + 1, "it was no probe");
    }));

  test("an upstream tells nobody to stay away for ever", () =>
    using([() => upstream((_, response) => response.writeHead(503, { "retry-after": "99999999999" }).end()), gateway], async (_, server) => {
      assert.equal((await fetch(server.url)).headers.get("retry-after"), "86400");
    }));

  test("an answer of 503 is an answer", () =>
    using([() => upstream((_, response) => response.writeHead(503, { "retry-after": "1" }).end()), gateway], async (up, server) => {
      for (let n = 0; n < 10; n++) assert.equal((await fetch(server.url)).status, 503);
      assert.equal(up.requests.length, 10);
    }));

  test("a PUT that was sent and cut off, and refused when it was sent again, may have been carried out", () => {
    let fall;
    const answer = (socket, head) => {
      if (head.includes(" /falls ")) fall();
      else socket.end("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    };
    return using([() => rawUpstream(answer), gateway], async (up, server) => {
      fall = up.stop;
      // They pay for one retry.
      for (let n = 0; n < 5; n++) assert.equal((await fetch(server.url)).status, 200);
      const response = await fetch(`${server.url}/falls`, { method: "PUT" });
      assert.equal(response.status, 502);
      assert.match(response.headers.get("proxy-status"), /error=connection_refused$/, "that of the last attempt");
      const { retry, detail } = await response.json();
      assert.equal(retry, "idempotent-only");
      assert.match(detail, /may have been carried out/);
      // Of one that has met nobody that cannot be said.
      assert.equal((await (await fetch(server.url, { method: "PUT" })).json()).retry, "safe");
    });
  });

  test("a POST that was sent and cut off is not sent again", () =>
    using([() => rawUpstream((socket) => socket.destroy()), gateway], async (up, server) => {
      assert.match(await exchange(server, post("x")), /^HTTP\/1\.1 502/);
      assert.equal(up.count(), 1);
    }));
});

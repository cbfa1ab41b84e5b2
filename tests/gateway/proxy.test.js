// What a well-behaved upstream and a well-behaved client notice of the gateway between them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connect2 } from "node:http2";
import { describe, test } from "node:test";

import { client, eventually, exchange, gateway, nobody, rawUpstream, run, sleep, start, upstream, using } from "./gateway.js";

const echo = (request, response) => response.end(JSON.stringify({ method: request.method, url: request.url, version: request.httpVersion, headers: request.headers }));
const asked = async (server, ...lines) => {
  const received = await exchange(server, [...lines, "Connection: close", "", ""].join("\r\n"));
  const at = received.indexOf("{");
  return { status: Number(received.split(" ")[1]), head: received.slice(0, at), body: received.slice(at).replace(/\r\n[^]*$/, "") };
};
const echoed = async (server, ...lines) => JSON.parse((await asked(server, ...lines)).body);

describe("streaming", () => {
  test("the beginning of an answer is there before its end", () => {
    let finish;
    return using([() => upstream((_, response) => (response.write("first"), (finish = () => response.end("last")))), gateway], async (_, server) => {
      const response = await fetch(server.url);
      const reader = response.body.getReader();
      assert.equal(Buffer.from((await reader.read()).value).toString(), "first");
      finish();
      assert.equal(Buffer.from((await reader.read()).value).toString(), "last");
      assert.equal((await reader.read()).done, true);
    });
  });

  test("the beginning of an upload is there before its end", () => {
    const heard = [];
    return using([() => upstream((request, response) => request.on("data", (chunk) => heard.push(String(chunk))).on("end", () => response.end("got it"))), gateway], async (_, server) => {
      const uploading = client(server);
      uploading.send("PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
      await eventually(() => heard.join("") === "first", "the first chunk arrived");
      uploading.send("4\r\nlast\r\n0\r\n\r\n");
      assert.match(await uploading.all(), /got it/);
      assert.equal(heard.join(""), "firstlast");
    });
  });

  test("a reader who stops is not read for: nothing piles up in between", () => {
    const size = 256 * 1024 * 1024;
    let written = 0;
    const flood = (_, response) => {
      const more = () => {
        while (written < size) {
          written += 65_536;
          if (!response.write(Buffer.alloc(65_536, 120))) return response.once("drain", more);
        }
        response.end();
      };
      more();
    };
    const resident = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
    return using([() => upstream(flood), (up) => gateway(up, "--patience", "30")], async (_, server) => {
      const lazy = client(server);
      await once(lazy.socket, "connect");
      lazy.socket.pause();
      const before = resident(server.pid);
      lazy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await eventually(() => written > 0, "the upstream was asked");
      let seen = -1;
      while (seen !== written) {
        seen = written;
        await sleep(300);
      }
      assert.ok(written < size / 2, `${written} bytes were taken from the upstream`);
      assert.ok(resident(server.pid) - before < 16, `the gateway grew from ${before} to ${resident(server.pid)} MiB`);
      lazy.close();
    });
  });

  test("trailers pass both ways", () => {
    const trailers = [];
    const answer = (request, response) => {
      request.resume().on("end", () => {
        trailers.push(request.trailers);
        response.writeHead(200, { trailer: "x-sum" });
        response.write("body");
        response.addTrailers({ "x-sum": "42" });
        response.end();
      });
    };
    return using([() => upstream(answer), gateway], async (up, server) => {
      const received = await exchange(server, "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, te\r\nTrailer: x-up\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-up: 7\r\n\r\n");
      assert.match(received, /\r\n0\r\nx-sum: 42\r\n\r\n$/);
      assert.deepEqual({ ...trailers[0] }, { "x-up": "7" });
      assert.equal(up.requests[0].headers.te, "trailers");
    });
  });
});

describe("framing", () => {
  test("an answer to HEAD keeps its length and has no content", () =>
    using([() => upstream((_, response) => response.writeHead(200, { "content-length": 5 }).end()), gateway], async (_, server) => {
      const received = await exchange(server, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      assert.match(received, /content-length: 5\r\n/i);
      assert.match(received, /\r\n\r\n$/);
    }));

  for (const status of [204, 304]) {
    test(`${status} has no content and no invented length`, () =>
      using([() => upstream((_, response) => response.writeHead(status, { etag: '"x"' }).end()), gateway], async (_, server) => {
        const received = await exchange(server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert.match(received, new RegExp(`^HTTP/1.1 ${status} `));
        assert.match(received, /etag: "x"/);
        assert.doesNotMatch(received, /content-length|transfer-encoding/i);
      }));
  }

  test("an answer of HTTP/1.0 goes on in HTTP/1.1, chunked", () =>
    using([() => rawUpstream((socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nold")), gateway], async (_, server) => {
      const received = await exchange(server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      assert.match(received, /^HTTP\/1\.1 200[^]*via: 1\.0 donjon-[0-9a-f]{8}\r\n[^]*\r\n\r\n3\r\nold\r\n0\r\n\r\n$/);
    }));

  test("a client of HTTP/1.0 is answered without chunks", () =>
    using([() => upstream((_, response) => (response.write("a"), response.end("b"))), gateway], async (up, server) => {
      const received = await exchange(server, "GET / HTTP/1.0\r\n\r\n");
      assert.match(received, /\r\n\r\nab$/);
      assert.equal(up.requests[0].headers.host, up.host);
      assert.match(up.requests[0].headers.via, /^1\.0 /);
    }));

  test("one request with two ideas of its length does not become two", () =>
    using([() => upstream((request, response) => request.resume().on("end", () => response.end("one"))), gateway], async (up, server) => {
      const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
      for (const head of ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 50", "Transfer-Encoding: x, chunked\r\nContent-Length: 5", "Transfer-Encoding: chunked, x"]) {
        const socket = client(server);
        socket.send(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${head}\r\n\r\n0\r\n\r\n${smuggled}`);
        await socket.closed;
      }
      assert.deepEqual(up.requests.filter(({ url }) => url !== "/"), []);
    }));
});

describe("fields", () => {
  test("what belongs to one connection ends there, and the way is noted", () =>
    using([() => upstream((_, response) => response.writeHead(200, { connection: "x-secret", "x-secret": "1", "keep-alive": "timeout=9", "proxy-authenticate": "Basic", via: "1.1 origin", "x-kept": "1" }).end()), gateway], async (up, server) => {
      const received = await exchange(server, ["GET / HTTP/1.1", "Host: a.example:81", "Connection: close, x-mine", "X-Mine: 1", "Keep-Alive: 1", "TE: gzip", "Proxy-Authorization: Basic eDp5", "Proxy: http://evil", "Via: 1.0 fred", "Forwarded: for=10.0.0.1", 'Forwarded: for="x', "X-Forwarded-For: 10.0.0.9", "", ""].join("\r\n"));
      assert.match(received, /via: 1\.1 origin\r\nvia: 1\.1 donjon-[0-9a-f]{8}\r\n/);
      assert.match(received, /x-kept: 1/);
      assert.doesNotMatch(received, /x-secret|keep-alive|proxy-authenticate/i);
      const { headers } = up.requests[0];
      for (const name of ["x-mine", "keep-alive", "te", "proxy-authorization", "proxy", "transfer-encoding"]) assert.equal(headers[name], undefined, name);
      assert.match(headers.via, /^1\.0 fred, 1\.1 donjon-[0-9a-f]{8}$/);
      assert.equal(headers.forwarded, 'for=10.0.0.1, for=127.0.0.1;host="a.example:81";proto=http');
      assert.equal(headers["x-forwarded-for"], "127.0.0.1");
      assert.equal(headers["x-forwarded-proto"], "http");
      assert.equal(headers["x-forwarded-host"], "a.example:81");
      assert.equal(headers.host, "a.example:81");
    }));

  test("a request that goes round in a circle is stopped", () =>
    using([nobody, (free) => start("gateway", "--listen", free.host, "--upstream", free.url)], async (_, server) => {
      const response = await fetch(server.url);
      assert.equal(response.status, 502);
      assert.match((await response.json()).detail, /circle/);
    }));

  test("Max-Forwards counts down, and ends a request here", () =>
    using([() => upstream(echo), gateway], async (up, server) => {
      const options = ["OPTIONS * HTTP/1.1", "Host: a"];
      const further = await echoed(server, ...options, "Max-Forwards: 3");
      assert.deepEqual([further.url, further.headers["max-forwards"]], ["*", "2"]);
      const traced = await exchange(server, "TRACE /x HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n");
      assert.match(traced, /content-type: message\/http[^]*\r\n\r\nTRACE \/x HTTP\/1\.1\r\n/);
      assert.doesNotMatch(traced, /secret/);
      assert.equal((await asked(server, ...options, "Max-Forwards: 0")).status, 200);
      assert.equal(up.requests.length, 1);
    }));
});

describe("targets", () => {
  test("every form of a target is one target", () =>
    using([() => upstream(echo), gateway], async (_, server) => {
      const origin = await echoed(server, "GET /x?y=%2F HTTP/1.1", "Host: b");
      const absolute = await echoed(server, "GET http://b/x?y=%2F HTTP/1.1", "Host: other");
      for (const { url, headers } of [origin, absolute]) assert.deepEqual([url, headers.host], ["/x?y=%2F", "b"]);
    }));

  test("the base path of the upstream is put before, and not left", () =>
    using([() => upstream(echo), (up) => gateway({ url: `${up.url}/base/` })], async (up, server) => {
      assert.equal((await echoed(server, "GET /x//y?z HTTP/1.1", "Host: a")).url, "/base/x//y?z");
      for (const path of ["/../admin", "/%2e%2E/admin", "/x/..;/../admin"]) assert.equal((await asked(server, `GET ${path} HTTP/1.1`, "Host: a")).status, 400, path);
      assert.equal(up.requests.length, 1);
    }));

  for (const [name, lines, status] of [
    ["no host", ["GET / HTTP/1.1"], 400],
    ["two hosts", ["GET / HTTP/1.1", "Host: a", "Host: b"], 400],
    ["a host that is none", ["GET / HTTP/1.1", "Host: a/b"], 400],
    ["CONNECT", ["CONNECT a:443 HTTP/1.1", "Host: a:443"], 501],
  ]) {
    test(`${name}: ${status}`, () =>
      using([() => upstream(echo), gateway], async (up, server) => {
        assert.equal((await asked(server, ...lines)).status, status);
        assert.equal(up.requests.length, 0);
      }));
  }

  test("HTTP/2 in, HTTP/1.1 out", () =>
    using([() => upstream(echo), gateway], async (_, server) => {
      const session = connect2(server.url);
      const stream = session.request({ ":path": "/x", cookie: ["a=1", "b=2"], te: "trailers" });
      const [headers] = await once(stream, "response");
      let text = "";
      for await (const chunk of stream) text += chunk;
      session.close();
      assert.equal(headers[":status"], 200);
      const { url, version, headers: seen } = JSON.parse(text);
      assert.deepEqual([url, version, seen.cookie, seen.host, seen.te], ["/x", "1.1", "a=1; b=2", server.host, "trailers"]);
      assert.match(seen.via, /^2 donjon-/);
    }));
});

describe("interim answers", () => {
  const EXPECTING = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";

  test("the client is asked for its content when the upstream has asked", () =>
    using([() => rawUpstream((socket) => setTimeout(() => socket.write("HTTP/1.1 100 Continue\r\n\r\n"), 300)), gateway], async (up, server) => {
      const polite = client(server);
      polite.send(EXPECTING);
      await sleep(150);
      assert.equal(polite.received(), "");
      await polite.until(/^HTTP\/1\.1 100 /);
      polite.send("body");
      await eventually(() => up.heard[0].endsWith("body"), "the content arrived");
      polite.close();
    }));

  test("an upstream that refuses gets no content, and the client is not asked for it", () =>
    using([() => rawUpstream((socket) => socket.end("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")), gateway], async (up, server) => {
      const polite = client(server);
      polite.send(EXPECTING);
      assert.match(await polite.until(/\r\n\r\n/), /^HTTP\/1\.1 417/);
      polite.close();
      assert.match(up.heard[0], /expect: 100-continue/i);
    }));

  test("an upstream that knows nothing of it gets the content after a second", () =>
    using([() => rawUpstream(() => {}), (up) => gateway(up, "--patience", "5")], async (up, server) => {
      const polite = client(server);
      polite.send(EXPECTING);
      await polite.until(/^HTTP\/1\.1 100 /);
      polite.send("body");
      await eventually(() => up.heard[0].endsWith("body"), "the content arrived");
      polite.close();
    }));

  const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n";
  const FINAL = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
  const IN_ORDER = /^HTTP\/1\.1 102 Processing\r\nvia: [^]*?\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nlink: <\/x>; rel=preload\r\nvia: [^\r]*\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/;

  test("they are passed on as they come, before the final one", () =>
    using([() => rawUpstream((socket) => (socket.write(`HTTP/1.1 102 Processing\r\n\r\n${HINTS}`), setTimeout(() => socket.end(FINAL), 300))), gateway], async (_, server) => {
      const one = client(server);
      one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      assert.doesNotMatch(await one.until(/103[^]*\r\n\r\n/), /200|x-hop/i);
      assert.match(await one.until(/ok$/), IN_ORDER);
      one.close();
    }));

  test("they are passed on in order where all comes in one piece, request after request", () =>
    using([() => rawUpstream((socket) => socket.end(`HTTP/1.1 102 Processing\r\n\r\n${HINTS}${FINAL}`)), gateway], async (_, server) => {
      const one = client(server);
      for (let n = 1; n <= 20; n++) {
        one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        await eventually(() => one.received().split("\r\n\r\nok").length === n + 1, `answer ${n}`);
      }
      const answers = one.received().split(/(?<=\r\n\r\nok)/);
      assert.equal(answers.length, 20);
      for (const answer of answers) assert.match(answer, IN_ORDER);
      one.close();
    }));

  test("a client of HTTP/1.0 gets the final answer only, and so does one of HTTP/2", () =>
    using([() => rawUpstream((socket) => socket.end(`${HINTS}${FINAL}`)), gateway], async (_, server) => {
      assert.match(await exchange(server, "GET / HTTP/1.0\r\nHost: a\r\n\r\n"), /^HTTP\/1\.[01] 200[^]*ok$/);
      const session = connect2(server.url);
      const stream = session.request({ ":path": "/" });
      const [headers] = await once(stream, "response");
      assert.equal(headers[":status"], 200);
      stream.resume();
      await once(stream, "end");
      session.close();
    }));
});

describe("the program", () => {
  test("what is open when it is told to stop is answered first", () =>
    using([() => upstream((_, response) => (response.write("half"), setTimeout(() => response.end("whole"), 500))), gateway], async (_, server) => {
      const response = await fetch(server.url);
      const stopped = server.stop();
      assert.equal(await response.text(), "halfwhole");
      assert.equal(await stopped, 0);
    }));

  test("a wrong option ends with usage and 2", async () => {
    for (const args of [[], ["--upstream"], ["--upstream", "https://a"], ["--upstream", "http://a", "--profile", "bold"], ["--nothing"]]) {
      const { code, output } = await run(...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(output, /usage: gateway/);
    }
  });

  test("an address that cannot be had ends with 1 and says so", () =>
    using([() => upstream(echo)], async (taken) => {
      const { code, output } = await run("--upstream", "http://a", "--listen", taken.host);
      assert.equal(code, 1);
      assert.match(output, new RegExp(taken.host));
    }));
});

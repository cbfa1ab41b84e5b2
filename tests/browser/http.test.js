// The walks that a person makes with curl, and the ways to get them wrong.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connect2 } from "node:http2";
import { after, before, describe, test } from "node:test";
import { logIn, postJson, raw, run, start, untilHungUp } from "./showcase.js";

let server, token, cookie;
// An answer that takes a minute is none; how fast they are is for the benches.
const get = (path, headers = {}, init = {}) =>
  fetch(server.url + path, { headers, redirect: "manual", signal: AbortSignal.timeout(60_000), ...init });
const bearer = (value = token) => ({ authorization: `Bearer ${value}` });

before(async () => {
  server = await start();
  ({ token, cookie } = await logIn(server));
});
after(() => server?.stop());

/** What every answer of the app owes its reader. */
async function assertProblem(response, status) {
  assert.equal(response.status, status);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.match(response.headers.get("cache-control"), /no-store/);
  const problem = await response.json();
  assert.equal(problem.status, status);
  assert.equal(typeof problem.title, "string");
  return problem;
}

function tampered() {
  const at = token.length - 10;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

describe("login", () => {
  test("the right password is answered with a token, and a cookie out of a script's reach", async () => {
    const response = await postJson(server, "/login", { username: "demo", password: "demo" });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.match(response.headers.get("cache-control"), /no-store/);
    const body = await response.json();
    assert.equal(body.token_type, "Bearer");
    assert.equal(body.expires_in, 900);
    assert.equal(body.access_token.split(".").length, 3);
    const set = response.headers.getSetCookie();
    assert.equal(set.length, 1);
    assert.match(set[0], /; HttpOnly/);
    assert.match(set[0], /; SameSite=Strict/);
    assert.match(set[0], /; Max-Age=900/);
  });

  test("each login has its own token", async () => {
    assert.notEqual((await logIn(server)).token, (await logIn(server)).token);
  });

  test("a wrong password and an unknown user are told the same", async () => {
    const answers = [];
    for (const body of [
      { username: "demo", password: "wrong" },
      { username: "nobody", password: "demo" },
      { username: "", password: "" },
      { username: "demo", password: "demo\0" },
      { username: "Demo", password: "demo" },
    ]) {
      const response = await postJson(server, "/login", body);
      assert.equal(response.headers.getSetCookie().length, 0);
      answers.push(JSON.stringify(await assertProblem(response, 401)));
    }
    assert.equal(new Set(answers).size, 1);
  });

  const wrong = [
    ["no content type", { headers: {}, body: new Uint8Array([123, 125]) }, 415],
    ["a form", { headers: { "content-type": "application/x-www-form-urlencoded" }, body: "username=demo&password=demo" }, 415],
    ["text that a foreign page could send", { headers: { "content-type": "text/plain" }, body: '{"username":"demo","password":"demo"}' }, 415],
    ["no body", { body: "" }, 400],
    ["half of a document", { body: '{"username":"demo"' }, 400],
    ["something after the document", { body: '{"username":"demo","password":"demo"} x' }, 400],
    ["no UTF-8", { body: new Uint8Array([0x7b, 0xff, 0x7d]) }, 400],
    ["no password", { body: '{"username":"demo"}' }, 422],
    ["a number for a password", { body: '{"username":"demo","password":1}' }, 422],
    ["null", { body: "null" }, 422],
    ["a list", { body: "[]" }, 422],
    ["too much", { body: JSON.stringify({ username: "demo", password: "x".repeat(100_000) }) }, 413],
  ];
  for (const [name, { headers = { "content-type": "application/json" }, body }, status] of wrong) {
    test(`${name} is a ${status}`, async () => {
      const response = await get("/login", headers, { method: "POST", body });
      const problem = await assertProblem(response, status);
      assert.equal(response.headers.getSetCookie().length, 0);
      assert.doesNotMatch(JSON.stringify(problem), /serde|line \d|column|struct|axum/i);
    });
  }

  // A body that does not come as it was announced.
  const POST = (...fields) => ["POST /login HTTP/1.1", `Host: ${server.host}`, "Content-Type: application/json", ...fields];
  const told = (answer) => ({ status: answer.status, detail: JSON.parse(answer.body).detail });

  test("a body that comes too slowly is a 408", async () => {
    const answer = await raw(server, POST("Content-Length: 50"), '{"user');
    assert.deepEqual(told(answer), { status: 408, detail: "The login did not arrive in time." });
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
  });

  test("a body that is cut or framed wrong is not called other than JSON", async () => {
    for (const answer of [
      await raw(server, POST("Content-Length: 50"), '{"user', { end: true }),
      await raw(server, POST("Transfer-Encoding: chunked"), "ZZ\r\n"),
      await raw(server, POST("Transfer-Encoding: chunked"), '5\r\n{"use\r\n', { end: true }),
    ]) {
      assert.deepEqual(told(answer), { status: 400, detail: "The login did not arrive whole." });
    }
    const broken = await postJson(server, "/login", '{"user');
    assert.equal((await assertProblem(broken, 400)).detail, "This is not JSON.");
  });

  test("other methods are refused with the ones that are allowed", async () => {
    for (const method of ["GET", "PUT", "DELETE"]) {
      const response = await get("/login", {}, { method });
      await assertProblem(response, 405);
      assert.equal(response.headers.get("allow"), "POST");
    }
  });

  test("many at once are all answered, and the server stays awake", async () => {
    let answered = 0;
    const logins = Array.from({ length: 24 }, async () => {
      const { status } = await postJson(server, "/login", { username: "demo", password: "demo" });
      answered += 1;
      return status;
    });
    assert.equal((await get("/api/articles")).status, 200);
    assert.ok(answered < logins.length, "another request waited for all the hashing");
    assert.deepEqual(new Set(await Promise.all(logins)), new Set([200]));
  });

  test("logout takes the cookie away", async () => {
    const response = await get("/logout", { cookie }, { method: "POST" });
    assert.equal(response.status, 204);
    assert.match(response.headers.get("set-cookie"), /=; .*Max-Age=0/);
  });
});

describe("the protected endpoint", () => {
  test("without a token: 401, the bare challenge", async () => {
    for (const headers of [{}, { authorization: "Basic ZGVtbzpkZW1v" }, { cookie: "other=1" }]) {
      const response = await get("/api/me", headers);
      await assertProblem(response, 401);
      const challenge = response.headers.get("www-authenticate");
      assert.match(challenge, /^Bearer\b/);
      assert.doesNotMatch(challenge, /error/);
    }
  });

  test("with a bad token: 401, invalid_token", async () => {
    const [header, claims] = token.split(".");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    for (const bad of [tampered(), "x.y.z", "x", `${header}.${claims}.`, `${none}.${claims}.`]) {
      const response = await get("/api/me", bearer(bad));
      const problem = await assertProblem(response, 401);
      assert.match(response.headers.get("www-authenticate"), /^Bearer .*error="invalid_token"/);
      assert.ok(!JSON.stringify(problem).includes(bad) || bad === "x", "the token is not repeated");
    }
  });

  test("with a good one, as a header or as the cookie: 200", async () => {
    for (const headers of [bearer(), { authorization: `bearer ${token}` }, { cookie }, { cookie: `a=b; ${cookie}` }]) {
      const response = await get("/api/me", headers);
      assert.equal(response.status, 200);
      assert.match(response.headers.get("cache-control"), /private|no-store/);
      const me = await response.json();
      assert.equal(me.username, "demo");
      assert.ok(!JSON.stringify(me).includes(token));
    }
  });

  test("the header outranks the cookie that a browser adds by itself", async () => {
    assert.equal((await get("/api/me", { ...bearer(), cookie })).status, 200);
    assert.equal((await get("/api/me", { ...bearer(tampered()), cookie })).status, 401);
  });

  test("two tokens are not one: 400", async () => {
    const answer = await raw(server, ["GET /api/me HTTP/1.1", `Host: ${server.host}`, `Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`]);
    assert.equal(answer.status, 400);
    assert.match(answer.headers.get("www-authenticate"), /^Bearer .*error="invalid_request"/);
  });

  test("a refusal is a page for who asks for one", async () => {
    const response = await get("/api/me", { accept: "text/html" });
    assert.equal(response.status, 401);
    assert.match(response.headers.get("content-type"), /^text\/html/);
    assert.match(response.headers.get("www-authenticate"), /^Bearer/);
  });

  test("an enormous token is refused, not parsed", async () => {
    await assertProblem(await get("/api/me", bearer("a".repeat(12_000))), 401);
  });
});

describe("the articles", () => {
  test("come with a tag and are private", async () => {
    const response = await get("/api/articles", bearer());
    assert.equal(response.status, 200);
    assert.match(response.headers.get("etag"), /^(W\/)?"[^"]+"$/);
    assert.match(response.headers.get("cache-control"), /private/);
    assert.match(response.headers.get("vary"), /authorization/i);
    assert.match(response.headers.get("vary"), /cookie/i);
    const { reader, articles } = await response.json();
    assert.equal(reader, "demo");
    assert.ok(articles.length > 0);
  });

  test("the second time, with the tag: 304, the same tag, no body", async () => {
    for (const headers of [{}, bearer(), { cookie }]) {
      const tag = (await get("/api/articles", headers)).headers.get("etag");
      for (const condition of [tag, `W/${tag.replace("W/", "")}`, `"other", ${tag}`, "*"]) {
        const response = await get("/api/articles", { ...headers, "if-none-match": condition });
        assert.equal(response.status, 304, condition);
        assert.equal(response.headers.get("etag"), tag);
        assert.match(response.headers.get("cache-control"), /private/);
        assert.match(response.headers.get("vary"), /authorization/i);
        assert.equal(response.headers.get("content-length"), null);
        assert.equal(await response.text(), "");
      }
      assert.equal((await get("/api/articles", { ...headers, "if-none-match": '"other"' })).status, 200);
    }
  });

  test("readers have different ones, under different tags", async () => {
    const [anonymous, demo] = [await get("/api/articles"), await get("/api/articles", bearer())];
    assert.equal((await anonymous.json()).reader, null);
    assert.notEqual(anonymous.headers.get("etag"), demo.headers.get("etag"));
  });

  test("a bad token is no reader", async () => {
    const response = await get("/api/articles", bearer(tampered()));
    await assertProblem(response, 401);
    assert.match(response.headers.get("www-authenticate"), /invalid_token/);
    assert.equal((await get("/api/articles", { cookie: `${cookie}x` })).status, 401);
  });

  test("HEAD has no body, POST is not allowed", async () => {
    const head = await get("/api/articles", {}, { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), "");
    const post = await get("/api/articles", {}, { method: "POST" });
    await assertProblem(post, 405);
    assert.match(post.headers.get("allow"), /GET/);
  });
});

describe("failures", () => {
  const FAILURES = [
    ["panic", 500, "never"],
    ["error", 500, "never"],
    ["upstream", 502, "idempotent-only"],
    ["garbage", 502, "idempotent-only"],
    ["timeout", 504, "idempotent-only"],
    ["overload", 503, "safe"],
  ];
  // Words of the inner errors, of Rust and of its crates.
  const INNER = /vault|ledger|SSH|panicked|refused|127\.0\.0\.1|localhost|\.rs\b|hyper|tower|tokio|os error|elapsed|os\.|backtrace/i;

  for (const [name, status, retry] of FAILURES) {
    test(`${name} is a ${status}; retry: ${retry}`, async () => {
      for (const headers of [{}, bearer(), { cookie }]) {
        const response = await get(`/api/fail/${name}`, headers);
        const text = await response.clone().text();
        assert.doesNotMatch(text, INNER);
        assert.doesNotMatch(JSON.stringify([...response.headers]), INNER);
        const problem = await assertProblem(response, status);
        assert.equal(problem.retry, retry);
        assert.ok(problem.detail.length > 20, "it says what to do");
        if (status === 500) assert.match(problem.detail, /Do not send the same data again\.$/);
        if (status === 502) assert.match(problem.detail, /Trying again may work, if repeating the request does no harm\.$/);
        assert.equal(/nothing was carried out|did not begin/.test(problem.detail), retry === "safe");
        if (name === "overload") assert.match(response.headers.get("retry-after"), /^\d+$/);
      }
    });

    test(`${name} as a page`, async () => {
      const response = await get(`/api/fail/${name}`, { accept: "text/html,application/xhtml+xml,*/*;q=0.8" });
      assert.equal(response.status, status);
      assert.match(response.headers.get("content-type"), /^text\/html/);
      assert.match(response.headers.get("cache-control"), /no-store/);
      assert.equal(response.headers.get("x-content-type-options"), "nosniff");
      assert.match(response.headers.get("content-security-policy"), /default-src 'none'/);
      if (name === "overload") assert.match(response.headers.get("retry-after"), /^\d+$/);
      const page = await response.text();
      assert.match(page, /^<!doctype html>/i);
      assert.doesNotMatch(page.replace(/<style>.*?<\/style>/s, ""), INNER);
      assert.equal(page.match(/Do not send|Trying again/g).length, 1, "the advice is given once");
    });
  }

  test("an answer that breaks off never ends cleanly", async () => {
    const received = await untilHungUp(server, "GET /api/fail/cut HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert.match(received, /^HTTP\/1\.1 200 /);
    assert.match(received, /content-length: 90\r\n/i);
    assert.match(received, /\r\n\r\nThe first half of an answer, and then $/);
  });

  test("a body that panics never ends cleanly, and the server goes on", async () => {
    const received = await untilHungUp(server, "GET /api/fail/body-panic HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert.match(received, /^HTTP\/1\.1 200 /);
    assert.match(received, /The first half of an answer, and then \r\n$/);
    assert.doesNotMatch(received, /ledger|\r\n0\r\n/, "no last chunk");
    assert.equal((await get("/")).status, 200);
  });

  test("an upload beyond the limit is refused, one within it is read", async () => {
    const send = (body) => get("/api/fail/too-large", {}, { method: "POST", body });
    const problem = await assertProblem(await send("x".repeat(65)), 413);
    assert.deepEqual([problem.title, problem.retry], ["Content Too Large", "never"]);
    assert.equal(await (await send("x".repeat(64))).text(), "64 bytes, thank you");
  });

  test("a bare 404 is filled in", async () => {
    const problem = await assertProblem(await get("/api/fail/empty"), 404);
    assert.equal(problem.retry, "never");
  });

  test("a client of gRPC is told by trailers alone", async () => {
    const response = await get("/api/fail/grpc", { "content-type": "application/grpc" }, { method: "POST" });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "application/grpc");
    assert.equal(response.headers.get("grpc-status"), "14");
    assert.doesNotMatch(response.headers.get("grpc-message"), INNER);
    assert.equal(await response.text(), "");
  });

  test("a bad token is refused before anything can fail", async () => {
    await assertProblem(await get("/api/fail/panic", bearer("x.y.z")), 401);
  });

  test("after them all the server still serves", async () => {
    await Promise.all(FAILURES.flatMap(([name]) => [0, 1, 2].map(() => get(`/api/fail/${name}`))));
    assert.equal((await get("/")).status, 200);
  });

  test("an unknown failure is not found", async () => {
    await assertProblem(await get("/api/fail/nothing"), 404);
  });
});

describe("a gateway", () => {
  const within = (response) => {
    const [, sent, arrived, circuit] = /^sent=(\d+), arrived=(\d+), circuit=([a-z-]+)$/.exec(response.headers.get("showcase-upstream"));
    return { sent: Number(sent), arrived: Number(arrived), circuit };
  };
  // Status, Proxy-Status, advice, and how often a GET and a POST are sent and arrive.
  const FAULTS = {
    refused: [502, "error=connection_refused", "safe", [3, 0], [3, 0]],
    "hang-up": [502, "error=http_response_incomplete", "idempotent-only", [3, 3], [1, 1]],
    garbage: [502, "error=http_protocol_error", "idempotent-only", [3, 3], [1, 1]],
    slow: [504, "error=http_response_timeout", "idempotent-only", [3, 3], [1, 1]],
    error: [500, "received-status=500", "never", [1, 1], [1, 1]],
    busy: [503, "received-status=503", "idempotent-only", [3, 3], [1, 1]],
  };
  // Every test has upstreams that have not failed yet.
  let fresh;
  before(async () => (fresh = await start()));
  after(() => fresh?.stop());

  for (const [name, [status, told, retry, ...counts]] of Object.entries(FAULTS)) {
    for (const [index, method] of ["GET", "POST"].entries()) {
      test(`${method} ${name} is a ${status}, sent ${counts[index][0]} times; retry: ${retry}`, async () => {
        const response = await fetch(`${fresh.url}/upstream/${name}`, { method, body: method === "POST" ? "one order" : undefined });
        const { sent, arrived } = within(response);
        assert.deepEqual([sent, arrived], counts[index]);
        assert.equal(response.headers.get("proxy-status"), `showcase; ${told}`);
        assert.equal(response.headers.get("retry-after"), name === "busy" ? "1" : null);
        const problem = await assertProblem(response, status);
        assert.equal(problem.retry, retry);
        assert.doesNotMatch(JSON.stringify(problem), /SSH|127\.0\.0\.1|hyper|tower|os error/i);
      });
    }
  }

  test("an upstream that fails once has answered a GET, and not a POST", async () => {
    const answered = await get("/upstream/flaky");
    assert.deepEqual([answered.status, within(answered).sent, within(answered).arrived], [200, 2, 2]);
    assert.equal(await answered.text(), "At the second attempt.");
    const failed = await get("/upstream/flaky", {}, { method: "POST", body: "one order" });
    assert.deepEqual([failed.status, within(failed).sent], [502, 1]);
  });

  test("an answer that breaks off is not asked for again, and never ends cleanly", async () => {
    const received = await untilHungUp(server, "GET /upstream/cut HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert.match(received, /^HTTP\/1\.1 200 /);
    assert.match(received, /showcase-upstream: sent=1, arrived=1, circuit=closed\r\n/);
    assert.match(received, /\r\n\r\nThe first half of an answer, and then $/);
  });

  test("one that keeps failing is left alone, and the others are not", async () => {
    const states = [];
    for (let press = 0; press < 3; press += 1) {
      const response = await get("/upstream/hang-up");
      states.push([response.status, within(response).arrived, within(response).circuit, response.headers.get("proxy-status")]);
      if (press < 2) continue;
      assert.match(response.headers.get("retry-after"), /^[345]$/);
      assert.equal((await assertProblem(response, 503)).retry, "safe");
    }
    assert.deepEqual(states, [
      [502, 3, "closed", "showcase; error=http_response_incomplete"],
      [502, 3, "open", "showcase; error=http_response_incomplete"],
      [503, 0, "open", "showcase; error=destination_unavailable"],
    ]);
    assert.equal(within(await get("/upstream/error")).circuit, "closed");
  });

  test("as a page it says the same", async () => {
    const response = await get("/upstream/garbage", { accept: "text/html" });
    assert.equal(response.status, 502);
    assert.match(response.headers.get("content-type"), /^text\/html/);
    assert.equal(response.headers.get("proxy-status"), "showcase; error=http_protocol_error");
  });

  test("only GET and POST are passed on", async () => {
    await assertProblem(await get("/upstream/error", {}, { method: "PUT" }), 405);
  });
});

describe("what is not there", () => {
  for (const path of ["/nothing", "/api", "/assets/", "/assets/nothing.js", "/assets/..%2fmain.rs", "/assets/%00", "/gallery/images/0.svg", "/gallery/images/61.svg", "/gallery/images/07.svg", "/gallery/images/x", "/%ff", "/assets/%ff", "/gallery/images/%ff", "/gallery/images/1.svg%ff", "/api/fail/%ff", "/upstream/", "/upstream/nothing", "/upstream/%ff"]) {
    test(`${path} is a 404 problem`, async () => {
      await assertProblem(await get(path), 404);
    });
  }

  test("for a browser it is a page that repeats nothing", async () => {
    const response = await get("/<script>alert(1)</script>", { accept: "text/html" });
    assert.equal(response.status, 404);
    assert.doesNotMatch(await response.text(), /<script>/);
  });
});

describe("the page, its assets and the gallery", () => {
  test("the page loads nothing from elsewhere", async () => {
    const response = await get("/");
    assert.equal(response.status, 200);
    assert.match(response.headers.get("content-type"), /^text\/html/);
    assert.match(response.headers.get("content-security-policy"), /default-src 'none'/);
    assert.doesNotMatch(response.headers.get("content-security-policy"), /unsafe|\*/);
    const page = await response.text();
    assert.doesNotMatch(page, /(src|href)="(https?:)?\/\//);
    assert.doesNotMatch(page, /<style|<script>|\sstyle=|\son\w+=/);
    for (const [, path] of page.matchAll(/(?:src|href)="(\/[^"#]*)/g)) {
      if (/^\/(api|upstream)\//.test(path)) continue;
      assert.equal((await get(path)).status, 200, path);
    }
  });

  const TYPES = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml" };
  for (const name of ["app.js", "chat.js", "exchange.js", "failures.js", "session.js", "upstream.js", "style.css", "icon.svg"]) {
    test(`/assets/${name} has its type, a tag and a policy`, async () => {
      const response = await get(`/assets/${name}`);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("content-type"), TYPES[name.split(".")[1]]);
      assert.equal(response.headers.get("x-content-type-options"), "nosniff");
      assert.match(response.headers.get("cache-control"), /no-cache/);
      const tag = response.headers.get("etag");
      const again = await get(`/assets/${name}`, { "if-none-match": tag });
      assert.equal(again.status, 304);
      assert.equal(again.headers.get("etag"), tag);
    });
  }

  test("the gallery has sixty pictures whose sizes are true", async () => {
    const response = await get("/gallery");
    assert.match(response.headers.get("content-security-policy"), /default-src 'none'/);
    const images = [...(await response.text()).matchAll(/<img([^>"]*) src="(\/gallery\/[^"]+)" width="(\d+)" height="(\d+)" alt="([^"]+)"/g)];
    assert.equal(images.length, 60);
    assert.equal(new Set(images.map(([, , source]) => source)).size, 60);
    assert.equal(images.filter(([, added]) => added.includes("loading=lazy")).length, 56);
    const drawings = new Set();
    for (const [, , source, width, height] of images) {
      const image = await get(source);
      assert.equal(image.status, 200);
      assert.equal(image.headers.get("content-type"), "image/svg+xml");
      assert.match(image.headers.get("cache-control"), /max-age=\d{4,}/);
      assert.match(image.headers.get("etag"), /^(W\/)?"/);
      const drawing = await image.text();
      assert.ok(drawing.startsWith(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"`));
      drawings.add(drawing);
    }
    assert.equal(drawings.size, 60);
  });
});

describe("connections", () => {
  const GET = () => `GET / HTTP/1.1\r\nHost: ${server.host}\r\n`;

  test("who never comes to the end of a header is hung up on", { timeout: 60_000 }, async () => {
    const starts = ["", "G", "PRI * HTTP/2.0\r\n", `${GET()}X: `, `${GET()}\r\n${GET()}X: `];
    const ends = await Promise.all(starts.map((text) => untilHungUp(server, text)));
    assert.deepEqual(ends.slice(0, 4), ["", "", "", ""]);
    assert.equal(ends[4].match(/HTTP\/1\.1 200/g).length, 1, "the first request was answered");
  });

  test("half a header does not keep the server from stopping", async () => {
    const other = await start();
    const waiting = untilHungUp(other, `GET / HTTP/1.1\r\nHost: ${other.host}\r\nX: `);
    assert.equal((await fetch(other.url)).status, 200);
    assert.equal(await other.stop("SIGTERM"), 0);
    assert.equal(await waiting.catch(() => ""), "");
  });

  test("HTTP/2 is spoken to who begins with it", async () => {
    const client = connect2(server.url);
    const stream = client.request({ ":path": "/api/me", authorization: `Bearer ${token}` });
    const [headers] = await once(stream, "response");
    assert.equal(headers[":status"], 200);
    stream.resume();
    await once(stream, "end");
    client.close();
  });
});

describe("the command line", () => {
  test("a wrong option ends with usage and 2", async () => {
    for (const args of [["--nothing"], ["--listen"], ["127.0.0.1:0"]]) {
      const { code, output } = await run(...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(output, /--listen/);
    }
  });

  test("an address that cannot be had ends with 1 and says so", async () => {
    const { code, output } = await run("--listen", server.host);
    assert.equal(code, 1);
    assert.match(output, new RegExp(server.host));
    assert.doesNotMatch(output, /panicked/);
  });

  test("--help ends with 0", async () => {
    const { code, output } = await run("--help");
    assert.equal(code, 0);
    assert.match(output, /127\.0\.0\.1:3000/);
  });
});

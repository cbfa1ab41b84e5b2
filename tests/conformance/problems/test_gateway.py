"""The errors of a gateway, in every form, and those of the whole stack that have a challenge or a bound; read as those of the example are."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import http_sf
import pytest
from answers import FORMS, exchange, fields_of, lint, read_problem
from server import Server
from upstream import Upstream

HALF = {"method": "POST", "body": b"half", "headers": {"content-length": "10"}}
# The upstream, the request, and what comes of it: the status and the error type of RFC 9209 §2.3.
FAILURES = {
    "nobody listens": ("refused", {}, 502, "connection_refused"),
    "it speaks another language": ("garbage", {}, 502, "http_protocol_error"),
    "it hangs up": ("closed before the head", {}, 502, "http_response_incomplete"),
    "it is silent": ("silent", {}, 504, "http_response_timeout"),
    "the client cuts its upload": ("working", {**HALF, "ends": True}, 400, "http_request_error"),
    "the client is silent in its upload": ("working", HALF, 408, "http_request_error"),
    "no host": ("working", {"headers": {"host": "a/b"}}, 400, None),
    "a tunnel": ("working", {"method": "CONNECT"}, 501, None),
}
UPSTREAMS = sorted({upstream for upstream, *_ in FAILURES.values()})
# What a gateway calls itself, in `Via` and here: each process has its own name, by which it knows a request that comes round to it.
OURS = re.compile("donjon-[0-9a-f]{8}")
# More requests than are looked at before the circuit opens.
WINDOW = 64


@pytest.fixture(scope="module")
def gateways():
    """One for each upstream, by its fault."""
    servers, upstreams = {}, [Upstream(fault) for fault in UPSTREAMS]
    for upstream in upstreams:
        servers[upstream.fault] = gateway(f"http://127.0.0.1:{upstream.port}")
        if upstream.fault != "working":
            upstream.break_down()
    yield servers
    for stopped in [*servers.values(), *upstreams]:
        stopped.stop()


def gateway(upstream):
    return Server("gateway", "--upstream", upstream, "--patience", "1")


@pytest.fixture(scope="module")
def showcase():
    server = Server("showcase")
    yield server
    server.stop()


def ask(server, accept, method="GET", path="/", headers=None, **request):
    asked = {"accept": accept, **(headers or {})}
    response, content = exchange(server, method, path, asked, **request)
    notes = lint(method, server.url + path, asked, response.status, response.getheaders(), content)
    return response, content, notes


def members(response):
    """The members of Proxy-Status, by another reader of structured fields; the gateway's own under the name `ours`."""
    field = ", ".join(response.headers.get_all("proxy-status", []))
    return [(OURS.sub("ours", str(name)), {key: value if isinstance(value, int) else str(value) for key, value in parameters.items()}) for name, parameters in http_sf.parse(field.encode(), tltype="list")]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("accept", FORMS)
def test_a_failure_is_told_in_the_form_that_was_asked_for(gateways, judge, failure, accept):
    upstream, request, status, error = FAILURES[failure]
    response, content, notes = ask(gateways[upstream], accept, **request)
    read_problem(response, content, accept, status)
    assert members(response) == ([("ours", {"error": error})] if error else [])
    judge(f"gateway, {failure}, {accept[:24]} {status}", notes)


@pytest.mark.parametrize("failure", [failure for failure, (_, request, *_) in FAILURES.items() if "method" not in request])
@pytest.mark.parametrize("accept", FORMS)
def test_head_is_get_without_content(gateways, judge, failure, accept):
    upstream, request, status, _ = FAILURES[failure]
    one, content, _ = ask(gateways[upstream], accept, **request)
    two, nothing, notes = ask(gateways[upstream], accept, **request, method="HEAD")
    assert (one.status, two.status, nothing, fields_of(two)) == (status, status, b"", fields_of(one))
    assert int(two.getheader("content-length")) == len(content)
    judge(f"gateway, HEAD, {failure}, {accept[:24]} {status}", notes)


@pytest.mark.parametrize("accept", FORMS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_an_open_circuit(judge, accept, method):
    upstream = Upstream("refused")
    server = gateway(f"http://127.0.0.1:{upstream.port}")
    try:
        upstream.break_down()
        statuses = [ask(server, accept)[0].status for _ in range(WINDOW)]
        assert set(statuses) == {502, 503} and statuses == sorted(statuses), "refused, and then spared"
        response, content, notes = ask(server, accept, method=method)
    finally:
        server.stop()
        upstream.stop()
    if method == "HEAD":
        assert (response.status, response.getheader("content-type"), content) == (503, FORMS[accept], b"")
    else:
        problem = read_problem(response, content, accept, 503)
        assert problem is None or problem["retry"] == "safe"
    assert members(response) == [("ours", {"error": "destination_unavailable"})]
    assert 1 <= int(response.getheader("retry-after")) <= 5
    judge(f"gateway, {method}, an open circuit, {accept[:24]} 503", notes)


class Unwell(BaseHTTPRequestHandler):
    """An upstream that says what is wrong with it, by a status and by what it has heard itself."""

    def do_GET(self):
        status, _, heard = self.path.strip("/").partition("/")
        self.send_response(int(status))
        for line in filter(None, heard.split("+")):
            self.send_header("Proxy-Status", line.replace("_error", "; error=").replace("-of-", "_"))
        self.send_header("Content-Length", "4")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"four")

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def extending():
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Unwell)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    server = gateway(f"http://127.0.0.1:{upstream.server_port}")
    yield server
    server.stop()
    upstream.shutdown()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status,heard,expected", [
    (503, "", []),
    (500, "", []),
    (503, "far_errordns-of-error", [("far", {"error": "dns_error"})]),
    (200, "far", [("far", {})]),
    (504, "a_errorconnection-of-timeout+b", [("a", {"error": "connection_timeout"}), ("b", {})]),
])
def test_what_an_upstream_says_is_extended(extending, judge, method, status, heard, expected):
    response, content, notes = ask(extending, "*/*", method=method, path=f"/{status}/{heard}")
    assert (response.status, content) == (status, b"four" if method == "GET" else b"")
    assert members(response) == [*expected, ("ours", {"received-status": status})]
    (name,) = OURS.findall(response.getheader("proxy-status"))
    assert response.getheader("via").endswith(f" {name}"), "one name for each field that names the gateway"
    judge(f"gateway, {method}, extended, {status} {heard}", notes)


@pytest.mark.parametrize("accept", FORMS)
@pytest.mark.parametrize("name,path,request_,status", [
    ("a challenge", "/api/me", {}, 401),
    ("a challenge, a bad token", "/api/me", {"headers": {"authorization": "Bearer a.b.c"}}, 401),
    ("a bound", "/api/fail/too-large", {"method": "POST", "body": b"x" * 100_000}, 413),
    ("an upstream's garbage", "/api/fail/garbage", {}, 502),
])
def test_of_the_whole_stack(showcase, judge, accept, name, path, request_, status):
    response, content, notes = ask(showcase, accept, path=path, **request_)
    read_problem(response, content, accept, status)
    assert (response.getheader("www-authenticate") is not None) == (status == 401)
    assert response.getheader("proxy-status") is None, "an origin sends none (RFC 9209 §2)"
    judge(f"showcase, {name}, {accept[:24]} {status}", notes)


@pytest.mark.parametrize("accept", FORMS)
def test_head_of_a_challenge(showcase, judge, accept):
    one, content, _ = ask(showcase, accept, path="/api/me")
    two, nothing, notes = ask(showcase, accept, path="/api/me", method="HEAD")
    assert (two.status, nothing, fields_of(two)) == (401, b"", fields_of(one))
    assert int(two.getheader("content-length")) == len(content)
    judge(f"showcase, HEAD, a challenge, {accept[:24]} 401", notes)

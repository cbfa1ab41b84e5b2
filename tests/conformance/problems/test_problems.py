"""Every failure of the example, in every form, read by software that knows nothing of it."""

import json
import re
import subprocess

import pytest
from answers import FORMS, HTML, PROBLEM, TEXT, exchange, fields_of, lint, read_problem

FAILURES = [
    ("GET", "/fail/panic", 500),
    ("GET", "/fail/error", 500),
    ("GET", "/fail/order", 402),
    ("GET", "/fail/upstream", 502),
    ("GET", "/fail/timeout", 504),
    ("GET", "/fail/overload", 503),
    ("GET", "/nowhere", 404),
    ("POST", "/ok", 405),
]


@pytest.mark.parametrize("method,path,status", FAILURES)
@pytest.mark.parametrize("accept", FORMS)
def test_answer(example, judge, method, path, status, accept):
    asked = {"accept": accept, "x-request-id": "abc-1"}
    response, content = exchange(example, method, path, asked)
    problem = read_problem(response, content, accept, status)
    assert response.getheader("x-request-id") == "abc-1"
    assert problem is None or problem["request_id"] == "abc-1"
    if FORMS[accept] in (HTML, TEXT):
        assert "Reference: abc-1" in content.decode()
    judge(f"{method} {path} {accept[:24]} {status}", lint(method, example.url + path, asked, status, response.getheaders(), content))


@pytest.mark.parametrize("path,status", [(path, status) for method, path, status in FAILURES if method == "GET"])
def test_head_is_get_without_content(example, judge, path, status):
    asked = {"x-request-id": "abc-1"}
    one, content = exchange(example, "GET", path, asked)
    two, nothing = exchange(example, "HEAD", path, asked)
    assert (two.status, nothing, fields_of(two)) == (status, b"", fields_of(one))
    assert int(two.getheader("content-length")) == len(content)
    judge(f"HEAD {path} {status}", lint("HEAD", example.url + path, asked, status, two.getheaders(), b""))


def test_members(example):
    _, content = exchange(example, "GET", "/fail/order", {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
    problem = json.loads(content)
    assert problem["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert problem["type"] == "https://shop.example/problems/out-of-credit" and problem["credit"] == 30


def test_a_405_keeps_its_methods(example):
    response, _ = exchange(example, "POST", "/ok", {})
    assert response.getheader("allow") == "GET,HEAD"


@pytest.mark.parametrize("path,told_as", [("/fail/body", "the body of a response failed"), ("/fail/body-panic", "a panic was caught")])
def test_a_cut_message_is_seen_and_logged_by_its_id(example, path, told_as):
    """curl's exit code 18 is a transfer that was closed with data outstanding."""
    curl = ["curl", "-q", "--noproxy", "*", "-s", "-D", "-", example.url + path]
    done = subprocess.run(curl, capture_output=True, text=True, timeout=10)
    assert done.returncode == 18, done
    assert "the beginning of something" in done.stdout
    name = re.search(r"x-request-id: (\w{32})", done.stdout)[1]
    told = [line for line in example.log().splitlines() if name in line]
    assert len(told) == 1 and told_as in told[0], told
    assert exchange(example, "GET", "/ok", {})[0].status == 200, "the server goes on"


def test_nothing_inside_is_outside(example):
    canary = "c4n4ry<script>"
    for method, path, status in FAILURES:
        for accept in [*FORMS, canary]:
            headers = {name: canary for name in ["x-request-id", "traceparent", "cookie", "referer", "user-agent"]} | {"accept": accept}
            response, content = exchange(example, method, f"{path}?q=c4n4ry%3Cscript%3E", headers)
            assert response.status == status, path
            seen = (str(response.getheaders()) + content.decode()).lower()
            for secret in ["c4n4ry", "nobody outside reads this", "account 12", "127.0.0.1", "hyper"]:
                assert secret not in seen, (path, accept, seen)


def test_the_judges_can_say_no(judge):
    """What is plainly wrong is found, or the suite could not fail."""
    assert not PROBLEM.is_valid({"type": 1, "status": "500"})
    assert not PROBLEM.is_valid({"type": "a b"}), "a URI reference has no space"
    wrong = [("Content-Length", "5"), ("Retry-After", "soon"), ("Content-Type", "text/html")]
    date = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
    for fields in [wrong, [("Proxy-Status", "192.0.2.1; error=Dns Error")], [("Proxy-Status", "gw; received-status=five")]]:
        notes = lint("GET", "http://localhost/", {}, 503, [date, *fields], b"four")
        with pytest.raises(AssertionError):
            judge("a wrong answer", notes)
    right = lint("GET", "http://localhost/", {}, 503, [date, ("Proxy-Status", "gw; error=dns_error")], b"four")
    assert "bad" not in {level for level, _ in right}
    from judge import RECORD

    RECORD.pop("a wrong answer", None)

"""Every failure of the example, in every form, read by software that knows nothing of it."""

import http.client
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from httplint import HttpRequestLinter, HttpResponseLinter
from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parent / "rfc9457.json").read_text())
Draft202012Validator.check_schema(SCHEMA)
PROBLEM = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)

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
FORMS = {
    "*/*": "application/problem+json",
    "application/problem+json": "application/problem+json",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "text/html; charset=utf-8",
    "text/plain": "text/plain; charset=utf-8",
    "image/png": "application/problem+json",
}


def exchange(example, method, path, headers):
    connection = http.client.HTTPConnection(urlsplit(example.url).netloc, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def raw(fields):
    return [(name.encode(), value.encode()) for name, value in fields]


def lint(method, url, asked, status, fields, content):
    request = HttpRequestLinter()
    request.process_request_topline(method.encode(), url.encode(), b"HTTP/1.1")
    request.process_headers(raw(asked.items()))
    request.finish_content(True)
    response = HttpResponseLinter(no_content=method == "HEAD", _related=request)
    response.process_response_topline(b"HTTP/1.1", str(status).encode(), http.client.responses[status].encode())
    response.process_headers(raw(fields))
    response.feed_content(content)
    response.finish_content(True)
    return [(note.level.value, type(note).__name__) for note in response.notes]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href", "style")], (tag, attrs)


@pytest.mark.parametrize("method,path,status", FAILURES)
@pytest.mark.parametrize("accept", FORMS)
def test_answer(example, judge, method, path, status, accept):
    asked = {"accept": accept, "x-request-id": "abc-1"}
    response, content = exchange(example, method, path, asked)
    assert response.status == status, content
    assert response.getheader("content-type") == FORMS[accept]
    assert response.getheader("cache-control") == "no-store"
    assert response.getheader("x-request-id") == "abc-1"
    text = content.decode()
    if FORMS[accept].startswith("application/"):
        problem = json.loads(text)
        PROBLEM.validate(problem)
        assert problem["status"] == status
        assert problem["request_id"] == "abc-1"
    elif FORMS[accept].startswith("text/html"):
        assert {"html", "title", "main", "h1"} <= set(Page(text).tags) and "script" not in text
        assert "Reference: abc-1" in text
    else:
        assert text.startswith(f"{status} ") and "Reference: abc-1" in text
    judge(f"{method} {path} {accept[:24]} {status}", lint(method, example.url + path, asked, status, response.getheaders(), content))


@pytest.mark.parametrize("path,status", [(path, status) for method, path, status in FAILURES if method == "GET"])
def test_head_is_get_without_content(example, judge, path, status):
    asked = {"x-request-id": "abc-1"}
    one, content = exchange(example, "GET", path, asked)
    two, nothing = exchange(example, "HEAD", path, asked)
    fields = lambda response: {(name, value) for name, value in response.getheaders() if name != "date"}
    assert (two.status, nothing, fields(two)) == (status, b"", fields(one))
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
    notes = lint("GET", "http://localhost/", {}, 503, wrong, b"four")
    with pytest.raises(AssertionError):
        judge("a wrong answer", notes)
    from judge import RECORD

    RECORD.pop("a wrong answer", None)

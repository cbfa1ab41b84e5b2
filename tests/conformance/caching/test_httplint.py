"""httplint's reading of what REDbot does not ask for: writes, refusals, 304 and HEAD."""

import http.client
from urllib.parse import urlsplit

import pytest
from httplint import HttpRequestLinter, HttpResponseLinter

STALE = {"if-match": '"stale"'}
CREATE = {"if-none-match": "*"}
# In this order: each finds what the ones before have left.
EXCHANGES = [
    ("HEAD", "/", {}, 200),
    ("HEAD", "/items/a", {}, 200),
    ("HEAD", "/items/none", {}, 404),
    ("GET", "/", {"if-none-match": "*"}, 304),
    ("GET", "/items/a", {"if-none-match": "*"}, 304),
    ("HEAD", "/items/a", {"if-none-match": "*"}, 304),
    ("GET", "/items/a", {"if-modified-since": "Fri, 31 Dec 2100 23:59:59 GMT"}, 304),
    ("GET", "/items/a", STALE, 412),
    ("GET", "/items/a", {"if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 412),
    ("GET", "/big?bytes=1000", {"range": "bytes=10-19"}, 206),
    ("GET", "/big?bytes=1000", {"range": "bytes=10-19,500-509"}, 206),
    ("GET", "/big?bytes=1000", {"range": "bytes=-10"}, 206),
    ("GET", "/big?bytes=1000", {"range": "bytes=1000-"}, 416),
    ("GET", "/big?bytes=3000000", {"range": "bytes=2999999-"}, 206),
    ("GET", "/items/a", {"range": "bytes=0-0", "if-range": '"stale"'}, 200),
    ("HEAD", "/assets/app.js", {}, 200),
    ("HEAD", "/assets/app.js", {"accept-encoding": "br"}, 200),
    ("GET", "/assets/app.js", {"accept-encoding": "gzip"}, 200),
    ("GET", "/assets/app.js", {"accept-encoding": "br"}, 200),
    ("GET", "/assets/app.js", {"accept-encoding": "br", "if-none-match": "*"}, 304),
    ("GET", "/assets/app.js", {"range": "bytes=0-9"}, 206),
    ("GET", "/assets/app.js", {"range": "bytes=100000-"}, 416),
    ("GET", "/assets/app.js", STALE, 412),
    ("GET", "/assets/site.css", {"accept-encoding": "identity;q=0"}, 406),
    ("PUT", "/assets/app.js", {}, 405),
    ("PUT", "/items/b", CREATE, 201),
    ("PUT", "/items/b", CREATE, 412),
    ("PUT", "/items/b", STALE, 412),
    ("PUT", "/items/b", {"if-match": "*"}, 204),
    ("DELETE", "/items/b", STALE, 412),
    ("DELETE", "/items/b", {}, 204),
    ("DELETE", "/items/b", {}, 404),
    ("POST", "/items/a", {}, 405),
    ("GET", "/big?bytes=x", {}, 400),
]


def lint(method, url, asked, status, fields, content):
    raw = lambda fields: [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    request = HttpRequestLinter()
    request.process_request_topline(method.encode(), url.encode(), b"1.1")
    request.process_headers(raw(asked.items()))
    request.finish_content(True)
    response = HttpResponseLinter()
    response.request = request
    response.is_head_response = method == "HEAD"
    response.process_response_topline(b"1.1", str(status).encode())
    response.process_headers(raw(fields))
    response.feed_content(content)
    response.finish_content(True)
    return [[note.level.value, "httplint", type(note).__name__] for note in response.notes]


@pytest.mark.parametrize("method,path,asked,status", EXCHANGES)
def test_exchange(example, judge, method, path, asked, status):
    connection = http.client.HTTPConnection(urlsplit(example.url).netloc, timeout=10)
    connection.request(method, path, body="two" if method in ("PUT", "POST") else None, headers=asked)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    assert response.status == status, (response.status, content)
    notes = lint(method, example.url + path, asked, status, response.getheaders(), content)
    if response.getheader("content-type", "").startswith("multipart/byteranges"):
        # Here Content-Range stands before each part, and must not stand in the head (RFC 9110 §15.3.7.2). httplint wants it there.
        notes = [note for note in notes if note[-1] != "PARTIAL_WITHOUT_RANGE"]
    conditions = "".join(f" {name}: {value}" for name, value in asked.items())
    judge(f"httplint {method} {path}{conditions} {status}", notes)

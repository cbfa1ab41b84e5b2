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
    ("HEAD", "/assets/site.css", {}, 200),
    ("GET", "/assets/site.css", {"if-none-match": "*"}, 304),
    ("GET", "/assets/site.css", {"range": "bytes=0-9"}, 206),
    ("GET", "/assets/site.css", {"range": "bytes=999-"}, 416),
    ("GET", "/assets/site.css", STALE, 412),
    ("GET", "/assets/site.css", {"accept-encoding": "identity;q=0"}, 406),
    ("POST", "/assets/site.css", {}, 405),
    ("HEAD", "/items/a", {"if-none-match": "*"}, 304),
    ("GET", "/items/a", {"if-modified-since": "Fri, 31 Dec 2100 23:59:59 GMT"}, 304),
    ("GET", "/items/a", STALE, 412),
    ("GET", "/items/a", {"if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 412),
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
    judge(f"httplint {method} {path} {' '.join(asked)} {status}", notes)

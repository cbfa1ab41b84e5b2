"""Asking for an answer, and reading it by software that knows nothing of who gave it."""

import http.client
import json
import socket
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

from httplint import HttpRequestLinter, HttpResponseLinter
from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parent / "rfc9457.json").read_text())
Draft202012Validator.check_schema(SCHEMA)
PROBLEM = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)

# Warnings that are meant: a 400 is the client's fault, and of a success an upstream may leave unsaid how long it is fresh.
MEANT = {"STATUS_BAD_REQUEST", "FRESHNESS_HEURISTIC"}
JSON, HTML, TEXT = "application/problem+json", "text/html; charset=utf-8", "text/plain; charset=utf-8"
FORMS = {
    "*/*": JSON,
    "application/problem+json": JSON,
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": HTML,
    "text/plain": TEXT,
    "image/png": JSON,
}


def exchange(server, method, path, headers, body=None, ends=False):
    """One request and its answer. `ends` says that the client sends no more, whatever it has promised."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.request(method, path, body=body, headers=headers)
    if ends:
        connection.sock.shutdown(socket.SHUT_WR)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def raw(fields):
    return [(name.encode(), value.encode()) for name, value in fields]


def level(note):
    """Of an answer that is generated a warning is as bad."""
    unmeant = note.level.value == "warning" and type(note).__name__ not in MEANT
    return "bad" if unmeant else note.level.value


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
    return [(level(note), type(note).__name__) for note in response.notes]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href", "style")], (tag, attrs)


def read_problem(response, content, accept, status):
    """That it is an error of this status in the form that was asked for, and the problem if the form is JSON."""
    assert response.status == status, content
    assert response.getheader("content-type") == FORMS[accept]
    assert response.getheader("cache-control") == "no-store"
    assert response.getheader("x-content-type-options") == "nosniff"
    text = content.decode()
    if FORMS[accept] == JSON:
        problem = json.loads(text)
        PROBLEM.validate(problem)
        assert problem["status"] == status
        return problem
    if FORMS[accept] == HTML:
        assert {"html", "title", "main", "h1"} <= set(Page(text).tags) and "script" not in text
    else:
        assert text.startswith(f"{status} ")
    return None


def fields_of(response):
    """What has to be alike in two answers to the same."""
    return sorted((name, value) for name, value in response.getheaders() if name not in ("date", "retry-after"))

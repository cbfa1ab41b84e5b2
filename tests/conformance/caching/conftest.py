import gzip
import re
from collections import Counter

import brotli
import pytest
from server import Server

SCRIPT = b"export const greeting = 'hello';\n" * 200
STYLE = b"body { background: url(logo.svg) }\n" * 50
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>\n'
PAGE = b"""<!doctype html><html lang="en"><title>Assets</title><link rel="stylesheet" href="{{site.css}}">
<script type="module" src="{{app.js}}"></script><img src="{{logo.svg}}" alt=""></html>
"""

# What was said of each answer, for the record at the end.
RECORD = {}


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    """The example over a folder of assets, some with coded variants, and its first item."""
    root = tmp_path_factory.mktemp("root")
    for name, content in [("app.js", SCRIPT), ("site.css", STYLE), ("logo.svg", LOGO), ("index.html", PAGE)]:
        (root / name).write_bytes(content)
    for variant, coded in [("app.js.gz", gzip.compress(SCRIPT)), ("app.js.br", brotli.compress(SCRIPT))]:
        (root / variant).write_bytes(coded)
    server = Server("conditional_cache", "--root", str(root))
    # The page names the assets by their hashed names.
    server.hashed = {
        name: re.search(rf"/assets/{stem}\.[0-9a-z]+\.{end}", server.request("GET", "/").text)[0]
        for name, stem, end in [("app.js", "app", "js"), ("site.css", "site", "css"), ("logo.svg", "logo", "svg")]
    }
    assert server.request("PUT", "/items/a", body="one").status == 201
    yield server
    server.stop()


@pytest.fixture
def judge():
    """Takes the notes of one answer; a bad one fails."""

    def judge(answer, notes):
        RECORD[answer] = notes
        bad = [note for level, *note in notes if level == "bad"]
        assert not bad, f"{answer}: {bad}"

    return judge


def pytest_terminal_summary(terminalreporter):
    for answer, notes in RECORD.items():
        counts = Counter(level for level, *_ in notes)
        warnings = sorted({note[-1] for note in notes if note[0] == "warning"})
        numbers = "  ".join(f"{level} {counts[level]:2}" for level in ["bad", "warning", "info", "good"])
        terminalreporter.write_line(f"{answer:75} {numbers}  {' '.join(warnings)}")

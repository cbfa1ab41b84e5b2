import gzip
import re

import brotli
import pytest
from judge import judge, pytest_terminal_summary  # noqa: F401
from server import Server

SCRIPT = b"export const greeting = 'hello';\n" * 200
STYLE = b"body { background: url(logo.svg) }\n" * 50
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>\n'
PAGE = b"""<!doctype html><html lang="en"><title>Assets</title><link rel="stylesheet" href="{{site.css}}">
<script type="module" src="{{app.js}}"></script><img src="{{logo.svg}}" alt=""></html>
"""


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

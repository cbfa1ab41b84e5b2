"""REDbot's own requests to every route that is read: content negotiation, both validators, ranges."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROUTES = [
    ("/", 200),
    ("/assets/app.js", 200),
    ("/assets/site.css", 200),
    ("hashed app.js", 200),
    ("hashed site.css", 200),
    ("hashed logo.svg", 200),
    ("/assets/none.js", 404),
    ("/assets/site.0123456789abcdef.css", 404),
    ("/items/a", 200),
    ("/items/none", 404),
    ("/events", 200),
    ("/big?bytes=0", 200),
    ("/big?bytes=1000", 200),
    ("/big?bytes=3000000", 200),
    ("/nowhere", 404),
]


@pytest.mark.parametrize("path,status", ROUTES)
def test_route(example, judge, path, status):
    if path.startswith("hashed "):
        path = example.hashed[path.removeprefix("hashed ")]
    command = [sys.executable, Path(__file__).parent / "droid.py", example.url + path]
    looked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert looked.returncode == 0, looked.stderr
    report = json.loads(looked.stdout)
    assert report["status"] == status
    assert {check for _, check, _ in report["notes"]} >= {"HttpResource", "ConnegCheck"}, "REDbot made too few requests"
    judge(f"redbot GET {path}", report["notes"])


def test_the_judge_can_say_no(judge):
    """An answer that is plainly wrong gets a bad note, or the suite could not fail."""
    from test_httplint import lint

    notes = lint("GET", "http://localhost/", {}, 200, [("Content-Length", "5"), ("Age", "x"), ("Content-Type", "text/html")], b"four")
    assert "bad" in {level for level, *_ in notes}
    with pytest.raises(AssertionError):
        judge("httplint of a wrong answer", notes)
    from judge import RECORD

    RECORD.pop("httplint of a wrong answer", None)

"""Starts a built example on a free port and speaks plain HTTP to it."""

import http.client
import json
import os
import re
import subprocess
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def challenge(self):
        return self.headers.get("www-authenticate", "none")


class Server:
    def __init__(self, example, *arguments):
        binary = TARGET / "debug" / "examples" / example
        assert binary.exists(), f"{binary} is not there: cargo build --features full --example {example}"
        # Appending, because its place in the file is shared with the server.
        self._log = tempfile.TemporaryFile(mode="a+")
        command = [binary, *arguments, "--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, text=True)
        late = threading.Timer(20, self._process.kill)
        late.start()
        for line in self._process.stdout:
            if found := re.search(r"http://[\w.:\[\]]+", line):
                self.url = found[0]
                break
        else:
            raise AssertionError(f"{example} printed no URL: {self.log()}")
        late.cancel()
        # Whatever else it prints goes nowhere, so that it never waits for a reader.
        threading.Thread(target=self._process.stdout.read, daemon=True).start()

    def log(self):
        self._log.seek(0)
        return self._log.read()

    def request(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        connection.request(method, path, body=body, headers=headers or {})
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def me(self, token):
        return self.request("GET", "/me", {"Authorization": b"Bearer " + (token if isinstance(token, bytes) else token.encode())})

    def stop(self):
        self._process.kill()
        self._process.wait()

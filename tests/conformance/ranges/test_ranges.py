"""Parts, as the software of others asks for them and reads them."""

import http.client
import random
import socket
import subprocess
import tempfile
import time
import unittest
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from urllib.parse import urlsplit

from server import Server

SIZE = 300_000
CONTENT = bytes(ord("a") + at % 26 for at in range(SIZE))
BIG = f"/big?bytes={SIZE}"

# A file server beside the example, and a cache before it that asks for everything in slices and puts them together again.
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; proxy_cache_path {folder}/cache keys_zone=slices:1m;
    server {{ listen 127.0.0.1:{files}; root {folder}/root; }}
    server {{
        listen 127.0.0.1:{slices};
        slice 16k; proxy_cache slices; proxy_cache_key $request_uri$slice_range; proxy_cache_valid 206 1h;
        proxy_ignore_headers Cache-Control; proxy_set_header Range $slice_range; proxy_http_version 1.1;
        location / {{ proxy_pass {origin}; }}
    }}
}}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Ranges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        # Its workers may run as somebody else.
        cls.folder.chmod(0o755)
        (cls.folder / "root").mkdir()
        (cls.folder / "root" / "content").write_bytes(CONTENT)
        cls.example = Server("conditional_cache")
        cls.addClassCleanup(cls.example.stop)
        files, slices = free_port(), free_port()
        settings = NGINX.format(folder=folder.name, files=files, slices=slices, origin=cls.example.url)
        (cls.folder / "nginx.conf").write_text(settings)
        nginx = subprocess.Popen(["nginx", "-c", cls.folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        cls.addClassCleanup(nginx.wait)
        cls.addClassCleanup(nginx.terminate)
        cls.files, cls.slices = f"http://127.0.0.1:{files}", f"http://127.0.0.1:{slices}"
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", slices)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("nginx does not listen")

    def get(self, url, path, **headers):
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        self.addCleanup(connection.close)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()

    def test_slices_make_the_whole_again(self):
        for _ in range(2):
            response, content = self.get(self.slices, BIG)
            self.assertEqual((response.status, content), (200, CONTENT))
        response, content = self.get(self.slices, BIG, Range="bytes=100000-200000")
        self.assertEqual((response.status, content), (206, CONTENT[100_000:200_001]))

    def test_downloads_are_resumed(self):
        half = self.folder / "half"
        for command in [["curl", "-s", "-C", "-", "-o", half], ["wget", "-q", "-c", "-O", half]]:
            half.write_bytes(CONTENT[: SIZE // 2])
            subprocess.run([*command, self.example.url + BIG], check=True, timeout=20)
            self.assertEqual(half.read_bytes(), CONTENT, command[0])

    def test_a_multipart_is_read_by_a_reader_of_mail(self):
        response, content = self.get(self.example.url, BIG, Range="bytes=0-9,1000-1999,-5")
        self.assertEqual((response.status, response.headers["content-range"]), (206, None))
        head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
        parts = list(BytesParser(policy=HTTP).parsebytes(head + content).iter_parts())
        for part, (first, last) in zip(parts, [(0, 9), (1000, 1999), (SIZE - 5, SIZE - 1)], strict=True):
            self.assertEqual(part["content-range"], f"bytes {first}-{last}/{SIZE}")
            self.assertEqual(part["content-type"], "application/octet-stream")
            self.assertEqual(part.get_payload(decode=True), CONTENT[first : last + 1])

    def test_one_range_is_answered_as_by_nginx(self):
        dice = random.Random(7233)
        ranges = ["0-", "-1", "0-0", f"{SIZE - 1}-", f"{SIZE}-", "-0", f"-{SIZE * 2}", f"0-{SIZE * 2}"]
        for _ in range(300):
            first = dice.randrange(SIZE * 5 // 4)
            ranges.append(dice.choice([f"{first}-", f"-{first}", f"{first}-{first + dice.randrange(SIZE)}"]))
        for value in ranges:
            ours, content = self.get(self.example.url, BIG, Range=f"bytes={value}")
            theirs, expected = self.get(self.files, "/content", Range=f"bytes={value}")
            told = [(answer.status, answer.headers["content-range"]) for answer in (ours, theirs)]
            self.assertEqual(told[0], told[1], value)
            if ours.status == 206:
                self.assertEqual(content, expected, value)

    def test_if_range_is_answered_as_by_nginx(self):
        for url, path in [(self.example.url, BIG), (self.files, "/content")]:
            tag = self.get(url, path)[0].headers["etag"]
            for condition, status in [(tag, 206), ('"another"', 200), (f"W/{tag}", 200), ("Sun, 06 Nov 1994 08:49:37 GMT", 200)]:
                answer, _ = self.get(url, path, Range="bytes=0-9", If_Range=condition)
                self.assertEqual(answer.status, status, (url, condition))


if __name__ == "__main__":
    unittest.main()

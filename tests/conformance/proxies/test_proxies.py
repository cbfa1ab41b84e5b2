"""One request to each broken upstream through each proxy: what its client sees of it, and how often the upstream is asked."""

import http.client
import json
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import proxies
from server import Server
from upstream import FAULTS, UNCOUNTED, Names, Upstream

METHODS = ["GET", "POST"]
# The gateway's retries are paid for by requests, a fifth of one by each: two retries, the most for one request.
WARM = 10
# No name server has to be asked for a name that is too long (RFC 1035 §2.3.4).
NOBODY = f"http://{'a' * 64}.invalid"


def ask(port, method):
    """The status, and what became of the content: `whole`, or `cut` before its end; or that there was no head, or none of HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, "/", body=b"x" if method == "POST" else None, headers={"Connection": "close"})
        response = connection.getresponse()
    except ConnectionError:
        return [None, "no head"]
    except http.client.HTTPException:
        return [None, "not HTTP"]
    try:
        response.read()
        return [response.status, "whole"]
    except (http.client.HTTPException, ConnectionError):
        return [response.status, "cut"]
    finally:
        connection.close()


def observe(port, upstream):
    if upstream.fault != "no such name":
        for _ in range(WARM):
            assert ask(port, "GET") == [200, "whole"], upstream.fault
    upstream.break_down()
    seen = {}
    for method in METHODS:
        before = upstream.asked
        answer = ask(port, method)
        asked = upstream.asked - before
        seen[method] = [*answer, None if upstream.fault in UNCOUNTED else asked]
    return seen


class Proxies(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        path = Path(folder.name)
        # Their workers may run as somebody else.
        path.chmod(0o755)
        names = Names()
        cls.addClassCleanup(names.stop)
        cls.seen = {}
        with ThreadPoolExecutor(3 * len(FAULTS)) as pool:
            running = {}
            for proxy, start in [("gateway", cls.gateways), ("nginx", proxies.nginx), ("haproxy", proxies.haproxy)]:
                upstreams = [Upstream(fault) for fault in FAULTS]
                for upstream in upstreams:
                    cls.addClassCleanup(upstream.stop)
                ports, process = start(path, upstreams, names)
                if process:
                    cls.addClassCleanup(process.wait)
                    cls.addClassCleanup(process.terminate)
                running[proxy] = [pool.submit(observe, *pair) for pair in zip(ports, upstreams, strict=True)]
            for proxy, observed in running.items():
                cls.seen[proxy] = dict(zip(FAULTS, (one.result() for one in observed), strict=True))

    @classmethod
    def gateways(cls, _folder, upstreams, _names):
        ports = []
        for upstream in upstreams:
            url = NOBODY if upstream.fault == "no such name" else f"http://127.0.0.1:{upstream.port}"
            gateway = Server("gateway", "--upstream", url, "--patience", "1", "--profile", "off")
            cls.addClassCleanup(gateway.stop)
            ports.append(urlsplit(gateway.url).port)
        return ports, None

    def test_every_difference_is_known_and_every_known_one_is_there(self):
        known = {}
        for entry in json.loads(Path("expected.json").read_text()):
            self.assertTrue(entry["see"].startswith("RFC "), entry)
            for fault in entry["faults"]:
                for method in entry["methods"]:
                    key = f"{fault}, {method}, {entry['oracle']}"
                    self.assertNotIn(key, known)
                    known[key] = {"ours": entry["ours"], "theirs": entry["theirs"]}
        found = {}
        for oracle in ["nginx", "haproxy"]:
            for fault in FAULTS:
                for method in METHODS:
                    ours, theirs = self.seen["gateway"][fault][method], self.seen[oracle][fault][method]
                    if ours != theirs:
                        found[f"{fault}, {method}, {oracle}"] = {"ours": ours, "theirs": theirs}
        self.assertEqual(found, known)

    def test_the_gateway_tells_a_failure_before_the_head_from_one_after_it(self):
        for fault, seen in self.seen["gateway"].items():
            late = fault in ["short body", "reset in the body", "bad chunk"]
            slow = fault in ["silent", "not reached"]
            expected = [200, "cut"] if late else [504 if slow else 502, "whole"]
            self.assertEqual([answer[:2] for answer in seen.values()], [expected, expected], fault)

    def test_nobody_asks_again_by_post_what_was_sent(self):
        for proxy, faults in self.seen.items():
            for fault, seen in faults.items():
                self.assertIn(seen["POST"][2], [None, 1], f"{proxy}: {fault}")

"""One request to each broken upstream through each proxy: what its client sees of it, and how often the upstream is asked."""

import http.client
import json
import re
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import proxies
from server import Server
from upstream import FAULTS, UNCOUNTED, Names, Upstream

METHODS = ["GET", "POST"]
HEADERS = {"Accept": "application/problem+json", "Connection": "close"}
SENT_AGAIN = "a request is sent again"
# The gateway's retries are paid for by requests, a fifth of one by each: two retries, the most there are, for each of two requests.
WARM = 20
# No name server has to be asked for a name that is too long (RFC 1035 §2.3.4).
NOBODY = f"http://{'a' * 64}.invalid"
# What the gateway tells its client: the status, the error type of RFC 9209, whether trying again is of use. Then how often it has asked, by GET
# and by POST. For a name that never worked no request has paid a retry.
TOLD = {
    "refused": (502, "connection_refused", "safe", 3, 3),
    "no such name": (502, "dns_error", "safe", 1, 1),
    "not reached": (504, "connection_timeout", "safe", 3, 3),
    "reset unread": (502, "connection_terminated", "idempotent-only", 3, 1),
    "reset after the request": (502, "connection_terminated", "idempotent-only", 3, 1),
    "silent": (504, "http_response_timeout", "idempotent-only", 3, 1),
    "closed before the head": (502, "http_response_incomplete", "idempotent-only", 3, 1),
    "garbage": (502, "http_protocol_error", "idempotent-only", 3, 1),
    "status 099": (502, "http_protocol_error", "idempotent-only", 3, 1),
    "two lengths": (502, "http_protocol_error", "idempotent-only", 3, 1),
    "preface of HTTP/2": (502, "http_protocol_error", "idempotent-only", 3, 1),
    "head of 600 kB": (502, "http_response_header_section_size", "idempotent-only", 3, 1),
    # The head has been sent by then, and says nothing of it.
    "short body": (200, None, None, 1, 1),
    "reset in the body": (200, None, None, 1, 1),
    "bad chunk": (200, None, None, 1, 1),
}


def ask(port, method):
    """The status, and what became of the content: `whole`, or `cut` before its end; or that there was no head, or none of HTTP. Then what
    `Proxy-Status` and the problem say."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, "/", body=b"x" if method == "POST" else None, headers=HEADERS)
        response = connection.getresponse()
    except ConnectionError:
        return [None, "no head"], None
    except http.client.HTTPException:
        return [None, "not HTTP"], None
    # A gateway draws its name when it starts.
    status, proxy_status = response.status, response.getheader("proxy-status")
    proxy_status = proxy_status and re.sub(r"\bdonjon-[0-9a-f]{8}\b", "NAME", proxy_status)
    try:
        content = response.read()
        problem = json.loads(content) if response.getheader("content-type") == "application/problem+json" else {}
        return [status, "whole"], (proxy_status, problem.get("retry"))
    except (http.client.HTTPException, ConnectionError):
        return [status, "cut"], (proxy_status, None)
    finally:
        connection.close()


def observe(port, upstream, log):
    if upstream.fault != "no such name":
        for _ in range(WARM):
            assert ask(port, "GET")[0] == [200, "whole"], upstream.fault
    upstream.break_down()
    seen, told = {}, {}
    for method in METHODS:
        before, retries = upstream.asked, log().count(SENT_AGAIN)
        answer, said = ask(port, method)
        asked = None if upstream.fault in UNCOUNTED else upstream.asked - before
        seen[method] = [*answer, asked]
        told[method] = (answer, said, asked, 1 + log().count(SENT_AGAIN) - retries)
    return seen, told


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
                ports, logs, process = start(path, upstreams, names)
                if process:
                    cls.addClassCleanup(process.wait)
                    cls.addClassCleanup(process.terminate)
                running[proxy] = [pool.submit(observe, *each) for each in zip(ports, upstreams, logs, strict=True)]
            for proxy, observed in running.items():
                cls.seen[proxy] = dict(zip(FAULTS, (one.result()[0] for one in observed), strict=True))
        cls.told = dict(zip(FAULTS, (one.result()[1] for one in running["gateway"]), strict=True))

    @classmethod
    def gateways(cls, _folder, upstreams, _names):
        ports, logs = [], []
        for upstream in upstreams:
            url = NOBODY if upstream.fault == "no such name" else f"http://127.0.0.1:{upstream.port}"
            gateway = Server("gateway", "--upstream", url, "--patience", "1", "--profile", "off", "--log", "debug")
            cls.addClassCleanup(gateway.stop)
            ports.append(urlsplit(gateway.url).port)
            logs.append(gateway.log)
        return ports, logs, None

    def test_every_difference_is_known_and_every_known_one_is_there(self):
        known, versions = {}, proxies.versions()
        print({proxy: ".".join(map(str, version)) for proxy, version in versions.items()})
        for entry in json.loads(Path("expected.json").read_text()):
            self.assertTrue(entry["see"].startswith("RFC "), entry)
            version = versions[entry["oracle"]]
            too_new = "before" in entry and version >= proxies.numbers(entry["before"])
            if too_new or "from" in entry and version < proxies.numbers(entry["from"]):
                print("of other versions:", entry)
                continue
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

    def test_the_gateway_tells_what_failed_and_how_often_it_asked(self):
        self.assertEqual(list(TOLD), FAULTS)
        for fault, (status, error, retry, *asked) in TOLD.items():
            proxy_status = error and f"NAME; error={error}"
            content = "whole" if error else "cut"
            for method, times in zip(METHODS, asked, strict=True):
                counted = None if fault in UNCOUNTED else times
                expected = ([status, content], (proxy_status, retry), counted, times)
                self.assertEqual(self.told[fault][method], expected, f"{fault}, {method}")

    def test_nobody_asks_again_by_post_what_was_sent(self):
        for proxy, faults in self.seen.items():
            for fault, seen in faults.items():
                self.assertIn(seen["POST"][2], [None, 1], f"{proxy}: {fault}")

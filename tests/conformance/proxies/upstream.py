"""Upstreams of bare sockets, each broken in one way once it is told to be."""

import socket
import struct
import threading
import time

HEAD = b"HTTP/1.1 200 OK\r\n"
WORKING = HEAD + b"Content-Length: 2\r\nConnection: close\r\n\r\nok"

# What is said once a request has come, before the connection is closed; in two parts, so that the first is handed on by then.
SAYS = {
    "closed before the head": [],
    "garbage": [b"220 mail.example ESMTP\r\n\r\n"],
    "status 099": [b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"],
    "two lengths": [HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    "preface of HTTP/2": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    "head of 600 kB": [HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(600)) + b"\r\n"],
    "short body": [HEAD + b"Content-Length: 10\r\n\r\nabc", b""],
    "reset in the body": [HEAD + b"Content-Length: 10\r\n\r\nabc", b""],
    "bad chunk": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"ZZ\r\n"],
}
FAULTS = ["refused", "no such name", "not reached", "reset unread", "reset after the request", "silent", *SAYS]
# How often these are asked, nobody but the asker knows: the gateway says so in its log.
UNCOUNTED = {"refused", "no such name", "not reached"}


class Upstream:
    """Works until it is broken; counts the connections that come after."""

    def __init__(self, fault):
        self.fault, self.broken, self.asked, self._stopped = fault, False, 0, False
        self._kept = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def break_down(self):
        self.broken = True
        if self.fault in UNCOUNTED:
            self._thread.join()
        if self.fault == "refused":
            self._listener.close()
        elif self.fault == "not reached":
            self._fill()

    def _fill(self):
        """With a full queue the kernel leaves whoever knocks without an answer."""
        for _ in range(8):
            waiting = socket.socket()
            waiting.settimeout(0.2)
            self._kept.append(waiting)
            try:
                waiting.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return
        raise AssertionError("the queue has no end")

    def _accept(self):
        while not (self._stopped or self.broken and self.fault in UNCOUNTED):
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._speak, args=(connection,), daemon=True).start()

    def _speak(self, connection):
        with connection:
            connection.settimeout(10)
            try:
                if self.broken:
                    self.asked += 1
                    self._misbehave(connection)
                elif read_head(connection):
                    connection.sendall(WORKING)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)
            except OSError:
                pass

    def _misbehave(self, connection):
        if self.fault == "reset unread":
            # At once it would be chance whether the reset or the request comes first, and what was not sent may be sent again.
            time.sleep(0.1)
            return reset_when_closed(connection)
        if not read_head(connection):
            return
        if self.fault == "silent":
            while connection.recv(4096):
                pass
        elif self.fault == "reset after the request":
            reset_when_closed(connection)
        else:
            for at, part in enumerate(SAYS[self.fault]):
                time.sleep(0.3 * at)
                connection.sendall(part)
            if self.fault == "reset in the body":
                return reset_when_closed(connection)
            # Closing with something unread would be a reset.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    def stop(self):
        self._stopped = True
        self._listener.close()
        for waiting in self._kept:
            waiting.close()


def read_head(connection):
    """The whole request: those that are sent here have at most one byte of content."""
    received = b""
    while b"\r\n\r\n" not in received or (b"POST " in received[:5] and not received.endswith(b"x")):
        received += (more := connection.recv(4096))
        if not more:
            return False
    return True


def reset_when_closed(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Names:
    """A name server that knows of nobody: every answer is NXDOMAIN."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self):
        while True:
            try:
                asked, peer = self._socket.recvfrom(512)
            except OSError:
                return
            # RFC 1035 §4.1.1: the question again, as a response with RCODE 3 and nothing in it.
            self._socket.sendto(asked[:2] + b"\x81\x83" + asked[4:6] + bytes(6) + asked[12:], peer)

    def stop(self):
        self._socket.close()

"""Python's websockets as the client, and peers that do not behave."""

import asyncio
import os
import pathlib
import re
import socket
import subprocess
import time
import zlib

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

EXAMPLES = pathlib.Path(__file__).parents[3] / "target/debug/examples"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PING = b"\x89\xfd" + bytes(4) + b"p" * 125


class Server:
    def __init__(self, deflate):
        command = [EXAMPLES / "ws_echo", "--listen", "127.0.0.1:0", "--deflate", deflate, "--max-message", "1000000"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()
        self.address = ("127.0.0.1", int(self.url.rsplit(":", 1)[1]))

    def resident(self):
        """In bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def open_raw(self, *lines):
        peer = socket.create_connection(self.address)
        peer.sendall(HANDSHAKE[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        return peer


def serve(request):
    server = Server(request.param)
    server.deflates = request.param != "off"
    yield server
    server.process.kill()
    server.process.wait()


server = pytest.fixture(serve, params=["off", "on", "lean"])
deflating = pytest.fixture(serve, params=["on", "lean"])
plain = pytest.fixture(serve, params=["off"])


@pytest.mark.asyncio
async def test_messages_come_back(server):
    async with connect(server.url) as client:
        assert bool(client.protocol.extensions) == server.deflates
        for message in ["", "grüße", b"\x00\xff", "x" * 70_000, os.urandom(900_000)]:
            await client.send(message)
            assert await client.recv() == message
        await client.send(["frag", "men", "ts"])
        assert await client.recv() == "fragments"
        await asyncio.wait_for(await client.ping(), 5)


@pytest.mark.asyncio
async def test_the_close_is_answered(server):
    client = await connect(server.url)
    await client.close(4321, "done")
    assert (client.close_code, client.close_reason) == (4321, "done")


@pytest.mark.asyncio
async def test_too_much_is_1009(server):
    async with connect(server.url, max_size=None) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.send(os.urandom(1_000_001))
            await client.recv()
        assert closed.value.rcvd.code == 1009


@pytest.mark.asyncio
async def test_many_at_once(server):
    async def talk(number):
        async with connect(server.url) as client:
            for round in range(20):
                await client.send(f"{number} {round}")
                assert await client.recv() == f"{number} {round}"

    await asyncio.gather(*(talk(number) for number in range(100)))


def test_a_flood_of_pings_is_1008_within_a_second(plain):
    peer = plain.open_raw()
    start = time.monotonic()
    peer.settimeout(5)
    try:
        while time.monotonic() - start < 0.5:
            peer.sendall(PING)
    except OSError:
        pass  # It is already cut off.
    received = b""
    try:
        while not received.endswith(b"\x88\x02\x03\xf0") and (chunk := peer.recv(65536)):
            received += chunk
    except OSError:
        pass
    assert received.endswith(b"\x88\x02\x03\xf0"), received[-20:]
    assert time.monotonic() - start < 1


def test_ten_seconds_of_flood_by_one_who_never_reads_cost_less_than_a_mebibyte(plain):
    plain.open_raw().close()  # What the server needs for any connection is there.
    before = plain.resident()
    peer = plain.open_raw()
    peer.settimeout(1)
    most, sent, start = before, 0, time.monotonic()
    while time.monotonic() - start < 10:
        try:
            peer.sendall(PING)
            sent += 1
        except TimeoutError:
            pass
        except OSError:
            break
        if sent % 1000 == 0:
            most = max(most, plain.resident())
    most = max(most, plain.resident())
    print(f"{sent} pings in {time.monotonic() - start:.1f} s, {most - before} bytes more")
    assert most - before < 1024 * 1024
    asyncio.run(still_answers(plain))


def test_a_gibibyte_in_a_mebibyte_is_1009_at_the_limit(deflating):
    offer = b"Sec-WebSocket-Extensions: permessage-deflate"
    deflating.open_raw(offer).close()
    compress = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(1 << 20)
    bomb = b"".join(compress.compress(zeros) for _ in range(1024)) + compress.flush(zlib.Z_SYNC_FLUSH)
    bomb = bomb.removesuffix(b"\0\0\xff\xff")
    assert 1_000_000 < len(bomb) < 1_100_000
    before = deflating.resident()
    peer = deflating.open_raw(offer)
    peer.settimeout(5)
    peer.sendall(b"\xc2\xff" + len(bomb).to_bytes(8, "big") + bytes(4) + bomb)
    most = deflating.resident() - before
    assert peer.recv(100) == b"\x88\x02\x03\xf1"
    most = max(most, deflating.resident() - before)
    print(f"{most} bytes more")
    assert most < 2 * 1_000_000


def test_one_who_never_reads_its_echoes_costs_its_limit(plain):
    plain.open_raw().close()
    before = plain.resident()
    peer = plain.open_raw()
    peer.settimeout(1)
    message = b"\x82\xff" + (65536).to_bytes(8, "big") + bytes(4) + bytes(65536)
    with pytest.raises(OSError):
        for _ in range(1000):
            peer.sendall(message)
    assert plain.resident() - before < 4 * 1024 * 1024
    asyncio.run(still_answers(plain))


async def still_answers(server):
    async with connect(server.url) as client:
        await client.send("others are undisturbed")
        assert await client.recv() == "others are undisturbed"

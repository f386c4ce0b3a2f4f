#!/usr/bin/env python3
"""Clients of the daemon's HTTP and Unix sockets that mean no good, while it forwards."""

import contextlib
import os
import re
import resource
import socket
import time

from netlab import World, expect, run, scenario, until
from traffic import Count

PORT = 8747
GET = "GET /api/v1/status HTTP/1.1\r\n"
HOST = "Host: 127.0.0.1:%d\r\n" % PORT
END = "Connection: close\r\n\r\n"

# What a web page can make a browser say, by a name of the attacker's or with our own Host.
NAMES = ["evil.example", "evil.example:8747", "127.0.0.1", "localhost", "[::1]", "127.0.0.1:80",
    "127.0.0.1:08747", "127.0.0.1:87470", "127.0.0.1.:8747", "localhost.:8747", "127.0.0.2:8747",
    "127.1:8747", "0.0.0.0:8747", "0x7f000001:8747", "2130706433:8747", "0177.0.0.1:8747", "::1:8747",
    "[::ffff:127.0.0.1]:8747", "[0:0:0:0:0:0:0:1]:8747", "user@127.0.0.1:8747",
    "127.0.0.1:8747@evil.example", "127.0.0.1:8747.evil.example", "localhost.evil.example:8747",
    "127.0.0.1.evil.example:8747", "evil.example, 127.0.0.1:8747", "http://127.0.0.1:8747", "", "-"]
PAGES = ["Origin: http://evil.example", "Origin: null", "Origin:", "Origin: https://127.0.0.1:8747",
    "Origin: http://localhost:8747", "Origin: http://127.0.0.1:1", "Origin: file://",
    "Origin: http://127.0.0.1:8747.evil.example", "Origin: http://127.0.0.1:8747@evil.example",
    "Referer: http://evil.example/", "Referer: about:blank", "Referer: http://127.0.0.1:8747.evil.example/",
    "Origin: http://127.0.0.1:8747\r\nReferer: http://evil.example/", "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Site: same-site", "Host: evil.example", "Content-Length: 5", "Transfer-Encoding: chunked",
    "Content-Length: 0\r\nContent-Length: 5", "Transfer-Encoding : chunked"]
METHODS = ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get"]
REFUSED = [GET + "Host: %s\r\n" % name + END for name in NAMES] + \
    [GET + HOST + page + "\r\n" + END for page in PAGES] + \
    [m + " /api/v1/status HTTP/1.1\r\n" + HOST + END for m in METHODS] + \
    [GET + END, GET + "Host: evil.example\r\n" + HOST + END, GET + HOST + HOST + END,
        "GET /api/v1/status HTTP/1.0\r\n\r\n", "GET /api/v1/status\r\n\r\n",
        "GET http://evil.example/api/v1/status HTTP/1.1\r\n" + HOST + END,
        "POST /api/v1/reload HTTP/1.1\r\n" + HOST + END,
        "POST /api/v1/ping?who=hub HTTP/1.1\r\n" + HOST + END]


class Client:
    """Connections to a node's two sockets."""

    def __init__(self, node):
        self.node = node

    def dial(self, local, timeout=5):
        with self.node.ns.entered():
            s = socket.socket(socket.AF_UNIX if local else socket.AF_INET)
        s.settimeout(timeout)
        s.connect(self.node.socket if local else ("127.0.0.1", PORT))
        return s

    def say(self, local, text, timeout=5):
        with contextlib.closing(self.dial(local, timeout)) as s:
            s.sendall(text.encode())
            s.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(OSError):
                while len(answer) < 1 << 20:
                    piece = s.recv(65536)
                    if not piece:
                        break
                    answer += piece
            return answer.decode(errors="replace")

    def served(self, local):
        try:
            return self.say(local, GET + HOST + END, 2).startswith("HTTP/1.1 200 ")
        except OSError:
            return False

    def open(self, local, count, first=b""):
        """Many connections, as far as they come in."""
        found = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                s = self.dial(local, 0.2)
                s.setblocking(False)
                found.append(s)
                s.send(first)
        return found

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.node.process.pid))


@scenario
def web_pages(lab):
    """DNS rebinding, CSRF and smuggling: nothing that a page can make a browser send is served."""
    world = World(lab, sites=())
    world.hub.start()
    client = Client(world.hub)
    expect(client.served(False), "the honest one is not served")
    expect(len(REFUSED) >= 60, "only %d requests" % len(REFUSED))
    for text in REFUSED:
        answer = client.say(False, text)
        expect(not re.search(r"^HTTP/\S+ 2", answer, re.M) and "static_key" not in answer,
            "served: %r -> %r" % (text, answer[:300]))
    expect(client.served(False), "the honest one is not served any more")
    return "%d requests refused" % len(REFUSED)


@scenario
def hostile_clients(lab):
    """Slow, idle, huge, endless, deaf and hasty ones: traffic goes on, others are served within 2 s."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    world = World(lab, sites=("a",)).start()
    hub, a = world.hub, world.spokes["a"]
    client = Client(hub)
    base, most, slowest = client.descriptors(), 0, 0.0
    count = Count(world.sites["a"].host, hub.ns, world.overlay_of("hub"), 500)

    def others_are_served(local):
        nonlocal most, slowest
        began = time.monotonic()
        until("an honest client is served", lambda: client.served(local), 2)
        slowest = max(slowest, time.monotonic() - began)
        most = max(most, client.descriptors() - base)

    peers = ("GET /api/v1/peers HTTP/1.1\r\n" + HOST + "\r\n").encode()
    body = ("POST /api/v1/reload HTTP/1.1\r\n" + HOST + "Content-Length: 999999999\r\n\r\n").encode()
    huge = (GET + HOST + "X-Big: " + "a" * 60000).encode()
    for local in (False, True):
        for number, first, more in ((64, b"GET / HTTP/1.1\r\nX-Slow: ", b"a"), (1000, b"", b""),
                (32, huge, b"a" * 1000), (32, body, b"a" * 4096), (64, peers, b"")):
            sockets = client.open(local, number, first)
            for _ in range(4):
                for s in sockets:
                    with contextlib.suppress(OSError):
                        s.send(more)
                others_are_served(local)
                time.sleep(0.2)
            for s in sockets:
                s.close()
        for i in range(1000): # come and go, some in the middle of a word
            with contextlib.suppress(OSError), contextlib.closing(client.dial(local, 0.2)) as s:
                s.send((b"", b"GET /api", peers)[i % 3])
                if i % 2:
                    s.shutdown(socket.SHUT_WR)
            if i % 250 == 0:
                others_are_served(local)
    result = count.stop()
    expect(result["sent"] > 1000, "no traffic: %s" % result)
    expect(result["lost"] * 200 <= result["sent"], "traffic was disturbed: %s" % result)
    expect(a.ready() and (hub.peer("a") or {}).get("up"), "the session is gone")
    expect(most <= 2 * 16 + 8, "%d descriptors more than before" % most)
    until("the descriptors are back", lambda: client.descriptors() <= base + 1, 10)
    return "others waited %.2f s at most; %d of %d packets lost; %d descriptors more at most" % (slowest,
        result["lost"], result["sent"], most)


if __name__ == "__main__":
    run()

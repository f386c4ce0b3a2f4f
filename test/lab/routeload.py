"""
Kernel routes by the thousand, written by rtnetlink: a route a message, hundreds of messages a system call.
"""

import os
import socket
import struct

RTM_NEWROUTE, RTM_DELROUTE, NLMSG_ERROR = 24, 25, 2
REQUEST, ACK, REPLACE, CREATE = 1, 4, 0x100, 0x400
TABLE_MAIN, PROTO_STATIC, UNIVERSE, NOWHERE, UNICAST = 254, 4, 0, 255, 1
RTA_DST, RTA_OIF, RTA_GATEWAY = 1, 4, 5
BATCH = 400


class RouteWriter:
    """
    Writes IPv4 routes out of one device of a namespace. write() takes [(prefix, gateway)], gateway None
    to delete it; it returns when the kernel has done all of it.
    """

    def __init__(self, ns, device):
        self.socket = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.bind((0, 0))
        self.oif = ns.ip_json("link", "show", "dev", device)[0]["ifindex"]
        self.sequence = 0

    def _message(self, prefix, gateway, last):
        address, length = prefix.split("/")
        new = gateway is not None
        self.sequence += 1
        attributes = struct.pack("=HH4sHHI", 8, RTA_DST, socket.inet_aton(address), 8, RTA_OIF, self.oif)
        if new:
            attributes += struct.pack("=HH4s", 8, RTA_GATEWAY, socket.inet_aton(gateway))
        header = struct.pack("=BBBBBBBBI", socket.AF_INET, int(length), 0, 0, TABLE_MAIN, PROTO_STATIC,
            UNIVERSE if new else NOWHERE, UNICAST, 0)
        flags = REQUEST | (ACK if last else 0) | (REPLACE | CREATE if new else 0)
        return struct.pack("=IHHII", 16 + len(header) + len(attributes),
            RTM_NEWROUTE if new else RTM_DELROUTE, flags, self.sequence, 0) + header + attributes

    def write(self, changes):
        for at in range(0, len(changes), BATCH):
            part = changes[at:at + BATCH]
            self.socket.send(b"".join(self._message(prefix, gateway, i == len(part) - 1)
                for i, (prefix, gateway) in enumerate(part)))
            self._wait()

    def _wait(self):
        while True:
            answer = self.socket.recv(1 << 16)
            length, kind, _, sequence, _, error = struct.unpack_from("=IHHIIi", answer)
            if kind == NLMSG_ERROR and error:
                raise OSError(-error, os.strerror(-error))
            if kind == NLMSG_ERROR and sequence == self.sequence:
                return


def prefixes(n):
    """n prefixes of 10.128.0.0/9, /24 to /32."""
    return ["%s/%d" % (socket.inet_ntoa(struct.pack("!I", 0x0A800000 + i * 64)), 26 + i % 7)
        for i in range(n)]


def mirrored(node, wanted):
    """What of these prefixes the daemon has otherwise than they are ({prefix: gateway}), or not, or too much."""
    have = {r["prefix"]: r["gateway"] for r in node.routes() if r["source"] == "kernel" and
        r["prefix"].startswith("10.") and r["active"] and not r["prefix"].startswith("10.77.")}
    return [(p, wanted.get(p), have.get(p)) for p in set(wanted) | set(have)
        if p in wanted and wanted[p] != have.get(p) or p not in wanted and in_range(p)]


def in_range(prefix):
    octets = prefix.split(".")
    return octets[0] == "10" and int(octets[1]) >= 128

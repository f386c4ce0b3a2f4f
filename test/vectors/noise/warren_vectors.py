#!/usr/bin/env python3
"""Writes warren-v1.json: the protocol's own messages, made by a second implementation.

Everything comes from docs/protocol.md sections 1 and 2, hashlib and the `cryptography` package, and
AEGIS-256, which that has not, from its draft; nothing from the C code. All inputs are fixed, so a
change of the output is a change of the wire.
"""
import hashlib
import hmac
import json
import struct
from functools import reduce

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305


def blake(data, n=32, key=b""):
    return hashlib.blake2b(data, digest_size=n, key=key).digest()


def pattern(start, n):
    return bytes((start + i) & 0xFF for i in range(n))


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def dh(secret, pub):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(pub))


def hkdf(ck, ikm, n):
    temp = hmac.new(ck, ikm, hashlib.blake2b).digest()
    out, last = [], b""
    for i in range(n):
        last = hmac.new(temp, last + bytes([i + 1]), hashlib.blake2b).digest()
        out.append(last)
    return out


def multiplied(a, b):
    """In AES's field (FIPS 197 s.4)."""
    out = 0
    for i in range(8):
        out ^= a if b >> i & 1 else 0
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
    return out


def s_box(x):
    """FIPS 197 s.5.1.1: the inverse, 0 for 0, then the affine map."""
    y = next((y for y in range(256) if multiplied(x, y) == 1), 0)
    return reduce(lambda out, n: out ^ (y << n | y >> 8 - n) & 0xFF, range(1, 5), y ^ 0x63)


S_BOX = [s_box(x) for x in range(256)]


def xor(*blocks):
    return bytes(reduce(lambda a, b: a ^ b, column) for column in zip(*blocks))


def aes_round(block, key):
    rows = [S_BOX[block[(i + 4 * (i % 4)) % 16]] for i in range(16)]  # SubBytes, ShiftRows
    mixed = [multiplied(rows[c + r], 2) ^ multiplied(rows[c + (r + 1) % 4], 3)
        ^ rows[c + (r + 2) % 4] ^ rows[c + (r + 3) % 4] for c in (0, 4, 8, 12) for r in range(4)]
    return xor(mixed, key)


class Aegis256:
    """With a tag of 256 bits: draft-irtf-cfrg-aegis-aead, section "The AEGIS-256 Algorithm"."""

    def __init__(self, key):
        self.key = key

    def update(self, block):
        s = self.s
        self.s = [aes_round(s[i - 1], xor(s[i], block) if i == 0 else s[i]) for i in range(6)]

    def start(self, nonce):
        c0 = bytes.fromhex("000101020305080d1522375990e97962")
        c1 = bytes.fromhex("db3d18556dc22ff12011314273b528dd")
        k, n = (self.key[:16], self.key[16:]), (nonce[:16], nonce[16:])
        self.s = [xor(k[0], n[0]), xor(k[1], n[1]), c1, c0, xor(k[0], c0), xor(k[1], c1)]
        for _ in range(4):
            for block in (k[0], k[1], xor(k[0], n[0]), xor(k[1], n[1])):
                self.update(block)

    def encrypt(self, nonce, plain, aad):
        def blocks(data):
            return [data[i:i + 16].ljust(16, b"\0") for i in range(0, len(data), 16)]
        self.start(nonce)
        out = b""
        for block in blocks(aad):
            self.update(block)
        for block in blocks(plain):
            s = self.s
            both = bytes(a & b for a, b in zip(s[2], s[3]))
            out += xor(block, s[1], s[4], s[5], both)
            self.update(block)
        lengths = struct.pack("<QQ", 8 * len(aad), 8 * len(plain))
        t = xor(self.s[3], lengths)
        for _ in range(7):
            self.update(t)
        return out[:len(plain)] + xor(*self.s[:3]) + xor(*self.s[3:])


class Symmetric:
    def __init__(self, name, prologue):
        self.h = self.ck = name.ljust(64, b"\0")
        self.mix_hash(prologue)

    def mix_hash(self, data):
        self.h = blake(self.h + data, 64)

    def mix_key(self, ikm):
        self.ck, k = hkdf(self.ck, ikm, 2)
        self.k, self.n = k[:32], 0

    def mix_key_and_hash(self, ikm):
        self.ck, temp, k = hkdf(self.ck, ikm, 3)
        self.mix_hash(temp)
        self.k, self.n = k[:32], 0

    def seal(self, plain):
        nonce = bytes(4) + struct.pack("<Q", self.n)
        self.n += 1
        out = ChaCha20Poly1305(self.k).encrypt(nonce, plain, self.h)
        self.mix_hash(out)
        return out


def macs(message, receiver, cookie=None):
    message += blake(message, 16, blake(b"mac1----" + receiver))
    return message + (blake(message, 16, cookie) if cookie else bytes(16))


def token(secret, index):
    return blake(struct.pack(">I", index), 16, blake(b"warren reset v1", 32, secret))


def tlv(kind, value):
    return struct.pack(">BBH", kind, 0, len(value)) + value


def make(psk, certificate_len, endpoint, enrol):
    i_secret, r_secret = pattern(0x01, 32), pattern(0x41, 32)
    i_e, r_e = pattern(0x81, 32), pattern(0xC1, 32)
    network_id = pattern(0x11, 32)
    i_index, r_index = 0x0123456, 0xFEDCBA9
    psk_id = 0 if psk == bytes(32) else struct.unpack(">I", blake(psk)[:4])[0]
    i_cert, r_cert = pattern(7, certificate_len), pattern(9, certificate_len)
    i_pub, r_pub = public(i_secret), public(r_secret)

    header = struct.pack(">BBHI", 1, 1, 0, i_index)
    s = Symmetric(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b", b"warren v1\0" + network_id + header)
    s.mix_hash(r_pub)
    # -> e, es, s, ss
    e = public(i_e)
    s.mix_hash(e)
    s.mix_key(e)
    s.mix_key(dh(i_e, r_pub))
    sealed_s = s.seal(i_pub)
    s.mix_key(dh(i_secret, r_pub))
    payload1 = struct.pack(">QI", 2**62 + 10 + 1_700_000_000, 0x05000000)
    payload1 += struct.pack(">BBHIIHBB", 7, 1, 1, psk_id, 0x01020304, 1400, 3, 0)
    payload1 += token(i_secret, i_index) + struct.pack(">H", len(i_cert)) + i_cert
    if enrol:
        payload1 += tlv(1, pattern(0x33, 16))
    payload1 += tlv(2, b"warren 0.1")
    if len(payload1) < 504:
        payload1 += tlv(0, bytes(max(0, 504 - len(payload1) - 4)))
    initiation = macs(header + e + sealed_s + s.seal(payload1), r_pub)

    # <- e, ee, se, psk
    header = struct.pack(">BBHII", 2, 1, 0, r_index, i_index)
    e = public(r_e)
    s.mix_hash(e)
    s.mix_key(e)
    s.mix_key(dh(r_e, public(i_e)))
    s.mix_key(dh(r_e, i_pub))
    s.mix_key_and_hash(psk)
    family, port, address = endpoint
    payload2 = struct.pack(">II", r_index, i_index)
    payload2 += struct.pack(">BBHIIHBB", 1, 3, 0, psk_id, 0, 1452, 16, 0)
    payload2 += struct.pack(">Q", 1_700_000_001) + token(r_secret, r_index)
    payload2 += struct.pack(">BBH", family, 0, port) + address.ljust(16, b"\0")
    payload2 += struct.pack(">H", len(r_cert)) + r_cert + tlv(2, b"warren 0.1")
    cookie = pattern(0x77, 16)
    response = macs(header + e + s.seal(payload2), i_pub, cookie)

    i2r, r2i = (k[:32] for k in hkdf(s.ck, b"", 2))
    aad = struct.pack(">III", 0x300088B5, r_index << 4 | 2, 0x80000001)
    counter = 2 << 56 | 0x80000001
    plain = bytes(2) + struct.pack(">H", 0) + bytes(8)
    traffic, sealed = [], []
    for cipher in (0, 1, 2):
        keys = [blake(b"warren traffic v1" + bytes([cipher]) + s.h, 32, k) for k in (i2r, r2i)]
        traffic.append([k.hex() for k in keys])
        if cipher == 0:
            aead, nonce = ChaCha20Poly1305(keys[0]), bytes(4) + struct.pack("<Q", counter)
        elif cipher == 1:
            aead, nonce = AESGCM(keys[0]), bytes(4) + struct.pack(">Q", counter)
        else:
            aead, nonce = Aegis256(keys[0]), bytes(24) + struct.pack(">Q", counter)
        sealed.append((aad + aead.encrypt(nonce, plain, aad)).hex())
    return {
        "initiator_static": i_secret.hex(), "responder_static": r_secret.hex(),
        "initiator_ephemeral": i_e.hex(), "responder_ephemeral": r_e.hex(),
        "network_id": network_id.hex(), "psk": psk.hex(), "psk_id": psk_id,
        "initiator_index": i_index, "responder_index": r_index,
        "initiator_certificate": i_cert.hex(), "responder_certificate": r_cert.hex(),
        "enrol": enrol, "seen_family": family, "seen_port": port, "seen_address": address.hex(),
        "cookie_for_response": cookie.hex(),
        "initiation": initiation.hex(), "response": response.hex(),
        "handshake_hash": s.h.hex(),
        "traffic_keys": traffic,
        "plaintext": plain.hex(), "lane": 2, "sequence": 0x80000001, "sealed": sealed,
    }


def main():
    v4 = (4, 4754, bytes([192, 0, 2, 7]))
    v6 = (6, 65535, bytes.fromhex("20010db8000000000000000000000001"))
    vectors = [
        make(bytes(32), 180, v4, False),
        make(pattern(0xA0, 32), 448, v6, False),
        make(pattern(0xB0, 32), 0, v4, True),
    ]
    print(json.dumps({"vectors": vectors}, indent=1))


if __name__ == "__main__":
    main()
